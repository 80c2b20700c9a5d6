"""Glyphs: a picture data set that is computed, not downloaded.

Twenty characters in nineteen typefaces (DejaVu, STIX and Computer Modern, as matplotlib bundles them)
lie in an atlas that ships with the package as a picture (``glyphs_atlas.png``: a column a class, a row a
typeface). Every example is one of its tiles, rotated, scaled, sheared and shifted, over pieces of other
characters, under a bar, in varying contrast and noise. All of it is integer arithmetic on raw 64-bit
random numbers, so every machine makes the same bytes; the checksum of the whole set is recorded in
``data_splits/glyphs``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from tqdm import tqdm

CLASSES = tuple("ABCDEFGHJKLMNPRSTUXY")  # without look-alikes: I O Q V W Z and digits
FONTS = (
    *(f"DejaVuSans{style}" for style in ("", "-Bold", "-Oblique", "-BoldOblique")),
    *(f"DejaVuSansMono{style}" for style in ("", "-Bold", "-Oblique", "-BoldOblique")),
    *(f"DejaVuSerif{style}" for style in ("", "-Bold", "-Italic", "-BoldItalic")),
    *(f"STIXGeneral{style}" for style in ("", "Bol", "Italic", "BolIta")),
    *("cmr10", "cmss10", "cmtt10"),
)
SIZE = 32  # pixels: side of a picture and of a tile
SEED = 20_240_501
POOL = 81_024  # pictures in the data set: 50,000 + 1,024 + 10,000 + 20,000
BLOCK = 1024  # pictures that share one random generator
MEAN, STD = (0.2846,), (0.1768,)  # of the training pictures in [0, 1]

_ATLAS = Path(__file__).with_name("glyphs_atlas.png")
_SINE = np.rint(np.sin(np.arange(1440) * (np.pi / 720)) * 4096).astype(np.int32)  # a quarter degree a step


@dataclass(frozen=True)
class GlyphStyle:
    """How hard the pictures are. Ranges are inclusive; grey levels run from 0 to 255.

    Attributes:
        rotation_deg: largest rotation either way.
        scale_pct: size of the character relative to the atlas (there, capitals are 24 pixels high).
        shear_pct: largest horizontal shear either way.
        shift_px: largest shift either way, in each direction.
        paper: grey level of the background.
        contrast: how much brighter than the background the character is.
        clutter: pieces of other characters behind the character.
        clutter_pct: their brightness relative to the character's.
        clutter_px: distance of a piece's centre from the picture's centre.
        bars: lines in front of the character.
        bar_px: width of a line; 0 leaves it out.
        noise: largest noise either way (a triangular distribution).
    """

    rotation_deg: int = 25
    scale_pct: tuple[int, int] = (50, 95)
    shear_pct: int = 25
    shift_px: int = 4
    paper: tuple[int, int] = (10, 90)
    contrast: tuple[int, int] = (45, 150)
    clutter: int = 3
    clutter_pct: tuple[int, int] = (30, 100)
    clutter_px: tuple[int, int] = (12, 18)
    bars: int = 1
    bar_px: tuple[int, int] = (0, 4)
    noise: int = 40


def render_atlas() -> np.ndarray:
    """Draw the atlas afresh with matplotlib's own typefaces: uint8 (19 * 32, 20 * 32), ink is 255.

    The shipped picture was made by this function; another FreeType may smooth edges differently,
    which is why pictures are made from the shipped one.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.font_manager import FontProperties
    from matplotlib.patches import PathPatch
    from matplotlib.textpath import TextPath
    from matplotlib.transforms import Affine2D, IdentityTransform

    width, height = SIZE * len(CLASSES), SIZE * len(FONTS)
    figure = Figure(figsize=(width / 100, height / 100), dpi=100, facecolor="black")
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    for row, font in enumerate(FONTS):
        font_file = FontProperties(fname=folder / f"{font}.ttf")
        cap_height = TextPath((0, 0), "H", size=100, prop=font_file).get_extents().height
        for column, char in enumerate(CLASSES):
            path = TextPath((0, 0), char, size=100, prop=font_file)
            box = path.get_extents()
            scale = min(24 / cap_height, 28 / box.width, 28 / box.height)  # a margin of 2 pixels stays empty
            centre = (column + 0.5) * SIZE, height - (row + 0.5) * SIZE
            move = Affine2D().translate(-box.x0 - box.width / 2, -box.y0 - box.height / 2).scale(scale)
            outline = move.translate(*centre).transform_path(path)
            figure.add_artist(PathPatch(outline, color="white", lw=0, transform=IdentityTransform()))
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., 0].copy()


@lru_cache(maxsize=1)
def load_atlas() -> np.ndarray:
    """The shipped atlas as tiles: uint8 (19 typefaces, 20 classes, 32, 32), ink is 255."""
    from PIL import Image

    with Image.open(_ATLAS) as picture:
        sheet = np.asarray(picture.convert("L"))
    tiles = sheet.reshape(len(FONTS), SIZE, len(CLASSES), SIZE).transpose(0, 2, 1, 3).copy()
    tiles.setflags(write=False)
    return tiles


def draw_glyphs(labels: np.ndarray, rng: np.random.Generator, style: GlyphStyle | None = None) -> np.ndarray:
    """Draw one picture for each label.

    Args:
        labels: integers (N,) in [0, 20).
        rng: source of all randomness, over a 64-bit stream such as ``np.random.default_rng``'s.
        style: how hard the pictures are.

    Returns:
        uint8 (N, 1, 32, 32): bright characters on a darker background.
    """
    style = style or GlyphStyle()
    labels = np.asarray(labels, np.int32)
    n = len(labels)
    canvas = _between(rng, style.paper, n)[:, None, None]
    contrast = _between(rng, style.contrast, n)[:, None, None]
    ink = canvas + contrast
    for _ in range(style.clutter):
        others = (labels + _between(rng, (1, len(CLASSES) - 1), n)) % len(CLASSES)
        grey = ink - contrast * (100 - _between(rng, style.clutter_pct, n)[:, None, None]) // 100
        canvas = _blend(canvas, grey, _coverage(others, _ring(rng, style.clutter_px, n), rng, style))
    shift = _between(rng, (-16 * style.shift_px, 16 * style.shift_px), (2, n))
    canvas = _blend(canvas, ink, _coverage(labels, shift, rng, style))
    for _ in range(style.bars):
        grey = ink - contrast * _between(rng, (0, 100), n)[:, None, None] // 100
        canvas = np.where(_bar(rng, style, n), grey, canvas)
    noise = _between(rng, (-style.noise, style.noise), (2, n, SIZE, SIZE))
    canvas = canvas + (noise.sum(0, dtype=np.int32) >> 1)
    return np.clip(canvas, 0, 255).astype(np.uint8)[:, None]


def draw_pool(
    n: int = POOL, seed: int = SEED, style: GlyphStyle | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Draw the first ``n`` pictures of the data set: images uint8 (n, 1, 32, 32) and labels int64 (n,).

    Labels take turns, so that every stretch of the pool is balanced. Blocks of 1,024 pictures have their
    own generators, so that the first pictures are the same however many are drawn.
    """
    labels = np.arange(-(-n // BLOCK) * BLOCK) % len(CLASSES)
    images = np.empty((n, 1, SIZE, SIZE), np.uint8)
    with tqdm(total=n, desc="drawing glyphs", unit="picture", leave=False) as bar:
        for start in range(0, n, BLOCK):
            rng = np.random.default_rng([seed, start // BLOCK])
            block = draw_glyphs(labels[start : start + BLOCK], rng, style)
            part = images[start : start + BLOCK]
            part[:] = block[: len(part)]
            bar.update(len(part))
    return images, labels[:n].astype(np.int64)


def _between(rng: np.random.Generator, bounds: tuple[int, int], shape: int | tuple[int, ...]) -> np.ndarray:
    """Integers in [low, high], int32 of ``shape``, from 16-bit pieces of the raw stream.

    The raw stream, not ``rng.integers``: NumPy promises that only the former never changes.
    """
    low, high = bounds
    count = int(np.prod(shape))
    raw = rng.bit_generator.random_raw(-(-count // 4))
    pieces = raw.astype("<u8").view("<u2")[:count].astype(np.int32).reshape(shape)
    pieces *= high - low + 1
    pieces >>= 16
    pieces += low
    return pieces


def _ring(rng: np.random.Generator, radius_px: tuple[int, int], n: int) -> np.ndarray:
    """Shifts in 1/16 pixels, (2, n), that point anywhere at a distance within ``radius_px``."""
    angle = _between(rng, (0, 1439), n)
    radius = _between(rng, (16 * radius_px[0], 16 * radius_px[1]), n)
    return np.stack([_SINE[angle - 360], _SINE[angle]]) * radius >> 12


def _coverage(
    classes: np.ndarray, shift: np.ndarray, rng: np.random.Generator, style: GlyphStyle
) -> np.ndarray:
    """How much of each pixel a randomly deformed character covers: int32 (N, 32, 32) in [0, 256].

    The inverse affine map takes each pixel's centre to the tile, where four neighbours are mixed.
    Fixed-point fractions: positions 1/16 pixel, matrix 1/4096, tile coordinates 1/256 pixel.
    """
    n = len(classes)
    tile = _between(rng, (0, len(FONTS) - 1), n) * len(CLASSES) + classes
    angle = _between(rng, (-4 * style.rotation_deg, 4 * style.rotation_deg), n)
    shear = _between(rng, (-256 * style.shear_pct // 100, 256 * style.shear_pct // 100), n)
    shrink = 25_600 // _between(rng, style.scale_pct, n)  # 1/256
    sin, cos = _SINE[angle], _SINE[(angle + 360) % 1440]
    ux, uy = (cos + (shear * sin >> 8)) * shrink >> 8, (sin - (shear * cos >> 8)) * shrink >> 8
    vx, vy = -sin * shrink >> 8, cos * shrink >> 8
    grid = np.arange(SIZE, dtype=np.int32) * 16 + 8 - 8 * SIZE
    x, y = grid - shift[0][:, None], grid - shift[1][:, None]  # (N, 32)
    u = _tile_coordinate((ux[:, None] * x)[:, None, :] + (uy[:, None] * y)[:, :, None])
    v = _tile_coordinate((vx[:, None] * x)[:, None, :] + (vy[:, None] * y)[:, :, None])
    index = (tile[:, None, None] * SIZE + (v >> 8)) * SIZE + (u >> 8)
    return _mix(np.take(_neighbours(), index), u & 255, v & 255)


def _tile_coordinate(fixed: np.ndarray) -> np.ndarray:
    """Centred 1/65536 pixels to 1/256 pixels from the first tile pixel's centre, kept inside the tile."""
    fixed >>= 8
    fixed += 128 * SIZE - 128
    return np.clip(fixed, 0, 256 * (SIZE - 1) - 1, out=fixed)


@lru_cache(maxsize=1)
def _neighbours() -> np.ndarray:
    """Each atlas pixel with its right, lower and diagonal neighbours in one uint32: one look-up, not four."""
    tiles = load_atlas().astype(np.uint32)
    right, below = np.roll(tiles, -1, -1), np.roll(tiles, -1, -2)
    return (tiles | right << 8 | below << 16 | np.roll(right, -1, -2) << 24).ravel()


def _mix(four: np.ndarray, fu: np.ndarray, fv: np.ndarray) -> np.ndarray:
    """Bilinear mixture of four packed neighbours with fractions of 256; int32 in [0, 256]."""
    fu, fv = fu.astype(np.uint32), fv.astype(np.uint32)
    rows = (four & 0x00FF00FF) * (256 - fu) + (four >> 8 & 0x00FF00FF) * fu  # upper row low, lower row high
    grey = (rows & 0xFFFF) * (256 - fv) + (rows >> 16) * fv >> 16
    return (grey + (grey >> 7)).astype(np.int32)


def _blend(canvas: np.ndarray, grey: np.ndarray, coverage: np.ndarray) -> np.ndarray:
    return canvas + ((grey - canvas) * coverage >> 8)


def _bar(rng: np.random.Generator, style: GlyphStyle, n: int) -> np.ndarray:
    """Where a straight line of random direction, width and place lies: bool (n, 32, 32)."""
    angle = _between(rng, (0, 1439), n)[:, None]
    offset = _between(rng, (-16 * SIZE // 3, 16 * SIZE // 3), n)[:, None, None]
    width = 16 * _between(rng, style.bar_px, n)[:, None, None]
    grid = np.arange(SIZE, dtype=np.int32) * 16 + 8 - 8 * SIZE
    across = (_SINE[angle] * grid)[:, :, None] + (_SINE[angle - 360] * grid)[:, None, :] >> 12
    return 2 * abs(across - offset) < width
