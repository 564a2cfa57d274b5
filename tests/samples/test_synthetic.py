import itertools

import numpy as np
import pytest
from scipy import ndimage
from skimage.filters import threshold_multiotsu

from napari_matssl.errors import InputError, SettingsError
from napari_matssl.samples import (
    MATERIALS,
    Sample,
    class_table,
    make_sample,
    scribble,
)

SEEDS = range(6)
ELECTRON = ("dual-phase", "coating")
LIGHT = ("inclusions", "grains")


@pytest.fixture(scope="module")
def samples() -> dict[str, list[Sample]]:
    return {m: [make_sample(m, s, (384, 448)) for s in SEEDS] for m in MATERIALS}


def every(samples: dict[str, list[Sample]]) -> list[Sample]:
    return [s for many in samples.values() for s in many]


def ids(material: str) -> dict[str, int]:
    return {c.name: c.id for c in class_table(material).classes}


def inner_mean(sample: Sample, class_id: int) -> float:
    """Mean grey of a class away from its edges; all of it where it is thin everywhere."""
    mask = sample.labels == class_id
    inner = ndimage.binary_erosion(mask, iterations=2)
    return float(sample.micrograph.pixels[inner if inner.sum() > 50 else mask].mean())


class TestSamples:
    def test_same_seed_gives_same_sample(self):
        for material in MATERIALS:
            one, two = (make_sample(material, 4, (96, 128)) for _ in range(2))
            assert np.array_equal(one.micrograph.pixels, two.micrograph.pixels)
            assert np.array_equal(one.labels, two.labels)
            assert one.micrograph.pixel_size == two.micrograph.pixel_size

    def test_other_seeds_give_other_specimens(self, samples):
        for many in samples.values():
            for one, two in itertools.combinations(many, 2):
                assert not np.array_equal(one.labels, two.labels)

    def test_does_not_touch_the_global_generator(self):
        np.random.seed(1)  # noqa: NPY002
        expected = np.random.random()  # noqa: NPY002
        np.random.seed(1)  # noqa: NPY002
        scribble(make_sample("grains", 0, (96, 96)).labels, seed=0)
        assert np.random.random() == expected  # noqa: NPY002

    def test_is_an_eight_bit_calibrated_micrograph(self, samples):
        for sample in every(samples):
            pixels = sample.micrograph.pixels
            assert pixels.dtype == np.uint8
            assert sample.labels.dtype == np.uint8
            assert pixels.shape == sample.labels.shape == (384, 448)
            assert sample.micrograph.pixel_size is not None
            # Little is clipped: a saturated image is a bad micrograph.
            assert np.isin(sample.micrograph.specimen, (0, 255)).mean() < 0.02
        assert samples["dual-phase"][0].micrograph.name == "dual-phase-00"

    def test_every_class_is_there_and_zero_only_in_the_bar(self, samples):
        for material, many in samples.items():
            for sample in many:
                bar = sample.micrograph.info_bar
                row = bar.row if bar else sample.micrograph.height
                assert set(np.unique(sample.labels[:row])) == set(class_table(material).ids)
                assert not sample.labels[row:].any()

    @pytest.mark.parametrize("size", [(64, 64), (97, 131), (203, 66), (300, 257)])
    @pytest.mark.parametrize("material", MATERIALS)
    def test_any_size(self, material, size):
        for seed in range(3):
            sample = make_sample(material, seed, size)
            assert sample.micrograph.pixels.shape == sample.labels.shape == size
            assert set(np.unique(sample.labels)) - {0} == set(class_table(material).ids)

    def test_unknown_material_names_the_known(self):
        for call in (lambda: make_sample("brass", 0), lambda: class_table("brass")):
            with pytest.raises(InputError) as caught:
                call()
            assert "brass" in str(caught.value)
            assert all(m in str(caught.value) for m in MATERIALS)

    @pytest.mark.parametrize(("seed", "size"), [(-1, (128, 128)), (0, (63, 128)), (0, (128, 0))])
    def test_refuses_bad_numbers(self, seed, size):
        with pytest.raises(SettingsError):
            make_sample("grains", seed, size)


class TestInfoBar:
    def test_on_some_electron_images_and_no_light_ones(self, samples):
        for material in ELECTRON:
            bars = [s.micrograph.info_bar is not None for s in samples[material]]
            assert any(bars)
            assert not all(bars)
        assert all(s.micrograph.info_bar is None for m in LIGHT for s in samples[m])

    def test_holds_white_on_black(self, samples):
        for sample in every(samples):
            bar = sample.micrograph.info_bar
            if bar is None:
                continue
            strip = sample.micrograph.pixels[bar.row :]
            assert 0.75 < (strip == 0).mean() < 0.98
            assert strip.max() == 255
            # Text on the left, a scale bar on the right.
            assert (strip[:, : strip.shape[1] // 2] > 128).sum() > 100

    def test_scale_bar_agrees_with_the_pixel_size(self, samples):
        seen = 0
        for sample in every(samples):
            bar = sample.micrograph.info_bar
            if bar is None:
                continue
            strip = sample.micrograph.pixels[bar.row :]
            px = max(
                len(list(run))
                for row in strip
                for white, run in itertools.groupby(row == 255)
                if white
            )
            um_per_px = sample.micrograph.pixel_size.x_um
            lengths = [step * 10**power for step in (1, 2, 5) for power in range(4)]
            assert min(abs(length / um_per_px - px) for length in lengths) <= 1
            seen += 1
        assert seen >= 2


def edge_strength(sample: Sample, down: int, right: int) -> float:
    """Mean step in grey across label boundaries that were moved by some pixels."""
    bar = sample.micrograph.info_bar
    grey = sample.micrograph.specimen.astype(float)
    labels = sample.labels[: bar.row] if bar else sample.labels
    total, count = 0.0, 0
    for axis in (0, 1):
        step = np.abs(np.diff(grey, axis=axis))
        edge = np.diff(labels.astype(int), axis=axis) != 0
        margin = np.zeros_like(edge)
        margin[4:-4, 4:-4] = True
        moved = np.roll(edge & margin, (down, right), axis=(0, 1))
        total, count = total + step[moved].sum(), count + moved.sum()
    return total / count


class TestTruth:
    @pytest.mark.parametrize("material", MATERIALS)
    def test_label_edges_lie_on_the_edges_of_the_image(self, samples, material):
        moves = [m for m in itertools.product((-2, -1, 0, 1, 2), repeat=2) if m != (0, 0)]
        here = np.mean([edge_strength(s, 0, 0) for s in samples[material]])
        moved = [np.mean([edge_strength(s, *m) for s in samples[material]]) for m in moves]
        assert here > max(moved)

    def test_greys_are_ordered_as_in_the_material(self, samples):
        brightest_first = {
            "dual-phase": ("martensite", "ferrite"),
            "inclusions": ("steel", "sulphide", "oxide"),
            "coating": ("coating", "oxide", "substrate", "crack"),
            "grains": ("grain", "boundary"),
        }
        for material, names in brightest_first.items():
            for sample in samples[material]:
                greys = [inner_mean(sample, ids(material)[n]) for n in names]
                assert greys == sorted(greys, reverse=True), sample.micrograph.name

    def test_martensite_is_rougher_than_ferrite(self, samples):
        for sample in samples["dual-phase"]:
            grey = ndimage.gaussian_filter(sample.micrograph.pixels.astype(float), 0.7)
            fine = np.abs(grey - ndimage.gaussian_filter(grey, 3))
            roughness = [
                fine[ndimage.binary_erosion(sample.labels == i, iterations=3)].mean()
                for i in (1, 2)
            ]
            assert roughness[1] > 1.3 * roughness[0]

    def test_martensite_comes_in_separate_regions(self, samples):
        for sample in samples["dual-phase"]:
            _, count = ndimage.label(sample.labels == 2)
            assert count > 10

    def test_cracks_are_thin_dark_and_in_the_oxide(self, samples):
        names = ids("coating")
        for sample in samples["coating"]:
            crack = sample.labels == names["crack"]
            assert 0.0005 < crack.mean() < 0.01
            # 2 to 4 px wide, a little more where a crack turns.
            depth = ndimage.distance_transform_edt(crack)
            assert depth.max() <= 3.2
            assert np.median(depth[depth > 0]) < 1.5
            beside = ndimage.binary_dilation(crack, iterations=6) & (
                sample.labels == names["oxide"]
            )
            grey = sample.micrograph.pixels
            assert grey[crack].mean() < grey[beside].mean() - 20
            ring = ndimage.binary_dilation(crack) & ~crack
            assert (sample.labels[ring] == names["oxide"]).mean() > 0.7

    def test_layers_lie_in_order(self, samples):
        names = ids("coating")
        for sample in samples["coating"]:
            rows = [
                np.nonzero(sample.labels == names[n])[0].mean()
                for n in ("coating", "oxide", "substrate")
            ]
            assert rows == sorted(rows)

    def test_boundaries_enclose_grains(self, samples):
        for sample in samples["grains"]:
            _, count = ndimage.label(sample.labels == ids("grains")["grain"])
            assert count > 20

    def test_sulphides_are_drawn_out_along_the_rolling_direction(self, samples):
        height, width = [], []
        for sample in samples["inclusions"]:
            numbers, _ = ndimage.label(sample.labels == ids("inclusions")["sulphide"])
            for box in ndimage.find_objects(numbers):
                height.append(box[0].stop - box[0].start)
                width.append(box[1].stop - box[1].start)
        assert np.mean(width) > 1.5 * np.mean(height)

    def test_fractions_are_plausible_and_vary(self, samples):
        bounds = {
            "dual-phase": ("martensite", 0.12, 0.42),
            "inclusions": ("sulphide", 0.002, 0.04),
            "coating": ("oxide", 0.06, 0.25),
            "grains": ("boundary", 0.04, 0.15),
        }
        for material, (name, low, high) in bounds.items():
            fractions = [
                (s.labels == ids(material)[name]).sum() / (s.labels > 0).sum()
                for s in samples[material]
            ]
            assert low < min(fractions)
            assert max(fractions) < high
            assert max(fractions) > 1.15 * min(fractions)

    @pytest.mark.parametrize("material", MATERIALS)
    def test_a_global_threshold_does_not_solve_it(self, samples, material):
        table = class_table(material)
        scores = []
        for sample in samples[material]:
            analysed = sample.labels > 0
            grey, truth = sample.micrograph.pixels[analysed], sample.labels[analysed]
            level = np.digitize(grey, threshold_multiotsu(grey, classes=len(table)))
            scores.append(
                max(
                    mean_iou(np.array(order)[level], truth, table.ids)
                    for order in itertools.permutations(table.ids)
                )
            )
        assert np.mean(scores) < 0.65
        assert max(scores) < 0.8


def mean_iou(found: np.ndarray, truth: np.ndarray, classes: tuple[int, ...]) -> float:
    return float(
        np.mean(
            [
                ((found == i) & (truth == i)).sum() / ((found == i) | (truth == i)).sum()
                for i in classes
            ]
        )
    )


class TestScribble:
    def test_paints_only_what_is_true_and_every_class(self, samples):
        for seed, sample in enumerate(every(samples)):
            painted = scribble(sample.labels, seed=seed)
            assert painted.dtype == np.uint8
            where = painted != 0
            assert np.array_equal(painted[where], sample.labels[where])
            assert set(np.unique(painted[where])) == set(np.unique(sample.labels)) - {0}

    def test_paints_a_few_percent_in_a_few_strokes(self, samples):
        for sample in every(samples):
            painted = scribble(sample.labels, seed=0)
            share = (painted > 0).sum() / (sample.labels > 0).sum()
            assert 0.01 < share < 0.03
            for class_id in np.unique(painted[painted > 0]):
                _, strokes = ndimage.label(painted == class_id, np.ones((3, 3)))
                # A narrow class's own pixels may cut a stroke up.
                assert 1 <= strokes <= 6

    def test_share_decides_how_much(self, samples):
        labels = samples["coating"][0].labels
        little, much = (scribble(labels, seed=0, share=s) for s in (0.005, 0.02))
        assert 0 < 2 * (little > 0).sum() < (much > 0).sum()

    def test_same_seed_same_strokes(self, samples):
        labels = samples["dual-phase"][0].labels
        assert np.array_equal(scribble(labels, seed=3), scribble(labels, seed=3))
        assert not np.array_equal(scribble(labels, seed=3), scribble(labels, seed=4))

    def test_full_strokes_have_the_brush_s_width_and_keep_their_distance(self):
        labels = np.repeat(np.array([1, 2], dtype=np.uint8), 100)[None].repeat(200, axis=0)
        painted = scribble(labels, seed=1, width=9, margin=3)
        for class_id in (1, 2):
            depth = ndimage.distance_transform_edt(labels == class_id)
            assert depth[painted == class_id].min() >= 3
            thickness = 2 * ndimage.distance_transform_edt(painted == class_id).max()
            assert 8 <= thickness <= 14

    def test_follows_a_thin_class(self):
        labels = np.ones((120, 120), dtype=np.uint8)
        labels[:, 60:62] = 2
        painted = scribble(labels, seed=0, strokes_per_class=2)
        rows = np.flatnonzero((painted == 2).any(axis=1))
        assert len(rows) > 20
        assert (painted[rows, 60:62] == 2).mean() > 0.9

    def test_finds_a_single_pixel(self):
        labels = np.ones((80, 80), dtype=np.uint8)
        labels[40, 7] = 3
        painted = scribble(labels, seed=0)
        assert (painted == 3).sum() == 1
        assert (painted == 1).any()

    def test_class_zero_can_be_painted(self):
        labels = np.zeros((80, 80), dtype=np.uint8)
        labels[:, 40:] = 1
        labels[70:] = 255
        painted = scribble(labels, seed=0, not_analysed=255)
        assert set(np.unique(painted)) == {0, 1, 255}
        assert (painted[70:] == 255).all()

    def test_nothing_analysed_nothing_painted(self):
        assert not scribble(np.zeros((70, 70), dtype=np.uint8), seed=0).any()

    @pytest.mark.parametrize(
        "wrong", [{"strokes_per_class": 0}, {"width": 0}, {"share": 0.0}, {"share": 1.0}]
    )
    def test_refuses_bad_numbers(self, wrong):
        with pytest.raises(SettingsError):
            scribble(np.ones((80, 80), dtype=np.uint8), seed=0, **wrong)
