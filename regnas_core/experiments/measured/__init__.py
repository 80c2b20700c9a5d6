"""Networks of once-for-all whose Top-1 was measured on ImageNet: how far may a predictor be trusted?

The numbers are Intel's published search logs (DyNAS-T, Apache-2.0): 2,162 sub-networks of MobileNet-V3 (w1.0)
at 224 pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats
from tqdm import tqdm

from ...search.strategies import search
from ...spaces import get_space
from ...spaces.arch import Arch

FILE = Path(__file__).parent / "ofa-mbv3-w1.0.parquet"
STRATEGIES = {"random": 1525, "evolution": 1525, "local": 1525, "monas": 250, "dpp-net": 250, "pnag": 150}
STRATEGIES |= {"moboga": 250, "surrogate": 250}  # evaluations of each; 1,525 are the paper's
BANDS = ((150, 250), (250, 350), (350, 450), (450, 600))  # million MACs


def measured_networks() -> pd.DataFrame:
    """One row a network: ks, e, d (its genes, tuples), arch, mmacs, params, and top1_pct as it was measured.

    A network that was measured several times has the mean.
    """
    table, space = pd.read_parquet(FILE), get_space("ofa-mbv3-w1.0", resolutions=(224,))
    for name in ("ks", "e", "d"):
        table[name] = [tuple(map(int, digits)) for digits in table[name]]
    table["arch"] = [
        str(space.arch(ks=row.ks, e=row.e, d=row.d))
        for row in table[["ks", "e", "d"]].itertuples(index=False)
    ]
    firsts = table.groupby("arch", sort=False)[["ks", "e", "d", "macs", "params"]].first()
    return firsts.assign(
        mmacs=firsts.pop("macs") / 1e6, top1_pct=table.groupby("arch", sort=False)["top1"].mean()
    ).reset_index()


def agreement(table: pd.DataFrame, bands: Sequence[tuple[float, float]] = BANDS) -> pd.DataFrame:
    """How predictions agree with measurements, over all networks and by size.

    Args:
        table: columns mmacs, top1_pct (measured), predicted_pct.
        bands: from and to, in million MACs.

    Returns:
        One row a band, the first of all networks: band, networks, spearman and its 95 % interval (bootstrap),
        offset_pct (mean of predicted minus measured) and left_pct: how much better the best of the band is
        than that which the prediction prefers.
    """
    parts = {"all": table} | {
        f"{low:g} to {high:g} M": table[table["mmacs"].between(low, high, inclusive="left")]
        for low, high in bands
    }
    rows = []
    for band, part in parts.items():
        if len(part) < 10:
            continue
        pair = part["predicted_pct"].to_numpy(), part["top1_pct"].to_numpy()
        found = stats.bootstrap(
            pair,
            lambda a, b: stats.spearmanr(a, b).statistic,
            paired=True,
            vectorized=False,
            n_resamples=999,
            method="percentile",
            rng=np.random.default_rng(0),
        ).confidence_interval
        rows.append(
            {
                "band": band,
                "networks": len(part),
                "spearman": stats.spearmanr(*pair).statistic,
                "spearman_low": found.low,
                "spearman_high": found.high,
                "offset_pct": (pair[0] - pair[1]).mean(),
                "left_pct": pair[1].max() - pair[1][pair[0].argmax()],
            }
        )
    return pd.DataFrame(rows)


def by_strategy(
    table: pd.DataFrame,
    predict: Callable[[Sequence[Arch]], np.ndarray],
    *,
    budgets: Sequence[float] = (250, 350, 450),
    strategies: Mapping[str, int] = STRATEGIES,
    seeds: Sequence[int] = (0, 1, 2),
) -> pd.DataFrame:
    """What strategies choose by predictions in the space that was measured, beside the measured front.

    Predictions are brought to the scale of measurements by a straight line, fitted to the measured networks
    of 70 to 100 % of the budget; ``error_pct`` is its standard error.

    Args:
        table: of :func:`measured_networks`, with predicted_pct.
        predict: architectures of MobileNet-V3 (w1.0) at 224 pixels → Top-1 (n,), fractions.
        budgets: in million MACs.
        strategies: names, and how many evaluations each may ask for.
        seeds: of the searches.

    Returns:
        One row a search: budget, strategy, evaluations, seed, mmacs and predicted_pct of its choice,
        expected_pct (on the measurements' scale), error_pct, front_pct (best that was measured within the
        budget), behind_pct (front minus expected) and beyond_pct (how far its prediction lies above that of
        every measured network there: so far the line is drawn out).
    """
    space, rows = get_space("ofa-mbv3-w1.0", resolutions=(224,)), []
    jobs = [(*kind, seed) for kind in strategies.items() for seed in seeds]
    for budget in budgets:
        inside = table[table["mmacs"] <= budget]
        near = inside[inside["mmacs"] >= 0.7 * budget]
        line = stats.linregress(near["predicted_pct"], near["top1_pct"])
        left = near["top1_pct"] - line.intercept - line.slope * near["predicted_pct"]
        error = float(np.sqrt((left**2).sum() / (len(near) - 2)))
        front, most = inside["top1_pct"].max(), near["predicted_pct"].max()
        for strategy, evaluations, seed in tqdm(jobs, desc=f"searches, {budget:g} M", leave=False):
            best = search(space, predict, strategy, evaluations, seed, max_cost=budget * 1e6).best
            predicted = 100 * float(predict([best])[0])
            expected = line.intercept + line.slope * predicted
            rows.append(
                {
                    "budget": budget,
                    "strategy": strategy,
                    "evaluations": evaluations,
                    "seed": seed,
                    "mmacs": space.macs(best) / 1e6,
                    "predicted_pct": predicted,
                    "expected_pct": expected,
                    "error_pct": error,
                    "front_pct": front,
                    "behind_pct": front - expected,
                    "beyond_pct": predicted - most,
                }
            )
    return pd.DataFrame(rows)
