"""ImageNet in miniature: a tree of pictures under its names, and its presets cut down to run on it.

By hand, every item of every preset, from files to the report (an hour): ``python tests/miniature.py``; or of
some, ``python tests/miniature.py imagenet-fbnetv3 --only fig1``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import yaml
from PIL import Image

from regnas_core.workbench.presets import load_preset

MANY = [f"n{1440764 + 1000 * i:08d}" for i in range(1000)]
CLASSES = MANY[:4]
SMALL = {
    "data.size": 32,
    "data.sizes": {"calibration": 8, "search": 12},
    "supernet.options.resolutions": [32],
    "supernet.weights": "random:0",
    "search.generations": 2,
    "search.population": 4,
    "search.sweep": [],
    "samples": 2,
    "seeds": 2,
    "device": "cpu",
}
BUDGETS = {  # reference, target; 32 pixels need a thirtieth of what 224 need
    "imagenet": (6.5, 8.5),
    "imagenet-mbv3-w1.2": (8.5, 11),
    "imagenet-resnet50": (32, 46),
    "imagenet-fbnetv3": (14, 18),
    "imagenet-alphanet": (14, 18),
}
WHOLE = {  # to run all items: networks that are published are trained instead, for an epoch
    "networks": {"published": [], "target": None, "epochs": 1, "finetune_epochs": 1},
    "training": {"batch_size": 16},
}
COMMAND = "from regnas_core.cli import main; main()"
NOTE10 = 160  # pixels, the fewest of which its latencies are known
SHARE = (NOTE10 / 32) ** 2


def make_tree(root: Path, classes: Sequence[str] = CLASSES, train: int = 16, val: int = 4) -> Path:
    """Training and validation pictures of each class, of all shapes, under ImageNet's names."""
    rng, number = np.random.default_rng(0), 0
    for part, count in (("train", train), ("val", val)):
        for wnid in classes:
            (root / part / wnid).mkdir(parents=True)
            for i in range(count):
                number += 1
                coarse = rng.integers(0, 256, (4, 4, 3), np.uint8)
                size = tuple(int(n) for n in rng.integers(70, 120, 2))
                name = f"{wnid}_{i}.JPEG" if part == "train" else f"ILSVRC2012_val_{number:08d}.JPEG"
                Image.fromarray(coarse).resize(size).save(root / part / wnid / name)
    return root


def write_preset(name: str, folder: Path) -> Path:
    """A preset of ImageNet, with all that it names, as a file that runs on the miniature tree."""
    whole = load_preset(name)
    changed = whole.model_dump(mode="json", exclude={"name"}, exclude_unset=True)
    share = SHARE if "note10" in whole.search.platforms else 1
    reference, target = (share * budget for budget in BUDGETS[name])
    pixels = NOTE10 if share > 1 else SMALL["data.size"]
    sweep = [round(target * factor, 2) for factor in (1, 1.1)] if whole.search.sweep else []
    more = {
        "search.reference_mmacs": reference,
        "search.target_mmacs": target,
        "search.sweep": sweep,
        "data.size": pixels,
        "data.test_images": 16,
        "supernet.options.resolutions": [pixels],
    }
    for key, value in {**SMALL, **more}.items():
        *parts, last = key.split(".")
        place = changed
        for part in parts:
            place = place.setdefault(part, {})
        place[last] = value
    others = [str(write_preset(other, folder)) for other in whole.companions]
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump({**changed, **WHOLE, "companions": others}), "utf-8")
    return path


def main() -> None:
    """Reproduce each preset (or those named), and say what came of every item."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("presets", nargs="*", default=list(BUDGETS))
    parser.add_argument("--only", nargs="*", default=[], help="items")
    given = parser.parse_args()
    only = [word for item in given.only for word in ("--only", item)]
    with TemporaryDirectory() as folder:
        root, presets = Path(folder), Path(folder) / "presets"
        presets.mkdir()
        make_tree(root / "imagenet", MANY, 1, 1)
        for name in given.presets:
            preset, out = write_preset(name, presets), root / f"out-{name}"
            start = time.perf_counter()
            done = subprocess.run(
                [sys.executable, "-c", COMMAND, "reproduce", "--preset", str(preset), *only],
                env={**os.environ, "REGNAS_DATA": str(root), "REGNAS_OUT": str(out), "TQDM_DISABLE": "1"},
                text=True,
                capture_output=True,
                check=False,
            )
            items = [json.loads(p.read_text())["item"] for p in sorted(out.rglob("provenance/*.json"))]
            report = "a" if list(out.rglob("report.html")) else "no"
            print(f"{name}: exit {done.returncode}, {time.perf_counter() - start:.0f} s, {report} report")
            print(f"  {len(items)} items: {', '.join(items)}")
            print(*(f"  {line}" for line in done.stdout.splitlines() if "left out" in line), sep="\n")
            print(done.stderr[-3000:] if done.returncode else "", flush=True)


if __name__ == "__main__":
    main()
