"""Golden predictions: when the same weights and images come to give others, the evaluator's version goes up.

    python tests/test_golden.py    # writes golden.json anew, once evaluation.evaluator.VERSION was raised

Weights and images are small fractions, the same on any machine. Images on which the first class is hardly
ahead of the second are left out (as "."): rounding, which is a machine's own, may decide those.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from regnas_core import Evaluator, SuperNet, get_space
from regnas_core.evaluation import evaluator as evaluation
from regnas_core.spaces.space import Space

GOLDEN = Path(__file__).with_name("golden.json")
SHAPE, NETWORKS, IMAGES, AHEAD = (2, 16, 16), 5, 120, 0.002
SPACES = {
    "mini": {"image": SHAPE, "classes": 7, "stem": 4, "head": 16, "widths": (6, 8, 8), "kernels": (3, 5)},
    "mini-resnet": {"image": SHAPE, "classes": 7, "stem": 16, "widths": (20, 24, 48)},
}


def pictures(n: int, seed: int) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (n, SHAPE[0], 4, 4), np.uint8)
    return coarse.repeat(4, axis=2).repeat(4, axis=3)


def network(name: str) -> SuperNet:
    space, rng = get_space(name, **SPACES[name]), np.random.default_rng(0)
    weights = {key: rng.integers(-64, 65, shape) / 64 for key, shape in sorted(space.tensors.items())}
    for key, value in weights.items():  # else one class wins on every image
        value += "norm.weight" in key
        value *= not key.endswith("linear.bias")
        value -= value.mean(1, keepdims=True) if key.endswith("linear.weight") else 0
    tensors = {key: torch.from_numpy(value.astype(np.float32)) for key, value in weights.items()}
    return SuperNet(space, tensors, (0.5, 0.25), (0.25, 0.5))


def predicted(name: str) -> list[str]:
    """Classes, a digit an image, of some networks."""
    net, rng, images = network(name), np.random.default_rng(1), pictures(IMAGES, 2)
    archs = [net.space.smallest, net.space.largest, *(net.space.sample(rng) for _ in range(NETWORKS - 2))]
    made = {"device": "cpu", "calibration_batch": 20, "batch_size": 32}
    found = Evaluator(net, pictures(50, 1), **made).predict(archs, images)
    exact, rows = Evaluator(net.to(torch.float64), pictures(50, 1), **made), []
    for arch, classes in zip(archs, found, strict=True):
        with torch.no_grad():
            logits = exact.extract(arch)(exact.net.normalise(torch.from_numpy(images)))
        first, second = logits.topk(2).values.T
        clear = first - second > AHEAD * logits.abs().max(1).values
        rows.append("".join(str(c) if ok else "." for c, ok in zip(classes, clear.tolist(), strict=True)))
    return rows


def same(found: list[str], golden: list[str]) -> bool:
    """Whether all that is clear in both is equal; little is unclear."""
    pairs = [(a, b) for f, g in zip(found, golden, strict=True) for a, b in zip(f, g, strict=True)]
    clear = [(a, b) for a, b in pairs if "." not in (a, b)]
    return len(clear) > 0.9 * len(pairs) and all(a == b for a, b in clear)


@pytest.mark.parametrize("name", SPACES)
def test_golden_predictions_are_of_this_version(name):
    golden = json.loads(GOLDEN.read_text())
    assert golden["version"] == evaluation.VERSION, "run: python tests/test_golden.py"
    assert same(predicted(name), golden[name]), (
        "Predictions are others than this version's. If that is meant, raise VERSION in "
        "evaluation/evaluator.py, so that stored ones are not mixed with these; then run: "
        "python tests/test_golden.py"
    )


@pytest.mark.parametrize("change", ["rule", "normalisation", "variance"])
def test_another_way_to_evaluate_does_not_pass(change, monkeypatch):
    golden, fold = json.loads(GOLDEN.read_text())["mini"], evaluation.fold
    if change == "rule":
        monkeypatch.setattr(Space, "batchnorm_rule", "cumulative")
    elif change == "normalisation":
        monkeypatch.setattr(
            SuperNet, "normalise", lambda self, x: x.to(self.weights["head.conv.weight"]) / 255
        )
    else:  # as an unbiased one would be, of fifty values
        monkeypatch.setattr(
            evaluation, "fold", lambda layers, moments, dtype: fold(layers, _larger(moments), dtype)
        )
    assert not same(predicted("mini"), golden)


def _larger(moments):
    return ((mean, 1.02 * variance) for mean, variance in moments)


if __name__ == "__main__":
    found = {"version": evaluation.VERSION} | {name: predicted(name) for name in SPACES}
    before = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
    if before.get("version") == evaluation.VERSION and not all(same(found[n], before[n]) for n in SPACES):
        raise SystemExit("Predictions changed: raise VERSION in regnas_core/evaluation/evaluator.py first.")
    GOLDEN.write_text(json.dumps(found, indent=1) + "\n")
