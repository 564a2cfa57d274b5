"""Text of any script in pictures, with the fonts of the system."""

import logging
import os
import sys
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from itertools import groupby
from pathlib import Path

from PIL import ImageDraw, ImageFont

_LOG = logging.getLogger(__name__)

# Pillow's own font lacks Greek letters, accents and the micro sign; phases are called α and γ′.
_USUAL = Path(__file__).with_name("fonts") / "DejaVuSans.ttf"
_FOLDERS = {
    "win32": ("%WINDIR%/Fonts", "%LOCALAPPDATA%/Microsoft/Windows/Fonts"),
    "darwin": ("/System/Library/Fonts", "/Library/Fonts", "~/Library/Fonts"),
}
_FOLDERS_ELSEWHERE = ("/usr/share/fonts", "/usr/local/share/fonts", "~/.local/share/fonts")
_NEVER_A_LETTER = "\U0010ffff"
_PLAIN = ("regular", "sans", "gothic", "hei", "medium")
_FANCY = ("bold", "black", "thin", "light", "italic", "oblique", "mono", "serif", "emoji", "symbol")
_NO_GLYPH = frozenset({"Cc", "Cf", "Zs", "Zl", "Zp"})


class Lettering:
    """Letters of one size.

    Parameters
    ----------
    size
        Of an em, px.
    """

    def __init__(self, size: int) -> None:
        self._size = size

    def length(self, text: str) -> float:
        """Width of a text, px."""
        return sum(font.getlength(part) for font, part in self._parts(text))

    def draw(
        self,
        draw: ImageDraw.ImageDraw,
        place: tuple[float, float],
        text: str,
        fill: tuple[int, int, int],
    ) -> None:
        """Draw a text from its left end, in the middle of its line."""
        x, y = place
        for font, part in self._parts(text):
            draw.text((x, y), part, fill=fill, font=font, anchor="lm")
            x += font.getlength(part)

    def shortened(self, text: str, room: float) -> str:
        """Cut a text that doesn't fit, with an ellipsis for what is missing."""
        while self.length(text) > room and len(text) > 1:
            text = text[:-2] + "…"
        return text

    def _parts(self, text: str) -> list[tuple[ImageFont.FreeTypeFont, str]]:
        files = {char: _file_for(char) or _USUAL for char in text}
        groups = groupby(text, key=files.__getitem__)
        return [(_font(file, self._size), "".join(part)) for file, part in groups]


def undrawable(texts: Iterable[str]) -> str:
    """Return a remark on letters that no font of this system has; empty if none is missing."""
    missing = {char: text for text in texts for char in text if _file_for(char) is None}
    if not missing:
        return ""
    letters = "".join(missing)
    names = ", ".join(f'"{text}"' for text in dict.fromkeys(missing.values()))
    return (
        f"No font of this system has {letters} ({names}): legends show boxes instead. Install a "
        "font of that script, such as Noto Sans."
    )


@lru_cache(maxsize=4096)
def _file_for(char: str) -> Path | None:
    """Choose a font file that has a character."""
    if unicodedata.category(char) in _NO_GLYPH:
        return _USUAL
    return next((file for file in (_USUAL, *_system_fonts()) if _has(file, char)), None)


@lru_cache
def _system_fonts() -> tuple[Path, ...]:
    """List the fonts of the system, plain ones first."""
    named = _FOLDERS.get(sys.platform, _FOLDERS_ELSEWHERE)
    folders = [Path(os.path.expandvars(name)).expanduser() for name in named]
    files = (file for folder in folders for file in folder.rglob("*.[to]t[fc]"))
    return tuple(sorted(files, key=_fancy))


def _fancy(file: Path) -> tuple[int, str]:
    """Return a key that sorts well readable fonts first."""
    name = file.stem.lower()
    plain = any(word in name for word in _PLAIN)
    return 2 * sum(word in name for word in _FANCY) - plain, str(file)


def _has(file: Path, char: str) -> bool:
    """Whether a font has a character: it is drawn unlike one that no font has."""
    try:
        font = _font(file, 20)
        return bytes(font.getmask(char)) != bytes(font.getmask(_NEVER_A_LETTER))
    except (OSError, ValueError):  # damaged, or a bitmap font of other sizes
        _LOG.debug("The font %s can't be used", file, exc_info=True)
        return False


@lru_cache(maxsize=256)
def _font(file: Path, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(file, size)
