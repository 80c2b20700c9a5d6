"""Which of the visited networks a reward chooses."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from .style import COLOURS, new_figure, styled


@styled
def chosen(visited: pd.DataFrame, ratio: float) -> Figure:
    """Top-1 and NFR of all visited networks; the one with the highest Top-1 − ratio · NFR stands out.

    The line joins points of equal reward: what lies above and left of it is worse.
    """
    top1, nfr = visited["top1_pct"].to_numpy(), visited["nfr_pct"].to_numpy()
    best = int(np.argmax(top1 - ratio * nfr))
    figure, (ax,) = new_figure(height=3.2)
    ax.scatter(top1, nfr, s=8, lw=0, alpha=0.5, color=COLOURS["kept"])
    ax.plot(top1[best], nfr[best], "D", ms=7, color=COLOURS["R2"], mec="black")
    if ratio:
        ax.axline((top1[best], nfr[best]), slope=1 / ratio, color=COLOURS["R2"], lw=0.8, ls="--")
    else:
        ax.axvline(top1[best], color=COLOURS["R2"], lw=0.8, ls="--")
    margin = 0.05 * np.ptp(nfr) + 0.01
    ax.set(
        xlabel="Top-1 on the search split (%)",
        ylabel="NFR on the search split (%)",
        ylim=(nfr.min() - margin, nfr.max() + margin),
        title=f"λ = {ratio:g}: Top-1 {top1[best]:.2f} %, NFR {nfr[best]:.2f} %",
    )
    return figure
