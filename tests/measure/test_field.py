"""Fields: what of a mask counts as analysed, and in which order its pixel's sides come."""

import numpy as np
import pytest

from napari_matssl.errors import InputError
from napari_matssl.labels.class_table import ClassTable, LabelClass
from napari_matssl.measure.field import field_of_mask
from napari_matssl.micrograph.image import PixelSize


def table(*ids, exclude=()):
    return ClassTable(
        classes=tuple(
            LabelClass(id=i, name=f"c{i}", colour="#0072b2", exclude=i in exclude) for i in ids
        )
    )


def test_no_class_and_excluded_classes_are_not_analysed():
    mask = np.array([[0, 1, 2], [2, 3, 3]], dtype=np.uint8)
    field = field_of_mask("a.png", mask, table(1, 2, 3, exclude={3}), PixelSize(0.5, 2.0, "test"))
    assert field.analysed.tolist() == [[False, True, True], [True, False, False]]
    assert field.analysed_pixels == 3
    assert field.analysed_area_um2 == 3.0


def test_an_excluded_class_has_no_figures():
    """0 objects would be a lie."""
    mask = np.array([[1, 1, 2]], dtype=np.uint8)
    field = field_of_mask("a.png", mask, table(1, 2, exclude={2}))
    for call in (field.class_named, field.pixels_of):
        with pytest.raises(InputError, match=r"c2 is excluded from the analysed area of a\.png"):
            call("c2")


def test_a_class_at_0_leaves_255_for_pixels_without_a_class():
    mask = np.array([[0, 1, 255]], dtype=np.uint8)
    field = field_of_mask("a.png", mask, table(0, 1))
    assert field.analysed.tolist() == [[True, True, False]]
    assert field.analysed_area_um2 is None


def test_a_mask_of_classes_alone_is_analysed_everywhere():
    field = field_of_mask("a.png", np.ones((2, 3), dtype=np.uint8), table(1))
    assert field.analysed is None
    assert field.analysed_pixels == 6


def test_sides_come_in_the_order_of_the_axes():
    field = field_of_mask("a.png", np.ones((1, 1), np.uint8), table(1), PixelSize(0.5, 2.0, "t"))
    assert field.pixel_size_um == (2.0, 0.5)


def test_values_that_are_no_class_are_refused_by_name():
    with pytest.raises(InputError, match=r"a\.png holds values that are no class: 7 \(1 pixel\)"):
        field_of_mask("a.png", np.array([[1, 7]], dtype=np.uint8), table(1))


def test_an_unknown_class_lists_those_that_there_are():
    field = field_of_mask("a.png", np.ones((1, 1), np.uint8), table(1, 2))
    assert field.class_named("c2").id == 2
    with pytest.raises(InputError, match=r"a\.png has no class pore.*c1, c2"):
        field.class_named("pore")
