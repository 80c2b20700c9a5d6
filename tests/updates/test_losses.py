"""losses: by hand, and where their gradients go."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from regnas_core.errors import RegnasError
from regnas_core.updates import logit_difference_inhibition as inhibit


def test_by_hand():
    logits, told = torch.tensor([[1.0, 2.0, 0.0]]), torch.tensor([[0.0, 1.0, 2.0]])
    labels = torch.tensor([1])
    plain = F.cross_entropy(logits, labels)
    # the true class 1 is left out: differences of 1 and 2
    assert inhibit(logits, told, labels).item() == pytest.approx(0.2 * plain.item() + 0.8 * (1 + 4) / 2)
    margin = inhibit(logits, told, labels, weight=0.5, margin=0.5).item()
    assert margin == pytest.approx(0.5 * plain.item() + 0.5 * (0.25 + 2.25) / 2)
    assert inhibit(logits, told, labels, weight=0.0).item() == pytest.approx(plain.item())


def test_gradients_flow_into_the_network_alone_and_not_by_its_true_class():
    logits, told = (torch.randn(6, 4, requires_grad=True) for _ in range(2))
    labels = torch.arange(6) % 4
    inhibit(logits, told, labels, weight=1.0).backward()
    true = torch.zeros(6, 4, dtype=torch.bool).scatter_(1, labels[:, None], True)
    assert told.grad is None and (logits.grad[true] == 0).all() and (logits.grad[~true] != 0).all()


def test_what_is_refused():
    logits, labels = torch.zeros(2, 3), torch.tensor([0, 1])
    for told in (None, torch.zeros(2, 4)):
        with pytest.raises(RegnasError, match="ensemble's logits have shape"):
            inhibit(logits, told, labels)
    with pytest.raises(RegnasError, match="weight=2: expected a share"):
        inhibit(logits, logits, labels, weight=2)
