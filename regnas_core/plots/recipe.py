"""Figure 3: layers as bars, what CAS adds in colour."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from .style import COLOURS, new_figure, styled


@styled
def fig3(table: pd.DataFrame) -> Figure:
    """Layers as bars (length: channels; label: kernel); what CAS adds is coloured."""
    titles = {
        "layers": "(a) add layers",
        "channels": "(b) add channels",
        "kernels": "(c) extend kernels",
        "all": "found by R2 + CAS",
    }
    titles = {panel: title for panel, title in titles.items() if panel in set(table["panel"])}
    deepest, stages = table["layer"].max(), table["stage"].max()
    figure, axes = new_figure(9, 1.1 + 0.17 * stages * deepest, ncols=len(titles), sharey=True)
    for ax, (panel, title) in zip(axes, titles.items(), strict=True):
        rows = table[table["panel"] == panel]
        for row in rows.itertuples():
            _layer(ax, row, -((row.stage - 1) * (deepest + 0.7) + row.layer))
        first = rows.iloc[0]
        share = first["shared_weights"] / first["reference_weights"]
        grown = first["weights"] / first["reference_weights"]
        ax.set_title(f"{title}\n{grown:.2f}× the weights, keeps {share:.0%}", fontsize=8)
        ax.set(xlim=(-0.03, 1.2), yticks=[], xticks=[0, 0.5, 1], xlabel="channels / super-network's")
        ax.spines["left"].set_visible(False)
    axes[0].set_ylim(-((table["stage"].max() - 1) * (deepest + 0.7) + deepest + 0.4), 0.2)
    for stage in sorted(table["stage"].unique()):
        top = -((stage - 1) * (deepest + 0.7) + 0.4)
        axes[0].text(
            -0.08, top - deepest / 2, f"stage {stage}", rotation=90, ha="right", va="center", fontsize=8
        )
    keys = [
        Patch(color=COLOURS["kept"], label="in the reference"),
        Patch(color=COLOURS["new"], label="added by CAS (layer or channels)"),
        Line2D([], [], marker=r"$k$", color=COLOURS["new"], ls="", label="larger kernel"),
    ]
    figure.legend(handles=keys, loc="outside lower center", ncols=3, fontsize=8)
    return figure


def _layer(ax, row, y: float) -> None:
    kept = min(row.channels, row.reference_channels)
    ax.add_patch(Rectangle((0, y), kept, 0.8, color=COLOURS["kept"], lw=0))
    ax.add_patch(Rectangle((kept, y), row.channels - kept, 0.8, color=COLOURS["new"], lw=0))
    grown = row.reference_kernel and row.kernel > row.reference_kernel
    text = f"{row.reference_kernel}→{row.kernel}" if grown else f"{row.kernel}×{row.kernel}"
    style = {"color": COLOURS["new"], "fontweight": "bold"} if grown else {"color": "black"}
    ax.text(row.channels + 0.02, y + 0.4, text, va="center", fontsize=7, **style)
