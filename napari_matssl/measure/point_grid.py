"""Points of an image at which its classes are counted by eye."""

import numpy as np
from numpy.typing import NDArray

from napari_matssl.errors import InputError

FEWEST, MOST = 10, 5000
"""Points that an image may have."""


def draw_points(
    shape: tuple[int, int],
    count: int,
    random: np.random.Generator,
    pixel_um: tuple[float, float] = (1.0, 1.0),
    analysable: NDArray[np.bool_] | None = None,
) -> NDArray[np.intp]:
    """Draw points of an image: one at random in each cell of a grid, in random order.

    The cells are equal in area, nearly square, and cover the image, so each pixel has the same
    chance and fractions are unbiased, whatever the pattern: a regular grid could fall in step with
    lamellae. By the theory of stratified sampling with proportional allocation (Cochran, *Sampling
    Techniques*, 3rd ed. 1977, section 5.6) the variance of a fraction is never larger than that of
    points drawn independently, so that binomial intervals aren't too narrow. In random order, the
    first points are a sample of the image, too: a count may end early.

    Parameters
    ----------
    shape
        Rows and columns of the specimen, without the info bar.
    count
        How many points.
    random
        Where chance comes from.
    pixel_um
        Height and width of a pixel, in any unit: cells are square on the specimen.
    analysable
        ``(H, W)``, False where pixels are no numbers; points there are left out.

    Returns
    -------
    ``(count, 2)`` rows and columns of pixels, fewer where some can't be analysed.

    Raises
    ------
    InputError
        If `count` is below ``FEWEST``, above ``MOST``, or above a tenth of the pixels; or nothing
        can be analysed.
    """
    height, width = shape
    most = min(MOST, height * width // 10)
    if not FEWEST <= count <= most:
        raise InputError(
            f"{count} points can't be counted on {width} x {height} px.",
            f"Choose {FEWEST} to {most}.",
        )
    tall = height * pixel_um[0] / (width * pixel_um[1])
    rows = min(count, max(1, round((count * tall) ** 0.5)))
    columns = np.full(rows, count // rows)
    columns[random.permutation(rows)[: count % rows]] += 1
    edges = np.concatenate([[0], np.cumsum(columns)]) * (height / count)
    drawn = []
    for top, bottom, cells in zip(edges[:-1], edges[1:], columns, strict=True):
        y = top + (bottom - top) * random.random(cells)
        x = (np.arange(cells) + random.random(cells)) * (width / cells)
        drawn.append(np.stack([y, x], axis=1))
    points = np.minimum(np.concatenate(drawn).astype(np.intp), (height - 1, width - 1))
    if analysable is not None:
        points = points[analysable[points[:, 0], points[:, 1]]]
    if not len(points):
        raise InputError("No point lies where the image holds numbers.", "Choose another image.")
    return random.permutation(points)
