"""A release as one self-contained page: no script, no file beside it, no words one has to know."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ...errors import PredictionError
from .columns import names_beside
from .judging import Candidate, Slice
from .limits import Verdict
from .pages import p_value, release_says, worst_first
from .release import Release, flipped

PICTURES = 24  # flipped items that are shown, at most
CONFUSIONS = 15
TYPES = {".jpg": "jpeg", ".jpeg": "jpeg", ".png": "png", ".gif": "gif", ".webp": "webp", ".svg": "svg+xml"}
COLOURS = {"pass": "#00735a", "fail": "#b34700", "golden failure": "#b34700", "inconclusive": "#8a6d00"}
SAYS = {
    "pass": "may be released",
    "fail": "must not be released",
    "golden failure": "must not be released: an item that may never break does",
    "inconclusive": "cannot be judged yet: too few items",
    None: "no limit was given",
}
STYLE = """
:root{color-scheme:light dark;--ink:#1b1b1b;--soft:#5c5c5c;--line:#d9d9d9;--back:#fff;--card:#f6f6f4;
--bad:#b34700;--good:#00735a}
@media (prefers-color-scheme:dark){:root{--ink:#ececec;--soft:#a8a8a8;--line:#3c3c3c;--back:#171717;
--card:#222;--bad:#ff9a5c;--good:#4fd1ab}}
body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--back);max-width:62rem;
margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem;margin:0 0 .2rem}h2{font-size:1.15rem;margin:2.2rem 0 .6rem}p{margin:.4rem 0}
.soft{color:var(--soft)}
.verdict{border-left:.5rem solid;padding:.7rem 1rem;background:var(--card);margin:1rem 0}
.verdict b{font-size:1.25rem}table{border-collapse:collapse;margin:.6rem 0}
td,th{padding:.35rem .8rem .35rem 0;text-align:left;border-bottom:1px solid var(--line);vertical-align:top}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}.cells{border-spacing:.4rem;border-collapse:separate}
.cells td{background:var(--card);border:0;padding:.7rem 1rem;text-align:center;min-width:9rem}
.cells th{border:0}.cells .bad{outline:2px solid var(--bad)}.cells b{font-size:1.3rem;display:block}
.pictures{display:grid;grid-template-columns:repeat(auto-fill,minmax(9rem,1fr));gap:.8rem;padding:0}
.pictures figure{margin:0;background:var(--card);padding:.5rem}.pictures img{width:100%;image-rendering:auto}
figcaption{font-size:.85rem}.bad{color:var(--bad)}.good{color:var(--good)}
@media (max-width:36rem){td,th{padding-right:.4rem;font-size:.85rem}
.cells{border-spacing:.15rem}.cells td{min-width:0;padding:.6rem .4rem}}
svg text{fill:var(--ink);font-size:13px}
.key{display:inline-block;width:1.6rem;border-top:2px dashed var(--bad);vertical-align:middle}
svg .axis{stroke:var(--line)}svg .limit{stroke:var(--bad);stroke-dasharray:4 3}li{margin:.2rem 0}
"""


def as_html(release: Release, images: str | Path | None = None, column: str | None = None) -> str:
    """The page.

    Args:
        release: of :func:`regnas_core.flips.gate.release.compare`.
        images: folder of the items' pictures, as ``<id>.jpg`` or .png; or what ``column`` is relative to.
        column: a column of the pictures' paths.

    Raises:
        PredictionError: no such folder, or no such column.
    """
    if images is not None and not Path(images).is_dir():
        raise PredictionError(f"{images}: no such folder; expected the items' pictures in it.")
    names = names_beside(release.items.columns, release.items.id)
    if column is not None and column not in names:
        there = ", ".join(names) or "none"
        raise PredictionError(f"There is no column {column} of pictures' paths; the tables have {there}.")
    column = column and names[column]
    parts = [_candidate(release, one, images, column) for one in release.candidates]
    name = escape(release.items.baseline.name)
    title = f"Negative flips: {name} → {', '.join(escape(one.name) for one in release.candidates)}"
    summary, between = (_summary(release), _between(release)) if len(release.pairs) else ("", "")
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<style>{STYLE}</style></head><body><h1>{title}</h1>"
        f'<p class="soft">{len(release.items):,} items; {escape("; ".join(release.items.notes))}.</p>'
        f"{_weighting(release)}"
        "<p>A <b>negative flip</b> is an item that the old model gets right and the new one gets wrong: "
        "something that used to work and stops working, even where the new model is better on average. "
        "Flips count from the old model to the new one, whichever is more accurate.</p>"
        f"{summary}{''.join(parts)}{between}</body></html>"
    )


def _summary(release: Release) -> str:
    """Several candidates at a glance."""
    rows = "".join(
        f'<tr><td><b>{escape(one.name)}</b></td><td>{escape(SAYS[one.verdict])}</td><td class="n">'
        f"{one.counts.negative:,} ({one.nfr.value:.2%})</td>"
        f'<td class="n">{one.top1[1]:.2%}</td></tr>'
        for one in release.candidates
    )
    before = release.candidates[0].top1[0]
    said = "".join(f"<p>The release: {escape(text)}.</p>" for text in release_says(release))
    return (
        '<table><tr><th>new model</th><th></th><th class="n">negative flips</th>'
        f'<th class="n">right answers (old: {before:.2%})</th></tr>{rows}</table>{said}'
    )


def _weighting(release: Release) -> str:
    if release.weight is None:
        return ""
    return (
        f"<p>Rates are weighted by the column {escape(release.weight)}, and so are shares of right answers; "
        "counts, and the table of every item, are of items that count once each.</p>"
    )


def _candidate(release: Release, one: Candidate, images: str | Path | None, column: str | None) -> str:
    colour = COLOURS.get(one.verdict or "", "#767676")
    reasons = "".join(f"<li>{_mark(verdict)} {escape(text)}</li>" for verdict, text in one.reasons)
    head = (
        f'<div class="verdict" style="border-color:{colour}"><b>{escape(one.name)}</b> '
        f"{escape(SAYS[one.verdict])}<ul>{reasons}</ul></div>"
    )
    kind = ", weighted" if release.weight else ""
    parts = [head, _cells(one, ", unweighted" if release.weight else ""), _numbers(one, kind)]
    if one.slices:
        parts.append(_forest(one.slices, release.limits.max_nfr_slice, release.least, kind))
    if one.golden:
        shown = ", ".join(escape(str(item)) for item in one.golden[:50])
        parts.append(f'<h2>Golden items that flip</h2><p class="bad">{shown}</p>')
    table = flipped(release, one)
    if len(table):
        parts += [_confusions(table), _pictures(table, images, column)]
    return "".join(parts)


def _mark(verdict: Verdict) -> str:
    return {"pass": '<span class="good">✓</span>', "inconclusive": "?"}.get(
        verdict, '<span class="bad">✗</span>'
    )


def _cells(one: Candidate, kind: str) -> str:
    c = one.counts

    def cell(count: int, text: str, kind: str = "") -> str:
        return (
            f'<td class="{kind}"><b>{count:,}</b>{text}<br><span class="soft">{count / c.n:.2%}</span></td>'
        )

    return (
        f'<h2>Every item, once{kind}</h2><table class="cells"><tr><th></th><th>new right</th>'
        "<th>new wrong</th></tr>"
        f"<tr><th>old right</th>{cell(c.both_correct, 'still right')}"
        f"{cell(c.negative, 'broken: negative flips', 'bad')}</tr><tr><th>old wrong</th>"
        f"{cell(c.positive, 'mended: positive flips')}{cell(c.both_wrong, 'still wrong')}</tr></table>"
    )


def _numbers(one: Candidate, kind: str) -> str:
    low, high = one.nfr_interval
    rows = [
        ("negative flips, of all items", f"{one.nfr.value:.2%} (95 % interval {low:.2%} to {high:.2%})"),
        ("right answers", f"{one.top1[0]:.2%} before, {one.top1[1]:.2%} after"),
        ("answers that changed", f"{one.churn:.2%}"),
    ]
    if one.top_flips is not None:
        rows.append(("right class no longer among the best", f"{one.top_flips:.2%}"))
    if one.soft_flips is not None:
        rows.append(("probability of the right class, mean loss", f"{one.soft_flips:.4f}"))
    cells = "".join(f"<tr><td>{name}{kind}</td><td>{value}</td></tr>" for name, value in rows)
    return f"<table>{cells}</table>"


def _forest(slices: list[Slice], limit: float | None, least: int, kind: str, most: int = 40) -> str:
    """Rates of the slices with their bounds, the worst first, beside each other on one axis."""
    large = [s for s in slices if s.n >= least] or slices
    shown = worst_first(large, least, most)
    right = max(max(s.nfr.high for s in shown), limit or 0.0) * 1.05 or 1.0
    left, wide, step = 260, 420, 24
    height = step * len(shown) + 46

    def at(rate: float) -> float:
        return left + wide * rate / right

    lines = [f'<line class="axis" x1="{left}" x2="{left}" y1="8" y2="{height - 34}"/>']
    for row, s in enumerate(shown):
        y, colour = 22 + step * row, COLOURS.get(s.verdict or "", "#767676")
        lines += [
            f'<text x="{left - 10}" y="{y + 4}" text-anchor="end">{escape(s.name[:38])} ({s.n:,})</text>',
            f'<line x1="{at(s.nfr.low):.1f}" x2="{at(s.nfr.high):.1f}" y1="{y}" y2="{y}" stroke="{colour}" '
            f'stroke-width="2"/><circle cx="{at(s.nfr.value):.1f}" cy="{y}" r="4.5" fill="{colour}"/>',
            f'<text x="{left + wide + 8}" y="{y + 4}">{s.nfr.value:.1%}</text>',
        ]
    step_of = next(s for s in (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5) if right / s <= 6)
    lines += [
        f'<text x="{at(t):.1f}" y="{height - 12}" text-anchor="middle">{100 * t:.3g} %</text>'
        for t in np.arange(0, right, step_of)
    ]
    if limit is not None:
        lines.append(
            f'<line class="limit" x1="{at(limit):.1f}" x2="{at(limit):.1f}" y1="8" y2="{height - 34}"/>'
        )
    rest = f" The {most} worst of {len(large)}." if len(large) > most else ""
    if small := len(slices) - len(large):
        rest += f" {small} slices of fewer than {least} items are left out."
    legend = ""
    if limit is not None:
        legend = (
            f'<p><span class="key"></span> the limit, {limit:.2%}. A group passes where its whole line lies '
            "left of it. One that lies right of it fails only where chance is ruled out for all groups "
            "together (Holm's correction: among many groups some look bad by chance); else it is "
            "inconclusive.</p>"
        )
    box = f'viewBox="0 0 {left + wide + 70} {height}" role="img" aria-label="Rates by slice"'
    return (
        f'<h2>Where</h2><p class="soft">Negative flips by group of items{kind}, in brackets how many these '
        "are. The dot is the rate that was found; the true one lies right of the line's start, and left of "
        f"its end, each with the confidence asked.{rest}</p>{legend}<svg {box}>{''.join(lines)}</svg>"
    )


def _confusions(table: pd.DataFrame) -> str:
    """What flipped items are taken for."""
    counted = table.groupby(["label", "candidate"]).size().sort_values(ascending=False, kind="stable")
    rows = "".join(
        f'<tr><td>{escape(str(label))}</td><td>{escape(str(answer))}</td><td class="n">{count:,}</td></tr>'
        for (label, answer), count in counted.head(CONFUSIONS).items()
    )
    return (
        "<h2>What it says instead</h2><table><tr><th>truth, and the old answer</th><th>new answer</th>"
        f'<th class="n">items</th></tr>{rows}</table>'
    )


def _pictures(table: pd.DataFrame, images: str | Path | None, column: str | None) -> str:
    """The flipped items; with their pictures, where these can be found."""
    shown = table.head(PICTURES)
    surest = "the surest first" if "confidence" in table else "in the order of the files"
    head = f'<h2>Items that flip</h2><p class="soft">{len(shown):,} of {len(table):,}, {surest}.</p>'
    if images is None and column is None:
        return f"{head}{_listed(shown)}"
    figures, missing = [], []
    for row in shown.to_dict("records"):
        path = next((p for p in _paths(row, images, column) if p.is_file()), None)
        missing.append(path is None)
        figures += [] if path is None else [_figure(row, path)]
    parts = [f'{head}<div class="pictures">{"".join(figures)}</div>'] if figures else [head]
    if any(missing):
        where = "" if images is None else f" in {escape(str(images))}"
        parts.append(f"<p>{sum(missing):,} of these have no picture{where}:</p>{_listed(shown[missing])}")
    return "".join(parts)


def _listed(shown: pd.DataFrame) -> str:
    columns = [name for name in ("id", "label", "candidate", "confidence") if name in shown]
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(_short(value))}</td>" for value in row) + "</tr>"
        for row in shown[columns].itertuples(index=False)
    )
    names = {"id": "item", "label": "truth, and the old answer", "candidate": "new answer"}
    heads = "".join(f"<th>{names.get(name, name)}</th>" for name in columns)
    return f"<table><tr>{heads}</tr>{rows}</table>"


def _figure(row: dict[str, Any], path: Path) -> str:
    item = escape(str(row["id"]))
    return (
        f'<figure><img alt="item {item}" src="{_inline(path)}"><figcaption><span class="soft">{item}</span> '
        f'<span class="good">{escape(str(row["label"]))}</span> → <span class="bad">'
        f"{escape(str(row['candidate']))}</span></figcaption></figure>"
    )


def _paths(row: dict[str, Any], images: str | Path | None, column: str | None) -> Iterable[Path]:
    folder = Path(images) if images is not None else Path()
    if column is not None:
        yield folder / str(row[column])
    else:
        yield from (folder / f"{row['id']}{suffix}" for suffix in TYPES)


def _inline(path: Path) -> str:
    kind = TYPES.get(path.suffix.lower(), "png")
    return f"data:image/{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"


def _short(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _between(release: Release) -> str:
    rows = "".join(
        f'<tr><td>{escape(r.a)}</td><td class="n">{r.only_a}</td><td>{escape(r.b)}</td>'
        f'<td class="n">{r.only_b}</td><td class="n">{escape(p_value(r.p_holm))}</td></tr>'
        for r in release.pairs.itertuples()
    )
    return (
        '<h2>Between the candidates</h2><p class="soft">Items that one breaks and the other does not. A '
        "small p says that chance hardly makes such a difference (exact paired tests, corrected for their "
        'number).</p><table><tr><th>candidate</th><th class="n">alone</th><th>candidate</th>'
        '<th class="n">alone</th><th class="n"></th></tr>'
        f"{rows}</table>"
    )
