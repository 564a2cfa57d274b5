"""What the package adds to napari: menus, files that open and save, samples."""

import os
import subprocess
import sys
import tempfile
from importlib.metadata import distribution
from pathlib import Path

import numpy as np
import pytest
import tifffile
from napari.components import ViewerModel
from napari.layers import Labels, Layer
from npe2 import PluginManager, PluginManifest
from npe2.manifest.utils import import_python_name
from PIL import Image
from qtpy.QtWidgets import QFileDialog, QLineEdit, QListView

import napari_matssl
from napari_matssl.errors import InputError, OutputError
from napari_matssl.labels.class_table import numbered_table
from napari_matssl.labels.reading_labels import read_labels
from napari_matssl.micrograph.image import PixelSize
from napari_matssl.micrograph.reading import SUFFIXES, read_micrograph
from napari_matssl.widgets.canvas.image_layer import image_arguments
from napari_matssl.widgets.canvas.layers import (
    CLASSES,
    KIND,
    add_labels,
    add_micrograph,
    micrograph_of,
)
from napari_matssl.widgets.reader import get_reader, read_layers
from napari_matssl.widgets.writer import write_labels

NAME = "napari-matssl"
MANIFEST = Path(napari_matssl.__file__).with_name("napari.yaml")
GREY = np.random.default_rng(0).integers(20, 200, (96, 80), dtype=np.uint8)
IDS = np.random.default_rng(1).integers(0, 4, (96, 80), dtype=np.uint8)
PANELS = [
    *("All panels", "Micrographs", "Pretrain", "Fine-tune", "Segment", "Measure", "Point count"),
    "Run recipe",
]
EXCHANGES = [
    "Import labels of other programs...",
    "Undo the import of labels",
    "Export all labels as COCO...",
    "Export all labels as LabelMe...",
    "Export a model for other programs...",
]


def manifest():
    return PluginManifest.from_file(MANIFEST)


@pytest.fixture
def fei_file(tmp_path):
    """A micrograph as an FEI microscope writes it: 80 x 80 px of specimen above a bright bar."""
    pixels = GREY.copy()
    pixels[80:] = 255
    text = (
        "[Scan]\r\nPixelWidth=2.5e-8\r\nPixelHeight=5e-8\r\n"
        "[Image]\r\nResolutionX=80\r\nResolutionY=80\r\n"
    ).encode("latin-1")
    path = tmp_path / "SEM 1.TIF"
    tags = [(34682, 1, len(text), text, True)]
    tifffile.imwrite(path, pixels, photometric="minisblack", extratags=tags)
    return path


@pytest.fixture
def viewer():
    """A viewer without a window, with the installed plugins."""
    PluginManager.instance().discover()
    return ViewerModel()


# The manifest and the package.


def test_the_manifest_is_valid_and_belongs_to_the_distribution():
    assert manifest().name == distribution(NAME).name
    assert manifest().display_name == "MatSSL"


def test_napari_finds_the_manifest_of_the_installed_package():
    found = distribution(NAME).entry_points.select(group="napari.manifest")
    assert [(entry.name, entry.value) for entry in found] == [(NAME, "napari_matssl:napari.yaml")]
    assert PluginManifest.from_distribution(NAME).contributions == manifest().contributions


@pytest.mark.parametrize("command", manifest().contributions.commands, ids=lambda c: c.id)
def test_every_command_has_its_function(command):
    assert callable(import_python_name(command.python_name))


def test_the_manifest_in_the_root_is_a_relative_link():
    link = MANIFEST.parents[1] / "napari.yaml"
    assert os.readlink(link) == "napari_matssl/napari.yaml"
    assert link.resolve() == MANIFEST.resolve()


def test_the_reader_loads_neither_napari_nor_torch():
    code = "import napari_matssl.widgets.reader, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert not loaded & {"napari", "qtpy", "torch", "tifffile", "PIL"}


def test_tests_keep_away_from_the_settings_of_the_user(make_napari_viewer):
    from napari.settings import get_settings

    make_napari_viewer()
    assert get_settings().config_path.is_relative_to(tempfile.gettempdir())


# The menus.


def entries(viewer, *names):
    """The entries of a menu by their texts, in the order in which they stand there."""
    actions = viewer.window._qt_window.menuBar().actions()
    for name in names:
        menu = next(a.menu() for a in actions if a.text().replace("&", "") == name)
        menu.aboutToShow.emit()
        actions = menu.actions()
    return {action.text(): action for action in actions if action.text()}


def test_panels_and_samples_stand_in_the_menus(make_napari_viewer):
    viewer = make_napari_viewer()
    assert list(entries(viewer, "Plugins", "MatSSL")) == [f"{name} (MatSSL)" for name in PANELS]
    assert list(entries(viewer, "File", "Open Sample", "MatSSL")) == [
        "Dual-phase steel (synthetic)",
        "Oxide coating (synthetic)",
        "Inclusions (synthetic)",
        "Grains (synthetic)",
    ]
    for place, panels in {
        ("File", "IO Utilities"): [
            *("Open calibrated micrographs...", "Micrographs", "Save recipe...", "Run recipe"),
            *EXCHANGES,
        ],
        ("Layers", "Annotate"): ["Micrographs", EXCHANGES[0]],
        ("Layers", "Segment"): ["All panels", "Fine-tune", "Segment"],
        ("Layers", "Measure"): ["Measure", "Point count"],
    }.items():
        ours = [title for title in entries(viewer, *place) if title.endswith("(MatSSL)")]
        assert ours == [f"{name} (MatSSL)" for name in panels]


def test_the_command_palette_offers_what_it_can_run(make_napari_viewer):
    viewer = make_napari_viewer(show=True)
    entries(viewer, "View")["Command Palette"].trigger()
    window = viewer.window._qt_window
    line = next(
        one
        for one in window.findChildren(QLineEdit)
        if one.placeholderText() == "Type to search commands..."
    )
    line.setText(NAME)
    shown = line.parent().findChild(QListView)
    labels = [shown.indexWidget(shown.model().index(row, 0)) for row in range(50)]
    offered = [
        one.command().title
        for row, one in enumerate(labels)
        if one is not None and not shown.isRowHidden(row) and one.isEnabled()
    ]
    assert sorted(offered) == sorted(
        [
            f"{name} (MatSSL)"
            for name in (*PANELS, "Open calibrated micrographs...", "Save recipe...", *EXCHANGES)
        ]
        + [sample.display_name for sample in manifest().contributions.sample_data]
    )


@pytest.mark.parametrize("name", PANELS)
def test_every_panel_opens(make_napari_viewer, name):
    viewer = make_napari_viewer()
    dock, _ = viewer.window.add_plugin_dock_widget(NAME, name)
    assert dock.widget() is not None


# Opening.


def opened(viewer, path):
    """The layers of a file, as the reader makes them."""
    return [viewer.add_layer(Layer.create(*data)) for data in read_layers(str(path))]


def test_the_menu_opens_calibrated_micrographs(make_napari_viewer, fei_file, monkeypatch):
    viewer = make_napari_viewer()
    bad = fei_file.with_name("bad.png")
    bad.write_bytes(b"no image")
    chosen = [str(bad), str(fei_file)]
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_, **__: (chosen, ""))
    told = []
    monkeypatch.setattr("napari.utils.notifications.show_error", told.append)
    entries(viewer, "File", "IO Utilities")["Open calibrated micrographs... (MatSSL)"].trigger()
    (layer,) = viewer.layers
    np.testing.assert_allclose(layer.scale, (0.05, 0.025))
    assert Path(layer.source.path) == fei_file
    assert len(told) == 1
    assert "bad.png is not an image" in told[0]


def test_a_micrograph_opens_calibrated_without_its_bar_in_the_contrast(viewer, fei_file):
    (layer,) = opened(viewer, fei_file)
    assert layer.name == "SEM 1.TIF"
    np.testing.assert_allclose(layer.scale, (0.05, 0.025))
    assert [str(unit) for unit in layer.units] == ["micrometer", "micrometer"]
    assert layer.contrast_limits[1] < 201


def test_what_opens_is_what_the_panels_read_from_the_file(viewer, fei_file):
    (layer,) = opened(viewer, fei_file)
    back, read = micrograph_of(layer, viewer.dims), read_micrograph(fei_file)
    assert (back.pixel_size, back.info_bar) == (read.pixel_size, read.info_bar)
    assert back.info_bar.row == 80
    np.testing.assert_array_equal(back.pixels, read.pixels)


@pytest.mark.parametrize("suffix", [".tif", ".tiff", ".png", ".jpg", ".jpeg", ".bmp"])
def test_uncalibrated_images_of_all_kinds_open_in_pixels(viewer, tmp_path, suffix):
    Image.fromarray(GREY).save(tmp_path / f"a{suffix}")
    (layer,) = opened(viewer, tmp_path / f"a{suffix}")
    assert layer.data.shape == GREY.shape
    assert tuple(layer.scale) == (1, 1)
    assert {str(unit) for unit in layer.units} == {"pixel"}


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_colour_images_open_as_colour(viewer, tmp_path, dtype):
    colours = np.random.default_rng(2).integers(0, np.iinfo(dtype).max, (40, 50, 3), dtype=dtype)
    tifffile.imwrite(tmp_path / "a.tif", colours, photometric="rgb")
    (layer,) = opened(viewer, tmp_path / "a.tif")
    assert layer.rgb
    np.testing.assert_array_equal(layer.data, colours)


@pytest.mark.parametrize("value", [0, np.nan])
def test_images_without_contrast_open_too(viewer, tmp_path, value):
    tifffile.imwrite(tmp_path / "a.tif", np.full((40, 40), value, np.float32))
    (layer,) = opened(viewer, tmp_path / "a.tif")
    assert layer.data.shape == (40, 40)


def test_the_panels_show_a_micrograph_as_the_reader_does(viewer, fei_file):
    micrograph = read_micrograph(fei_file)
    one = add_micrograph(viewer, micrograph)
    other = viewer.add_image(micrograph.pixels, **image_arguments(micrograph))
    assert other.contrast_limits == one.contrast_limits
    assert other.metadata == one.metadata
    assert (*other.scale, *other.units) == (*one.scale, *one.units)


def test_several_files_are_a_layer_each(viewer, tmp_path):
    for name in ("a10.png", "a2.png"):
        Image.fromarray(GREY).save(tmp_path / name)
    paths = [str(tmp_path / name) for name in ("a10.png", "a2.png")]
    layers = read_layers(paths)
    assert [facts["name"] for _, facts, _ in layers] == ["a2.png", "a10.png"]
    assert {pixels.ndim for pixels, _, _ in layers} == {2}


def test_without_a_viewer_a_folder_gives_its_images(tmp_path):
    for name in ("a10.png", "a2.png"):
        Image.fromarray(GREY).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("not an image")
    layers = get_reader(str(tmp_path))(str(tmp_path))
    assert [(facts["name"], kind) for _, facts, kind in layers] == [
        ("a2.png", "image"),
        ("a10.png", "image"),
    ]


def test_in_a_viewer_a_folder_opens_in_the_one_set_of_panels(make_napari_viewer, tmp_path):
    from napari_matssl.widgets.shell import MatSSLWidget

    viewer = make_napari_viewer()
    for folder in (tmp_path / "iron", tmp_path / "steel"):
        folder.mkdir()
        Image.fromarray(GREY).save(folder / "a.png")
        assert viewer.open(folder, plugin=NAME) == []
        (shell,) = viewer.window.dock_widgets.values()
        assert type(shell) is MatSSLWidget
        assert shell.session.folder.project.folder == folder


def test_the_menu_hides_the_panels_that_a_folder_opened_and_a_folder_shows_them_again(
    make_napari_viewer, tmp_path
):
    Image.fromarray(GREY).save(tmp_path / "a.png")
    viewer = make_napari_viewer(show=True)
    viewer.open(tmp_path, plugin=NAME)
    (shell,) = viewer.window.dock_widgets.values()
    entries(viewer, "Plugins", "MatSSL")["All panels (MatSSL)"].trigger()
    assert shell.parentWidget().isHidden()
    viewer.open(tmp_path, plugin=NAME)
    assert not shell.parentWidget().isHidden()


def test_damaged_files_are_an_error_of_one_line(fei_file):
    fei_file.write_bytes(fei_file.read_bytes()[:3000])
    with pytest.raises(InputError, match=r"SEM 1.TIF is damaged") as caught:
        read_layers(str(fei_file))
    assert "\n" not in str(caught.value)


def test_napari_asks_nobody_who_shall_read_a_file(viewer, tmp_path):
    """Neither in its window nor in scripts, which would have to name a plugin."""
    for suffix in SUFFIXES:
        path = tmp_path / f"a{suffix}"
        Image.fromarray(GREY).save(path)
        readers = {
            one.plugin_name for one in PluginManager.instance().iter_compatible_readers(path)
        }
        assert NAME not in readers
    (layer,) = viewer.open(tmp_path / "a.tif")
    np.testing.assert_array_equal(layer.data, GREY)
    folders = PluginManager.instance().iter_compatible_readers(tmp_path)
    assert NAME in {one.plugin_name for one in folders}


def test_a_thumbnail_makes_no_stack(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as tiff:
        tiff.write(GREY)
        tiff.write(GREY[::4, ::4])
    ((pixels, _, _),) = read_layers(str(tmp_path / "a.tif"))
    np.testing.assert_array_equal(pixels, GREY)


def test_what_isnt_ours_is_left_to_others(tmp_path):
    assert get_reader(str(tmp_path)) is None
    assert get_reader(str(tmp_path / "missing.png")) is None
    Image.fromarray(GREY).save(tmp_path / "a.png")
    assert get_reader(str(tmp_path / "a.png")) is None
    assert get_reader([str(tmp_path), str(tmp_path / "a.png")]) is None
    assert get_reader("https://example.org/a.tif") is None


# Saving.


@pytest.fixture
def painted(viewer, fei_file):
    image = add_micrograph(viewer, read_micrograph(fei_file))
    classes = numbered_table([1, 2, 3, 9]).classes
    return add_labels(viewer, image, IDS.copy(), classes, "phases", "painted")


def test_labels_are_saved_as_png_with_the_colours_of_their_classes(painted, tmp_path):
    painted.show_selected_label = True  # what is hidden is saved all the same
    assert painted.save(str(tmp_path / "a.png")) == [str(tmp_path / "a.png")]
    np.testing.assert_array_equal(read_labels(tmp_path / "a.png"), IDS)
    palette = np.reshape(Image.open(tmp_path / "a.png").getpalette(), (-1, 3))
    for one in painted.metadata[CLASSES]:
        assert tuple(palette[one.id]) == one.rgb
    assert not palette[[0, 4, 255]].any()


def test_saving_leaves_the_layer_as_it_was(painted, tmp_path):
    painted.show_selected_label, painted.selected_label = True, 3
    painted.save(str(tmp_path / "a.png"))
    assert (painted.colormap.use_selection, painted.colormap.selection) == (True, 3)
    np.testing.assert_array_equal(painted.data, IDS)


@pytest.mark.parametrize("ids", [IDS, IDS * 0, IDS.astype(np.int64) * 80])
def test_layers_of_other_plugins_are_saved_in_the_colours_they_show(viewer, tmp_path, ids):
    layer = viewer.add_labels(ids)
    shown = {value: layer.get_color(value) for value in np.unique(ids[ids > 0])}
    layer.show_selected_label = True
    layer.save(str(tmp_path / "a.png"))
    np.testing.assert_array_equal(read_labels(tmp_path / "a.png"), ids)
    palette = np.reshape(Image.open(tmp_path / "a.png").getpalette(), (-1, 3))
    for value, colour in shown.items():
        np.testing.assert_allclose(palette[value], 255 * colour[:3], atol=1)


def test_tiffs_are_calibrated(painted, tmp_path):
    painted.save(str(tmp_path / "a.tif"), plugin=NAME)
    np.testing.assert_array_equal(read_labels(tmp_path / "a.tif"), IDS)
    size = read_micrograph(tmp_path / "a.tif").pixel_size
    assert (size.x_um, size.y_um) == pytest.approx((0.025, 0.05))


def test_units_are_converted_and_pixels_stay_uncalibrated(tmp_path):
    for units, expected in ((("nm", "nm"), 0.4), (("pixel", "pixel"), None)):
        facts = {"scale": (400, 400), "units": units}
        write_labels(str(tmp_path / "a.tif"), IDS, facts)
        size = read_micrograph(tmp_path / "a.tif").pixel_size
        assert (size and size.x_um) == (expected and pytest.approx(expected))


@pytest.mark.parametrize("value", [255, 256, 70000, -1])
def test_ids_that_dont_fit_are_refused(tmp_path, value):
    ids = IDS.astype(np.int32)
    ids[5, 5] = value
    with pytest.raises(InputError, match=rf'"grains" has the id {value};'):
        write_labels(str(tmp_path / "a.png"), ids, {"name": "grains"})
    assert list(tmp_path.iterdir()) == []


def test_stacks_are_refused(tmp_path):
    with pytest.raises(InputError, match=r'"grains" is a stack of 3 axes'):
        write_labels(str(tmp_path / "a.tif"), np.stack([IDS, IDS]), {"name": "grains"})


def test_other_kinds_of_files_are_refused(tmp_path):
    with pytest.raises(OutputError, match=r"a\.jpg is neither"):
        write_labels(str(tmp_path / "a.jpg"), IDS, {})


# Samples.


@pytest.mark.parametrize("sample", manifest().contributions.sample_data, ids=lambda s: s.key)
def test_samples_open_in_micrometres_with_their_truth_hidden(viewer, sample):
    image, truth = viewer.open_sample(NAME, sample.key)
    micrograph = micrograph_of(image, viewer.dims)
    assert isinstance(micrograph.pixel_size, PixelSize)
    assert (micrograph.info_bar is not None) == (sample.key in ("dual-phase", "coating"))
    assert isinstance(truth, Labels)
    assert truth.metadata[KIND] == "mask"
    assert not truth.visible
    for layer in (image, truth):
        np.testing.assert_allclose(layer.scale, micrograph.pixel_size.x_um)
        assert {str(unit) for unit in layer.units} == {"micrometer"}
    assert set(np.unique(truth.data)) - {0} == {one.id for one in truth.metadata[CLASSES]}
    first = truth.metadata[CLASSES][0]
    np.testing.assert_allclose(255 * truth.get_color(first.id)[:3], first.rgb, atol=1)
