"""Grain size of fields and groups: known answers, intervals, and what is remarked."""

import math

import numpy as np
import pytest
import tifffile
from tessellations import (
    BOUNDARY,
    GRAIN,
    PORE,
    SCRATCH,
    boundary_mask,
    field,
    hexagon_nuclei,
    random_nuclei,
)

from napari_matssl.errors import InputError
from napari_matssl.labels.class_table import ClassTable, LabelClass
from napari_matssl.measure.boundaries import class_role, class_to_measure
from napari_matssl.measure.field import field_of_mask
from napari_matssl.measure.grain_number import g_of_grains_per_mm2, g_of_mean_area
from napari_matssl.measure.grain_tables import (
    GRAIN_COLUMNS,
    grain_summary_frame,
    grains_frame,
    summary_remarks,
)
from napari_matssl.measure.grains import measure_grains
from napari_matssl.settings import GrainSettings

SETTINGS = GrainSettings()
NIST_PIXEL = 50 / 222


def measured(mask, pixel_um=1.0, settings=SETTINGS, **about):
    return measure_grains(field(mask, pixel_um, **about), BOUNDARY, settings)


def row(frame, method):
    return frame[frame["method"] == method].iloc[0]


def figure(frame, name):
    """Return the row of a figure in a summary of one method."""
    return frame[frame["figure"] == name].iloc[0]


@pytest.fixture(scope="module")
def voronoi_fields():
    """The sizes of 120 small fields of one material, each by all methods."""
    rng = np.random.default_rng(11)
    shape = (170, 170)
    nuclei = [random_nuclei(rng, 24.0, shape) for _ in range(120)]
    return [measured(boundary_mask(some, shape), name=f"{len(some)}").sizes for some in nuclei]


@pytest.fixture(scope="module")
def steel(real_data):
    path = real_data / "nist-grains" / "grains_steel_highlighted_segmented.tif"
    if not path.is_file():
        pytest.skip("the steel of NIST is not here")
    return np.where(tifffile.imread(path) > 0, BOUNDARY.id, GRAIN.id).astype(np.uint8)


@pytest.mark.real
class TestNistSteel:
    """Boundaries in an etched steel, with the counts that NIST published."""

    def test_mean_intercepts_between_boundaries_are_those_published(self, steel):
        # NIST's tool measures from the edge of one boundary to the edge of the next.
        between = GrainSettings(intercepts="chords")
        _, lines, circles = measured(steel, NIST_PIXEL, between).sizes
        assert lines.intercepts.mean_px == pytest.approx(37.18, rel=0.02)
        assert lines.intercepts.mean_um == pytest.approx(8.373, rel=0.02)
        assert lines.number.astm == pytest.approx(10.51, abs=0.06)
        assert circles.intercepts.mean_px == pytest.approx(39.52, rel=0.06)
        assert circles.number.astm == pytest.approx(10.34, abs=0.18)

    def test_boundaries_crossed_make_grains_larger_by_their_width(self, steel):
        found = measured(steel, NIST_PIXEL)
        assert found.lines.mean_px == pytest.approx(41, rel=0.03)
        assert found.circles.mean_px == pytest.approx(39.52, rel=0.06)
        assert "boundaries are 3.1 px wide" in " ".join(found.remarks)


def test_hexagons_have_one_size_by_all_methods():
    shape, side = (500, 640), 20.0
    found = measured(boundary_mask(hexagon_nuclei(side, shape, 0.2), shape), 0.5)
    planimetric, lines, circles = found.sizes
    assert planimetric.counts.mean_area_um2 == pytest.approx(2.5981 * side**2 / 4, rel=0.02)
    assert planimetric.number.astm == pytest.approx(g_of_mean_area(2.5981 * 100), abs=0.03)
    assert lines.intercepts.mean_um == pytest.approx(1.3603 * side / 2, rel=0.04)
    # The pattern has few lines for so regular grains.
    assert circles.intercepts.mean_um == pytest.approx(1.3603 * side / 2, rel=0.12)


@pytest.mark.parametrize(("variation", "bias"), [(0.2, 0.06), (0.4, 0.22), (0.6, 0.44)])
def test_grains_of_mixed_size_have_no_bias_that_a_mean_diameter_has(variation, bias):
    # Bricks of one height, whose widths make diameters with this coefficient of variation: two
    # diameters in equal numbers, 1 - v and 1 + v of their mean.
    rng = np.random.default_rng(2)
    height, widths = 24, [round(24 * (1 + s * variation) ** 2) for s in (-1, 1)]
    mask = np.full((600, 900), GRAIN.id, np.uint8)
    for top in range(-11, 600, height):
        if top >= 0:
            mask[top] = BOUNDARY.id
        at, turn = int(rng.integers(60)), int(rng.integers(2))
        while at < 900:
            mask[max(top, 0) : top + height, at] = BOUNDARY.id
            at, turn = at + widths[turn], 1 - turn
    truth = g_of_mean_area(height * np.mean(widths))
    diameters = np.sqrt(4 / math.pi * height * np.array(widths))
    wrong = g_of_mean_area(math.pi / 4 * diameters.mean() ** 2)
    assert wrong - truth == pytest.approx(bias, abs=0.02)
    assert measured(mask).sizes[0].number.astm == pytest.approx(truth, abs=0.04)


@pytest.mark.parametrize(("method", "count"), [(0, 4), (0, 8), (1, 4), (1, 8)])
def test_intervals_of_g_cover_the_truth(voronoi_fields, method, count):
    """Draw sets of fields; the truth is what all fields together give."""
    sizes = [some[method] for some in voronoi_fields]
    values = grains_frame(sizes)[("grains_per_mm2", "mean_intercept_um")[method]]
    truth = figure(grain_summary_frame(sizes), "g_astm")["mean"]
    rng = np.random.default_rng(method)
    covered, draws = 0, 1200
    for _ in range(draws):
        drawn = [sizes[n] for n in rng.integers(len(sizes), size=count)]
        g = figure(grain_summary_frame(drawn), "g_astm")
        covered += g["ci95_low"] <= truth <= g["ci95_high"]
    assert len(set(values)) > 25
    assert 0.93 <= covered / draws <= 0.97


def test_voronoi_grains_are_counted_as_their_nuclei():
    rng = np.random.default_rng(8)
    shape, true, found = (400, 400), 0, 0.0
    for _ in range(5):
        nuclei = random_nuclei(rng, 25.0, shape)
        true += np.count_nonzero(((nuclei > 0) & (nuclei < shape)).all(axis=1))
        found += measured(boundary_mask(nuclei, shape)).sizes[0].counts.grains
    assert found == pytest.approx(true, rel=0.02)


def test_the_table_of_images_has_the_agreed_columns():
    shape = (300, 300)
    mask = boundary_mask(hexagon_nuclei(15.0, shape), shape)
    frame = grains_frame(measured(mask, 0.5, group="A").sizes)
    assert tuple(frame.columns) == GRAIN_COLUMNS
    assert frame["method"].tolist() == ["planimetric", "lines", "circles"]
    lines = row(frame, "lines")
    assert (lines["image"], lines["group"], lines["class"]) == ("steel.png", "A", BOUNDARY.name)
    assert lines["mean_intercept_px"] == lines["test_length_px"] / lines["intercepts"]
    assert lines["mean_intercept_um"] == lines["mean_intercept_px"] / 2
    assert math.isnan(lines["grains_per_mm2"])
    assert lines["g_astm"] - lines["g_iso"] == pytest.approx(math.log2(8 / 7.75))
    counted = row(frame, "planimetric")
    assert counted["grains_inside"] > 100
    assert counted["grains_per_mm2"] * counted["mean_area_um2"] == pytest.approx(1e6)


def test_without_a_calibration_px_are_filled_and_the_rest_is_blank():
    shape = (300, 300)
    sizes = measured(boundary_mask(hexagon_nuclei(15.0, shape), shape), None).sizes
    lines, counted = (row(grains_frame(sizes), m) for m in ("lines", "planimetric"))
    assert lines["mean_intercept_px"] > 0
    assert counted["mean_area_px"] > 0
    blank = ["test_length_um", "mean_intercept_um", "g_astm", "g_iso"]
    assert lines[blank].isna().all()
    assert counted[["grains_per_mm2", "mean_area_um2", "g_astm"]].isna().all()
    summary = grain_summary_frame([sizes[1]] * 3)
    assert figure(summary, "mean_intercept_px")["n"] == 3
    assert figure(summary, "g_astm")["n"] == 0
    assert math.isnan(figure(summary, "g_astm")["mean"])


def test_the_interval_is_computed_on_counts_and_then_converted(voronoi_fields):
    counts = [some[0] for some in voronoi_fields[:5]]
    summary = grain_summary_frame(counts)
    per_mm2, g = figure(summary, "grains_per_mm2"), figure(summary, "g_astm")
    mean, ci95 = per_mm2["mean"], per_mm2["ci95"]
    assert (per_mm2["n"], g["n"]) == (5, 5)
    assert g["mean"] == pytest.approx(g_of_grains_per_mm2(mean))
    assert g["ci95_low"] == pytest.approx(g_of_grains_per_mm2(mean - ci95))
    assert g["ci95_high"] == pytest.approx(g_of_grains_per_mm2(mean + ci95))
    assert g["mean"] - figure(summary, "g_iso")["mean"] == pytest.approx(math.log2(8 / 7.75))
    assert per_mm2["relative_accuracy_percent"] == pytest.approx(100 * ci95 / mean)


def test_one_image_has_no_interval_and_the_reason():
    shape = (200, 200)
    sizes = measured(boundary_mask(hexagon_nuclei(12.0, shape), shape)).sizes
    g = figure(grain_summary_frame(sizes[1:2]), "g_astm")
    assert math.isnan(g["ci95_low"])
    assert g["reason"] == "one image: no interval"


def test_several_specimens_count_once_each(voronoi_fields):
    from dataclasses import replace

    sizes = [replace(some[0], specimen="ab"[n % 2]) for n, some in enumerate(voronoi_fields[:8])]
    summary = grain_summary_frame(sizes).iloc[0]
    assert (summary["n"], summary["over"], summary["images"]) == (2, "specimens", 8)


def test_too_few_grains_and_intercepts_are_remarked():
    shape = (120, 120)
    found = measured(boundary_mask(hexagon_nuclei(15.0, shape), shape))
    assert "fewer than 50 per field" in " ".join(found.remarks)
    assert "fewer than 500" in " ".join(summary_remarks(found.sizes))


def test_a_wide_interval_is_remarked(voronoi_fields):
    counts = [some[0] for some in voronoi_fields[:2]]
    accuracy = figure(grain_summary_frame(counts), "grains_per_mm2")["relative_accuracy_percent"]
    remarks = " ".join(summary_remarks(counts))
    assert (f"{accuracy:.1f} %, above 10 %" in remarks) == (accuracy > 10)


def test_other_classes_that_count_as_grains_are_named():
    shape = (200, 200)
    mask = boundary_mask(hexagon_nuclei(12.0, shape), shape)
    assert not [line for line in measured(mask).remarks if "count as grains" in line]
    mask[90:110, 90:110] = PORE.id
    line = measured(mask).remarks[0]
    assert line.startswith("Regions of pore count as grains, as all does that isn't grain boundary")
    by_grains = measure_grains(field(mask, 1.0), GRAIN, SETTINGS)  # pores are another phase there
    assert not [line for line in by_grains.remarks if "count as grains" in line]
    mask[90:110, 90:110] = SCRATCH.id  # an excluded class
    assert not [line for line in measured(mask).remarks if "count as grains" in line]


@pytest.mark.parametrize("excluded", [GRAIN, BOUNDARY])
def test_grains_or_boundaries_that_are_excluded_are_told(excluded):
    shape = (200, 200)
    other = BOUNDARY if excluded is GRAIN else GRAIN
    two = (other, excluded.model_copy(update={"exclude": True}))
    table = ClassTable(classes=tuple(sorted(two, key=lambda one: one.id)))
    mask = boundary_mask(hexagon_nuclei(12.0, shape), shape)
    found = measure_grains(field_of_mask("a.png", mask, table), other, SETTINGS)
    assert f"of these {excluded.name} is excluded from the analysed area: incl" in found.remarks[0]


def test_one_grain_has_no_figures_and_two_remarks():
    found = measured(np.full((80, 90), GRAIN.id, np.uint8))
    frame = grains_frame(found.sizes)
    assert frame[["grains_per_mm2", "mean_intercept_px", "g_astm"]].isna().all(axis=None)
    assert row(frame, "lines")["intercepts"] == 0
    assert "no grain lies inside" in found.remarks[0]
    assert "no test line crosses" in found.remarks[1]


def test_a_mask_in_which_nothing_was_analysed_has_blank_rows():
    found = measured(np.zeros((40, 50), np.uint8))
    assert found.remarks == ("steel.png: nothing was analysed.",)
    frame = grains_frame(found.sizes)
    assert len(frame) == 3
    assert frame[["intercepts", "g_astm", "grains_inside"]].isna().all(axis=None)


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (5, 1), (2, 2), (3, 3), (9, 40)])
@pytest.mark.parametrize("whole_image", [True, False])
@pytest.mark.parametrize("intercepts", ["crossings", "chords"])
def test_an_analysed_area_that_no_test_line_fits_in_has_no_figures(size, whole_image, intercepts):
    mask = np.full(size if whole_image else (50, 50), SCRATCH.id, np.uint8)
    mask[: size[0], : size[1]] = GRAIN.id
    mask[0, 0] = BOUNDARY.id
    found = measured(mask, settings=GrainSettings(intercepts=intercepts))
    frame = grains_frame(found.sizes)
    assert list(frame["method"]) == ["planimetric", "lines", "circles"]
    figures = frame.columns[frame.columns.get_loc("method") + 1 :]
    assert frame[figures].isna().all(axis=None)
    assert found.remarks == (
        f"steel.png: an analysed area of {size[1]} x {size[0]} px is too small to measure grains.",
    )


@pytest.mark.parametrize(("pixel", "size"), [((1.0, 1.0), (10, 10)), ((1.0, 0.25), (10, 40))])
def test_the_smallest_area_with_figures_has_test_lines_of_all_kinds(pixel, size):
    found = measured(np.full(size, GRAIN.id, np.uint8), pixel)
    assert found.lines.length_px > 0
    assert found.circles.length_px > 0
    smaller = np.full((size[0], size[1] - 1), GRAIN.id, np.uint8)
    assert measured(smaller, pixel).counts is None


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (("grain", "grain boundary"), "grain boundary"),
        (("Grains", "matrix"), "Grains"),
    ],
)
def test_the_class_is_chosen_by_its_name(names, chosen):
    assert class_to_measure(_field_of(names)).name == chosen


def test_without_such_a_name_a_class_has_to_be_named():
    with pytest.raises(InputError, match="no class is named boundary or grain"):
        class_to_measure(_field_of(("0", "255")))


@pytest.mark.parametrize(("share", "role"), [(0.1, "boundaries"), (0.9, "grains")])
def test_a_class_without_a_telling_name_is_boundaries_if_it_covers_less(share, role):
    one = _field_of(("a", "b"), share)
    assert class_role(one, one.classes.classes[1], SETTINGS) == role


def test_the_settings_say_what_a_class_is():
    one = _field_of(("a", "b"), 0.1)
    assert class_role(one, one.classes.classes[1], GrainSettings(class_is="grains")) == "grains"


def _field_of(names, share=0.5):
    mask = np.ones((20, 20), np.uint8)
    mask[: round(20 * share)] = 2
    classes = tuple(
        LabelClass(id=n, name=name, colour="#112233") for n, name in enumerate(names, 1)
    )
    return field_of_mask("x.png", mask, ClassTable(classes=classes))
