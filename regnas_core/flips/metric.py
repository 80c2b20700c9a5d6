"""Negative flip rate as a torchmetrics metric, for training and evaluation loops."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from .classes import predicted_classes
from .counts import FlipCounts, flip_counts


class NegativeFlipRate(Metric):
    """NFR (Eq. 1) of a target against a reference, accumulated over batches and summed over processes.

    The reference plays phi_1 as given. Counting is left to :func:`regnas_core.flips.counts.flip_counts`, so
    that batches and the pure function on all predictions agree exactly.

    >>> metric = NegativeFlipRate()
    >>> metric.update(torch.tensor([0, 1, 2, 0]), torch.tensor([0, 2, 2, 0]), torch.tensor([0, 1, 1, 1]))
    >>> metric.compute()
    tensor(0.2500)
    >>> metric.compute_counts()
    FlipCounts(both_correct=1, negative=1, positive=0, both_wrong=2)

    In a validation loop the answers of the model in use, kept from its last run, go along with the images:

    >>> from torch.utils.data import DataLoader, TensorDataset
    >>> images, labels, kept = torch.eye(4), torch.tensor([0, 1, 2, 3]), torch.tensor([0, 1, 1, 3])
    >>> network = torch.nn.Linear(4, 4, bias=False)  # stands for the one in training
    >>> _ = network.weight.data.copy_(torch.eye(4)[[1, 0, 2, 3]])  # which mistakes 0 for 1 and 1 for 0
    >>> metric.reset()
    >>> for batch, old, truth in DataLoader(TensorDataset(images, kept, labels), batch_size=3):
    ...     metric.update(old, network(batch), truth)
    >>> metric.compute()
    tensor(0.5000)
    """

    is_differentiable = False
    higher_is_better = False
    full_state_update = False
    plot_lower_bound = 0.0
    plot_upper_bound = 1.0

    outcomes: Tensor  # (4,) images: both correct, negative flips, positive flips, both wrong

    def __init__(self, **kwargs: Any) -> None:
        """Takes the keyword arguments of :class:`torchmetrics.Metric`."""
        super().__init__(**kwargs)
        self.add_state("outcomes", default=torch.zeros(4, dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, reference_preds: Tensor, target_preds: Tensor, labels: Tensor) -> None:
        """Adds a batch.

        Args:
            reference_preds: (N,) class indices, or floating-point (N, C) logits.
            target_preds: the same for the target; the two may differ in form.
            labels: (N,) class indices.

        Raises:
            PredictionError: as :func:`regnas_core.flips.counts.flip_counts`, or NaN logits.
        """
        batch = flip_counts(_classes(reference_preds, "reference"), _classes(target_preds, "target"), labels)
        counted = [batch.both_correct, batch.negative, batch.positive, batch.both_wrong]
        self.outcomes = self.outcomes + torch.tensor(counted, device=self.outcomes.device)

    def compute(self) -> Tensor:
        """NFR as a scalar tensor in [0, 1]; nan before the first batch."""
        return self.outcomes[1] / self.outcomes.sum()

    def compute_counts(self) -> FlipCounts:
        """The four outcome counts of all batches, over all processes when distributed."""
        with self.sync_context(
            dist_sync_fn=self.dist_sync_fn, should_sync=self._to_sync, should_unsync=self._should_unsync
        ):
            return FlipCounts(*self.outcomes.tolist())


def _classes(predictions: Tensor, name: str) -> Any:
    """Class indices of logits; anything else goes on to the validation of the counting."""
    return predicted_classes(predictions, name) if predictions.ndim == 2 else predictions
