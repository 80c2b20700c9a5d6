"""Options of a configurable space, checked before anything is built of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, TypeVar

from ..errors import GeneError

Config = TypeVar("Config")
DEEPEST = 1_000  # layers of a stage: each has genes of its own


def configure(name: str, default: Config, changes: Mapping[str, Any]) -> Config:
    """``default`` with ``changes``: whole numbers or tuples of numbers, all above 0, as the default has them.

    Args:
        name: of the space, for messages.
        default: a dataclass of numbers and tuples of numbers.
        changes: fields to change; lists become tuples.

    Raises:
        GeneError: an unknown field, or a value of another kind.
    """
    known = {field.name: getattr(default, field.name) for field in fields(default)}  # type: ignore[arg-type]
    if unknown := sorted(set(changes) - set(known)):
        raise GeneError(f"{name}: unknown option {', '.join(unknown)}; the options are {', '.join(known)}.")
    given = {key: tuple(v) if isinstance(v, Sequence) else v for key, v in changes.items()}
    for key, value in given.items():
        many, whole = isinstance(known[key], tuple), not _has_fractions(known[key])
        numbers = value if many and isinstance(value, tuple) else (value,)
        kinds = (int,) if whole else (int, float)
        right = isinstance(value, tuple) == many and len(numbers) > 0
        if not right or not all(type(v) in kinds and v > 0 for v in numbers):
            expected = "whole numbers" if whole else "numbers"
            raise GeneError(
                f"{name}: option {key}={value!r}: expected "
                f"{f'a list of {expected}' if many else 'a whole number'} above 0, as {known[key]!r}."
            )
    return replace(default, **given)  # type: ignore[type-var]


def changed(config: Any, default: Any) -> dict[str, Any]:
    """The fields of a configuration that differ from the default's."""
    values = ((field.name, getattr(config, field.name)) for field in fields(config))
    return {key: value for key, value in values if value != getattr(default, key)}


def check_image(name: str, image: tuple[int, ...], unshuffle: int, classes: int) -> None:
    """Raises a GeneError unless images are (channels, height, width) that the space can take."""
    if len(image) != 3 or image[0] > min(image[1:]) or image[1] % unshuffle or image[2] % unshuffle:
        raise GeneError(
            f"{name}: option image={image!r}: expected (channels, height, width), with height and width "
            f"multiples of unshuffle={unshuffle}, as (3, 32, 32)."
        )
    if classes < 2:
        raise GeneError(f"{name}: option classes={classes}: expected at least 2.")


def check_stages(name: str, widths: Sequence[int], strides: Sequence[int]) -> None:
    """Raises a GeneError unless there is one stride for each stage's width."""
    if len(widths) != len(strides):
        raise GeneError(
            f"{name}: {len(widths)} widths {widths!r} but {len(strides)} strides {strides!r}; expected one "
            "of each for every stage."
        )


def check_choices(name: str, **choices: Sequence[float]) -> None:
    """Raises a GeneError unless the choices of every gene ascend, and depths can be built."""
    if max(choices.get("depths", (1,))) > DEEPEST:
        raise GeneError(f"{name}: option depths={choices['depths']!r}: expected at most {DEEPEST} layers.")
    for key, values in choices.items():
        if sorted(set(values)) != list(values):
            raise GeneError(
                f"{name}: option {key}={values!r}: expected choices in ascending order, each once."
            )


def _has_fractions(value: Any) -> bool:
    return isinstance(value, tuple) and any(isinstance(v, float) for v in value)
