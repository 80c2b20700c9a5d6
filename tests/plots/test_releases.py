"""releases: what deployment flips, and what ways of breaking less cost."""

from __future__ import annotations

import numpy as np
import pandas as pd

from regnas_core import plots


def test_deployment_shows_every_network_platform_and_pair():
    cells = [(n, p) for n in ("small", "large") for p in ("float16", "int8")]
    nfr = np.array([0.1, 0.8, 0.0, 1.2])
    flips = pd.DataFrame(cells, columns=["network", "platform"]).assign(
        nfr_pct=nfr, nfr_low_pct=nfr * 0.8, nfr_high_pct=nfr * 1.3
    )
    pairs = pd.DataFrame({"reference_on": ["float32", "int8"], "target_on": ["int8", "int8"]})
    gains = pairs.assign(plain_pct=[3.0, 3.2], better_pct=[2.0, 2.5])
    left, right = plots.deployment(flips, gains).axes
    drawn = np.concatenate([c.lines[0].get_xdata() for c in left.containers])
    assert sorted(drawn) == sorted(nfr)
    assert [t.get_text() for t in right.get_yticklabels()] == ["float32 → int8", "int8 → int8"]
    plain, better = (c.get_offsets()[:, 0].tolist() for c in right.collections[1:])
    assert (plain, better) == ([3.0, 3.2], [2.0, 2.5])


def test_updates_shows_means_and_seeds_and_names_costs():
    ways = {"new": (70.0, 5.0, 1.0, 1.0), "several new": (72.0, 4.0, 3.0, 3.0)}
    rows = [
        {"way": way, "top1_pct": top1 + s, "nfr_pct": nfr - s, "trainings": cost, "passes": passes}
        for way, (top1, nfr, cost, passes) in ways.items()
        for s in (-0.5, 0.5)
    ]
    (ax,) = plots.updates(pd.DataFrame(rows)).axes
    seeds, cheap, dear = (c.get_offsets().tolist() for c in ax.collections)
    assert len(seeds) == 4 and (cheap, dear) == ([[5.0, 70.0]], [[4.0, 72.0]])
    assert {text.get_text() for text in ax.texts} == {"new (1.0 · 1.0)", "several new (3.0 · 3.0)"}
