"""Non-metallic inclusions in steel, as polished, in the light microscope."""

from collections.abc import Callable

import numpy as np

from napari_matssl.samples.random_fields import Field, Mask, Scene, Shape, rough_noise, smooth_noise

STEEL, SULPHIDE, OXIDE = 1, 2, 3

# Maps px along and across the rolling direction, from the middle, to an inclusion's pixels.
Form = Callable[[Field, Field], Mask]


def inclusions(rng: np.random.Generator, shape: Shape) -> Scene:
    """Draw sulphides and oxides in a polished matrix."""
    specimen = _Section(rng, shape, rolling=rng.normal(0, 0.06))
    # Counts are per 512 x 512 px.
    fields = shape[0] * shape[1] / 512**2
    drawn_out = rng.uniform(0, 1)
    for _ in range(max(4, round(rng.uniform(14, 42) * fields))):
        form, reach = _sulphide(rng, elongated=rng.random() < drawn_out)
        specimen.place(form, reach, SULPHIDE, rng.uniform(0.40, 0.58))
    for _ in range(max(2, round(rng.uniform(6, 17) * fields))):
        specimen.place(*_fragment(rng, rng.uniform(3, 9)), OXIDE, rng.uniform(0.10, 0.34))
    for _ in range(max(1, round(rng.uniform(1, 5) * fields))):
        specimen.place_stringer()
    return Scene(np.clip(specimen.grey, 0, 1), specimen.labels)


def _sulphide(rng: np.random.Generator, *, elongated: bool) -> tuple[Form, float]:
    across = rng.uniform(1.6, 3.6) if elongated else rng.uniform(2.4, 6.0)
    along = across * (rng.uniform(3, 13) if elongated else rng.uniform(1, 1.7))
    taper = rng.uniform(1.3, 2.2)
    bend = rng.normal(0, 0.25) / along

    def form(u: Field, v: Field) -> Mask:
        inside: Mask = (
            np.abs(u / along) ** taper + np.abs((v - bend * u**2 / along) / across) ** 2 < 1
        )
        return inside

    return form, along


def _fragment(rng: np.random.Generator, radius: float) -> tuple[Form, float]:
    """Make an angular piece: the overlap of a few half planes, corners rounded by a disc."""
    sides = int(rng.integers(4, 8))
    angles = np.linspace(0, 2 * np.pi, sides, endpoint=False) + rng.uniform(0, 1, sides)
    distances = radius * rng.uniform(0.6, 1.0, sides)

    def form(u: Field, v: Field) -> Mask:
        inside = np.hypot(u, v) < 1.15 * radius
        for angle, distance in zip(angles, distances, strict=True):
            inside &= u * np.cos(angle) + v * np.sin(angle) < distance
        return inside

    return form, radius


class _Section:
    """A polished section that inclusions are put into one by one."""

    def __init__(self, rng: np.random.Generator, shape: Shape, rolling: float) -> None:
        self.rng = rng
        self.rolling = rolling
        self.labels = np.full(shape, STEEL, dtype=np.uint8)
        self.grey = _polished(rng, shape, rolling)
        # A rough field distorts outlines, so that no two inclusions are alike.
        self.wobble = [rough_noise(rng, shape, 3.5, 2) for _ in range(2)]
        self.mottle = rough_noise(rng, shape, 2.5, 2)
        self.y, self.x = np.mgrid[: shape[0], : shape[1]].astype(np.float64)

    def place(
        self, form: Form, reach: float, class_id: int, tone: float, tries: int = 20
    ) -> tuple[float, float] | None:
        """Put an inclusion where there is none; returns its middle, None if there is no room."""
        for _ in range(tries):
            row, column = self.rng.uniform(0, self.labels.shape)
            if self.place_at((row, column), form, reach, class_id, tone):
                return row, column
        return None

    def place_at(
        self,
        middle: tuple[float, float],
        form: Form,
        reach: float,
        class_id: int,
        tone: float,
    ) -> bool:
        """Put an inclusion at a place, unless another is in the way."""
        half = int(1.2 * reach) + 4
        row, column = round(middle[0]), round(middle[1])
        box = np.s_[max(row - half, 0) : row + half + 1, max(column - half, 0) : column + half + 1]
        y = self.y[box] - middle[0] + 0.7 * self.wobble[0][box]
        x = self.x[box] - middle[1] + 0.7 * self.wobble[1][box]
        turn = self.rolling + self.rng.normal(0, 0.03)
        u = x * np.cos(turn) + y * np.sin(turn)
        v = y * np.cos(turn) - x * np.sin(turn)
        roomy = form(u / 1.15, v / 1.6)
        inside = form(u, v)
        if not inside.any() or np.any(self.labels[box][roomy] != STEEL):
            return False
        self.labels[box][inside] = class_id
        texture = (0.045 if class_id == OXIDE else 0.018) * self.mottle[box]
        self.grey[box][inside] = (tone + texture)[inside]
        if class_id == SULPHIDE and reach > 6 and self.rng.random() < 0.3:
            self._oxide_core(box, u, v, reach)
        return True

    def _oxide_core(self, box: tuple[slice, slice], u: Field, v: Field, reach: float) -> None:
        """Duplex inclusion: the sulphide grew on an oxide, which stays inside it."""
        form, _ = _fragment(self.rng, self.rng.uniform(2.0, 3.5))
        core = form(u - self.rng.uniform(-0.4, 0.4) * reach, v)
        core &= self.labels[box] == SULPHIDE
        self.labels[box][core] = OXIDE
        self.grey[box][core] = self.rng.uniform(0.12, 0.28) + 0.03 * self.mottle[box][core]

    def place_stringer(self) -> None:
        """Broken-up oxide: pieces in a row along the rolling direction."""
        rng = self.rng
        tone = rng.uniform(0.12, 0.30)
        middle = self.place(*_fragment(rng, rng.uniform(2.5, 5)), OXIDE, tone)
        if middle is None:
            return
        position = 0.0
        for _ in range(int(rng.integers(3, 9))):
            position += rng.gamma(3.0, 4.0) + 3
            row = middle[0] + position * np.sin(self.rolling) + rng.normal(0, 2.6)
            column = middle[1] + position * np.cos(self.rolling)
            form, reach = _fragment(rng, min(1.4 + rng.gamma(2.0, 0.9), 6.0))
            self.place_at((row, column), form, reach, OXIDE, tone + rng.normal(0, 0.03))


def _polished(rng: np.random.Generator, shape: Shape, rolling: float) -> Field:
    """Draw the matrix: faint polishing marks, faint banding, a few soft stains."""
    grey = np.full(shape, rng.uniform(0.70, 0.80))
    grey += 0.006 * rough_noise(rng, shape, 2.0)
    grey += 0.010 * smooth_noise(rng, shape, 5, 20, rolling)
    first = rng.uniform(0, np.pi)
    for turn in (first, first + rng.normal(0, 0.15), rng.uniform(0, np.pi)):
        grey += rng.uniform(0.003, 0.009) * smooth_noise(rng, shape, 0.6, 90, turn)
    stain = rough_noise(rng, shape, 22)
    grey -= rng.uniform(0.02, 0.08) * np.clip(stain - 1.5, 0, 1)
    pits = smooth_noise(rng, shape, 0.8) > 3.5
    return np.where(pits, grey - 0.15, grey)
