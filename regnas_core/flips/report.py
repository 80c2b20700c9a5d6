"""Negative-flip tables for anybody's predictions, from files to text and CSV.

Predictions and labels are class indices in the same image order, in any format that
:func:`regnas_core.flips.tables.read_table` knows. In every pair the model with the lower Top-1 is the
reference (Sec. 3.1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import PredictionError
from ..files import distinct_names, write_table
from .classes import Classes, aligned, class_indices, predicted_classes
from .counts import flip_counts, per_class_nfr
from .tables import read_table

COLUMN_NAMES = ("prediction", "label")


def read_predictions(path: str | Path, column: str = "prediction") -> NDArray[np.integer]:
    """Reads one model's predicted classes, or the labels.

    Args:
        path: a file of :func:`regnas_core.flips.tables.read_table` with scores, with one column of class
            indices, or with a column named "prediction" or "label" among several.
        column: the name preferred where a file has both columns.

    Returns:
        (N,) integer class indices; of scores, the highest's.

    Raises:
        PredictionError: missing, unreadable or empty file, unknown suffix, several columns without one of the
            two names, missing values, NaN among scores, or values that are no class indices. The message
            names the file.
    """
    table = read_table(path)
    if table.scores is not None and column == "prediction":
        return np.concatenate([predicted_classes(block, str(path)) for block in table.scores()])
    return _integers(_one_column(table.columns, table.path, column), table.path)


def _one_column(frame: pd.DataFrame, path: Path, preferred: str) -> pd.Series:
    """The only column, or else the only or preferred one of the known names."""
    if frame.shape[1] == 1:
        return frame.iloc[:, 0]
    known = [i for i, name in enumerate(frame.columns) if str(name).lower() in COLUMN_NAMES]
    if len(known) > 1:
        known = [i for i in known if str(frame.columns[i]).lower() == preferred]
    if len(known) != 1:
        raise PredictionError(
            f"{path}: {frame.shape[1]} columns ({', '.join(map(str, frame.columns[:6]))}); expected one, or "
            "exactly one named 'prediction' or 'label': scores per class go into one column of lists, or .npy"
        )
    return frame.iloc[:, known[0]]


def _integers(values: pd.Series, path: Path) -> NDArray[np.integer]:
    missing = values.isna().to_numpy()
    if missing.any():
        raise PredictionError(
            f"{path}: {missing.sum()} of {len(values)} values are missing, first for image "
            f"{missing.argmax()}; expected a class for every image"
        )
    if not pd.api.types.is_numeric_dtype(values):
        try:
            values = pd.to_numeric(values)
        except (ValueError, TypeError) as error:
            raise PredictionError(f"{path}: {error}; expected integer class indices") from error
    if pd.api.types.is_integer_dtype(values):  # also pandas' nullable integers
        return class_indices(values.to_numpy(dtype=values.dtype.type), str(path))
    return class_indices(values.to_numpy(), str(path))


def _by_top1(predictions: Mapping[str, Classes], labels: Classes) -> list[tuple[str, str]]:
    """Every (reference, target), the lower Top-1 first; a tie keeps the order given."""
    if len(predictions) < 2:
        raise PredictionError(f"{len(predictions)} model given; expected at least two to compare")
    accuracy = {name: np.equal(*aligned(values, labels, name)).mean() for name, values in predictions.items()}
    return list(combinations(sorted(accuracy, key=accuracy.__getitem__), 2))


def flip_table(predictions: Mapping[str, Classes], labels: Classes, level: float = 0.95) -> pd.DataFrame:
    """Negative flips of every pair of models, one row a pair, from the lowest Top-1 up.

    Args:
        predictions: (N,) class indices of each model, by name.
        labels: (N,) class indices.
        level: level of the Wilson interval of the NFR, in (0, 1).

    Returns:
        Columns reference, target, n, reference_top1_pct, target_top1_pct, nfr_pct, nfr_low_pct, nfr_high_pct,
        pfr_pct, relative_nfr and nfi (fractions; see :class:`regnas_core.flips.counts.FlipCounts`).

    Raises:
        PredictionError: fewer than two models, or predictions that do not fit the labels.
    """
    rows = []
    for reference, target in _by_top1(predictions, labels):
        counts = flip_counts(predictions[reference], predictions[target], labels)
        low, high = counts.nfr_interval(level)
        rows.append(
            {
                "reference": reference,
                "target": target,
                "n": counts.n,
                "reference_top1_pct": 100 * counts.reference_top1,
                "target_top1_pct": 100 * counts.target_top1,
                "nfr_pct": 100 * counts.nfr,
                "nfr_low_pct": 100 * low,
                "nfr_high_pct": 100 * high,
                "pfr_pct": 100 * counts.pfr,
                "relative_nfr": counts.relative_nfr,
                "nfi": counts.nfi,
            }
        )
    return pd.DataFrame(rows)


def per_class_table(predictions: Mapping[str, Classes], labels: Classes) -> pd.DataFrame:
    """Negative flips of every pair by true class: reference, target, class, n, negative, nfr_pct.

    One row for each pair and each class that has images; arguments and errors as :func:`flip_table`.
    """
    frames = []
    for reference, target in _by_top1(predictions, labels):
        by_class = per_class_nfr(predictions[reference], predictions[target], labels)
        present = by_class.n > 0
        columns = {
            "reference": reference,
            "target": target,
            "class": by_class.classes[present],
            "n": by_class.n[present],
            "negative": by_class.negative[present],
            "nfr_pct": 100 * by_class.nfr[present],
        }
        frames.append(pd.DataFrame(columns))
    return pd.concat(frames, ignore_index=True)


def format_table(table: pd.DataFrame) -> str:
    """Aligned plain text: percentages with two digits, other fractions with three, "-" for undefined."""
    columns = {}
    for name in table.columns:
        digits = 2 if str(name).endswith("_pct") else 3
        is_float = pd.api.types.is_float_dtype(table[name])
        cells = [("-" if pd.isna(v) else f"{v:.{digits}f}") if is_float else str(v) for v in table[name]]
        width = max(map(len, [str(name), *cells]))
        left = name in ("reference", "target")
        columns[name] = [c.ljust(width) if left else c.rjust(width) for c in [str(name), *cells]]
    return "\n".join("  ".join(row).rstrip() for row in zip(*columns.values(), strict=True))


def flips_command(
    labels: Path,
    predictions: Sequence[Path],
    csv: Path | None = None,
    per_class: bool = False,
    level: float = 0.95,
) -> str:
    """Reads the files, and returns the table of pairs (or of pairs and classes) as text.

    Args:
        labels: file of the labels.
        predictions: a file for each model; named by its file name, or its path where file names repeat.
        csv: also write this table, unrounded, to that file.
        per_class: one row a pair and class instead of one a pair.
        level: level of the interval of the NFR.

    Raises:
        PredictionError: as :func:`read_predictions` and :func:`flip_table`; files of unequal length; a file
            given twice.
    """
    paths = [Path(path) for path in predictions]
    names = distinct_names(paths)
    if len(set(names)) < len(names):
        raise PredictionError(f"a file is given twice in {', '.join(names)}; expected each model once")
    models = {name: read_predictions(path) for name, path in zip(names, paths, strict=True)}
    truth = read_predictions(labels, column="label")
    for path, values in zip(paths, models.values(), strict=True):
        if len(values) != len(truth):
            raise PredictionError(
                f"{path} has {len(values)} images, {labels} has {len(truth)}; expected the same images"
            )
    table = per_class_table(models, truth) if per_class else flip_table(models, truth, level)
    if csv is not None:
        write_table(table, Path(csv))
    note = f"{len(truth)} images; the reference is the model with the lower Top-1"
    if not per_class:
        note += f"; nfr_low/high: {100 * level:g} % interval"
    return f"{note}\n\n{format_table(table)}"
