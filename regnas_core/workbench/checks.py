"""What a preset asks for, checked before anything runs: its network, budgets, pictures, and that none leaked.

Messages name the preset's key, what it is and what it may be.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np

from ..data.datasets import Dataset, ImageSet, load_dataset
from ..errors import CheckpointError, DataError, GeneError, PresetError
from ..evaluation.evaluator import pick_device
from ..resources import find_path
from ..spaces import get_space, space_names
from ..spaces.space import Space
from ..spaces.steps import Linear, Resize
from ..supernets.supernet import SuperNet, parse_random
from .presets import Preset

HELD_OUT = ("calibration", "search", "test")
RECORDED = ("glyphs", "cifar10")  # their splits are recorded: disjoint, whatever copy of the data is read


# ── the preset alone ─────────────────────────────────────────────────────────────────────────────
def open_space(preset: Preset) -> Space:
    """The preset's search space, with budgets that it has networks for.

    Raises:
        PresetError: an unknown space, options that make no sense, budgets out of its range, or an unknown
            device.
    """
    section = preset.supernet
    try:
        space = get_space(section.space, **section.options)
    except (GeneError, TypeError) as error:
        key = "options" if section.space in space_names() else "space"
        raise PresetError(f"supernet.{key}: {error}") from None
    _check_budgets(preset, space)
    try:
        pick_device(preset.device)
    except RuntimeError:  # torch's, for a name that it does not know
        raise PresetError(f"device: {preset.device!r} is none; expected auto, cpu, cuda, cuda:1, …") from None
    return space


def _check_budgets(preset: Preset, space: Space) -> None:
    """Budgets lie between the smallest and the largest network; the last of a sweep may lie above."""
    search = preset.search
    low, high = (space.macs(arch) / 1e6 for arch in (space.smallest, space.largest))
    asked = {"reference_mmacs": search.reference_mmacs, "target_mmacs": search.target_mmacs}
    asked |= {f"sweep[{i}]": budget for i, budget in enumerate(search.sweep[:-1])}
    for key, budget in asked.items():
        if not low <= budget <= high:
            raise PresetError(
                f"search.{key} is {budget:g}; networks of {space.identity} have {low:.3g} to {high:.3g} "
                "million MACs. Choose budgets in between, or change supernet.options."
            )


# ── the preset and its pictures ──────────────────────────────────────────────────────────────────
def check_pictures(preset: Preset, space: Space, data: Dataset) -> None:
    """Make sure that costs are counted for these pictures, and that there is an output for each class.

    Raises:
        PresetError: channels, size or number of classes differ.
    """
    steps, shape = space.steps(space.smallest), space.input_shape(space.smallest)
    found = (len(data.mean), data.size, data.size)
    resizes = any(isinstance(op, Resize) for step in steps for op in step.ops)
    if shape[0] != found[0] or (shape != found and not resizes):
        other = f"data.size={shape[1]}, " if data.name in ("folder", "imagenet") else ""
        raise PresetError(
            f"supernet.options: {space.identity} takes pictures of {_by(shape)} (channels, height, width); "
            f"those of {data.name} have {_by(found)}. Set {other}supernet.options.image={list(found)} or "
            f"supernet.options.resolutions=[{found[1]}], whichever the space has."
        )
    last, classes = steps[-1].ops[-1], len(data.classes)
    outputs = last.weight.shape[0] if isinstance(last, Linear) else classes
    untrained = parse_random(preset.supernet.weights) is not None
    if outputs < classes or (outputs > classes and not untrained):
        raise PresetError(
            f"supernet.options: {space.identity} tells {outputs:,} classes apart; {data.name} "
            f"({data.source}) has {classes:,}: {_some(data.classes)}. Set supernet.options.classes={classes} "
            "if the space has it, or give pictures of all its classes."
        )


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


# ── pictures that were trained on ────────────────────────────────────────────────────────────────
def open_data(preset: Preset, **view: Any) -> Dataset:
    """The data set that a preset names, decoded as it says, or as ``view`` (of :func:`load_dataset`) does.

    Training pictures that are held out, too, are left out.
    """
    section = preset.data
    data = load_dataset(
        section.name,
        path=None if section.path is None else find_path(section.path),
        sizes=section.sizes,
        limit={"search": section.search_images, "test": section.test_images},  # no more is decoded
        **{"size": section.size, **view},
    )
    return without_copies(data)


def without_copies(data: Dataset) -> Dataset:
    """The same data, without training pictures that are held out, too; a warning says how many.

    A folder may hold a picture twice, one in what is trained on and one in what is searched or tested on.
    """

    def open_split(split: str) -> ImageSet:
        images = data.open_split(split)
        if split != "train":
            return images
        held_out = np.concatenate([getattr(data, name).fingerprints for name in HELD_OUT])
        copies = np.isin(images.fingerprints, held_out)
        if not copies.any():
            return images
        warnings.warn(
            f"{copies.sum():,} of the {len(images):,} training pictures of {data.source} are copies of "
            "pictures for calibration, search or test. They are left out of the training.",
            stacklevel=2,
        )
        return images.without(copies)

    return replace(data, open_split=open_split)


def check_unseen(net: SuperNet, data: Dataset) -> None:
    """Make sure that no picture is held out that the super-network was trained on.

    Raises:
        DataError: some are; the message says how many of each split.
        CheckpointError: weights of other classes or another size; or weights of an earlier version, which
            keep no list of their pictures, and these are not at hand.
    """
    told = net.info.get("classes", list(data.classes))
    if told != list(data.classes):
        raise CheckpointError(
            f"The super-network was trained on the classes {_some(told)}, in this order; {data.name} "
            f"({data.source}) has {_some(data.classes)}. Name the class folders as then, or train again."
        )
    shape = net.info.get("shape", [len(data.mean), data.size, data.size])
    if shape != [len(data.mean), data.size, data.size]:
        raise CheckpointError(
            f"The super-network was trained on pictures of {_by(shape)}; at data.size={data.size} nothing "
            f"tells which of {data.name}'s they were. Set data.size={shape[1]}, or train again."
        )
    if (seen := _trained_on(net, data)) is None:
        return
    leaked = []
    for name in HELD_OUT:
        images = getattr(data, name)
        if count := int(np.isin(images.fingerprints, seen).sum()):
            leaked.append(f"{name} {count:,} of {len(images):,}")
    if leaked:
        raise DataError(
            f"Pictures that the super-network was trained on are held out of the training in {data.name} "
            f"({data.source}): {'; '.join(leaked)}. Results on them would be too good. Pictures, data.sizes "
            "or data.path have changed since the training: put them back, or train again "
            "(regnas train-supernet)."
        )


def _trained_on(net: SuperNet, data: Dataset) -> np.ndarray | None:
    """Fingerprints of the pictures that weights were trained on; None where none of these can be held out."""
    if net.trained_on is not None or "images" not in net.info:  # untrained, or a publisher's
        return net.trained_on
    name = net.info.get("dataset")
    if name == data.name and name in RECORDED:
        return None
    for images in _candidates(name, data):
        if images.digest == net.info["images"]:
            return images.fingerprints
    raise CheckpointError(
        f"The super-network was trained on {name} ({net.info.get('source')}), its checkpoint keeps no list "
        f"of the pictures, and {data.name}'s training pictures are others. So nothing tells whether some are "
        f"held out in {data.name}. Put the pictures back as they were, or train again "
        "(regnas train-supernet)."
    )


def _candidates(name: str | None, data: Dataset) -> Iterator[ImageSet]:
    """What an earlier version may have trained on."""
    if name in RECORDED:
        with suppress(DataError):  # not on this machine
            yield load_dataset(name, download=False).train
    yield data.train


def _some(classes: list[str] | tuple[str, ...]) -> str:
    return ", ".join(classes[:5]) + (f", … ({len(classes):,})" if len(classes) > 5 else "")
