"""flip_metric: batches, logits, resets and processes against the pure function."""

from __future__ import annotations

import math

import pytest
import torch

from regnas_core.errors import PredictionError
from regnas_core.flips.counts import flip_counts
from regnas_core.flips.metric import NegativeFlipRate


@pytest.fixture
def batches() -> list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """Three batches of unequal size: reference, target, labels."""
    generator = torch.Generator().manual_seed(0)
    return [tuple(torch.randint(0, 3, (3, n), generator=generator)) for n in (7, 1, 12)]


def test_batches_agree_with_the_pure_function(batches: list) -> None:
    metric = NegativeFlipRate()
    for batch in batches:
        metric.update(*batch)
    expected = flip_counts(*(torch.cat(parts) for parts in zip(*batches, strict=True)))
    assert 0 < expected.negative < expected.n
    assert metric.compute_counts() == expected
    assert metric.compute().shape == ()
    assert metric.compute().item() == pytest.approx(expected.nfr)
    metric.reset()
    metric.update(*batches[0])
    assert metric.compute_counts() == flip_counts(*batches[0])


def test_forward_gives_the_value_of_the_batch_and_accumulates(batches: list) -> None:
    metric = NegativeFlipRate()
    for batch in batches:
        assert metric(*batch).item() == pytest.approx(flip_counts(*batch).nfr)
    assert metric.compute_counts().n == 20


def test_logits_count_by_their_largest_entry(batches: list) -> None:
    metric = NegativeFlipRate()
    for reference, target, labels in batches:
        logits = torch.nn.functional.one_hot(reference, 3).bfloat16() - 0.5
        metric.update(logits.requires_grad_(), target, labels)
    expected = flip_counts(*(torch.cat(parts) for parts in zip(*batches, strict=True)))
    assert metric.compute_counts() == expected


def test_updates_inside_and_outside_inference_mode(batches: list) -> None:
    metric = NegativeFlipRate()
    with torch.inference_mode():
        metric.reset()  # the state is now an inference tensor, which must not be changed in place
        metric.update(*batches[0])
    metric.update(*batches[1])
    assert metric.compute_counts() == flip_counts(*batches[0]) + flip_counts(*batches[1])


def test_processes_are_summed(batches: list) -> None:
    """A gather that answers as a second process would, with that process's state."""
    elsewhere = NegativeFlipRate()
    elsewhere.update(*batches[1])
    metric = NegativeFlipRate(
        dist_sync_fn=lambda state, group=None: [state, elsewhere.outcomes],
        distributed_available_fn=lambda: True,
    )
    metric.update(*batches[0])
    expected = flip_counts(*batches[0]) + flip_counts(*batches[1])
    assert expected != flip_counts(*batches[0])
    assert metric.compute_counts() == expected
    assert metric.compute().item() == pytest.approx(expected.nfr)
    assert metric.compute_counts() == expected  # the local state was restored: nothing is summed twice
    assert metric.outcomes.sum() == len(batches[0][0])


def test_nothing_counted_yet() -> None:
    metric = NegativeFlipRate()
    with pytest.warns(UserWarning, match="called before"):
        assert math.isnan(metric.compute().item())
    assert metric.compute_counts().n == 0


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device to hold the state")
def test_state_on_a_cuda_device(batches: list) -> None:
    metric = NegativeFlipRate().cuda()
    for batch in batches:
        metric.update(*(part.cuda() for part in batch))
    assert metric.compute().is_cuda
    assert metric.compute_counts().n == 20


def test_errors_name_the_argument() -> None:
    metric, classes = NegativeFlipRate(), torch.tensor([0, 1])
    logits = torch.tensor([[0.0, 1.0], [math.nan, 1.0]])
    with pytest.raises(PredictionError, match="target is NaN for 1 of 2 images"):
        metric.update(classes, logits, classes)
    with pytest.raises(PredictionError, match="reference covers 3 images, labels 2"):
        metric.update(torch.tensor([0, 1, 1]), classes, classes)
    with pytest.raises(PredictionError, match=r"labels has type float32"):
        metric.update(classes, classes, classes.float())
    assert metric.outcomes.sum() == 0  # a refused batch leaves no trace
