"""Results of work on images that are kept as long as the images are."""

import gc

import numpy as np
import pytest

from napari_matssl.learn.of_images import OfImages
from napari_matssl.micrograph.image import Micrograph


def micrograph():
    return Micrograph("a.tif", np.zeros((32, 32), np.uint8))


def test_an_image_is_worked_on_once_for_each_way():
    done = []
    kept = OfImages(lambda image, factor: done.append((image, factor)) or factor * 2)
    one, other = micrograph(), micrograph()
    found = [kept(one, 1.0), kept(one, 1.0), kept(one, 0.5), kept(other, 1.0)]
    assert found == [2.0, 2.0, 1.0, 2.0]
    assert done == [(one, 1.0), (one, 0.5), (other, 1.0)]
    kept.forget()
    kept(one, 1.0)
    assert len(done) == 4


def test_nothing_is_kept_of_images_that_are_gone():
    kept = OfImages(lambda image: np.zeros(1))
    one, other = micrograph(), micrograph()
    kept(one)
    kept(other)
    del one
    gc.collect()
    assert len(kept._known) == 1


def test_an_error_is_not_kept():
    answers = iter([[], [3]])
    kept, one = OfImages(lambda _image: next(answers)[0]), micrograph()
    with pytest.raises(IndexError):
        kept(one)
    assert kept(one) == 3
