"""Run lengths of COCO and CVAT."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from napari_matssl.labels.exchange.rle import from_counts, from_text, to_counts
from napari_matssl.labels.exchange.shapes import BrokenAnnotationError

MASKS = arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=9))


def few_pixels():
    mask = np.zeros((7, 9), bool)
    mask[2:5, 3:8] = mask[6, 0] = mask[0, 8] = True
    return mask


def disc():
    y, x = np.mgrid[:50, :60]
    return (y - 25) ** 2 + (x - 30) ** 2 < 400


@pytest.mark.parametrize(
    ("text", "mask"),
    [
        ("61`02D0000000NN4", few_pixels()),
        (
            "ia0=S14L4M2M4M2N2O0O2N2O0O2O0O2O000000000000000000000001N101N101N2N101N2N3L3N3L4LS?",
            disc(),
        ),
    ],
)
def test_compressed_counts_are_read_as_pycocotools_wrote_them(text, mask):
    height, width = mask.shape
    assert np.array_equal(from_counts(from_text(text), width, height, by_columns=True), mask)


@given(MASKS)
def test_counts_give_the_mask_again(mask):
    height, width = mask.shape
    assert np.array_equal(from_counts(to_counts(mask), width, height, by_columns=True), mask)


def test_counts_go_down_columns_or_along_rows():
    counts = [1, 2, 3]
    down = from_counts(counts, 3, 2, by_columns=True)
    along = from_counts(counts, 3, 2, by_columns=False)
    assert down.tolist() == [[False, True, False], [True, False, False]]
    assert along.tolist() == [[False, True, True], [False, False, False]]


@pytest.mark.parametrize(
    "counts", [[7], [5], [], [-1, 7], [10**12, 3], [3, 3, 3], [0] * 100 + [6], [2**62, 2**62, 6]]
)
def test_counts_that_are_not_those_of_the_image_are_refused(counts):
    with pytest.raises(BrokenAnnotationError, match="run length"):
        from_counts(counts, 3, 2, by_columns=True)


@pytest.mark.parametrize("text", ["é", " ", "~", "P", "PPPPPPPPPPPPPPPPPPPPPP0"])
def test_broken_texts_are_refused(text):
    with pytest.raises(BrokenAnnotationError):
        from_text(text)


@given(st.text(st.characters(min_codepoint=48, max_codepoint=111), max_size=40))
def test_no_text_gives_more_than_the_image(text):
    try:
        mask = from_counts(from_text(text), 5, 4, by_columns=True)
    except BrokenAnnotationError:
        return
    assert mask.shape == (4, 5)
