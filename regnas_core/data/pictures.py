"""One picture: from its file to the pixels that networks see."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".ppm", ".tif", ".tiff", ".webp")
INTERPOLATIONS = ("bilinear", "bicubic")


def decode_picture(
    path: Path, size: int, resize: int | None = None, interpolation: str = "bilinear", upright: bool = True
) -> np.ndarray:
    """Decode one picture.

    Args:
        path: of the file.
        size: side of the result in pixels.
        resize: if given (at least ``size``), the shorter side is resized to so many pixels and the centre is
            cut out, pixel for pixel as torchvision's ``Resize(resize)`` and ``CenterCrop(size)`` do;
            otherwise a picture of another size is resized to a square as it is.
        interpolation: one of :data:`INTERPOLATIONS`.
        upright: turn it as its EXIF orientation says.

    Returns:
        uint8 (3, size, size). 16-bit grey is scaled to 8 bits; of an animation, the first frame.

    Raises:
        OSError, ValueError, …: whatever Pillow makes of a damaged file; or grey of more than 16 bits.
    """
    from PIL import Image, ImageOps

    method = Image.Resampling[interpolation.upper()]
    with Image.open(path) as picture:
        picture = ImageOps.exif_transpose(picture) if upright else picture
        picture = _in_eight_bits(picture).convert("RGB")
    width, height = picture.size
    if resize is not None:
        shorter = min(width, height)
        width, height = int(resize * width / shorter), int(resize * height / shorter)
        left, top = round((width - size) / 2), round((height - size) / 2)
        picture = picture.resize((width, height), method).crop((left, top, left + size, top + size))
    elif (width, height) != (size, size):
        picture = picture.resize((size, size), method)
    return np.asarray(picture).transpose(2, 0, 1)


def _in_eight_bits(picture: Image) -> Image:
    """Pillow clips grey of more than 8 bits at 255, where it should be scaled."""
    from PIL import Image

    if not picture.mode.startswith(("I", "F")):
        return picture
    values = np.asarray(picture).astype(np.float64)
    top = 1 if picture.mode == "F" else 65_535
    if not ((values >= 0) & (values <= top)).all():
        raise ValueError(f"pixels from {values.min():g} to {values.max():g}; expected 0 to {top}")
    return Image.fromarray(np.rint(values * (255 / top)).astype(np.uint8))
