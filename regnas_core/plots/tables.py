"""Tables as the paper prints them, with the paper's own numbers beside ours and set apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from ..files import write_atomically

OURS, PAPER = "ours", "paper (ImageNet)"
COLOURS = {"holds": "#00735a", "does not hold": "#b34700"}
GREY = "#767676"  # of other verdicts


def printed(means: pd.DataFrame, paper: pd.DataFrame | None = None) -> pd.DataFrame:
    """A table for people: model, MACs, Top-1, NFR with its interval, how many; text, ready to be shown.

    Args:
        means: of :meth:`regnas_core.experiments.Comparison.means`.
        paper: of :mod:`regnas_core.experiments.paper`, with a column ``design`` by which its rows stand
            beside ours.

    Returns:
        Columns of two levels: ours, and the paper's.
    """
    ours = pd.DataFrame(
        {
            "model": means["model"],
            "MACs (M)": means["mmacs"].map(_size),
            "Top-1 (%)": means["top1_pct"].map("{:.2f}".format),
            "NFR (%)": means["nfr_pct"].map(_rate),
            "95 % interval": [
                _interval(low, high)
                for low, high in zip(means["nfr_low_pct"], means["nfr_high_pct"], strict=True)
            ],
            "trainings": means["trainings"].map("{:d}".format),
            "networks": means["networks"].map("{:d}".format),
        }
    )
    ours.columns = pd.MultiIndex.from_product([[OURS], ours.columns])
    if paper is None:
        return ours
    rows = paper.set_index("design").reindex(means["design"])
    theirs = pd.DataFrame(
        {
            "model": rows["model"].fillna("").to_numpy(),
            "MACs (M)": rows["mmacs"].map(_size).to_numpy(),
            "Top-1 (%)": rows["top1_pct"].map(_rate).to_numpy(),
            "NFR (%)": rows["nfr_pct"].map(_rate).to_numpy(),
        }
    )
    theirs.columns = pd.MultiIndex.from_product([[PAPER], theirs.columns])
    return pd.concat([ours, theirs], axis=1)


def save_printed(table: pd.DataFrame, path: str | Path, caption: str) -> pd.DataFrame:
    """Write ``path``.md and ``path``.tex; returns the table, so that a cell shows it."""
    path = Path(path)
    write_atomically(
        path.with_suffix(".md"), lambda part: part.write_text(_markdown(table, caption), "utf-8")
    )
    write_atomically(path.with_suffix(".tex"), lambda part: part.write_text(_latex(table, caption), "utf-8"))
    return table


def shown(table: pd.DataFrame):
    """The table as a notebook shows it: the paper's columns grey and behind a line."""
    style = table.style.hide(axis="index").set_properties(**{"text-align": "left"})
    theirs = [column for column in table.columns if column[0] == PAPER]
    style = style.set_properties(subset=theirs, **{"color": "#777777", "font-style": "italic"})
    first = {"selector": "", "props": [("border-left", "2px solid #999999")]}
    return style.set_table_styles({theirs[0]: [first]}, overwrite=False) if theirs else style


def shown_differences(differences: pd.DataFrame):
    """Paired differences as a notebook shows them: NFR with its interval, relative to it, and Top-1.

    ``same``: in how many repetitions, in percent, both designs found one and the same network.
    """
    rates = ["nfr_pct", "nfr_low_pct", "nfr_high_pct", "relative_nfr_change_pct"]
    front = [c for c in ("part", "sizes", "budget", "comparison", "networks") if c in differences]
    columns = [*front, "same_pct", *rates, "top1_pct", "top1_low_pct", "top1_high_pct"]
    return differences[columns].style.format(precision=2, na_rep="–").hide(axis="index")


def shown_claims(claims: pd.DataFrame | list[dict]):
    """Claims as a notebook shows them; the verdict, where there is one, in its colour."""
    claims = pd.DataFrame(claims)
    columns = ["number", "claim", "primary", "value", "low", "high", "trainings", "repetitions", "agree"]
    table = claims[[column for column in (*columns, "p", "p_holm", "verdict") if column in claims]]
    style = table.style.format(precision=2, na_rep="–").hide(axis="index")
    style = style.format(p_value, subset=[column for column in ("p", "p_holm") if column in table])
    style = style.set_properties(subset=["claim"], **{"text-align": "left"})
    return style.map(_coloured, subset=["verdict"]) if "verdict" in table else style


def shown_side_by_side(table: pd.DataFrame):
    """:func:`regnas_core.experiments.side_by_side` as a notebook shows it, each verdict in its colour."""
    style = table.style.hide(axis="index").set_properties(**{"text-align": "left"})
    style = style.set_table_styles([{"selector": "th", "props": [("text-align", "left")]}])
    presets = table.columns.drop(["number", "claim"])
    return style.map(lambda cell: _coloured(cell.partition(" ")[2]), subset=presets)


def _coloured(verdict: str) -> str:
    return f"color: {COLOURS.get(verdict, GREY)}; font-weight: {'bold' if verdict in COLOURS else 'normal'}"


def _markdown(table: pd.DataFrame, caption: str) -> str:
    names = [name if group == OURS else f"*paper:* {name}" for group, name in table.columns]
    lines = [f"**{caption}**", "", _line(names), _line(["---"] * len(names))]
    for row in table.itertuples(index=False):
        texts = zip(row, table.columns, strict=True)
        lines.append(_line([f"*{text}*" if text and group != OURS else text for text, (group, _) in texts]))
    return "\n".join(lines) + "\n"


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _latex(table: pd.DataFrame, caption: str) -> str:
    ours = sum(group == OURS for group, _ in table.columns)
    columns = (
        "l"
        + "r" * (ours - 1)
        + ("|l" + "r" * (len(table.columns) - ours - 1) if ours < len(table.columns) else "")
    )
    body = table.map(lambda text: text.replace("−", "$-$").replace("%", r"\%"))
    body.columns = pd.MultiIndex.from_tuples([tuple(n.replace("%", r"\%") for n in c) for c in body.columns])
    style = body.style.hide(axis="index")
    return style.to_latex(
        column_format=columns, caption=caption.replace("%", r"\%"), hrules=True, multicol_align="c"
    )


def _size(mmacs: float) -> str:
    return "" if np.isnan(mmacs) else f"{mmacs:.0f}" if mmacs >= 100 else f"{mmacs:.2f}"


def _rate(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.2f}"


def p_value(p: float) -> str:
    """A p-value as people write it."""
    return "–" if np.isnan(p) else "< 0.001" if p < 0.001 else f"{p:.3f}"


def _interval(low: float, high: float) -> str:
    return "" if np.isnan(low) else f"[{low:.2f}, {high:.2f}]"
