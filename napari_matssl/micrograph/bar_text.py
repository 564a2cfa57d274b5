"""Read the length that is printed beside a scale bar; needs the extra ``ocr``."""

import re
from collections.abc import Sequence
from functools import cache, lru_cache
from importlib.util import find_spec
from threading import Lock
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from napari_matssl.telemetry import switch_off_telemetry

_LENGTH: Final = re.compile(r"(?<![\d.,])(\d+(?:[.,]\d+)?)\s?(nm|[µμu]m|mm)(?![a-z])")
_AROUND: Final = re.compile("[^0-9A-Za-z]*")  # ends of the bar and arrows, read as signs
_UNITS: Final = {"nm": 1e-3, "mm": 1e3}  # of all others: 1 µm
_SURE: Final = 0.7
_ABOVE_PX, _BESIDE = 60, 0.3  # how far from a bar text is looked for: px, and share of its length
_LEAST_BESIDE_PX: Final = 40
_SAME_ROW_PX: Final = 6
_ENLARGED: Final = 2
_LONGEST_PX: Final = 960  # side of the strip that text is looked for in; more costs time alone
_LOCK: Final = Lock()


def can_read() -> bool:
    """Whether the extra ``ocr`` is installed."""
    return all(find_spec(name) is not None for name in ("rapidocr", "onnxruntime"))


def read_length(grey: NDArray[np.floating], row: float, first: float, last: float) -> float | None:
    """Read the length that is printed beside a scale bar.

    It counts only if a text is a number with a unit (nm, µm, um, mm) and nothing else, and its
    middle stands between the bar's ends; of several, the one that is nearest to the bar.

    Parameters
    ----------
    grey
        ``(H, W)`` of the info bar, or of the lowest rows of the image.
    row
        Of the bar in it.
    first, last
        Columns of its ends.

    Returns
    -------
    µm; None if nothing is read for certain, or the extra isn't installed.
    """
    if not can_read():
        return None
    beside = max(_LEAST_BESIDE_PX, _BESIDE * (last - first))
    top, left = max(0, int(row) - _ABOVE_PX), max(0, int(first - beside))
    strip = grey[top : int(row) + _ABOVE_PX, left : int(last + beside) + 1]
    low, high = float(strip.min()), float(strip.max())
    scaled = (255 / max(high - low, 1e-9) * (strip - low)).astype(np.uint8)
    texts = [
        (text, x, y)
        for text, x, y in _texts(scaled.tobytes(), *scaled.shape)
        if first <= x + left <= last
    ]
    found = [
        (abs(y + top - row), um) for text, y in _rows(texts) if (um := length_in(text)) is not None
    ]
    return min(found)[1] if found else None


def _rows(texts: Sequence[tuple[str, float, float]]) -> list[tuple[str, float]]:
    """Join what stands side by side: a number may be read apart from its unit."""
    rows: list[list[tuple[float, str, float]]] = []
    for text, x, y in sorted(texts, key=lambda one: one[2]):
        if rows and abs(rows[-1][0][2] - y) <= _SAME_ROW_PX:
            rows[-1].append((x, text, y))
        else:
            rows.append([(x, text, y)])
    return [(" ".join(text for _, text, _ in sorted(row)), row[0][2]) for row in rows]


def length_in(text: str) -> float | None:
    """Return the length that a text is, µm; None if it is anything else, too."""
    found = _LENGTH.search(text)
    if found is None or not _AROUND.fullmatch(text[: found.start()] + text[found.end() :]):
        return None
    value = float(found[1].replace(",", "."))
    return value * _UNITS.get(found[2], 1.0) if value > 0 else None


@lru_cache(maxsize=256)
def _texts(pixels: bytes, height: int, width: int) -> tuple[tuple[str, float, float], ...]:
    """Read all texts of a strip, with the column and row of their middles."""
    strip = np.frombuffer(pixels, np.uint8).reshape(height, width)
    large = strip.repeat(_ENLARGED, axis=0).repeat(_ENLARGED, axis=1)
    with _LOCK:  # one at a time: its network is shared
        read = _reader()(np.stack([large] * 3, axis=-1))
    if read.boxes is None or read.txts is None:
        return ()
    middles = np.asarray(read.boxes, np.float64).mean(axis=1) / _ENLARGED
    return tuple(
        (str(text), float(x), float(y))
        for text, score, (x, y) in zip(read.txts, read.scores, middles, strict=True)
        if score >= _SURE
    )


@cache
def _reader() -> Any:
    switch_off_telemetry()
    from rapidocr import RapidOCR

    return RapidOCR(
        params={
            "Det.limit_type": "max",
            "Det.limit_side_len": _LONGEST_PX,
            "Global.use_cls": False,
            "Global.log_level": "critical",
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        }
    )
