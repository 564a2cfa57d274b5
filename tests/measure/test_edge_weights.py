"""Objects that the edge would cut: large ones aren't lost, whatever the form of the field."""

import numpy as np
import pytest

from napari_matssl.labels.class_table import ClassTable, LabelClass
from napari_matssl.measure.edge_weights import edge_weights
from napari_matssl.measure.field import field_of_mask
from napari_matssl.measure.grain_items import GrainField
from napari_matssl.measure.grains import measure_grains
from napari_matssl.measure.objects import measure_objects
from napari_matssl.micrograph.image import PixelSize
from napari_matssl.settings.grains import GrainSettings

MATRIX, PORE, RESIN = (
    LabelClass(id=id_, name=name, colour="#000000", exclude=name == "resin")
    for id_, name in enumerate(("matrix", "pore", "resin"), 1)
)
SIDE = 80
Y, X = np.ogrid[:SIDE, :SIDE]


def boxes_of(places, side):
    """Boxes of squares by the places of their first pixels."""
    return np.column_stack([places[:, 0], places[:, 0] + side, places[:, 1], places[:, 1] + side])


def test_an_object_that_fits_at_few_places_weighs_more():
    """A box of 3 x 5 px in 10 x 10 px touches no edge at 6 x 4 places."""
    boxes = np.array([[1, 4, 1, 6], [1, 9, 1, 9]])
    assert edge_weights((10, 10), None, boxes).weights.tolist() == pytest.approx([100 / 24, 100])


def test_a_box_is_counted_at_its_places_in_an_area_that_is_no_rectangle():
    """3 x 3 px in 10 x 10 px without a corner."""
    analysed = np.ones((10, 10), bool)
    analysed[:5, :5] = False
    boxes = np.array([[6, 9, 6, 9], [4, 7, 4, 7]])
    found = edge_weights((10, 10), analysed, boxes)
    places = sum(
        analysed[row - 1 : row + 4, column - 1 : column + 4].all()
        for row in range(1, 7)
        for column in range(1, 7)
    )
    assert found.weights.tolist() == pytest.approx([75 / places, 0])
    assert (found.area_px, found.rectangle) == (75, False)


def test_nothing_is_weighed_where_nothing_was_analysed():
    found = edge_weights((10, 10), np.zeros((10, 10), bool), np.zeros((0, 4), int))
    assert (len(found.weights), found.area_px) == (0, 0)


def test_large_and_small_objects_are_found_in_the_proportion_of_the_plane():
    """As many boxes of 5 px as of 40 px, seen through fields of 100 px."""
    random = np.random.default_rng(0)
    sizes, weights = [], []
    for side in (5, 40):
        first = random.integers(-side + 1, 100, (20_000, 2))
        inside = ((first > 0) & (first + side < 100)).all(axis=1)
        density = (100 + side - 1) ** 2  # so many places were drawn from
        found = edge_weights((100, 100), None, boxes_of(first[inside], side))
        sizes += [side] * len(found.weights)
        weights += list(found.weights * density)
    share = np.average(np.array(sizes) == 40, weights=weights)
    assert share == pytest.approx(0.5, abs=0.02)
    assert np.mean(np.array(sizes) == 40) < 0.25


ROUND = (Y - 39.5) ** 2 + (X - 39.5) ** 2 > 39.5**2
SLANTED = Y > 75 - 0.6 * X
SCRATCH = abs(Y + X - 79) < 3


@pytest.mark.parametrize("outside", [ROUND, SLANTED, SCRATCH], ids=["round", "slanted", "scratch"])
def test_edges_in_any_direction_leave_the_number_and_the_sizes_of_objects(outside):
    """Lattices of discs, 24 px apart, at every second place; small discs, then large ones."""
    table, shifts = ClassTable(classes=(MATRIX, PORE, RESIN)), range(0, 24, 2)
    density, weights = [], []
    for radius in (3, 8):
        found = []
        for down in shifts:
            for right in shifts:
                far = ((Y + down) % 24 - 12) ** 2 + ((X + right) % 24 - 12) ** 2
                mask = np.where(far <= radius**2, PORE.id, MATRIX.id)
                mask[outside] = RESIN.id
                field = field_of_mask("a.png", mask, table, PixelSize(1, 1, "test"))
                found.append(measure_objects(field, "pore"))
        density.append(np.mean([one.per_mm2 for one in found]) * 24**2 / 1e6)
        weights.append(sum(one.sized.weights.sum() for one in found))
    assert density == pytest.approx([1, 1], rel=0.04)
    assert weights[1] / weights[0] == pytest.approx(1, rel=0.06)


def test_grains_are_weighed_by_the_form_of_the_field():
    """Large grains fit into fewer places between slanted edges than into their rectangle."""
    grain, boundary = (
        LabelClass(id=id_, name=name, colour="#000000")
        for id_, name in ((1, "grain"), (2, "grain boundary"))
    )
    mask = np.full((SIDE, SIDE), grain.id, np.uint8)
    for side, at in ((40, (20, 20)), (6, (38, 68))):
        square = np.s_[at[0] : at[0] + side, at[1] : at[1] + side]
        mask[square] = boundary.id
        mask[square][1:-1, 1:-1] = grain.id
    mask[ROUND] = 0
    field = field_of_mask("a.png", mask, ClassTable(classes=(grain, boundary)))
    sized = GrainField.of(field, measure_grains(field, boundary, GrainSettings())).sized
    small, large = sized.weights[np.argsort(sized.sizes)]
    assert len(sized.sizes) == 2
    places = {
        side: sum(
            not ROUND[row - 1 : row + side + 1, column - 1 : column + side + 1].any()
            for row in range(1, SIDE - side)
            for column in range(1, SIDE - side)
        )
        for side in (4, 38)
    }
    assert large / small == pytest.approx(places[4] / places[38])
