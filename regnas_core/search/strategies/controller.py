"""A recurrent controller: it chooses the genes of an architecture one after the other."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ...spaces.arch import Arch, Value
from ...spaces.space import Space
from ...spaces.variation import Values


class Controller(nn.Module):
    """An LSTM with one softmax a gene; its input is what it chose for the gene before.

    Args:
        domains: the allowed values of every gene; those with a single one are not asked for.
        hidden: units of the LSTM.
        seed: of its weights and of its choices.
    """

    def __init__(self, domains: Sequence[tuple[Value, ...]], hidden: int, seed: int) -> None:
        super().__init__()
        self.domains = domains
        self.slots = [slot for slot, domain in enumerate(domains) if len(domain) > 1]
        sizes = [len(domains[slot]) for slot in self.slots]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.start = nn.Linear(1, hidden)
            self.cell = nn.LSTMCell(hidden, hidden)
            self.heads = nn.ModuleList(nn.Linear(hidden, size) for size in sizes)
            self.embeddings = nn.ModuleList(nn.Embedding(size, hidden) for size in sizes)
        self.chance = torch.Generator().manual_seed(seed)

    def forward(self, context: Tensor, given: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Choices (B, slots), their log-probability (B,), and the entropy of all softmaxes (B,).

        Args:
            context: a number for each architecture, such as its budget (B, 1).
            given: choices to follow; drawn by default.
        """
        x, state = torch.tanh(self.start(context)), None
        chosen, logs, entropies = [], [], []
        for i, (head, embedding) in enumerate(zip(self.heads, self.embeddings, strict=True)):
            state = self.cell(x, state)
            log = torch.log_softmax(head(state[0]), 1)  # (B, choices)
            if given is None:
                choice = torch.multinomial(log.detach().exp(), 1, generator=self.chance)[:, 0]
            else:
                choice = given[:, i]
            chosen.append(choice)
            logs.append(log.gather(1, choice[:, None])[:, 0])
            entropies.append(-(log.exp() * log).sum(1))
            x = embedding(choice)
        return torch.stack(chosen, 1), torch.stack(logs, 1).sum(1), torch.stack(entropies, 1).sum(1)

    @torch.no_grad()
    def draw(self, context: Tensor) -> tuple[Tensor, list[Values]]:
        """Choices (B, slots), and what they are of each architecture, a value a gene."""
        choices = self(context)[0]
        return choices, self.values(choices)

    def values(self, choices: Tensor) -> list[Values]:
        """What choices (B, slots) are of each architecture, a value a gene."""
        found: list[Values] = []
        for row in choices.tolist():
            found.append([domain[0] for domain in self.domains])
            for slot, place in zip(self.slots, row, strict=True):
                found[-1][slot] = self.domains[slot][place]
        return found

    def as_built(self, space: Space, choices: Tensor, archs: Sequence[Arch]) -> Tensor:
        """The choices that make ``archs``, where limits changed what was chosen."""
        built = choices.clone()
        for row, arch in enumerate(archs):
            values = space.values(arch)
            for i, slot in enumerate(self.slots):
                if values[slot] in self.domains[slot]:
                    built[row, i] = self.domains[slot].index(values[slot])
        return built
