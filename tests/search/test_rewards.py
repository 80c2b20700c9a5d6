"""rewards: R = λ1 · Top-1 − λ2 · NFR (Sec. 3.3)."""

from __future__ import annotations

import numpy as np
import pytest

from regnas_core.errors import RegnasError
from regnas_core.search.rewards import parse_reward, reward


@pytest.mark.parametrize(
    ("weights", "expected"),
    [("R0", 0.75), ("R1", -0.25), ("R2", 0.5), ((2, 0.5), 1.375), ((0.0, 1.0), -0.25)],
)
def test_rewards_weigh_top1_against_nfr(weights, expected):
    assert reward(0.75, 0.25, weights) == expected
    assert reward(np.array([0.75, 0.5]), np.array([0.25, 0]), weights)[0] == expected


def test_rewards_are_read_from_the_command_line():
    assert [parse_reward(text) for text in ("R1", "1,0.5", "0, 2")] == ["R1", (1.0, 0.5), (0.0, 2.0)]
    for text in ("R3", "1", "1,2,3", "a,b"):
        with pytest.raises(RegnasError, match=f"Unknown reward '{text}'"):
            parse_reward(text)


def test_the_default_reward_is_r2_and_unknown_ones_are_refused():
    assert reward(0.75, 0.25) == 0.5
    with pytest.raises(RegnasError, match="Unknown reward 'R3'; choose one of R0, R1, R2"):
        reward(0.75, 0.25, "R3")
