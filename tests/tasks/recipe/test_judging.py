"""What becomes of an image by the limits of a recipe."""

import pytest

from napari_matssl.labels.provenance import DOUBTFUL, LIKE, UNLIKE, Provenance
from napari_matssl.micrograph.image import PixelSize
from napari_matssl.settings import LimitSettings
from napari_matssl.tasks.recipe.contents import CalibrationRules
from napari_matssl.tasks.recipe.judging import (
    UNJUDGED,
    Judged,
    Verdict,
    judge_image,
    judge_run,
    left_out,
)

EXPECTED = CalibrationRules(expected_um=0.25)


def judge(origin=None, um=0.25, by_hand=False, bar=False, rules=EXPECTED, doubt="", **limits):
    size = None if um is None else PixelSize(um, um, "file", doubt)
    known = origin or Provenance(light=LIKE)
    return judge_image("a.tif", known, size, by_hand, bar, rules, LimitSettings(**limits))


def test_an_info_bar_that_was_set_by_hand_is_to_be_checked():
    judged = judge(bar=True)
    assert judged.verdict == Verdict.CHECK
    assert judged.reasons == ("its info bar was set by hand",)


def test_a_good_image_passes_without_a_reason():
    judged = judge()
    assert (judged.verdict, judged.reasons) == (Verdict.PASS, ())
    assert judged.agreement_percent == 100


@pytest.mark.parametrize(
    ("light", "limit", "verdict"),
    [
        (DOUBTFUL, {}, "check"),
        (DOUBTFUL, {"doubtful": "fail"}, "fail"),
        (DOUBTFUL, {"doubtful": "pass"}, "pass"),
        (UNLIKE, {}, "fail"),
        (UNLIKE, {"unlike": "check"}, "check"),
    ],
)
def test_the_light_counts_as_the_recipe_has_it(light, limit, verdict):
    judged = judge(Provenance(light=light, reasons=("too dark",)), **limit)
    assert judged.verdict == verdict
    expected = () if verdict == "pass" else (f"{light} by its grey values: too dark",)
    assert judged.reasons == expected


def test_a_light_that_nobody_has_judged_is_to_be_checked():
    judged = judge(Provenance())
    assert (judged.verdict, judged.reasons) == ("check", (UNJUDGED,))


def test_an_unsure_model_is_to_be_checked():
    judged = judge(Provenance(light=LIKE, unsure="the model is unsure of 30 %", uncertain=0.3))
    assert (judged.verdict, judged.reasons) == ("check", ("the model is unsure of 30 %",))


@pytest.mark.parametrize(
    ("um", "verdict"),
    [(0.25, "pass"), (0.2, "pass"), (0.3125, "pass"), (0.199, "fail"), (0.314, "fail")],
)
def test_um_per_px_agrees_by_the_smaller_over_the_larger(um, verdict):
    assert judge(um=um).verdict == verdict


def test_the_reason_names_both_sizes_and_the_limit():
    (reason,) = judge(um=0.5, agreement=90).reasons
    assert reason == "0.5 µm/px agrees by 50 % with the 0.25 µm/px of the model, by less than 90 %"


def test_no_pixel_size_fails_where_the_model_has_one():
    assert judge(um=None).verdict == "fail"
    assert judge(um=None, no_pixel_size="check").verdict == "check"
    assert judge(um=None, rules=CalibrationRules()).verdict == "pass"


def test_sizes_by_hand_and_doubted_ones_are_to_be_checked():
    assert judge(by_hand=True).verdict == "check"
    (reason,) = judge(by_hand=True).reasons
    assert reason == "its pixel size was set by hand (0.25 µm/px)"
    judged = judge(doubt="the scale bar says otherwise.")
    assert (judged.verdict, judged.reasons) == ("check", ("the scale bar says otherwise",))


def test_the_worst_reason_comes_first():
    judged = judge(Provenance(light=DOUBTFUL), um=None)
    assert judged.verdict == "fail"
    assert judged.reasons[0] == "no pixel size was found"


def passed(name):
    return Judged(name, Verdict.PASS)


def test_a_run_is_as_good_as_its_worst_image():
    limits = LimitSettings(fields=1)
    assert judge_run([passed("a")], limits) == (Verdict.PASS, ())
    checked = Judged("b", Verdict.CHECK, ("x",))
    assert judge_run([passed("a"), checked], limits) == ("check", ("1 image to be checked",))
    verdict, reasons = judge_run([passed("a"), checked, left_out("c", "damaged")], limits)
    assert (verdict, reasons) == ("fail", ("1 image failed", "1 image to be checked"))


def test_too_few_fields_fail_though_each_passes():
    verdict, reasons = judge_run([passed("a")], LimitSettings(fields=3))
    assert (verdict, reasons) == ("fail", ("1 image doesn't fail, but 3 are needed",))


def test_no_image_at_all_fails():
    assert judge_run([], LimitSettings(fields=1))[0] == "fail"
