"""Two targets of one reference: which has fewer flips, image by image."""

from __future__ import annotations

from dataclasses import dataclass

from scipy.stats import binomtest

from .classes import Classes
from .counts import joint_counts


@dataclass(frozen=True)
class McNemar:
    """Negative flips that only one of two targets makes, NFR_a - NFR_b, and the p-value of equal NFRs."""

    only_a: int
    only_b: int
    difference: float
    p_value: float


def compare_targets(reference: Classes, target_a: Classes, target_b: Classes, labels: Classes) -> McNemar:
    """Exact two-sided McNemar test of equal NFR for two targets of one reference.

    Only images that one target flips and the other does not carry information; without any, p is 1.
    """
    joint = joint_counts(labels, reference=reference, target_a=target_a, target_b=target_b)
    only_a, only_b = int(joint[1, 0, 1]), int(joint[1, 1, 0])
    p_value = exact_p(only_a, only_b)
    return McNemar(only_a, only_b, (only_a - only_b) / int(joint.sum()), p_value)


def exact_p(only_a: int, only_b: int) -> float:
    """Two-sided p-value of the exact McNemar test, of images that only one of two flips; 1 of none."""
    return float(binomtest(only_a, only_a + only_b).pvalue) if only_a + only_b else 1.0
