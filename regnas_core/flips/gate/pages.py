"""A release as text: for a terminal, one line of JSON, Markdown for a summary, JUnit for a pipeline."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree as xml

from .judging import Candidate, Slice
from .limits import Bounded
from .release import BEST, Release

RULE = "flips count from the baseline to the candidate, whichever is more accurate"
MARKS = {"pass": "✓", "fail": "✗", "golden failure": "✗", "inconclusive": "?", None: "·"}


def as_text(release: Release) -> str:
    """What a terminal shows."""
    items = release.items
    lines = [f"{len(items):,} items; {'; '.join(items.notes)}", RULE, *_weighting(release), ""]
    kind = ", weighted" if release.weight else ""
    for one in release.candidates:
        counts = one.counts
        lines += [
            f"{one.name} against {items.baseline.name}" + (f": {one.verdict.upper()}" if one.verdict else ""),
            f"  Top-1              {one.top1[0]:.2%} → {one.top1[1]:.2%}{kind}",
            f"  negative flips     {counts.negative:,} ({_interval(one)}{kind})",
            f"  positive flips     {counts.positive:,}",
            f"  other predictions  {one.churn:.2%}{kind}",
        ]
        if one.top_flips is not None:
            lines.append(f"  label leaves the top scores  {one.top_flips:.2%}")
        if one.soft_flips is not None:
            lines.append(f"  probability of the label, mean loss  {one.soft_flips:.4f}")
        lines += [f"  {MARKS[verdict]} {reason}" for verdict, reason in one.reasons]
        shown = worst_first(one.slices, release.least)
        lines += [f"  {MARKS[s.verdict]} {s.name}: {_slice(release, s)}" for s in shown]
        lines += [*(f"  · {rest}" for rest in _rest(one.slices, shown)), ""]
    for row in release.pairs.itertuples():
        fewer = row.a if row.only_a < row.only_b else row.b
        said = f"{fewer} flips less" if row.p_holm < 0.05 else "no difference that chance could not make"
        lines.append(
            f"{row.a} and {row.b}: {row.only_a} and {row.only_b} flips of their own, {said} "
            f"({p_value(row.p_holm)})"
        )
    lines += [f"release: {said}" for said in release_says(release)]
    return "\n".join(lines).rstrip()


def release_says(release: Release) -> list[str]:
    """Of several candidates: whose verdict is the release's. Nothing of one, or where no limit was given."""
    if len(release.candidates) == 1 or release.verdict is None:
        return []
    return [f"{release.verdict.upper()}, by {release.best.name} ({BEST})"]


def _weighting(release: Release) -> list[str]:
    if release.weight is None:
        return []
    return [f"rates are weighted by {release.weight}; counts are of items, each counted once"]


def p_value(p: float) -> str:
    return f"p {p:.3f}" if p >= 0.001 else "p < 0.001"


def _interval(one: Candidate) -> str:
    low, high = one.nfr_interval
    return f"{one.nfr.value:.2%}, 95 % interval {low:.2%} to {high:.2%}"


def _slice(release: Release, one: Slice) -> str:
    kind = ", weighted" if release.weight else ""
    more = f"; some {one.more:,} more would decide" if one.more else ""
    return f"{one.negative:,} of {one.n:,} flip ({one.nfr.value:.2%}, at most {one.nfr.high:.2%}{kind}){more}"


def worst_first(slices: list[Slice], least: int, most: int = 12) -> list[Slice]:
    """The gravest verdicts first, of these the highest rates; at the end what has fewer items than least."""
    order = {"fail": 0, "inconclusive": 1, "pass": 2, None: 3}
    return sorted(slices, key=lambda s: (s.n < least, order[s.verdict], -s.nfr.value))[:most]


def _rest(slices: list[Slice], shown: list[Slice]) -> list[str]:
    """That there are more slices than are shown."""
    more = len(slices) - len(shown)
    return [f"and {more:,} more slices: --json has all"] if more else []


def as_json(release: Release) -> str:
    """One line: the best candidate's numbers, the release's verdict, and under "candidates" everybody's."""
    every = [_plain(release, one) for one in release.candidates]
    best = every[release.candidates.index(release.best)]
    whole = {
        "joined": release.items.notes,
        "rule": RULE,
        "weight": release.weight,
        "weighting": "; ".join(_weighting(release)) or "every item counts once",
        "release": {"verdict": release.verdict, "candidate": release.best.name, "rule": BEST},
        "pairs": release.pairs.to_dict("records"),
    }
    more = {"candidates": every} if len(every) > 1 else {}
    return json.dumps({**best, **whole, **more}, ensure_ascii=False, default=str)


def _plain(release: Release, one: Candidate) -> dict[str, Any]:
    low, high = one.nfr_interval
    return {
        "baseline": release.items.baseline.name,
        "candidate": one.name,
        "n": one.counts.n,
        "both_correct": one.counts.both_correct,
        "negative": one.counts.negative,
        "positive": one.counts.positive,
        "both_wrong": one.counts.both_wrong,
        "nfr": one.nfr.value,
        "nfr_low": low,
        "nfr_high": high,
        **_one_sided(one.nfr),
        "baseline_top1": one.top1[0],
        "candidate_top1": one.top1[1],
        "top1_gain": {"value": one.top1_gain.value, **_one_sided(one.top1_gain)},
        "churn": one.churn,
        "top_flips": one.top_flips,
        "soft_flips": one.soft_flips,
        "confidence": release.limits.confidence,
        "verdict": one.verdict,
        "reasons": [{"verdict": verdict, "reason": text} for verdict, text in one.reasons],
        "golden_failures": one.golden,
        "slices": [
            {
                "slice": s.name,
                "n": s.n,
                "negative": s.negative,
                "positive": s.positive,
                "nfr": s.nfr.value,
                "nfr_low": s.nfr_interval.low,
                "nfr_high": s.nfr_interval.high,
                **_one_sided(s.nfr),
                "verdict": s.verdict,
                "more_items": s.more,
            }
            for s in one.slices
        ],
    }


def _one_sided(found: Bounded) -> dict[str, float]:
    return {"lower_bound": found.low, "upper_bound": found.high}


def as_markdown(release: Release) -> str:
    """For the summary of a pipeline's run."""
    items = release.items
    lines = [
        f"### Negative flips against {items.baseline.name}",
        "",
        f"{len(items):,} items, {'; '.join(items.notes)}. "
        + " ".join(f"{said[0].upper()}{said[1:]}." for said in (RULE, *_weighting(release))),
        "",
        "| candidate | verdict | negative flips | 95 % interval | positive flips | Top-1 |",
        "|---|---|---|---|---|---|",
    ]
    for one in release.candidates:
        low, high = one.nfr_interval
        cells = [
            one.name,
            f"**{one.verdict}**" if one.verdict else "no limit given",
            f"{one.counts.negative:,} ({one.nfr.value:.2%})",
            f"{low:.2%} to {high:.2%}",
            f"{one.counts.positive:,}",
            f"{one.top1[0]:.2%} → {one.top1[1]:.2%}",
        ]
        lines.append("| " + " | ".join(map(_cell, cells)) + " |")
    lines += [line for said in release_says(release) for line in ("", f"The release: {said}.")]
    for one in release.candidates:
        lines += ["", *(f"- {MARKS[verdict]} {one.name}: {text}" for verdict, text in one.reasons)]
        if one.slices:
            lines += [
                "",
                f"| slice of {one.name} | items | negative flips | at most | verdict |",
                "|---|---|---|---|---|",
            ]
            shown = worst_first(one.slices, release.least)
            for s in shown:
                rates = f"{s.negative} ({s.nfr.value:.2%}) | {s.nfr.high:.2%}"
                more = f", some {s.more:,} more items would decide" if s.more else ""
                lines.append(f"| {_cell(s.name)} | {s.n:,} | {rates} | {s.verdict or ''}{more} |")
            lines += [line for rest in _rest(one.slices, shown) for line in ("", rest)]
    if len(release.pairs):
        lines += ["", "| candidate | flips alone | candidate | flips alone | p | p, corrected |"]
        lines.append("|---|---|---|---|---|---|")
        for row in release.pairs.itertuples():
            a, b = _cell(row.a), _cell(row.b)
            chances = f"{p_value(row.p)} | {p_value(row.p_holm)}".replace("p ", "")
            lines.append(f"| {a} | {row.only_a:,} | {b} | {row.only_b:,} | {chances} |")
    return "\n".join(lines) + "\n"


def _cell(value: object) -> str:
    """A text in a table of Markdown."""
    return str(value).replace("|", "\\|")


def as_junit(release: Release) -> str:
    """JUnit's XML: a suite a candidate, a case a limit and a slice."""
    suites = xml.Element("testsuites", name="negative flips")
    for one in release.candidates:
        cases = [(text.partition(":")[0], verdict, text) for verdict, text in one.reasons]
        cases += [(s.name, s.verdict, _slice(release, s)) for s in one.slices if s.verdict]
        bad = sum(verdict in ("fail", "golden failure") for _, verdict, _ in cases)
        skipped = sum(verdict == "inconclusive" for _, verdict, _ in cases)
        counts: dict[str, Any] = {"tests": str(len(cases)), "failures": str(bad), "skipped": str(skipped)}
        suite = xml.SubElement(suites, "testsuite", name=one.name, **counts)
        for name, verdict, text in cases:
            case = xml.SubElement(suite, "testcase", classname=one.name, name=name)
            if verdict in ("fail", "golden failure"):
                xml.SubElement(case, "failure", message=text)
            elif verdict == "inconclusive":
                xml.SubElement(case, "skipped", message=f"inconclusive: {text}")
    return xml.tostring(suites, encoding="unicode", xml_declaration=True)
