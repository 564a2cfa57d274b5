"""Chords from edge to edge of boundaries."""

import numpy as np
import pytest
from tessellations import BOUNDARY, GRAIN, PORE, SCRATCH, field

from napari_matssl.measure.boundaries import boundary_network
from napari_matssl.measure.figures import Circle, Line
from napari_matssl.measure.grain_chords import measure_chords
from napari_matssl.settings import GrainSettings

ACROSS = Line((30.0, 0.0), (30.0, 80.0))


def chords(mask, curve=ACROSS, measured=BOUNDARY):
    return measure_chords(boundary_network(field(mask, 0.5), measured, GrainSettings()), [curve])


def drawn(*columns):
    mask = np.full((60, 80), GRAIN.id, np.uint8)
    for column in columns:
        mask[:, column] = BOUNDARY.id
    return mask


def test_chords_leave_out_the_width_of_boundaries_and_what_the_ends_cut():
    found = chords(drawn(np.s_[20:24], np.s_[50:54], np.s_[60:62]))
    assert found.count == 2
    assert found.mean_px == pytest.approx((26 + 6) / 2)
    assert found.mean_um == pytest.approx(8)
    assert found.places[:, 1] == pytest.approx([36.5, 56.5], abs=0.5)


def test_a_chord_of_two_pixels_is_a_step_of_the_edge():
    assert chords(drawn(np.s_[20:24], np.s_[26:30], np.s_[50:54])).mean_px == pytest.approx(20)


def test_what_was_left_out_cuts_a_chord_and_a_pore_ends_one():
    mask = drawn(np.s_[10:12], np.s_[70:72])
    mask[:, 30:40] = SCRATCH.id
    assert chords(mask).count == 0
    mask[:, 30:40] = PORE.id
    found = chords(mask, measured=GRAIN)
    assert (found.count, found.mean_px) == (2, pytest.approx((18 + 30) / 2))


def test_a_circle_has_as_many_chords_as_boundaries_across_it():
    mask = drawn(np.s_[38:42])
    found = chords(mask, Circle((30.0, 40.0), 20.0))
    assert found.count == 2
    assert found.length_px == pytest.approx(2 * np.pi * 20 - 2 * 4, abs=1.5)


def test_a_circle_inside_a_grain_has_none():
    assert chords(drawn(), Circle((30.0, 40.0), 20.0)).count == 0
