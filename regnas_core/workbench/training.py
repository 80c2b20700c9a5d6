"""Training the super-network that a preset names."""

from __future__ import annotations

from pathlib import Path

from ..evaluation.evaluator import pick_device
from ..spaces.tied import TiedSpace
from ..supernets.training import Recipe, train_supernet
from .checks import check_pictures, open_data, open_space
from .presets import Preset


def train_preset(preset: Preset, out: str | Path, *, command: str) -> Path:
    """Train the preset's super-network; returns the checkpoint's path, ``out``/<space>.safetensors.

    Args:
        preset: its sections data, supernet (space and options) and training count.
        out: folder for the checkpoint, ``log.csv`` and what a killed run needs to go on.
        command: the command that does it, kept in the checkpoint.
    """
    space, data = open_space(preset), open_data(preset)
    check_pictures(preset, space, data)
    space = space.whole if isinstance(space, TiedSpace) else space  # the weights are of all sub-networks
    recipe = Recipe(**preset.training.model_dump())
    info = {"command": command, "dataset": data.name, "source": data.source}
    net = train_supernet(
        space,
        data.train,
        recipe,
        mean=data.mean,
        std=data.std,
        workdir=out,
        device=pick_device(preset.device),
        info=info,
    )
    return net.save(Path(out) / f"{space.name}.safetensors")
