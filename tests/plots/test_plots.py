"""plots: every drawing shows the numbers of its table, with labelled axes, and minds gaps in it."""

from __future__ import annotations

from io import BytesIO
from itertools import combinations, pairwise

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.container import ErrorbarContainer
from matplotlib.patches import Arc

from regnas_core import plots
from regnas_core.plots.style import COLOURS, LABELS, MARKERS, STYLE, new_figure, save_figure, whiskers

LEVELS = {  # Top-1 and NFR (%) of each design, about as the searches find them
    "reference": (81.56, np.nan),
    "independent": (82.9, 4.35),
    "FD-LM": (82.4, 3.6),
    "FD-KL": (83.1, 3.3),
    "R0": (84.1, 2.89),
    "R0, CE": (84.6, 3.5),
    "R0, FD": (84.0, 2.3),
    "R1": (82.5, 2.17),
    "R2": (83.6, 2.55),
    "R2+CAS": (84.08, 2.46),
    "R2+CAS, CE": (84.7, 3.2),
    "R2+CAS, FD": (83.9, 1.9),
}


# ── tables, in the formats of regnas_core.experiments ────────────────────────────────────────────
def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def rate(name: str, value: float, half: float = 0.4) -> dict[str, float]:
    return {f"{name}_pct": value, f"{name}_low_pct": value - half, f"{name}_high_pct": value + half}


def means(*designs: str, shift: float = 0.0, half: float = 0.4, mmacs: float = 2.5) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "model": f"Mini-{design}-2.6",
            "design": design,
            "seeds": 3,
            "mmacs": (1.29 if design == "reference" else mmacs) + 0.01 * number,
            **rate("top1", LEVELS[design][0] + shift, half),
            **rate("nfr", LEVELS[design][1] - 0.5 * shift, half),
        }
        for number, design in enumerate(designs)
    )


def by_seed(*designs: str, shift: float = 0.0, seeds: int = 3) -> pd.DataFrame:
    spread = rng(1)
    rows = [
        {
            "design": design,
            "seed": seed,
            "top1_pct": LEVELS[design][0] + shift + spread.normal(0, 0.25),
            "nfr_pct": LEVELS[design][1] - 0.5 * shift + spread.normal(0, 0.2),
        }
        for design in designs
        for seed in range(1 if design == "reference" else seeds)
    ]
    return pd.DataFrame(rows)


def panel(title: str, *designs: str, **kwargs) -> tuple[str, pd.DataFrame, pd.DataFrame]:
    return title, means(*designs, **kwargs), by_seed(*designs, shift=kwargs.get("shift", 0.0))


def pairs(family: str = "REG-NAS", members: int = 3, level: float = 2.2, names=None) -> pd.DataFrame:
    names, spread = names or [f"{1.3 + 0.65 * m:.3g}M" for m in range(members)], rng(members)
    return pd.DataFrame(
        {
            "family": family,
            "small": names[a],
            "large": names[b],
            "steps_apart": b - a,
            "small_top1_pct": 81.6 + 1.2 * a,
            "large_top1_pct": 81.6 + 1.2 * b,
            **rate("nfr", level + spread.normal(0, 0.3)),
        }
        for a, b in combinations(range(members), 2)
    )


def clouds(members: int = 60) -> pd.DataFrame:
    spread = rng(2)
    inside = pd.DataFrame({"subset": "A_t", "top1_pct": spread.normal(83.1, 0.5, members)})
    inside["nfr_pct"] = 3.0 - 0.25 * (inside["top1_pct"] - 83.1) + spread.normal(0, 0.3, members)
    outside = pd.DataFrame({"subset": "A_c", "shared_fraction": spread.uniform(0.45, 0.98, members)})
    outside["top1_pct"] = spread.normal(82.0, 0.6, members)
    outside["nfr_pct"] = 6.2 - 2.4 * outside["shared_fraction"] + spread.normal(0, 0.4, members)
    return pd.concat([inside.assign(shared_fraction=1.0), outside], ignore_index=True)


def course(seeds: int = 3, generations: int = 6) -> pd.DataFrame:
    parts = []
    for design, start in (("R2", 3.4), ("R2+CAS", 2.9)):
        for seed in range(seeds):
            fall = rng(seed).exponential(0.18, generations) * (rng(seed + 9).random(generations) < 0.7)
            parts.append(
                pd.DataFrame(
                    {
                        "design": design,
                        "seed": seed,
                        "generation": range(1, generations + 1),
                        "nfr_pct": start + 0.1 * seed - np.cumsum(fall),
                    }
                )
            )
    return pd.concat(parts, ignore_index=True)


def sweep(*budgets: float, half: float = 0.4) -> pd.DataFrame:
    parts = [
        means("R0", "R2+CAS", shift=0.8 * (budget - 2.6), half=half, mmacs=0.97 * budget).assign(
            budget=budget
        )
        for budget in budgets
    ]
    return pd.concat([means("reference", half=half).assign(budget=budgets[0]), *parts], ignore_index=True)


def several(column: str, shifts: dict[str, float], **more) -> pd.DataFrame:
    parts = [
        means("reference", "R0", "R2+CAS", shift=shift).assign(**{column: name})
        for name, shift in shifts.items()
    ]
    return pd.concat(parts, ignore_index=True).assign(**more)


def supernet_table() -> pd.DataFrame:
    return several("supernet", {"demo": 0.0, "demo-resnet": 1.1})


def platform_table() -> pd.DataFrame:
    table = several("platform", {"params": 0.0, "latency": -0.3}, cost=0.4)
    params = table["platform"] == "params"
    return table.assign(budget=np.where(params, 0.1234, 0.4178), unit=np.where(params, "M", "ms"))


def ratios(half: float = 0.4) -> pd.DataFrame:
    found = [(0.0, 2.89, 84.1), (0.5, 2.7, 83.9), (1.0, 2.55, 83.64), (2.0, 2.3, 83.2), (np.inf, 2.17, 82.5)]
    return pd.DataFrame(
        {"ratio": ratio, **rate("nfr", nfr, half), **rate("top1", top1, half)} for ratio, nfr, top1 in found
    )


def reductions(half: float = 0.6) -> pd.DataFrame:
    found = [
        ("demo", 2.6, -0.43, 2.89, -0.03),
        ("demo-resnet", 3.0, -0.6, 3.4, 0.25),
        ("demo", 2.0, -0.5, 2.7, -0.11),
        ("demo", 3.4, -0.45, 3.1, 0.02),
        ("cifar10", 6.0, 0.01, 3.16, -1.2),
    ]
    return pd.DataFrame(
        {
            "where": where,
            "budget": budget,
            "relative_reduction_pct": -100 * nfr / base,
            **rate("nfr_change", nfr, half),
            **rate("top1_change", top1, half),
            "within_1_pct": abs(top1) < 1,
        }
        for where, budget, nfr, base, top1 in found
    )


def verdicts() -> pd.DataFrame:
    columns = ["number", "claim", "value", "low", "high", "verdict"]
    found = [
        (1, "FD-KL has a lower NFR than independent", -1.05, -1.6, -0.5, "holds"),
        (1, "R2+CAS has a lower NFR than R0", -0.43, -1.74, 0.88, "not enough data"),
        (2, "In A_t, Top-1 and NFR are uncorrelated (Pearson's r)", -0.37, -0.57, -0.13, "does not hold"),
        (5, "CAS has a lower NFR after 2 of 6 generations (points)", -0.3, np.nan, np.nan, "not enough data"),
        (
            7,
            "The worst pair of targets has " + "no more NFR " * 5 + "at all",
            0.12,
            -0.3,
            0.5,
            "not enough data",
        ),
    ]
    return pd.DataFrame(found, columns=columns)


def growth_table() -> pd.DataFrame:
    points = {
        "population": (1, 4, 12, 48),
        "generation": (1, 5, 10, 20),
        "images": (64, 256, 1024),
        "resolution": (128, 160, 192, 224),
    }
    return pd.DataFrame(
        {
            "axis": axis,
            "value": value,
            "networks": 12,
            "seconds_per_network": 3 - 0.4 * place if axis != "images" else 1.5 + place,
            "distinct_macs": 0.7,
            "peak_gbytes": 0.9 + 0.1 * place,
        }
        for axis, values in points.items()
        for place, value in enumerate(values)
    )


def races(seeds: int = 10) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "level": level,
            "seed": seed,
            "work": base + 0.05 * rng(seed).normal(),
            "same": level == 0 or seed % 3 > 0,
        }
        for level, base in {0.0: 0.8, 0.001: 0.6, 0.01: 0.5, 0.05: 0.42}.items()
        for seed in range(seeds)
    )


TABLE1 = ("reference", "independent", "FD-LM", "FD-KL", "R0", "R2+CAS")
TABLE2 = ("reference", "R0", "R1", "R2", "R2+CAS")
TABLE3 = ("reference", "R0", "R0, CE", "R0, FD", "R2+CAS", "R2+CAS, CE", "R2+CAS, FD")
FAMILIES = {
    "REG-NAS": 2.2,
    "REG-NAS, each against its predecessor": 2.1,
    "R0": 2.7,
    "independent": 4.4,
}


def all_families(members: int) -> pd.DataFrame:
    return pd.concat([pairs(name, members, level) for name, level in FAMILIES.items()], ignore_index=True)


def visits(n: int = 30) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    frames = [
        pd.DataFrame(
            {"reward": r, "seed": s, "top1_pct": rng.normal(80, 2, n), "nfr_pct": rng.normal(3, 0.5, n)}
        )
        for r in ("R0", "R1", "R2")
        for s in range(2)
    ]
    return pd.concat(frames, ignore_index=True)


def centres(figure) -> list[np.ndarray]:
    """Centres of a scatter plot's clouds, in the order of drawing."""
    return [np.asarray(cloud.get_offsets()).mean(0) for cloud in figure.axes[0].collections]


DRAWN = {
    "fig1": lambda: plots.fig1(pairs("independent", level=4.4), pairs()),
    "fig1_names": lambda: plots.fig1(
        pairs("independent", level=4.4, names=["regnet_y_400mf", "regnet_y_800mf", "regnet_y_1_6gf"]), pairs()
    ),
    "fig1_four": lambda: plots.fig1(pairs("independent", members=4, level=4.4), pairs()),
    "families_4": lambda: plots.families(all_families(4)),
    "families_10": lambda: plots.families(all_families(10)),
    "families_one": lambda: plots.families(pairs(members=3)),
    "designs_1": lambda: plots.designs(panel("Table 1", *TABLE1)),
    "designs_2": lambda: plots.designs(panel("(a) Mini", *TABLE2), panel("(b) MiniRN", *TABLE2, shift=-1)),
    "designs_3": lambda: plots.designs(panel("Table 3", *TABLE3)),
    "designs_33": lambda: plots.designs(panel("(a)", *TABLE3), panel("(b)", *TABLE3, shift=1)),
    "fig2b": lambda: plots.fig2b(clouds()),
    "fig4a": lambda: plots.fig4a(clouds()),
    "fig4b": lambda: plots.fig4b(visits(), visits().groupby(["reward", "seed"], as_index=False).first()),
    "fig5a": lambda: plots.fig5a(course()),
    "fig5a_one": lambda: plots.fig5a(course(seeds=1, generations=20)),
    "fig5b": lambda: plots.fig5b(sweep(2.0, 2.6, 3.4)),
    "fig5b_one": lambda: plots.fig5b(sweep(2.6, half=np.nan)),
    "supernets": lambda: plots.supernets(supernet_table()),
    "platforms": lambda: plots.platforms(platform_table()),
    "appendix_a": lambda: plots.appendix_a(clouds()),
    "appendix_a_few": lambda: plots.appendix_a(clouds(4)),
    "appendix_b": lambda: plots.appendix_b(ratios()),
    "appendix_b_nan": lambda: plots.appendix_b(ratios(np.nan)),
    "appendix_c": lambda: plots.appendix_c(reductions()),
    "appendix_c_nan": lambda: plots.appendix_c(reductions(np.nan)),
    "claims": lambda: plots.claims(verdicts()),
    "claims_titles": lambda: plots.claims(
        verdicts(), {n: f"What claim {n} of the paper says" for n in range(9)}
    ),
    "growth": lambda: plots.growth(growth_table()),
    "growth_blind": lambda: plots.growth(growth_table().assign(peak_gbytes=None).query("axis != 'images'")),
    "racing": lambda: plots.racing(races()),
    "racing_one": lambda: plots.racing(races(1)),
}
UNLABELLED = ("fig1", "claims")  # their axes are none


def written(figure) -> bytes:
    file = BytesIO()
    with mpl.rc_context(STYLE):
        figure.savefig(file, format="png")
    return file.getvalue()


def errorbars(ax) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """x and y of the error bars' points by colour."""
    found = {}
    for bars in ax.containers:
        if isinstance(bars, ErrorbarContainer):
            points = bars.lines[0]
            found.setdefault(points.get_color(), []).append(points.get_xydata())
    return {colour: np.concatenate(several) for colour, several in found.items()}


def texts(figure) -> list[str]:
    return [text.get_text() for ax in figure.axes for text in ax.texts]


def test_fig4a_marks_the_means_of_its_clouds():
    table, found = clouds(), centres(plots.fig4a(clouds()))
    expected = [table[table["subset"] == s][["top1_pct", "nfr_pct"]].mean() for s in ("A_c", "A_t")]
    np.testing.assert_allclose(found, [*expected, *expected])


def test_fig4b_outlines_what_was_chosen():
    table = visits()
    chosen = table.groupby(["reward", "seed"], as_index=False).first()
    figure = plots.fig4b(table, chosen)
    points = np.asarray(figure.axes[0].collections[4].get_offsets())  # R1's, behind three clouds and R0's
    np.testing.assert_allclose(points, chosen[chosen["reward"] == "R1"][["top1_pct", "nfr_pct"]])


# ── all ──────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("name", DRAWN)
def test_it_is_drawn_with_labelled_axes_and_does_not_depend_on_settings(name):
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "red"}):
        figure = DRAWN[name]()
    picture = written(figure)
    assert picture.startswith(b"\x89PNG") and picture == written(DRAWN[name]())
    if not name.startswith(UNLABELLED):
        shown = [ax for ax in figure.axes if ax.axison]
        named = name in ("supernets", "platforms")  # the rows' names are the vertical axis
        assert any(ax.get_xlabel() for ax in shown) and (named or any(ax.get_ylabel() for ax in shown))
        for ax in shown:  # what has no label of its own shares a labelled axis
            assert ax.get_xlabel() or ax.get_ylabel() or any(other.get_xlabel() for other in shown)


@pytest.mark.parametrize("name", DRAWN)
def test_text_is_legible_and_does_not_overlap(name):
    figure = DRAWN[name]()
    figure.draw_without_rendering()
    words = [text for ax in figure.axes for text in ax.texts if text.get_text()]
    ticks = [t for ax in figure.axes for t in (*ax.get_xticklabels(), *ax.get_yticklabels()) if t.get_text()]
    assert all(text.get_fontsize() >= 7 for text in (*words, *ticks))
    boxes = [(text.get_text(), text.get_window_extent()) for text in words]
    for (one, a), (other, b) in combinations(boxes, 2):
        assert not (a.x0 < b.x1 - 1 and b.x0 < a.x1 - 1 and a.y0 < b.y1 - 2 and b.y0 < a.y1 - 2), (one, other)
    for ax in figure.axes:
        labels = [t.get_window_extent() for t in ax.get_xticklabels() if t.get_text()]
        labels = sorted((box for box in labels if ax.bbox.x0 - 1 <= box.x1), key=lambda box: box.x0)
        assert all(a.x1 <= b.x0 for a, b in pairwise(labels))
        for points in (bars.lines[0] for bars in ax.containers if isinstance(bars, ErrorbarContainer)):
            assert all(
                ax.viewLim.contains(*point) for point in points.get_xydata() if np.isfinite(point).all()
            )
    for legend in figure.legends:
        box = legend.get_window_extent()
        assert not any(box.overlaps(ax.bbox) for ax in figure.axes)


@pytest.mark.parametrize(
    "draw",
    [
        *("families", "fig2b", "fig5a", "fig5b", "supernets", "platforms"),
        *("appendix_a", "appendix_b", "appendix_c", "claims", "growth", "racing"),
    ],
)
def test_an_empty_table_says_so(draw):
    figure = getattr(plots, draw)(pd.DataFrame())
    assert texts(figure) == ["nothing to draw"] and written(figure)


def test_every_design_has_its_colour_marker_and_label():
    designs = {"reference", "independent", "FD-KL", "FD-LM", "R0", "R1", "R2", "R2+CAS"}
    assert designs <= {*COLOURS} and designs <= {*MARKERS} and designs - {"reference"} <= {*LABELS}
    assert len({COLOURS[design] for design in designs}) == len({MARKERS[d] for d in designs}) == len(designs)
    assert COLOURS["REG-NAS"] == COLOURS["R2+CAS"]


def test_whiskers_are_distances_to_the_ends_of_the_interval():
    table = pd.DataFrame(
        {"nfr_pct": [2.0, 3.0], "nfr_low_pct": [1.5, np.nan], "nfr_high_pct": [2.75, np.nan]}
    )
    np.testing.assert_allclose(whiskers(table, "nfr"), [[0.5, np.nan], [0.75, np.nan]])


def test_a_figure_is_written_with_the_table_that_it_shows(tmp_path):
    figure, table = new_figure()[0], pd.DataFrame({"x": [1.23456]})
    assert save_figure(figure, table, tmp_path / "item") is figure
    assert sorted(path.name for path in tmp_path.iterdir()) == ["item.csv", "item.png", "item.svg"]
    assert pd.read_csv(tmp_path / "item.csv")["x"].tolist() == [1.2346]


# ── families ─────────────────────────────────────────────────────────────────────────────────────
def test_fig1_labels_every_pair_and_member():
    independent, regnas = pairs("independent", level=4.4), pairs()
    figure = plots.fig1(independent, regnas)
    for ax, table in zip(figure.axes, (independent, regnas), strict=True):
        shown = [text.get_text() for text in ax.texts]
        for row in table.itertuples():
            assert f"{row.nfr_pct:.2f}" in shown
            assert f"[{row.nfr_low_pct:.2f}, {row.nfr_high_pct:.2f}]" in shown
        assert [label.get_text() for label in ax.get_xticklabels()] == [
            "1.3M\n81.6",
            "1.95M\n82.8",
            "2.6M\n84.0",
        ]
        assert sum(isinstance(patch, Arc) for patch in ax.patches) == 1
    blind = plots.fig1(independent, regnas.assign(nfr_low_pct=np.nan, nfr_high_pct=np.nan))
    assert not any("nan" in text for text in texts(blind)) and written(blind)


def test_members_of_one_name_stay_apart():
    table = pairs(members=4, names=["1.3M", "2.5M", "2.5M", "3M"])
    (ax, _) = plots.families(table).axes
    grid = ax.collections[0].get_array()
    expected = np.ma.masked_all((3, 3))
    for (a, b), value in zip(combinations(range(4), 2), table["nfr_pct"], strict=True):
        expected[b - 1, a] = value
    np.testing.assert_array_equal(grid.mask, expected.mask)
    np.testing.assert_array_equal(grid.compressed(), expected.compressed())
    assert [label.get_text() for label in ax.get_yticklabels()] == ["2.5M", "2.5M", "3M"]


def test_families_share_one_scale_and_show_half_of_the_interval():
    table = all_families(4)
    figure = plots.families(table)
    *maps, bar = figure.axes
    limits = {ax.collections[0].get_clim() for ax in maps}
    assert limits == {(0, table["nfr_pct"].max())} and bar.get_ylabel().startswith("NFR (%)")
    for ax, (name, rows) in zip(maps, table.groupby("family", sort=False), strict=True):
        assert ax.get_title().replace("\n", " ") == f"{name} mean {rows['nfr_pct'].mean():.2f}"
        assert sorted(t.get_text() for t in ax.texts) == sorted(f"{v:.1f}\n±0.4" for v in rows["nfr_pct"])
    assert not any("±" in t for t in texts(plots.families(table.assign(nfr_low_pct=np.nan))))


# ── designs ──────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("designs", [TABLE1, TABLE2, TABLE3])
def test_designs_stand_at_their_means_and_seeds(designs):
    title, mean, seeds = panel("one", *designs)
    figure = plots.designs((title, mean, seeds))
    (ax,) = figure.axes
    found = mean[mean["design"] != "reference"]
    shown = [bars.lines[0].get_xydata()[0] for bars in ax.containers]
    np.testing.assert_allclose(shown, found[["top1_pct", "nfr_pct"]])
    clouds = [c.get_offsets() for c in ax.collections]
    for design in found["design"]:
        expected = seeds.loc[seeds["design"] == design, ["top1_pct", "nfr_pct"]]
        assert any(np.array_equal(cloud, expected) for cloud in clouds)
    ends = [bars.lines[2][0].get_segments()[0] for bars in ax.containers]
    np.testing.assert_allclose([e[:, 0] for e in ends], found[["top1_low_pct", "top1_high_pct"]])
    assert len(figure.legends[0].get_texts()) == len(found)
    assert "81.6" in ax.get_xlabel() and ax.get_title() == "one"
    arrows = [text.arrow_patch for text in ax.texts if text.arrow_patch]
    assert len(arrows) == sum(", " in design for design in designs)


def test_tuned_designs_keep_the_colour_and_are_hollow():
    figure = plots.designs(panel("", *TABLE3))
    looks = [bars.lines[0] for bars in figure.axes[0].containers]
    assert [line.get_color() for line in looks] == [COLOURS["R0"]] * 3 + [COLOURS["R2+CAS"]] * 3
    assert [line.get_markerfacecolor() == "white" for line in looks] == [False, True, True] * 2
    assert len({line.get_marker() for line in looks[:3]}) == 3


def test_a_single_seed_of_a_design_has_no_interval():
    figure = plots.designs(("", means("R0", "R2+CAS", half=np.nan), by_seed("R0", "R2+CAS", seeds=1)))
    assert written(figure) and figure.axes[0].get_xlabel() == "Top-1 on the test split (%)"


def test_panels_share_one_legend():
    figure = plots.designs(panel("(a)", *TABLE1), panel("(b)", *TABLE2, shift=1))
    assert [ax.get_title() for ax in figure.axes] == ["(a)", "(b)"]
    shown = [text.get_text() for text in figure.legends[0].get_texts()]
    assert shown == [LABELS[d] for d in ("independent", "FD-KL", "FD-LM", "R0", "R1", "R2", "R2+CAS")]


# ── clouds ───────────────────────────────────────────────────────────────────────────────────────
def test_fig2b_shows_members_of_a_t_and_their_correlation():
    table = clouds()
    figure = plots.fig2b(table)
    rows = table[table["subset"] == "A_t"]
    (ax,) = figure.axes
    np.testing.assert_array_equal(ax.collections[0].get_offsets(), rows[["top1_pct", "nfr_pct"]])
    slope, start = np.polyfit(rows["top1_pct"], rows["nfr_pct"], 1)
    x, y = ax.lines[0].get_data()
    np.testing.assert_allclose(y, slope * x + start)
    r = np.corrcoef(rows["top1_pct"], rows["nfr_pct"])[0, 1]
    assert f"r = {r:.2f}".replace("-", "−") in ax.get_title() and "60 members" in ax.get_title()
    for few in (1, 2, 3):
        assert written(plots.fig2b(rows.head(few)))


def test_appendix_a_shows_every_network_and_means_of_bins():
    table = clouds()
    (ax,) = plots.appendix_a(table).axes
    for cloud, subset in zip(ax.collections[:2], ("A_c", "A_t"), strict=True):
        rows = table[table["subset"] == subset]
        np.testing.assert_allclose(
            cloud.get_offsets(), np.column_stack([100 * rows["shared_fraction"], rows["nfr_pct"]])
        )
    (points,) = errorbars(ax).values()
    outside = table[table["subset"] == "A_c"].sort_values("shared_fraction")
    assert points[:, 1] == pytest.approx(outside["nfr_pct"].to_numpy().reshape(6, 10).mean(1))


# ── searches ─────────────────────────────────────────────────────────────────────────────────────
def test_fig5a_draws_seeds_their_mean_and_range():
    table = course()
    short = table[~((table["seed"] == 2) & (table["generation"] > 4))]  # a search that stopped earlier
    (ax,) = plots.fig5a(short).axes
    for design, lines in zip(("R2", "R2+CAS"), (ax.lines[:4], ax.lines[4:]), strict=True):
        wide = short[short["design"] == design].pivot(index="generation", columns="seed", values="nfr_pct")
        wide = wide.ffill()
        np.testing.assert_allclose(np.column_stack([line.get_ydata() for line in lines[:3]]), wide)
        np.testing.assert_allclose(lines[3].get_ydata(), wide.mean(axis=1))
        assert lines[3].get_color() == COLOURS[design]
    assert all(tick == int(tick) for tick in ax.get_xticks())


def test_fig5b_shows_both_designs_and_the_reference():
    table = sweep(2.6, 2.0, 3.4)
    nfr, top1 = plots.fig5b(table).axes
    for ax, column in ((nfr, "nfr_pct"), (top1, "top1_pct")):
        shown = errorbars(ax)
        for design in ("R0", "R2+CAS"):
            rows = table[table["design"] == design].sort_values("budget")
            np.testing.assert_allclose(shown[COLOURS[design]], rows[["mmacs", column]])
    assert errorbars(top1)[COLOURS["reference"]].tolist() == [[1.29, 81.56]]
    assert COLOURS["reference"] not in errorbars(nfr)


@pytest.mark.parametrize(("draw", "table"), [("supernets", supernet_table), ("platforms", platform_table)])
def test_rows_stand_at_their_rates(draw, table):
    table = table()
    figure = getattr(plots, draw)(table)
    for ax, column in zip(figure.axes, ("nfr_pct", "top1_pct"), strict=True):
        for design in ("R0", "R2+CAS"):
            expected = table.loc[table["design"] == design, column]
            np.testing.assert_allclose(errorbars(ax)[COLOURS[design]].T, [expected, [0, 1]])
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    names = {"supernets": ["demo", "demo-resnet"]}
    assert labels == names.get(draw, ["parameters\n(≤ 0.123 M)", "latency\n(≤ 0.418 ms)"])


def test_appendix_b_orders_the_weights():
    table = ratios()
    figure = plots.appendix_b(table.sample(frac=1, random_state=0))
    for ax, column in zip(figure.axes, ("nfr_pct", "top1_pct"), strict=True):
        np.testing.assert_allclose(ax.lines[0].get_ydata(), table[column])
    labels = [label.get_text() for label in figure.axes[1].get_xticklabels()]
    assert labels == ["0\n(R0)", "0.5", "1\n(R2)", "2", "∞\n(R1)"]
    points = {line.get_color() for line in (bars.lines[0] for bars in figure.axes[0].containers)}
    assert points == {COLOURS[name] for name in ("R0", "R2", "R1", "other")}


def test_appendix_c_shows_changes_with_their_intervals():
    table = reductions()
    (ax,) = plots.appendix_c(table).axes
    shown = np.concatenate([bars.lines[0].get_xydata() for bars in ax.containers])
    expected = pd.concat([rows for _, rows in table.groupby("where", sort=False)])
    np.testing.assert_allclose(shown, expected[["top1_change_pct", "relative_reduction_pct"]])
    across, up = (np.concatenate([b.lines[2][k].get_segments() for b in ax.containers]) for k in (0, 1))
    np.testing.assert_allclose(
        across[:, :, 0], expected[["top1_change_low_pct", "top1_change_high_pct"]].to_numpy()
    )
    base = -100 * expected["nfr_change_pct"] / expected["relative_reduction_pct"]
    reduced = [-100 * expected[f"nfr_change_{end}_pct"] / base for end in ("high", "low")]
    np.testing.assert_allclose(up[:, :, 1].T, reduced)
    assert [text.get_text() for text in ax.texts] == ["2.6", "3", "2", "3.4", "6"]


def test_claims_are_all_there_and_wrapped():
    table = verdicts()
    figure = plots.claims(table, {2: "A title"})
    shown = texts(figure)
    assert {*table["claim"][:4], *table["verdict"], "A title", "−0.37", "[−1.74, +0.88]"} <= {*shown}
    long = table["claim"][4]  # on two lines
    assert sum(len(text) > 10 and text in long for text in shown) == 2
    assert [text for text in shown if text in "1257"] == ["1", "2", "5", "7"]
    assert not any("nan" in text for text in shown)


# ── speed ────────────────────────────────────────────────────────────────────────────────────────
def test_growth_has_a_panel_for_each_thing_that_grows():
    table = growth_table()
    figure = plots.growth(table)
    panels = [ax for ax in figure.axes if ax.get_xlabel()]
    for ax, (_, rows) in zip(panels, table.groupby("axis", sort=False), strict=True):
        np.testing.assert_allclose(ax.lines[0].get_xydata(), rows[["value", "seconds_per_network"]])
        assert [label.get_text() for label in ax.get_xticklabels()] == [str(v) for v in rows["value"]]
    assert len(figure.axes) == 8
    assert len(plots.growth(table[table["axis"] == "images"]).axes) == 2


def test_racing_shows_every_search_and_counts_outcomes():
    table = races()
    (ax,) = plots.racing(table).axes
    clouds = [c for c in ax.collections if len(c.get_offsets()) == 10]
    for cloud, (_, rows) in zip(clouds, table.groupby("level"), strict=True):
        np.testing.assert_allclose(cloud.get_offsets()[:, 1], 100 * rows["work"])
    labels = [label.get_text() for label in ax.get_xticklabels()]
    assert labels == ["0 (exact)\n10 of 10", "0.001\n6 of 10", "0.01\n6 of 10", "0.05\n6 of 10"]
