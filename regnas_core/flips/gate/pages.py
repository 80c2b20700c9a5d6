"""A release as text: for a terminal, one line of JSON, Markdown for a summary, JUnit for a pipeline."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree as xml

from .limits import Bounded
from .release import Candidate, Release, Slice

RULE = "flips count from the baseline to the candidate, whichever is more accurate"
MARKS = {"pass": "✓", "fail": "✗", "golden failure": "✗", "inconclusive": "?", None: "·"}


def as_text(release: Release) -> str:
    """What a terminal shows."""
    items = release.items
    lines = [f"{len(items):,} items; {'; '.join(items.notes)}", RULE, ""]
    for one in release.candidates:
        counts = one.counts
        lines += [
            f"{one.name} against {items.baseline.name}" + (f": {one.verdict.upper()}" if one.verdict else ""),
            f"  Top-1              {counts.reference_top1:.2%} → {counts.target_top1:.2%}",
            f"  negative flips     {counts.negative:,} ({_interval(one)})",
            f"  positive flips     {counts.positive:,}",
            f"  other predictions  {one.churn:.2%}",
        ]
        if one.top_flips is not None:
            lines.append(f"  label leaves the top scores  {one.top_flips:.2%}")
        if one.soft_flips is not None:
            lines.append(f"  probability of the label, mean loss  {one.soft_flips:.4f}")
        lines += [f"  {MARKS[verdict]} {reason}" for verdict, reason in one.reasons]
        lines += [f"  {MARKS[s.verdict]} {s.name}: {_slice(s)}" for s in worst_first(one.slices)]
        lines.append("")
    for row in release.pairs.itertuples():
        fewer = row.a if row.only_a < row.only_b else row.b
        said = f"{fewer} flips less" if row.p_holm < 0.05 else "no difference that chance could not make"
        lines.append(
            f"{row.a} and {row.b}: {row.only_a} and {row.only_b} flips of their own, {said} "
            f"({p_value(row.p_holm)})"
        )
    return "\n".join(lines).rstrip()


def p_value(p: float) -> str:
    return f"p {p:.3f}" if p >= 0.001 else "p < 0.001"


def _interval(one: Candidate) -> str:
    low, high = one.nfr_interval
    return f"{one.nfr.value:.2%}, 95 % interval {low:.2%} to {high:.2%}"


def _slice(one: Slice) -> str:
    return f"{one.negative:,} of {one.n:,} flip ({one.nfr.value:.2%}, at most {one.nfr.high:.2%})"


def worst_first(slices: list[Slice], most: int = 12) -> list[Slice]:
    """The gravest verdicts first, of these the highest rates."""
    order = {"fail": 0, "inconclusive": 1, "pass": 2, None: 3}
    return sorted(slices, key=lambda s: (order[s.verdict], -s.nfr.value))[:most]


def as_json(release: Release) -> str:
    """One line: the best candidate's numbers, and under "candidates" everybody's."""
    every = [_plain(release, one) for one in release.candidates]
    best = every[release.candidates.index(release.best)]
    more = {"candidates": every} if len(every) > 1 else {}
    return json.dumps({**best, "joined": release.items.notes, "rule": RULE, **more}, ensure_ascii=False)


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
        "baseline_top1": one.counts.reference_top1,
        "candidate_top1": one.counts.target_top1,
        "top1_gain": _bounded(one.top1_gain),
        "churn": one.churn,
        "top_flips": one.top_flips,
        "soft_flips": one.soft_flips,
        "confidence": release.limits.confidence,
        "nfr_bounds": _bounded(one.nfr),
        "verdict": one.verdict,
        "reasons": [{"verdict": verdict, "reason": text} for verdict, text in one.reasons],
        "golden_failures": one.golden,
        "slices": [
            {
                "slice": s.name,
                "n": s.n,
                "negative": s.negative,
                "positive": s.positive,
                **{
                    f"nfr{end}": value for end, value in zip(("", "_low", "_high"), _ends(s.nfr), strict=True)
                },
                "verdict": s.verdict,
            }
            for s in one.slices
        ],
    }


def _ends(found: Bounded) -> tuple[float, float, float]:
    return found.value, found.low, found.high


def _bounded(found: Bounded) -> dict[str, float]:
    return dict(zip(("value", "low", "high"), _ends(found), strict=True))


def as_markdown(release: Release) -> str:
    """For the summary of a pipeline's run."""
    items = release.items
    lines = [
        f"### Negative flips against {items.baseline.name}",
        "",
        f"{len(items):,} items, {'; '.join(items.notes)}. {RULE[0].upper()}{RULE[1:]}.",
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
            f"{one.counts.reference_top1:.2%} → {one.counts.target_top1:.2%}",
        ]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    for one in release.candidates:
        lines += ["", *(f"- {MARKS[verdict]} {one.name}: {text}" for verdict, text in one.reasons)]
        if one.slices:
            lines += [
                "",
                f"| slice of {one.name} | items | negative flips | at most | verdict |",
                "|---|---|---|---|---|",
            ]
            for s in worst_first(one.slices):
                name = s.name.replace("|", "\\|")
                rates = f"{s.negative} ({s.nfr.value:.2%}) | {s.nfr.high:.2%}"
                lines.append(f"| {name} | {s.n:,} | {rates} | {s.verdict or ''} |")
    return "\n".join(lines) + "\n"


def as_junit(release: Release) -> str:
    """JUnit's XML: a suite a candidate, a case a limit and a slice."""
    suites = xml.Element("testsuites", name="negative flips")
    for one in release.candidates:
        cases = [(text.partition(":")[0], verdict, text) for verdict, text in one.reasons]
        cases += [(s.name, s.verdict, _slice(s)) for s in one.slices if s.verdict]
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
