"""The gate as one call: from files to a release, and as an assertion for tests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from numpy.typing import NDArray

from ...errors import PredictionError
from ...files import write_atomically, write_table
from ..classes import class_indices, to_numpy
from ..examples import named_example
from ..tables import Table, read_table
from .answers import join
from .html import as_html
from .limits import Limits, rate, read_ids, read_names, read_policy
from .pages import as_junit, as_markdown, as_text
from .release import Release, compare, flipped


def gate(
    baseline: str | Path | Table,
    candidates: Sequence[str | Path | Table],
    labels: str | Path | None = None,
    *,
    id: str | None = None,
    on_missing: str = "refuse",
    slices: Sequence[str] = (),
    least: int | None = None,
    weight: str | None = None,
    classes: str | Path | None = None,
    top: int = 5,
    policy: str | Path | None = None,
    golden: str | Path | None = None,
    **limits: str | float | None,
) -> Release:
    """Read files of answers, join them and judge the candidates.

    Args:
        baseline, candidates, labels: files, see :func:`regnas_core.flips.gate.read_table`; or tables.
        id: the column that items are joined by.
        on_missing: "refuse" or "drop" items that not all files have.
        slices: columns to slice by.
        least: items of a slice, below which it is not judged; by default 20.
        weight: column of the items' weights.
        classes: file of the classes' names, one a line, in the order of scores.
        top: k of top-k flips.
        policy: file of limits, slices and weight; what is given here as well replaces its.
        golden: file of ids that must not flip.
        limits: max_nfr, max_nfr_slice, min_top1_gain, confidence, as 0.01 or "1%".

    Raises:
        PredictionError: whatever is wrong with files or limits.
    """
    if on_missing not in ("refuse", "drop"):
        raise PredictionError(f"on_missing is {on_missing!r}; expected refuse or drop.")
    if top < 1:
        raise PredictionError(f"top is {top}; expected a number of scores, 1 or more.")
    _apart(candidates)
    demanded: dict[str, Any] = read_policy(policy) if policy is not None else {}
    view = {key: demanded.pop(key, None) for key in ("slice", "weight", "min_slice")}
    least = next(number for number in (least, view["min_slice"], 20) if number is not None)
    if least < 1:
        raise PredictionError(f"min_slice is {least}; expected a number of items, 1 or more.")
    demanded |= {name: rate(value) for name, value in limits.items() if value is not None}
    if golden is not None:
        demanded["golden"] = read_ids(golden)
    given = Limits(**demanded)  # wrong ones are told before files are read
    items = join(
        _table(baseline),
        [_table(one) for one in candidates],
        None if labels is None else read_table(labels),
        id=id,
        on_missing=on_missing,
        classes=None if classes is None else read_names(classes),
        top=top,
    )
    slices, weight = slices or view["slice"] or (), weight or view["weight"]
    return compare(items, given, slices=slices, least=least, weight=weight)


def _apart(candidates: Sequence[str | Path | Table]) -> None:
    """Refuse a candidate that is given twice: it would be compared with itself."""
    paths = [(one.path if isinstance(one, Table) else Path(one)) for one in candidates]
    whole = [path.resolve() for path in paths]
    if twice := next((p for p, one in zip(paths, whole, strict=True) if whole.count(one) > 1), None):
        raise PredictionError(f"{twice} is given twice as a candidate; expected each once.")


def _table(given: str | Path | Table) -> Table:
    return given if isinstance(given, Table) else read_table(given)


def example(
    name: str, baseline: str | None = None, candidates: Sequence[str] | None = None
) -> tuple[Table, list[Table]]:
    """Tables of an example that ships (:func:`regnas_core.flips.examples.named_example`), by networks' names.

    Raises:
        PredictionError: no such network.
    """
    frame = named_example(name)
    columns = ["image", "source", "label"]
    networks = [column for column in frame if column not in columns]
    chosen = [baseline or networks[0], *(candidates or [f"{networks[0]}-int8", networks[1]])]
    if unknown := [network for network in chosen if network not in networks]:
        raise PredictionError(f"The example has no network {unknown[0]}; it has {', '.join(networks)}.")
    tables = [Table(Path(n), frame[columns].assign(prediction=frame[n])) for n in chosen]
    return tables[0], tables[1:]


def write_pages(
    release: Release,
    *,
    flipped_csv: str | Path | None = None,
    markdown: str | Path | None = None,
    junit: str | Path | None = None,
    html: str | Path | None = None,
    images: str | Path | None = None,
    image_column: str | None = None,
) -> None:
    """Write the files that are asked for.

    Raises:
        PredictionError: pictures without a page, a folder or a column of them that is not there.
    """
    if html is None and (images is not None or image_column is not None):
        raise PredictionError("Pictures are for the page: give --html, or leave them out.")
    page = partial(as_html, images=images, column=image_column)
    kinds = ((markdown, as_markdown), (junit, as_junit), (html, page))
    made = [(path, make(release)) for path, make in kinds if path is not None]  # before any is written
    if flipped_csv is not None:
        parts = [flipped(release, one).assign(model=one.name) for one in release.candidates]
        write_table(pd.concat(parts, ignore_index=True), flipped_csv)
    for path, text in made:
        _write(path, text)


def _write(path: str | Path, text: str) -> None:
    write_atomically(path, lambda part: part.write_text(text, encoding="utf-8"))


def assert_no_regression(
    baseline: Any,
    candidate: Any,
    labels: Any,
    *,
    max_nfr: str | float | None = None,
    min_top1_gain: str | float | None = None,
    max_nfr_slice: str | float | None = None,
    confidence: str | float = 0.95,
    ids: Any = None,
    slices: Mapping[str, Any] | None = None,
    golden: Iterable[Any] = (),
) -> Release:
    """Fail a test where a candidate breaks more than it may, or where too few items tell.

    Args:
        baseline, candidate, labels: classes (N,) of the same items in the same order, numbers or names.
        max_nfr, min_top1_gain, max_nfr_slice: limits, as 0.01 or "1%"; one at least, or golden.
        confidence: of the one-sided bounds.
        ids: (N,), by default the places.
        slices: by name, what items are sliced by, (N,) each.
        golden: ids that must not flip.

    Raises:
        AssertionError: the verdict is not *pass*; the message says why.
        PredictionError: no limit; arrays that are empty, of unequal length, or no classes.
    """
    given = {"baseline": baseline, "candidate": candidate, "label": labels}
    arrays = {name: _classes(values, name) for name, values in given.items()}
    arrays |= {} if ids is None else {"ids": to_numpy(ids, "ids")}
    item = {} if ids is None else {"item": arrays["ids"]}
    sliced = {name: to_numpy(values, name) for name, values in (slices or {}).items()}
    if taken := sorted({"item", "label", "prediction"} & set(sliced)):
        raise PredictionError(f"A slice is called {taken[0]}, as a column of the gate; give another name.")
    for name, values in (*arrays.items(), *sliced.items()):
        if values.shape != arrays["baseline"].shape:
            sizes = f"baseline has {len(arrays['baseline']):,} items, {name} has shape {values.shape}"
            raise PredictionError(f"{sizes}; expected the same.")
    asked = {"max_nfr": max_nfr, "min_top1_gain": min_top1_gain, "max_nfr_slice": max_nfr_slice}
    rates = {name: rate(value) for name, value in asked.items() if value is not None}
    limits = Limits(**rates, golden=frozenset(golden), confidence=rate(confidence))
    if not limits:
        raise PredictionError("There is no limit to assert: give max_nfr, as 1%, or another one.")
    own = {"prediction": arrays["baseline"], "label": arrays["label"]}
    old = Table(Path("baseline"), pd.DataFrame({**item, **own, **sliced}))
    new = Table(Path("candidate"), pd.DataFrame({**item, "prediction": arrays["candidate"]}))
    items = join(old, [new], id="item" if item else None)
    release = compare(items, limits, slices=list(sliced))
    if release.verdict != "pass":  # not an assert statement: those are left out by python -O
        raise AssertionError(f"\n{as_text(release)}")
    return release


def _classes(values: Any, name: str) -> NDArray[Any]:
    """Classes, as numbers or as names."""
    array = to_numpy(values, name)
    if array.ndim == 1 and array.size and all(isinstance(value, str) for value in array.tolist()):
        return array.astype(object)
    return class_indices(values, name)
