"""Scores of a segmenter whose answers are known beforehand."""

import json
from pathlib import Path

import numpy as np
import pytest

from napari_matssl.console_tables import show_evaluation
from napari_matssl.errors import DeviceError, InputError
from napari_matssl.labels.class_table import COLOURS, ClassTable, LabelClass
from napari_matssl.labels.painted import PaintedMicrograph
from napari_matssl.micrograph.image import InfoBar, Micrograph, PixelSize
from napari_matssl.progress import drain
from napari_matssl.settings import PredictSettings
from napari_matssl.tasks.evaluate import evaluate
from napari_matssl.tasks.inputs import fingerprint
from napari_matssl.tasks.learnt_images import LearntImages

NAMES = ("background", "oxide", "crack")
TABLE = ClassTable(
    classes=tuple(
        LabelClass(id=n + 1, name=name, colour=COLOURS[n]) for n, name in enumerate(NAMES)
    )
)
LEVELS = (0, 128, 255)
CPU = PredictSettings(device="cpu", magnifications="one")


@pytest.fixture(scope="module")
def segmenter(grey_level_segmenter):
    return grey_level_segmenter(TABLE, LEVELS)


def known(seed, size=(64, 128), unpainted=0.1, name=None, **facts):
    """An image that the segmenter takes for `predicted`, labelled with another `truth`."""
    random = np.random.default_rng(seed)
    predicted = random.integers(1, 4, size)
    predicted[:3, 0] = 1, 2, 3
    truth = np.where(random.random(size) < 0.7, predicted, random.integers(1, 4, size))
    truth[random.random(size) < unpainted] = 0
    pixels = np.array((0, *LEVELS), np.uint8)[predicted]
    micrograph = Micrograph(name or f"{seed}.png", pixels, **facts)
    return PaintedMicrograph(micrograph, truth.astype(np.uint8)), predicted


def counted(pairs, groups=((1,), (2,), (3,))):
    """Confusion of (truth, prediction) pairs, pixel by pixel in plain numpy."""
    confusion = np.zeros((len(groups), len(groups)), int)
    for truth, predicted in pairs:
        for i, rows in enumerate(groups):
            for j, columns in enumerate(groups):
                confusion[i, j] += (np.isin(truth, rows) & np.isin(predicted, columns)).sum()
    return confusion


def iou(confusion, i):
    return confusion[i, i] / (confusion[i].sum() + confusion[:, i].sum() - confusion[i, i])


def test_native_scores_are_pooled_over_all_pixels_of_all_images(segmenter):
    images = [known(1), known(2, (50, 33))]
    result = drain(evaluate(segmenter, [p for p, _ in images], CPU))
    expected = counted([(p.labels, predicted) for p, predicted in images])
    np.testing.assert_array_equal(result.scores.confusion, expected)
    assert result.confusion_names == NAMES
    assert result.images == ("1.png", "2.png")
    ious = [iou(expected, i) for i in range(3)]
    for name, value in zip(NAMES, ious, strict=True):
        assert result.scores.classes[name].iou == pytest.approx(value)
    assert result.scores.miou == pytest.approx(np.mean(ious))
    assert result.scores.pixel_accuracy == pytest.approx(np.trace(expected) / expected.sum())


def test_the_matssl_protocol_scores_background_against_the_rest_at_512(segmenter):
    small, predicted_small = known(1, (64, 128))  # each pixel becomes 8 x 4
    large, predicted_large = known(2, (1024, 1024))
    expected = 32 * counted([(small.labels, predicted_small)], ((1,), (2, 3)))
    every_second = (slice(1, None, 2), slice(1, None, 2))
    expected += counted(
        [(large.labels[every_second], predicted_large[every_second])], ((1,), (2, 3))
    )
    result = drain(evaluate(segmenter, [small, large], CPU, "matssl"))
    np.testing.assert_array_equal(result.scores.confusion, expected)
    assert result.confusion_names == ("background", "foreground")
    assert result.scores.miou == pytest.approx((iou(expected, 0) + iou(expected, 1)) / 2)


def test_the_oxide_protocol_scores_that_class_alone_at_native_size(segmenter):
    one, predicted = known(1)
    expected = counted([(one.labels, predicted)], ((2,), (1, 3)))
    result = drain(evaluate(segmenter, [one], CPU, "oxide"))
    np.testing.assert_array_equal(result.scores.confusion, expected)
    assert list(result.scores.classes) == ["oxide"]
    assert result.scores.miou == result.scores.classes["oxide"].iou
    assert result.scores.miou == pytest.approx(iou(expected, 0))


def test_a_perfect_segmenter_scores_one(segmenter):
    one, predicted = known(1)
    right = PaintedMicrograph(one.micrograph, predicted.astype(np.uint8))
    for protocol in ("native", "matssl", "oxide"):
        result = drain(evaluate(segmenter, [right], CPU, protocol))
        assert result.scores.miou == result.scores.pixel_accuracy == 1.0


def test_oxide_that_is_nowhere_and_never_found_is_not_scored_as_a_miss(segmenter):
    _, predicted = known(1)
    predicted = np.where(predicted == 2, 1, predicted)
    pixels = np.array((0, *LEVELS), np.uint8)[predicted]
    without = PaintedMicrograph(Micrograph("clean.png", pixels), predicted.astype(np.uint8))
    result = drain(evaluate(segmenter, [without], CPU, "oxide"))
    assert result.scores.classes["oxide"].iou is None
    assert result.scores.miou != 0.0


@pytest.mark.parametrize("protocol", ["native", "matssl", "oxide"])
def test_unpainted_pixels_and_the_info_bar_do_not_count(segmenter, protocol):
    one, _ = known(1, unpainted=0)
    reference = drain(evaluate(segmenter, [one], CPU, protocol)).scores.confusion
    bar = InfoBar(64, "test")
    pixels = np.vstack([one.micrograph.pixels, np.full((64, 128), 128, np.uint8)])
    labels = np.vstack([one.labels, np.full((64, 128), 2, np.uint8)])
    micrograph = Micrograph("bar.png", pixels, info_bar=bar)
    result = drain(evaluate(segmenter, [PaintedMicrograph(micrograph, labels)], CPU, protocol))
    factor = 2 if protocol == "matssl" else 1  # the specimen is half of the 512 rows
    np.testing.assert_array_equal(factor * result.scores.confusion, reference)


@pytest.mark.parametrize(("protocol", "missing"), [("matssl", "background"), ("oxide", "oxide")])
def test_a_protocol_without_its_class_names_it_and_the_models_classes(
    grey_level_segmenter, protocol, missing
):
    table = ClassTable(
        classes=(
            LabelClass(id=1, name="ferrite", colour="#000000"),
            LabelClass(id=2, name="pearlite", colour="#ffffff"),
        )
    )
    with pytest.raises(InputError, match=f"'{missing}'.*ferrite, pearlite. Score all classes"):
        drain(evaluate(grey_level_segmenter(table, (0, 255)), [known(1)[0]], CPU, protocol))


def test_a_label_outside_the_models_classes_is_an_error_before_anything_is_segmented(segmenter):
    one, _ = known(1)
    strange = PaintedMicrograph(one.micrograph, np.where(one.labels == 3, 9, one.labels))
    with pytest.raises(InputError, match=r"1\.png hold values outside the class table: 9"):
        next(evaluate(segmenter, [known(2)[0], strange], CPU))


def test_nothing_labelled_is_an_error(segmenter):
    one, _ = known(1, unpainted=2)
    with pytest.raises(InputError, match="painted labels"):
        drain(evaluate(segmenter, [one], CPU))


def test_a_device_that_is_not_there_is_an_error(segmenter):
    with pytest.raises(DeviceError):
        drain(evaluate(segmenter, [known(1)[0]], PredictSettings(device="cuda:63")))


def test_images_that_the_model_was_trained_on_are_found_by_their_content(grey_level_segmenter):
    seen, new = known(1, name="renamed.png")[0], known(2)[0]
    trained = grey_level_segmenter(
        TABLE, LEVELS, training_images=(fingerprint(known(1)[0].micrograph),)
    )
    result = drain(evaluate(trained, [seen, new], CPU))
    assert result.trained_on == ("renamed.png",)


def test_another_part_of_a_panorama_that_was_learnt_is_not_new(grey_level_segmenter):
    parts = [known(n, part_of=Path("large.tif"))[0] for n in (1, 2)]
    card = LearntImages().identify(parts[0].micrograph)
    trained = grey_level_segmenter(TABLE, LEVELS, training_images=(card,))
    result = drain(evaluate(trained, [parts[1], known(3)[0]], CPU))
    assert result.trained_on == (parts[1].micrograph.name,)


def test_an_image_at_quite_another_magnification_is_told(grey_level_segmenter):
    said = []
    made = grey_level_segmenter(TABLE, LEVELS, pixel_size_um=1.0)
    images = [known(n, pixel_size=PixelSize(um, um, "test"))[0] for n, um in ((1, 1.2), (2, 3))]
    drain(evaluate(made, images, CPU), lambda p: said.append(p.message))
    (line,) = filter(None, said)
    assert line.startswith("2.png: 3 µm/px, but the model was trained at 1:")


@pytest.mark.parametrize("unpainted", [0.0, 0.98])
def test_scores_of_strokes_come_with_the_share_that_was_scored(segmenter, capsys, unpainted):
    result = drain(evaluate(segmenter, [known(1, unpainted=unpainted)[0]], CPU))
    assert result.labelled_share == pytest.approx(1 - unpainted, abs=0.01)
    show_evaluation(result)
    told = "% of the pixels, which are labelled: strokes keep away" in capsys.readouterr().out
    assert told == (unpainted > 0)


def test_the_report_is_plain_json_with_fractions(segmenter):
    images = [known(1)[0], known(2)[0]]
    result = drain(evaluate(segmenter, images, CPU))
    report = json.loads(json.dumps(result.to_json(), allow_nan=False))
    assert report["miou"] == result.scores.miou
    assert report["protocol"] == "native"
    assert set(report["classes"]) == set(NAMES)
    assert set(report["classes"]["oxide"]) == {"iou", "dice", "precision", "recall", "pixels"}
    assert report["classes"]["oxide"]["iou"] == result.scores.classes["oxide"].iou
    assert np.sum(report["confusion"]) == result.scores.confusion.sum()
    assert report["images"] == ["1.png", "2.png"]


def test_stop_scores_the_images_that_are_done(grey_level_segmenter):
    images = [known(1)[0], known(2)[0]]
    seen = []
    trained = grey_level_segmenter(
        TABLE, LEVELS, training_images=tuple(fingerprint(p.micrograph) for p in images)
    )
    result = drain(evaluate(trained, images, CPU), seen.append, lambda: seen[-1].step > 1)
    assert result.images == ("1.png",)
    assert result.trained_on == ("1.png",)
    assert result.scores.confusion.sum() == np.count_nonzero(images[0].labels)
