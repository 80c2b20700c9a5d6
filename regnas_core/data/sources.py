"""Where pictures come from: image trees, archives, torchvision's files, a download.

Whatever the source, the order is the same, so that an index means the same picture: sorted by class, then
by order of appearance within the class (in trees: by file name).
"""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import DataError
from ..resources import cache_root
from .splits import Split
from .trees import Tree, decode, list_tree

_TORCHVISION = {
    "cifar10": ("CIFAR10", "cifar-10-batches-py"),
    "cifar100": ("CIFAR100", "cifar-100-python"),
    "fashion-mnist": ("FashionMNIST", "FashionMNIST/raw"),
}
PARTS = {"train": 50_000, "test": 10_000}
IMAGENET_ENDS = ("n01440764", "n15075141")  # tench and toilet tissue, first and last of the 1,000 classes


@dataclass(frozen=True, eq=False)
class Source:
    """Training and test pictures of a benchmark set.

    Attributes:
        images: "train" and "test", in this order, uint8 (N, C, H, W), sorted by class.
        labels: "train" and "test", int64 (N,).
        classes: names in label order.
        origin: where the pictures were read, in words.
    """

    images: dict[str, np.ndarray]
    labels: dict[str, np.ndarray]
    classes: tuple[str, ...]
    origin: str


def open_source(name: str, root: Path, download: bool = True) -> Source:
    """Read a benchmark set from the first place that has it.

    Args:
        name: "cifar10", "cifar100" or "fashion-mnist".
        root: the data root.
        download: whether torchvision may fetch it when no place has it.

    Raises:
        DataError: nowhere to be found, with the places looked at.
    """
    if name == "cifar10":
        if (root / "cifar10" / "train").is_dir():
            return _cifar10_tree(root / "cifar10", cache_root(root))
        archive = root / "cifar10" / "cifar10-jpeg.tar.gz"
        if archive.is_file():
            return _cifar10_tree(unpack(archive, cache_root(root) / "cifar10-jpeg"), cache_root(root))
    return _torchvision_source(name, root, download)


def open_trees(name: str, home: Path) -> dict[str, Tree]:
    """List the two parts of an image tree: "train", and "test" from ``val/`` or else ``test/``.

    Args:
        name: "imagenet" or "folder".
        home: folder that holds ``train/<class>/<picture>`` and ``val/`` or ``test/`` alike.

    Raises:
        DataError: a part is missing or is not laid out by class.
    """
    if not (home / "train").is_dir():
        raise DataError(
            f"{name}: {home}/train is missing; expected {home}/train/<class>/<picture> and {home}/val (or "
            "test) alike. Give the folder as path"
            + (", or set REGNAS_DATA to the folder that holds imagenet/." if name == "imagenet" else ".")
        )
    test = next((home / part for part in ("val", "test") if (home / part).is_dir()), None)
    if test is None:
        raise DataError(f"{home} has neither val/ nor test/; expected one, with the class folders of train/.")
    if name == "imagenet":
        _refuse_loose(test)
    train = list_tree(home / "train")
    return {"train": train, "test": list_tree(test, train.classes)}


def check_imagenet(trees: Mapping[str, Tree], split: Split) -> None:
    """Make sure that each index means the picture that the recorded split of ImageNet means.

    Raises:
        DataError: pictures or classes are missing, are too many or have other names.
    """
    for part, expected in split.info["lists"].items():
        tree, classes = trees[part], split.info["classes"]
        found = len(np.unique(tree.labels))
        if (len(tree), found) != (expected, classes):
            raise DataError(
                f"{tree.root} holds {len(tree):,} pictures of {found:,} classes; ImageNet (ILSVRC 2012), for "
                f"which the split is recorded, has {expected:,} of {classes:,}. Complete the folder; or, to "
                "use a subset of ImageNet, give sizes (in a preset: data.sizes), such as "
                '{"calibration": 1024, "search": 5000}, which draws a split of its own.'
            )
    train = trees["train"]
    if (train.classes[0], train.classes[-1]) != IMAGENET_ENDS:
        raise DataError(
            f"{train.root} has class folders from {train.classes[0]} to {train.classes[-1]}; expected "
            f"WordNet numbers from {' to '.join(IMAGENET_ENDS)}: their order is that of the recorded split "
            "and of trained networks' classes. Rename the folders, or open them as name='folder'."
        )


def _refuse_loose(validation: Path) -> None:
    loose = sum(entry.name.startswith("ILSVRC2012_val_") for entry in os.scandir(validation))
    if loose:
        raise DataError(
            f"{validation} holds {loose:,} pictures ILSVRC2012_val_*.JPEG outside of class folders; expected "
            f"{validation}/n01440764/ILSVRC2012_val_00000293.JPEG and so on. Sort them into class folders. "
            "If you have LOC_val_solution.csv (part of Kaggle's copy), put it there, and run there:\n"
            "  awk -F'[, ]' 'NR > 1 {print $1, $2}' LOC_val_solution.csv | while read name class; "
            "do mkdir -p $class && mv $name.JPEG $class/; done\n"
            "Or put ILSVRC2012_img_val.tar and ILSVRC2012_devkit_t12.tar.gz into a new folder, and run:\n"
            "  python -c \"import torchvision; torchvision.datasets.ImageNet('the new folder', 'val')\"\n"
            "That makes its val/<class>/; put it in the place of this one."
        )


def luminance(images: np.ndarray) -> np.ndarray:
    """Mean luminance of each RGB picture (N, 3, H, W), rounded: uint8 (N,).

    >>> luminance(np.full((2, 3, 4, 4), 200, np.uint8))
    array([200, 200], dtype=uint8)
    """
    blocks = np.array_split(images, len(images) // 1000 + 1)
    means = np.concatenate([block.mean((2, 3)) @ (0.299, 0.587, 0.114) for block in blocks])
    return np.rint(means).astype(np.uint8)


def check_fingerprint(source: Source, split: Split) -> None:
    """Make sure that each index means the picture that the shipped split meant.

    JPEG moves a picture's mean luminance by less than one level, a few saturated ones by more; another
    picture differs by 40 on average.

    Raises:
        DataError: the pictures, or their order, are not those of the split.
    """
    expected = np.load(split.folder / "luminance.npy")
    found = np.concatenate([luminance(source.images[part]) for part in PARTS])
    if len(found) != len(expected):
        raise DataError(f"{source.origin}: {len(found):,} pictures; expected {len(expected):,}.")
    wrong = int((abs(found.astype(int) - expected) > 4).sum())
    if wrong > len(expected) // 1000:
        raise DataError(
            f"{source.origin}: the order of pictures differs from that of {split.folder}: {wrong:,} of "
            f"{len(expected):,} have another luminance than the recorded fingerprint. The shipped splits and "
            "checkpoints must not be used with them: search pictures would leak into training. Use the "
            "original CIFAR-10, or open the folder as name='folder', which draws its own splits, and train "
            "on those."
        )


def unpack(archive: Path, target: Path) -> Path:
    """Unpack the pictures of a .tar.gz once: ``target``, which then holds train/ and test/.

    Only regular files called ``train|test/<class>/<file>`` are taken, whatever else the archive holds.

    Raises:
        DataError: the archive is damaged or holds no such files.
    """
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f"{target.name}.", dir=target.parent))
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                names = member.name.removeprefix("./").split("/")
                if member.isfile() and len(names) == 3 and names[0] in PARTS and ".." not in names:
                    (part / names[0] / names[1]).mkdir(parents=True, exist_ok=True)
                    with tar.extractfile(member) as packed, (part / Path(*names)).open("wb") as file:
                        shutil.copyfileobj(packed, file)
        if not any(part.iterdir()):
            raise tarfile.ReadError("no train/<class>/<picture> in it")
        os.replace(part, target)
    except (tarfile.TarError, EOFError, OSError) as error:
        if not target.is_dir():  # otherwise another process was faster
            raise DataError(f"{archive} cannot be unpacked: {error}. Fetch it again.") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return target


def _cifar10_tree(root: Path, cache: Path) -> Source:
    trees = {part: list_tree(root / part) for part in PARTS}
    for part, tree in trees.items():
        counts = np.bincount(tree.labels)
        if len(counts) != 10 or set(counts) != {PARTS[part] // 10}:
            raise DataError(
                f"{root / part} holds {len(tree):,} pictures of {len(counts)} classes; CIFAR-10 has "
                f"{PARTS[part]:,} of 10. Complete the folder, or load it under name='folder'."
            )
    images = {part: decode(tree, 32, cache, name=f"cifar10-{part}")[0] for part, tree in trees.items()}
    if any(len(images[part]) < len(tree) for part, tree in trees.items()):
        raise DataError(
            f"{root} has damaged pictures, so that numbers of the split mean others. Unpack it again."
        )
    labels = {part: tree.labels for part, tree in trees.items()}
    return Source(images, labels, trees["train"].classes, f"image tree {root}")


def _torchvision_source(name: str, root: Path, download: bool) -> Source:
    class_name, files = _TORCHVISION[name]
    homes = [home for home in (root / name, root) if (home / files).is_dir()]
    home = homes[0] if homes else root / name
    if not homes and not download:
        raise DataError(_missing(name, root, "Downloading was switched off (download=False)."))
    import torchvision

    reader = getattr(torchvision.datasets, class_name)
    try:
        parts = {part: reader(str(home), train=part == "train", download=download) for part in PARTS}
    except Exception as error:  # urllib, sockets, tarfile and pickle have no base class in common
        with suppress(OSError):
            home.rmdir()  # torchvision makes it before it downloads; gone only if empty
        raise DataError(_missing(name, root, f"torchvision could not give it: {error}.")) from error
    images, labels = {}, {}
    for part, data in parts.items():
        targets = np.asarray(data.targets, np.int64)
        order = np.argsort(targets, kind="stable")
        pictures = np.asarray(data.data, np.uint8)[order]
        pictures = pictures.transpose(0, 3, 1, 2) if pictures.ndim == 4 else pictures[:, None]
        images[part], labels[part] = np.ascontiguousarray(pictures), targets[order]
    return Source(images, labels, tuple(parts["train"].classes), f"torchvision's files in {home}")


def _missing(name: str, root: Path, what: str) -> str:
    files = _TORCHVISION[name][1]
    places = [f"{root / name / files} or {root / files} (torchvision's files)"]
    if name == "cifar10":
        archive = root / name / "cifar10-jpeg.tar.gz"
        places = [f"{root / name}/train/<class>/<picture> (image tree)", f"{archive} (such a tree)", *places]
    return (
        f"{name} is missing. Looked for {'; '.join(places)}. {what} Put it in one of these places, or set "
        f"REGNAS_DATA to the folder that has it (now {root})."
    )
