"""The data set ``letters``: A to J, rendered from fonts that matplotlib ships, as notMNIST was from fonts."""

from __future__ import annotations

import io
import math
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont, features
from torch import Tensor

from bench.data import digits
from bench.data.assemble import assemble, shuffled, stream
from bench.data.dataset import Dataset
from bench.data.location import embedded
from bench.errors import DataMissing

LETTERS = "ABCDEFGHIJ"

FAMILIES: dict[str, dict[str, tuple[str, ...]]] = {
    "train": {
        "DejaVu Sans": ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSans-BoldOblique"),
        "DejaVu Sans Mono": (
            "DejaVuSansMono",
            "DejaVuSansMono-Bold",
            "DejaVuSansMono-Oblique",
            "DejaVuSansMono-BoldOblique",
        ),
        "STIX General": ("STIXGeneral", "STIXGeneralBol", "STIXGeneralItalic", "STIXGeneralBolIta"),
        "Computer Modern Roman": ("cmr10", "cmb10", "cmti10"),
    },
    "test": {
        "DejaVu Serif": ("DejaVuSerif", "DejaVuSerif-Bold", "DejaVuSerif-Italic", "DejaVuSerif-BoldItalic"),
        "Computer Modern Sans": ("cmss10",),
        "Computer Modern Typewriter": ("cmtt10",),
    },
}
"""The fonts of each split, by family. A family is in one split with all its styles: bold is no unseen font where the
regular was trained on. Fonts are named, never globbed: matplotlib also ships fonts of symbols and placeholders."""

COUNTS = {
    "train": round(0.2 * digits.TRAIN_IMAGES),  # 216: a dustbin of 20% of the training images
    "test": 400,
}
"""How many images each split has."""

_SIDE = 28  # pixels
_POINTS = 64  # pixels an em at which glyphs are drawn, before they are scaled down
_CANVAS = 128  # pixels, the side of the canvas they are drawn on: room for the widest one, turned
_TURN = math.radians(8)  # the most a letter is turned, either way
_SHEAR = 0.12  # the most it is sheared, in widths a height, either way
_STRETCH = 0.12  # the most its width is stretched or shrunk, as a share
_LONGER = (23, 28)  # pixels, the least and the most of its longer side in the frame


def load() -> Dataset:
    """Return the letters: images ``(N, 1, 28, 28)``, white on black, labels 0 .. 9 for A .. J.

    Splits ``train`` (216) and ``test`` (400), in font families of their own (``FAMILIES``), balanced over letters and
    fonts, in random order. Each image is a glyph turned, sheared and stretched a little, cropped to its box, scaled
    to fill most of the frame and put down off its centre where there is room; the seed is fixed. Pixels depend on
    the version of FreeType. Raises ``DataMissing`` where matplotlib comes without its fonts.
    """
    splits = {}
    for split, families in FAMILIES.items():
        fonts = [name for names in families.values() for name in names]
        images, labels = _render(fonts, COUNTS[split], stream("letters", split))
        splits[split] = shuffled(images, labels, stream("letters", f"{split} order"))
    return assemble("letters", splits, origin())


def origin() -> str:
    """Return where they come from, and what draws them: another version may draw another shade of grey."""
    return f"{embedded('matplotlib')}, drawn by FreeType {features.version('freetype2')}"


def pairs(fonts: int, count: int) -> list[tuple[int, int]]:
    """Return ``count`` pairs (font, letter) that use every font, every letter and every pair equally, within one."""
    # Both wheels turn by one; once they are back at their start together, the letters are moved on by one.
    period = math.lcm(fonts, len(LETTERS))
    return [(turn % fonts, (turn + turn // period) % len(LETTERS)) for turn in range(count)]


def open_font(name: str) -> ImageFont.FreeTypeFont:
    """Return the font that matplotlib ships as ``<name>.ttf``; raise ``DataMissing`` where it does not."""
    import matplotlib as mpl  # noqa: PLC0415  only who loads letters waits for it

    path = Path(mpl.get_data_path(), "fonts", "ttf", f"{name}.ttf")
    try:
        # From its bytes: by its path, Pillow would look for one of that name elsewhere on the machine. The basic layout
        # does the same with and without libraqm.
        return ImageFont.truetype(io.BytesIO(path.read_bytes()), _POINTS, layout_engine=ImageFont.Layout.BASIC)
    except OSError:
        mend = "install matplotlib from its own wheel (pip install --force-reinstall matplotlib)"
        raise DataMissing(f"letters: matplotlib's font {path} cannot be read: {mend}") from None


def draw(font: ImageFont.FreeTypeFont, letter: str) -> Image.Image:
    """Return the letter, white on black, in the middle of a canvas of 128x128."""
    canvas = Image.new("L", (_CANVAS, _CANVAS))
    ImageDraw.Draw(canvas).text((_CANVAS / 2, _CANVAS / 2), letter, fill=255, font=font, anchor="mm")
    return canvas


def _render(names: list[str], count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return ``count`` images, ``(count, 1, 28, 28)`` in [0, 1], and their labels, in the order of ``pairs``."""
    fonts = [open_font(name) for name in names]
    chosen = pairs(len(fonts), count)
    glyphs = {pair: draw(fonts[pair[0]], LETTERS[pair[1]]) for pair in set(chosen)}
    chances: list[list[float]] = torch.rand(count, 6, generator=generator, dtype=torch.float64).tolist()
    frames = [np.asarray(_vary(glyphs[pair], chance)) for pair, chance in zip(chosen, chances, strict=True)]
    images = torch.from_numpy(np.stack(frames)[:, None]).float() / 255
    return images, torch.tensor([letter for _, letter in chosen])


def _vary(glyph: Image.Image, chance: list[float]) -> Image.Image:
    """Return a frame of 28x28 with the glyph, varied by six numbers in [0, 1)."""
    turn, shear, stretch, longer, right, down = chance
    warped = _warp(glyph, (2 * turn - 1) * _TURN, (2 * shear - 1) * _SHEAR, 1 + (2 * stretch - 1) * _STRETCH)
    cropped = warped.crop(warped.getbbox())
    least, most = _LONGER
    scale = (least + int(longer * (most - least + 1))) / max(cropped.size)
    width, height = (max(1, round(side * scale)) for side in cropped.size)
    frame = Image.new("L", (_SIDE, _SIDE))
    # Narrow letters keep to the middle half of the room that they leave.
    corner = [round((_SIDE - side) * (0.25 + 0.5 * where)) for side, where in ((width, right), (height, down))]
    frame.paste(cropped.resize((width, height), Image.Resampling.BILINEAR), (corner[0], corner[1]))
    return frame


def _warp(glyph: Image.Image, turn: float, shear: float, stretch: float) -> Image.Image:
    """Return the glyph turned (radians), sheared and stretched about the middle of its canvas."""
    cos, sin, middle = math.cos(turn), math.sin(turn), _CANVAS / 2
    # Rows of the map from where a pixel lands to where it came from.
    a, b = cos / stretch, sin / stretch + shear
    d, e = -sin, cos
    back = (a, b, middle - a * middle - b * middle, d, e, middle - d * middle - e * middle)
    return glyph.transform(glyph.size, Image.Transform.AFFINE, back, Image.Resampling.BILINEAR)
