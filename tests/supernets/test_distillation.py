"""distillation: the loss is the one that is written down, down to its limits and gradients."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from regnas_core.errors import RegnasError
from regnas_core.supernets.distillation import Objective, focal_distillation

LOGITS = [[1.0, -0.5, 0.25], [0.0, 2.0, -1.0], [0.5, 0.5, 3.0], [-2.0, 0.0, 1.0]]
REFERENCE = [[2.0, 0.0, -1.0], [1.5, 0.5, 0.0], [0.0, -1.0, 2.0], [0.25, 0.5, 0.0]]
LABELS = [0, 1, 2, 2]  # the reference has the first and the third right
FOCAL = ("FD-KL", "FD-LM")


def tensors(dtype=torch.float64) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return torch.tensor(LOGITS, dtype=dtype), torch.tensor(REFERENCE, dtype=dtype), torch.tensor(LABELS)


def random_tensors(n: int = 6, classes: int = 5) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    z, r = torch.randn(2, n, classes, generator=generator, dtype=torch.float64)
    return z, r, torch.randint(classes, (n,), generator=generator)


def probabilities(row: list[float], temperature: float = 1.0) -> list[float]:
    exps = [math.exp(value / temperature) for value in row]
    return [value / sum(exps) for value in exps]


def by_hand(objective: Objective) -> float:
    """The loss in plain Python, image by image."""
    total = 0.0
    for z, r, label in zip(LOGITS, REFERENCE, LABELS, strict=True):
        total -= math.log(probabilities(z)[label])
        if objective.kind == "CE":
            continue
        right = r.index(max(r)) == label
        if objective.kind == "FD-KL":
            t = objective.temperature
            pairs = zip(probabilities(r, t), probabilities(z, t), strict=True)
            distance = t * t * sum(p * math.log(p / q) for p, q in pairs)
        else:
            distance = sum((a - b) ** 2 for a, b in zip(z, r, strict=True)) / len(z)
        total += objective.weight * (objective.alpha + (objective.beta if right else 0)) * distance
    return total / len(LOGITS)


def test_distillation_alone_is_cross_entropy_against_the_teachers_probabilities():
    pairs = [
        sum(p * -math.log(q) for p, q in zip(probabilities(r), probabilities(z), strict=True))
        for z, r in zip(LOGITS, REFERENCE, strict=True)
    ]
    found = focal_distillation(*tensors(), Objective("KD"))
    assert found.item() == pytest.approx(sum(pairs) / len(pairs), rel=1e-9)
    assert Objective("KD", weight=3).settings == {"kind": "KD"} and Objective("KD").distils


# ── the loss ─────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "objective",
    [
        Objective(),
        Objective("FD-KL", weight=0.2, temperature=1),
        Objective("FD-KL", weight=1.0, alpha=0.5, beta=2.0, temperature=4),
        Objective("FD-KL"),
        Objective("FD-LM", weight=0.3),
        Objective("FD-LM", alpha=0, beta=1),
    ],
    ids=str,
)
def test_the_loss_is_the_one_worked_out_by_hand(objective):
    expected = by_hand(objective)
    assert focal_distillation(*tensors(), objective).item() == pytest.approx(expected, rel=1e-9)
    single = focal_distillation(*tensors(torch.float32), objective)
    assert single.shape == () and single.item() == pytest.approx(expected, rel=1e-3)


def test_numbers_of_one_image():
    """z = (ln 3, 0), r = (0, 0): CE = ln 4/3; KL = ½ ln ⅔ + ½ ln 2 = ½ ln 4/3; LM = ½ (ln 3)²."""
    z, r, label = torch.tensor([[math.log(3), 0]]), torch.zeros(1, 2), torch.tensor([0])
    ce, kl, lm = math.log(4 / 3), math.log(4 / 3) / 2, math.log(3) ** 2 / 2
    for kind, distance in (("FD-KL", kl), ("FD-LM", lm)):
        found = focal_distillation(z, r, label, Objective(kind, weight=0.5, alpha=2, beta=4, temperature=1))
        assert found.item() == pytest.approx(ce + 0.5 * (2 + 4) * distance, rel=1e-6)  # a tie is class 0


def test_cross_entropy_ignores_the_reference():
    z, r, labels = tensors()
    for reference in (None, r, torch.zeros(2, 7)):
        found = focal_distillation(z, reference, labels, Objective("CE", weight=9))
        assert found.item() == pytest.approx(F.cross_entropy(z, labels).item())


# ── limits ───────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("kind", FOCAL)
def test_of_equal_logits_cross_entropy_is_left(kind):
    z, _, labels = tensors()
    found = focal_distillation(z, z.clone(), labels, Objective(kind, weight=50))
    assert found.item() == pytest.approx(F.cross_entropy(z, labels).item(), abs=1e-9)


@pytest.mark.parametrize("kind", FOCAL)
def test_beta_weighs_the_images_that_the_reference_gets_right_alone(kind):
    z, r, labels = tensors()

    def distances(beta: float) -> np.ndarray:
        """Of each image by itself, beyond its cross entropy."""
        objective = Objective(kind, alpha=1, beta=beta, temperature=2)
        rows = [(z[i : i + 1], r[i : i + 1], labels[i : i + 1]) for i in range(len(z))]
        return np.array(
            [(focal_distillation(*row, objective) - F.cross_entropy(row[0], row[2])) for row in rows]
        )

    right = np.array([True, False, True, False])
    assert distances(5) / distances(0) == pytest.approx(np.where(right, 6, 1))
    whole = focal_distillation(z, r, labels, Objective(kind, alpha=1, beta=5, temperature=2))
    assert (whole - F.cross_entropy(z, labels)).item() == pytest.approx(distances(5).mean())


def test_a_hot_divergence_tends_to_half_the_variance_of_the_differences():
    z, r, labels = random_tensors()
    difference = (z - r) - (z - r).mean(1, keepdim=True)
    expected = (difference.square().sum(1) / (2 * z.shape[1])).mean().item()
    gaps = []
    for t in (10, 100, 1000, 10_000):
        objective = Objective("FD-KL", alpha=1, beta=0, temperature=t)
        loss = focal_distillation(z, r, labels, objective) - F.cross_entropy(z, labels)
        gaps.append(abs(loss.item() / expected - 1))
    assert gaps[-1] < 1e-3 and all(b < 0.2 * a for a, b in pairwise(gaps))


def test_at_the_authors_temperature_gradients_are_sound_in_single_precision():
    z, r, labels = random_tensors(64, 20)
    gradients = []
    for dtype in (torch.float32, torch.float64):
        own = z.to(dtype).requires_grad_()
        focal_distillation(own, r.to(dtype), labels, Objective("FD-KL")).backward()
        gradients.append(own.grad)
    assert gradients[0].double() == pytest.approx(gradients[1], abs=1e-3 * gradients[1].abs().max().item())


# ── gradients ────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "objective",
    [Objective(), Objective("FD-KL", weight=0.7, temperature=1.5), Objective("FD-KL"), Objective("FD-LM")],
    ids=lambda o: f"{o.kind} T={o.temperature}",
)
def test_gradients_are_those_of_the_loss(objective):
    z, r, labels = random_tensors()
    assert torch.autograd.gradcheck(
        lambda logits: focal_distillation(logits, r, labels, objective), (z.requires_grad_(),)
    )


@pytest.mark.parametrize("kind", FOCAL)
def test_no_gradient_flows_to_the_reference(kind):
    z, r, labels = random_tensors()
    z.requires_grad_(), r.requires_grad_()
    focal_distillation(z, r, labels, Objective(kind)).backward()
    assert z.grad is not None and r.grad is None


# ── objectives ───────────────────────────────────────────────────────────────────────────────────
def test_the_defaults_are_the_published_ones():
    assert Objective("FD-KL") == Objective("FD-KL", weight=1, alpha=1, beta=5, temperature=100)
    assert Objective() == Objective("CE") and not Objective().distils and Objective("FD-LM").distils


def test_settings_are_what_a_kind_makes_use_of():
    assert Objective("CE", weight=3, temperature=7).settings == {"kind": "CE"}
    assert Objective("FD-LM", 3).settings == {"kind": "FD-LM", "weight": 3, "alpha": 1, "beta": 5}
    assert Objective("FD-KL", 3).settings == Objective("FD-LM", 3).settings | {
        "kind": "FD-KL",
        "temperature": 100,
    }


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"kind": "LD"}, "'LD': choose one of CE, KD, FD-KL, FD-LM"),
        ({"weight": -1}, "weight=-1: expected a number of at least 0"),
        ({"alpha": math.nan}, "alpha=nan"),
        ({"beta": math.inf}, "beta=inf"),
        ({"temperature": 0}, "temperature=0: expected a number above 0"),
        ({"temperature": math.nan}, "temperature=nan"),
    ],
)
def test_values_that_make_no_sense_are_refused(values, message):
    with pytest.raises(RegnasError, match=message):
        Objective(**values)


@pytest.mark.parametrize("kind", FOCAL)
def test_logits_that_do_not_fit_are_refused(kind):
    z, r, labels = tensors()
    with pytest.raises(RegnasError, match=f"{kind} needs the logits of a reference"):
        focal_distillation(z, None, labels, Objective(kind))
    with pytest.raises(RegnasError, match=r"logits have shape \(4, 2\), the network's \(4, 3\)"):
        focal_distillation(z, r[:, :2], labels, Objective(kind))
