"""Nodules and layers beside other programs: the drawn truth, and what is computed of peers."""

import numpy as np
import pytest


def test_outlines_have_the_area_of_their_diameter():
    from peers import FORMS, area_of, length_of, outline

    random = np.random.default_rng(0)
    for form in FORMS:
        points = outline(form, 30, random)
        assert area_of(points) == pytest.approx(np.pi * 15**2)
        assert length_of(points) > 30 * np.pi  # a circle has the shortest


def test_drawn_particles_are_told_in_the_order_of_their_labels(monkeypatch):
    import peers
    from skimage.measure import label, regionprops

    monkeypatch.setattr(peers, "PARTICLES", 9)
    pixels, truth = peers.draw_particles(30, seed=1)
    areas = [one.area for one in regionprops(label(pixels, connectivity=2))]
    assert areas == pytest.approx(truth[:, 3], rel=0.03)
    assert (truth[:, 1] >= truth[:, 0] - 1e-9).all()  # a hull is never longer than its outline
    circularity, _ = peers.ours_of(pixels)
    assert circularity == pytest.approx(truth[:, 1], rel=0.04)


def test_the_example_of_scikit_image_is_measured_as_there():
    from measures import FIGURES, ours, scikit_image, two_ellipses

    pixels, truth = two_ellipses()
    found, theirs = ours(pixels), scikit_image(pixels)
    for figure in ("area", "aspect ratio"):
        place = FIGURES.index(figure)
        assert found[:, place] == pytest.approx(theirs[:, place], rel=1e-3)
        assert found[:, place] == pytest.approx(truth[:, place], rel=5e-3)
    perimeter = FIGURES.index("perimeter")
    assert found[0, perimeter] == pytest.approx(truth[0, perimeter], rel=5e-3)


def test_the_length_of_a_skeleton_counts_diagonals():
    from peers import skeleton_length

    line = np.zeros((20, 20), dtype=bool)
    line[5, 2:10] = True
    assert skeleton_length(line) == 7
    assert skeleton_length(np.eye(10, dtype=bool)) == pytest.approx(9 * 2**0.5)


@pytest.mark.parametrize("case", ["level", "tilted by 10 degrees", "rough by 6 px"])
def test_drawn_layers_are_as_thick_as_is_said(case):
    from peers import CASES, THICK, ours_thickness

    assert ours_thickness(CASES[case]()) == pytest.approx(THICK, rel=0.004)


def test_local_thickness_of_a_level_layer_is_that_of_its_discs():
    from peers import CASES, THICK, local_thickness, skeleton_distance

    layer = CASES["level"]()[110:190, :250]
    assert local_thickness(layer) == pytest.approx(THICK, rel=0.01)
    assert skeleton_distance(layer) == pytest.approx(THICK, rel=0.03)
