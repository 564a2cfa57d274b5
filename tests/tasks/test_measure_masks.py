"""Phase fractions of masks on disk."""

import json

import numpy as np
import pytest
import tifffile
from PIL import Image, PngImagePlugin

from napari_matssl.errors import InputError
from napari_matssl.export.masks import write_mask, write_mask_tiff
from napari_matssl.export.outputs import Outputs
from napari_matssl.export.results import ImageFiles
from napari_matssl.labels.class_table import COLOURS, ClassTable, LabelClass, numbered_table
from napari_matssl.labels.provenance import MaskFacts, Provenance
from napari_matssl.micrograph.image import Micrograph, PixelSize
from napari_matssl.progress import drain
from napari_matssl.project.folder import Project
from napari_matssl.settings import PredictSettings
from napari_matssl.settings.measuring import MeasureSettings
from napari_matssl.tasks.measuring.masks_to_measure import Sources
from napari_matssl.tasks.measuring.measure_files import measure_masks
from napari_matssl.tasks.predicting.predict import predict

MASK = np.repeat(np.array([0, 1, 1, 1, 2, 2, 2, 2], np.uint8), 40).reshape(8, 40)


def found(rows):
    return [(r.class_name, r.pixels, r.analysed_pixels) for r in rows]


def test_zero_is_not_analysed_unless_a_table_makes_it_a_class(tmp_path):
    Image.fromarray(MASK).save(tmp_path / "a.png")
    measured = measure_masks([tmp_path / "a.png"])
    rows = measured.rows
    assert measured.remarks == (
        "0 is taken for what was not analysed, and is in no fraction: 12.5 % of the pixels; if it "
        "is a phase, such as what a program calls background, name it in a class table.",
    )
    assert found(rows) == [("class 1", 120, 280), ("class 2", 160, 280)]
    assert rows[0].image == "a.png"
    assert rows[0].fraction_percent == pytest.approx(100 * 3 / 7)
    assert rows[0].area_um2 is None


def test_a_mask_of_which_little_was_analysed_is_named(tmp_path):
    Image.fromarray(MASK).save(tmp_path / "a.png")
    rest = np.zeros_like(MASK)
    rest[0, :32] = 1  # of 320
    Image.fromarray(rest).save(tmp_path / "b.png")
    told = measure_masks([tmp_path]).remarks
    assert "Less than half of the pixels was analysed of b.png (10 %)." in told


def test_a_calibrated_mask_gives_areas(tmp_path):
    write_mask_tiff(tmp_path / "a.tif", MASK, PixelSize(0.5, 0.5, "test"))
    assert measure_masks([tmp_path / "a.tif"]).rows[0].area_um2 == pytest.approx(120 * 0.25)


def test_the_table_beside_the_masks_names_the_classes(tmp_path):
    (tmp_path / "classes.json").write_text('{"1": "ferrite", "2": "pearlite", "3": "void"}')
    Image.fromarray(MASK).save(tmp_path / "a.png")
    rows = measure_masks([tmp_path]).rows
    assert found(rows) == [("ferrite", 120, 280), ("pearlite", 160, 280), ("void", 0, 280)]


@pytest.mark.parametrize("zero", ["unlabelled", "pores"])
def test_a_class_0_counts_unless_it_is_called_unlabelled(tmp_path, zero):
    path = tmp_path / "mine.json"
    path.write_text(f'{{"0": "{zero}", "1": "ferrite", "2": "pearlite"}}')
    Image.fromarray(MASK).save(tmp_path / "a.png")
    names = [r.class_name for r in measure_masks([tmp_path / "a.png"], Sources(classes=path)).rows]
    assert names == ([zero] if zero == "pores" else []) + ["ferrite", "pearlite"]


def test_of_a_folder_of_predictions_only_the_masks_are_taken(tmp_path):
    table = numbered_table([1, 2])
    write_mask(tmp_path / "a_mask.png", MASK, table)
    write_mask(tmp_path / "b_mask.png", MASK, table)
    colours = np.random.default_rng(0).integers(0, 256, (8, 40, 3), dtype=np.uint8)
    Image.fromarray(colours).save(tmp_path / "a_overlay.png")
    tifffile.imwrite(tmp_path / "a_probabilities.tif", np.zeros((2, 8, 40), np.uint8))
    assert {r.image for r in measure_masks([tmp_path]).rows} == {"a_mask.png", "b_mask.png"}


def test_files_beside_masks_that_are_not_taken_are_named(tmp_path):
    table = numbered_table([1, 2])
    write_mask(tmp_path / "a_mask.png", MASK, table)
    write_mask(tmp_path / "a_overlay.png", MASK, table)
    write_mask(tmp_path / "a.png", MASK, table)  # the image of a mask
    assert not [line for line in measure_masks([tmp_path]).remarks if "Not measured" in line]
    for name in ("b.png", "c.png"):
        write_mask(tmp_path / name, MASK, table)
    measured = measure_masks([tmp_path])
    assert [row.image for row in measured.rows] == ["a_mask.png", "a_mask.png"]
    line = "since their names don't end in _mask, as others do: b.png, c.png."
    assert line in " ".join(measured.remarks)


def test_of_two_masks_of_one_stem_the_one_that_is_not_taken_is_named(tmp_path):
    table = numbered_table([1, 2])
    write_mask(tmp_path / "a.png", MASK, table)
    tifffile.imwrite(tmp_path / "a.tif", MASK)
    measured = measure_masks([tmp_path])
    assert {row.image for row in measured.rows} == {"a.png"}
    assert "since others have their stems: a.tif." in " ".join(measured.remarks)


@pytest.mark.parametrize("ids", [(1, 2), (0, 1), (0, 4)])
def test_masks_that_predict_wrote_measure_as_in_its_tables(grey_level_segmenter, tmp_path, ids):
    """Also where 0 is a class, as with --unlabelled none; the info bar is 255 then."""
    table = ClassTable(
        classes=tuple(
            LabelClass(id=i, name=f"phase {i}", colour=COLOURS[n]) for n, i in enumerate(ids)
        )
    )
    random = np.random.default_rng(0)
    noise = random.integers(0, 60, (200, 160))
    pixels = np.where(random.random((200, 160)) < 0.3, 255 - noise, noise).astype(np.uint8)
    pixels[170:] = 0
    pixels[178:186, 20:60:4] = 255
    (tmp_path / "images").mkdir()
    Image.fromarray(pixels).save(tmp_path / "images" / "a.png")
    segmenter = grey_level_segmenter(table, (0, 255))
    job = predict(
        segmenter, [tmp_path / "images" / "a.png"], tmp_path / "out", PredictSettings(device="cpu")
    )
    said = drain(job).images[0].phases
    assert said[0].analysed_pixels == 170 * 160
    for classes in (None, tmp_path / "out" / "classes.json"):
        assert found(measure_masks([tmp_path / "out"], Sources(classes=classes)).rows) == found(
            said
        )


def test_a_mask_of_class_0_alone_is_measured_where_0_is_a_class(tmp_path):
    table = ClassTable(
        classes=(
            LabelClass(id=0, name="matrix", colour="#000000"),
            LabelClass(id=1, name="void", colour="#ffffff"),
        )
    )
    table.write(tmp_path / "classes.json")
    write_mask(tmp_path / "a_mask.png", np.zeros((8, 8), np.uint8), table)
    for classes in (None, tmp_path / "classes.json"):
        assert found(measure_masks([tmp_path], Sources(classes=classes)).rows) == [
            ("matrix", 64, 64),
            ("void", 0, 64),
        ]


def test_a_mask_without_any_class_is_an_error(tmp_path):
    Image.fromarray(0 * MASK).save(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"a\.png: The masks hold no class"):
        measure_masks([tmp_path / "a.png"])


def test_a_value_outside_the_table_is_an_error_that_names_mask_and_value(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text('{"1": "ferrite"}')
    Image.fromarray(MASK).save(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"a\.png holds values that are no class: 2 \(160 pixels"):
        measure_masks([tmp_path / "a.png"], Sources(classes=path))


@pytest.mark.parametrize("spoil", [lambda p: p.write_bytes(b""), lambda p: p.unlink()])
def test_a_mask_that_cannot_be_read_is_an_error_that_names_it(tmp_path, spoil):
    Image.fromarray(MASK).save(tmp_path / "a.png")
    spoil(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"a\.png"):
        measure_masks([tmp_path / "a.png"])


def test_an_export_with_each_mask_as_png_and_as_tiff_counts_each_once(tmp_path):
    mask = np.ones((40, 50), np.uint8)
    table = numbered_table([1, 2])
    for stem in ("a", "b"):
        write_mask(tmp_path / f"{stem}_mask.png", mask, table)
        write_mask_tiff(tmp_path / f"{stem}_mask.tif", mask, None)
    table.write(tmp_path / "classes.json")
    rows = measure_masks([tmp_path]).rows
    assert sorted({row.image for row in rows}) == ["a_mask.png", "b_mask.png"]
    assert len(rows) == 4


HALF = np.zeros((40, 40), np.uint8)
HALF[:20, :20] = 1


@pytest.mark.parametrize("white", [1, 200, 255])
@pytest.mark.parametrize("table", [None, "{white}", "0 {white}"])
def test_a_mask_of_25_percent_pores_has_25_percent(tmp_path, white, table):
    """Of ImageJ, ilastik and their like: white pores, all else 0."""
    Image.fromarray(HALF * np.uint8(white)).save(tmp_path / "pores.png")
    if table is not None:
        values = table.format(white=white).split()
        names = dict(zip(values, ("matrix", "pore")[-len(values) :], strict=True))
        (tmp_path / "classes.json").write_text(json.dumps(names))
    measured = measure_masks([tmp_path / "pores.png"])
    rest, pores = measured.rows
    assert pores.class_name == (f"class {white}" if table is None else "pore")
    assert (pores.fraction_percent, rest.fraction_percent) == (25.0, 75.0)


def test_a_field_without_pores_has_none(tmp_path):
    Image.fromarray(HALF * np.uint8(255)).save(tmp_path / "a.png")
    Image.fromarray(HALF * 0).save(tmp_path / "b.png")
    pores = [r for r in measure_masks([tmp_path]).rows if r.class_name == "class 255"]
    assert [(r.image, r.fraction_percent) for r in pores] == [("a.png", 25.0), ("b.png", 0.0)]


def test_bits_are_two_values(tmp_path):
    Image.fromarray(HALF > 0).save(tmp_path / "a.png")
    assert [r.fraction_percent for r in measure_masks([tmp_path]).rows] == [75.0, 25.0]


def test_folders_with_tables_of_their_own_are_matched_by_name(tmp_path):
    for name, table in (("a", {"1": "ferrite", "2": "pore"}), ("b", {"1": "pore", "2": "ferrite"})):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "classes.json").write_text(json.dumps(table))
        Image.fromarray(HALF + 1 if name == "a" else 2 - HALF).save(folder / f"{name}.png")
    measured = measure_masks([tmp_path / "a", tmp_path / "b"])
    assert [(r.image, r.class_id, r.class_name, r.fraction_percent) for r in measured.rows] == [
        ("a.png", 1, "ferrite", 75.0),
        ("a.png", 2, "pore", 25.0),
        ("b.png", 1, "ferrite", 75.0),
        ("b.png", 2, "pore", 25.0),
    ]
    assert any("matched by name" in line for line in measured.remarks)


def test_a_mask_of_ours_that_was_resized_with_its_text_is_doubted(tmp_path):
    path = tmp_path / "a_mask.png"
    facts = MaskFacts(PixelSize(0.5, 0.5, "test"), Provenance(image="a.png"), numbered_table([1]))
    write_mask(path, np.ones((40, 60), np.uint8), facts.classes, facts=facts)
    whole = measure_masks([path])
    assert whole.tables["fields.csv"]["pixel_size_doubt"].tolist() == [""]
    stored = Image.open(path)
    text = PngImagePlugin.PngInfo()
    text.add_itxt("napari-matssl", stored.text["napari-matssl"])
    stored.resize((30, 20), Image.Resampling.NEAREST).save(path, pnginfo=text)
    halved = measure_masks([path])
    (doubt,) = halved.tables["fields.csv"]["pixel_size_doubt"]
    assert "60 px" in doubt
    assert any(line.startswith("a_mask.png: ") and "is 30 now" in line for line in halved.remarks)


def test_a_class_that_tables_spell_in_other_capitals_is_one_in_all_measures(tmp_path):
    for folder, name in (("a", "Ferrite"), ("b", "ferrite")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "classes.json").write_text(f'{{"1": "{name}", "2": "pore"}}')
        Image.fromarray(MASK).save(tmp_path / folder / f"{folder}.png")
    settings = MeasureSettings(measures="phases,objects")
    measured = measure_masks([tmp_path / "a", tmp_path / "b"], settings=settings)
    for name in ("phases.csv", "summary.csv", "object_summary.csv", "objects_summary.csv"):
        assert set(measured.tables[name]["class"]) == {"Ferrite", "pore"}
    assert "ferrite of b/classes.json counts as Ferrite." in measured.remarks
    assert not any("add up" in line for line in measured.remarks)


def test_a_class_that_some_tables_lack_is_told_with_the_images_of_its_mean(tmp_path):
    for name, table in (("a", {"1": "ferrite", "2": "pore"}), ("b", {"1": "ferrite"})):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "classes.json").write_text(json.dumps(table))
        Image.fromarray(HALF + 1 if name == "a" else np.ones_like(HALF)).save(folder / "f.png")
    measured = measure_masks([tmp_path / "a", tmp_path / "b"])
    summary = measured.tables["summary.csv"]
    assert summary["mean_percent"].tolist() == [87.5, 25.0]
    assert summary["n"].tolist() == [2, 1]
    assert (
        "pore isn't in the class table of b/f.png; its mean is over 1 of 2 images, so means don't "
        "add up to 100 %."
    ) in measured.remarks
    assert not any("class table of" in line for line in measure_masks([tmp_path / "a"]).remarks)


def test_a_mask_whose_edges_were_smoothed_is_refused(tmp_path):
    mask = Image.fromarray(HALF * np.uint8(255)).resize((90, 90), Image.Resampling.BICUBIC)
    mask.save(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"a\.png.*thin seams"):
        measure_masks([tmp_path / "a.png"])


def test_a_mask_in_colours_is_measured_by_those_of_its_table(tmp_path):
    colours = np.array([(0, 0, 0), (255, 0, 0)], np.uint8)[HALF]
    Image.fromarray(colours).quantize(4).save(tmp_path / "a.png")
    table = {
        "0": {"name": "matrix", "color": "#000000"},
        "1": {"name": "pore", "color": "#ff0000"},
    }
    (tmp_path / "classes.json").write_text(json.dumps(table))
    assert found(measure_masks([tmp_path]).rows) == [("matrix", 1200, 1600), ("pore", 400, 1600)]


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((8, 40, 1), {"metadata": {"axes": "YXC"}}),  # ilastik
        ((1, 1, 8, 40, 1), {}),  # ilastik, all of its axes
        ((8, 40), {"description": '{"axes": "yx", "shape": [8, 40]}'}),
        ((8, 40), {"imagej": True, "resolution": (4, 2), "metadata": {"unit": "micron"}}),  # Labkit
    ],
)
@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
def test_label_tiffs_of_other_programs(tmp_path, shape, options, kind):
    """Labels from 1, as ilastik and Labkit number their classes."""
    labels = np.where(MASK == 2, 2, 1).astype(kind)
    tifffile.imwrite(tmp_path / "a.tif", labels.reshape(shape), **options)
    rows = measure_masks([tmp_path / "a.tif"]).rows
    assert found(rows) == [("class 1", 160, 320), ("class 2", 160, 320)]
    um2 = 160 * 0.25 * 0.5 if "imagej" in options else None
    assert rows[0].area_um2 == um2


def test_a_white_class_is_named_with_what_became_of_255(tmp_path):
    Image.fromarray(HALF * np.uint8(255)).save(tmp_path / "a.png")
    measured = measure_masks([tmp_path / "a.png"])
    assert "255 in the label images is class 1 here" in " ".join(measured.remarks)


def test_a_mask_that_is_given_twice_counts_once(tmp_path):
    Image.fromarray(MASK).save(tmp_path / "a.png")
    assert len(measure_masks([tmp_path, tmp_path / "a.png", tmp_path / "a.png"]).rows) == 2


def test_a_mask_that_is_given_as_png_and_as_tiff_counts_once(tmp_path):
    table = numbered_table([1, 2])
    for stem in ("a", "b"):
        write_mask(tmp_path / f"{stem}_mask.png", MASK, table)
        write_mask_tiff(tmp_path / f"{stem}_mask.tif", MASK, None)
    measured = measure_masks(sorted(tmp_path.glob("*_mask.*")))
    assert sorted({row.image for row in measured.rows}) == ["a_mask.png", "b_mask.png"]
    assert (
        "Not measured, since others have their stems: a_mask.tif, b_mask.tif." in measured.remarks
    )


def test_masks_of_one_stem_in_two_folders_are_two_fields(tmp_path):
    for name in ("heat1", "heat2"):
        (tmp_path / name).mkdir()
        Image.fromarray(MASK).save(tmp_path / name / "a.png")
    assert len(measure_masks([tmp_path / "heat1", tmp_path / "heat2"]).masks) == 2


def test_a_class_that_is_excluded_in_one_table_alone_is_refused(tmp_path):
    """Its fractions would have different denominators."""
    for name, exclude in (("a", False), ("b", True)):
        folder = tmp_path / name
        folder.mkdir()
        classes = [
            {"id": i, "name": f"c{i}", "colour": COLOURS[i], "exclude": exclude and i == 2}
            for i in (1, 2)
        ]
        (folder / "classes.json").write_text(json.dumps({"classes": classes}))
        Image.fromarray(HALF + 1).save(folder / f"{name}.png")
    with pytest.raises(InputError, match="c2 is excluded from the analysed area in b/"):
        measure_masks([tmp_path / "a", tmp_path / "b"])
    with pytest.raises(InputError, match="c2 is not excluded from the analysed area in a/classes"):
        measure_masks([tmp_path / "b", tmp_path / "a"])
    given = Sources(classes=tmp_path / "b" / "classes.json")
    assert len(measure_masks([tmp_path / "a", tmp_path / "b"], given).masks) == 2


def mask_made_with(path, *names):
    """Write a mask as `predict` does, with its class table in its file and beside it."""
    classes = [LabelClass(id=i, name=n, colour=COLOURS[i]) for i, n in enumerate(names, 1)]
    table = ClassTable(classes=tuple(classes))
    table.write(path.parent / "classes.json")
    write_mask(path, MASK, table, facts=MaskFacts(None, Provenance(model="m"), table))


@pytest.mark.parametrize("names", [("pearlite", "ferrite"), ("pore", "matrix")])
@pytest.mark.parametrize("whole", [True, False])
def test_masks_that_another_run_left_in_a_folder_keep_their_classes(tmp_path, names, whole):
    """The class table beside them is that of the last run."""
    mask_made_with(tmp_path / "a_mask.png", "ferrite", "pearlite")
    mask_made_with(tmp_path / "b_mask.png", *names)
    measured = measure_masks([tmp_path if whole else tmp_path / "a_mask.png"])
    fractions = {(r.image, r.class_name): r.pixels for r in measured.rows if r.pixels}
    wanted = {("a_mask.png", "ferrite"): 120, ("a_mask.png", "pearlite"): 160}
    if whole:
        wanted |= {("b_mask.png", names[0]): 120, ("b_mask.png", names[1]): 160}
    assert fractions == wanted
    assert any("made with class tables that differ" in line for line in measured.remarks)


def test_classes_that_were_renamed_beside_masks_have_their_new_names(tmp_path):
    for name in ("a_mask.png", "b_mask.png"):
        mask_made_with(tmp_path / name, "phase 1", "phase 2")
    (tmp_path / "classes.json").write_text('{"1": "ferrite", "2": "pearlite"}')
    measured = measure_masks([tmp_path])
    assert {r.class_name for r in measured.rows} == {"ferrite", "pearlite"}
    assert not any("differ" in line for line in measured.remarks)


def test_a_table_that_is_named_goes_before_those_in_masks_that_differ(tmp_path):
    mask_made_with(tmp_path / "a_mask.png", "phase 1", "phase 2")
    mask_made_with(tmp_path / "b_mask.png", "ferrite", "pearlite")
    measured = measure_masks([tmp_path], Sources(classes=tmp_path / "classes.json"))
    assert {r.class_name for r in measured.rows} == {"ferrite", "pearlite"}
    assert not any("differ" in line for line in measured.remarks)


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("changed", [True, False])
def test_a_mask_that_an_earlier_export_left_as_png_is_not_measured_for_a_tiff(
    tmp_path, whole, changed
):
    table = numbered_table([1, 2])
    now = np.where(MASK == 2, 1, MASK) if changed else MASK
    for outputs, mask in ((Outputs(masks_tiff=False), MASK), (Outputs(masks_png=False), now)):
        files = ImageFiles(tmp_path, table, outputs)
        files.write(Micrograph("a.png", MASK), mask, Provenance(model="m"))
    inputs = [tmp_path] if whole else [tmp_path / "a_mask.png", tmp_path / "a_mask.tif"]
    if not changed:
        assert {row.image for row in measure_masks(inputs).rows} == {"a_mask.png"}
        return
    with pytest.raises(InputError, match=r"a_mask\.png and a_mask\.tif are different masks"):
        measure_masks(inputs)
    assert measure_masks([tmp_path / "a_mask.tif"]).rows[0].pixels == 280


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("edited", ["plain", "in colours", "with its old facts"])
def test_a_tiff_that_was_edited_is_not_passed_over_for_the_png_beside_it(tmp_path, whole, edited):
    files = ImageFiles(tmp_path, numbered_table([1, 2]), Outputs(masks_tiff=True))
    files.write(Micrograph("a.png", MASK), MASK, Provenance(model="m"))
    inputs = [tmp_path] if whole else [tmp_path / "a_mask.png", tmp_path / "a_mask.tif"]
    assert {row.image for row in measure_masks(inputs).rows} == {"a_mask.png"}
    path, now = tmp_path / "a_mask.tif", np.where(MASK == 2, 1, MASK).astype(np.uint8)
    if edited == "plain":  # as image editors save it
        tifffile.imwrite(path, now)
    elif edited == "in colours":
        tifffile.imwrite(path, np.stack([now, now, now * 100], axis=-1), photometric="rgb")
    else:
        with tifffile.TiffFile(path) as tiff:
            description = tiff.pages.first.description
        tifffile.imwrite(path, now, description=description, metadata=None)
    with pytest.raises(InputError, match=r"are different masks: .* edited"):
        measure_masks(inputs)


def test_masks_of_images_that_are_excluded_in_their_project_are_named(tmp_path):
    for name in ("a.png", "b.png"):
        Image.fromarray(np.tile(MASK, (5, 1)) * np.uint8(100)).save(tmp_path / name)
    numbered_table([1, 2]).write(tmp_path / "classes.json")
    project = Project(tmp_path)
    for name in project.images.names:
        project.masks.write(name, np.tile(MASK, (5, 1)))
    masks = project.masks.folder
    assert not any("Excluded" in line for line in measure_masks([masks]).remarks)
    project.micrographs.set_excluded(["b.png"], True)
    measured = measure_masks([masks])
    assert "Excluded in the project of its folder, b.png counts here." in measured.remarks
    assert {row.image for row in measured.rows} == {"a.png", "b.png"}


def test_masks_of_pages_that_do_not_count_in_their_project_are_named(tmp_path):
    pages = np.random.default_rng(0).integers(0, 255, (2, 40, 40), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", pages, photometric="minisblack", metadata=None)
    numbered_table([1, 2]).write(tmp_path / "classes.json")
    project = Project(tmp_path)
    for page, value in ((1, 1), (2, 2)):
        project.micrographs.set_page("a.tif", page)
        project.masks.write("a.tif", np.full((40, 40), value))
    masks = project.masks.folder
    wrong = next(one for one in masks.glob("*.png") if "page2" not in one.name)
    remark = f"Of pages that don't count in its project, {wrong.name} counts here."
    assert remark in measure_masks([masks]).remarks
    assert not any("Of pages" in line for line in measure_masks([masks / "a.page2.png"]).remarks)
    project.micrographs.set_page("a.tif", 1)
    assert any("a.page2.png counts here" in line for line in measure_masks([masks]).remarks)


def test_masks_of_ome_tiffs_find_their_own_image(tmp_path):
    masks, images = tmp_path / "masks", tmp_path / "images"
    masks.mkdir()
    images.mkdir()
    pixels = np.random.default_rng(0).integers(0, 255, (40, 40)).astype(np.uint8)
    for stem in ("a", "a.ome"):
        tifffile.imwrite(images / f"{stem}.tif", pixels)
        Image.fromarray(np.ones((40, 40), np.uint8)).save(masks / f"{stem}_mask.png")
    measured = measure_masks([masks], Sources(images=images, named_by_image=True))
    assert {one.file.path.name: one.name for one in measured.masks} == {
        "a.ome_mask.png": "a.ome.tif",
        "a_mask.png": "a.tif",
    }


def test_groups_list_ome_tiffs_by_their_names(tmp_path):
    Image.fromarray(MASK).save(tmp_path / "a.ome_mask.png")
    (tmp_path / "groups.csv").write_text("image,specimen\na.ome.tif,S1\n")
    sources = Sources(groups=tmp_path / "groups.csv")
    measured = measure_masks([tmp_path / "a.ome_mask.png"], sources)
    assert measured.masks[0].place.specimen == "S1"
