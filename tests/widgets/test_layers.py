import dask.array as da
import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels
from qtpy.QtWidgets import QApplication

from napari_matssl.errors import InputError
from napari_matssl.labels.class_table import LabelClass
from napari_matssl.micrograph.image import InfoBar, Micrograph, PixelSize
from napari_matssl.widgets.canvas.layers import (
    add_labels,
    add_micrograph,
    apply_pixel_size,
    check_grid,
    copy_into,
    label_colours,
    micrograph_of,
    place_ids,
    region_of_shapes,
    set_classes,
)

FERRITE = LabelClass(id=1, name="ferrite", colour="#0072b2")
PEARLITE = LabelClass(id=2, name="pearlite", colour="#e69f00")
CLASSES = (FERRITE, PEARLITE)
random = np.random.default_rng(0)


@pytest.fixture
def viewer(make_napari_viewer):
    return make_napari_viewer()


@pytest.fixture
def model():
    """A viewer without its window, for what doesn't depend on the canvas: much quicker."""
    return ViewerModel()


@pytest.fixture
def image(viewer):
    return viewer.add_image(pixels(60, 80), name="steel")


def pixels(*shape, dtype=np.uint8):
    return random.integers(0, 200, shape).astype(dtype)


def painted(viewer, image, kind="painted", **changes):
    empty = np.zeros(image.level_shapes[0][-2:], dtype=np.uint8)
    layer = add_labels(viewer, image, empty, CLASSES, f"strokes {kind}", kind)
    for name, value in changes.items():
        setattr(layer, name, value)
    return layer


# -- micrographs from layers


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.float16, np.float32])
def test_a_grey_layer_gives_its_pixels_as_they_are_but_copied(model, dtype):
    layer = model.add_image(pixels(40, 50, dtype=dtype), name="steel")
    micrograph = micrograph_of(layer, model.dims)
    assert micrograph.name == "steel"
    assert micrograph.pixels.dtype == dtype
    np.testing.assert_array_equal(micrograph.pixels, layer.data)
    assert not np.shares_memory(micrograph.pixels, layer.data)
    assert (micrograph.pixel_size, micrograph.info_bar, micrograph.path) == (None, None, None)


@pytest.mark.parametrize("channels", [3, 4])
def test_colours_stay_and_alpha_is_left_out(model, channels):
    data = pixels(40, 50, channels)
    micrograph = micrograph_of(model.add_image(data, rgb=True), model.dims)
    np.testing.assert_array_equal(micrograph.pixels, data[..., :3])


def test_rgb_without_colour_becomes_grey_as_it_does_from_a_file(model):
    grey = pixels(40, 50)
    layer = model.add_image(np.stack([grey] * 3, axis=-1), rgb=True)
    np.testing.assert_array_equal(micrograph_of(layer, model.dims).pixels, grey)


def test_booleans_become_black_and_white(model):
    layer = model.add_image(pixels(40, 40) > 100)
    assert set(np.unique(micrograph_of(layer, model.dims).pixels)) == {0, 255}


def test_a_stack_gives_the_plane_that_the_viewer_shows(viewer):
    data = pixels(5, 40, 50)
    layer = viewer.add_image(data, scale=(3, 0.5, 0.5), translate=(6, 1, 1))
    viewer.add_image(pixels(2, 9, 40, 50))  # another axis in front shifts the sliders
    for plane in (0, 3):
        viewer.dims.set_point(1, 6 + 3 * plane)
        shown = micrograph_of(layer, viewer.dims).pixels
        np.testing.assert_array_equal(shown, data[plane])
        np.testing.assert_array_equal(shown, layer._slice.image.raw)


def test_four_axes_and_colour(viewer):
    data = pixels(3, 4, 40, 50, 3)
    layer = viewer.add_image(data, rgb=True)
    viewer.dims.current_step = (2, 1, 0, 0)
    np.testing.assert_array_equal(micrograph_of(layer, viewer.dims).pixels, data[2, 1])


def test_planes_are_found_when_another_layer_has_smaller_units(viewer):
    data = pixels(5, 40, 50)
    layer = viewer.add_image(data, scale=(2, 1, 1), units=("um", "um", "um"))
    viewer.add_image(pixels(5, 40, 50), scale=(500, 1, 1), units=("nm", "nm", "nm"))
    viewer.dims.set_point(0, 6000)
    assert np.array_equal(layer._slice.image.raw, data[3])
    np.testing.assert_array_equal(micrograph_of(layer, viewer.dims).pixels, data[3])


def test_of_a_lazy_stack_only_the_shown_plane_is_computed(viewer):
    computed = []

    def load(block, block_info=None):
        computed.append(block_info[0]["chunk-location"][0])
        return block

    data = pixels(6, 40, 50)
    lazy = da.from_array(data, chunks=(1, 40, 50)).map_blocks(load, dtype=data.dtype, meta=data[:0])
    layer = viewer.add_image(lazy, contrast_limits=(0, 255), cache=False)
    viewer.dims.current_step = (4, 0, 0)
    computed.clear()
    shown = micrograph_of(layer, viewer.dims).pixels
    assert computed == [4]
    assert type(shown) is np.ndarray
    np.testing.assert_array_equal(shown, data[4])


def test_a_pyramid_gives_full_resolution(viewer):
    data = pixels(128, 256)
    layer = viewer.add_image([data, data[::2, ::2], data[::4, ::4]], multiscale=True)
    np.testing.assert_array_equal(micrograph_of(layer, viewer.dims).pixels, data)
    with_labels = painted(viewer, layer)
    assert with_labels.data.shape == (128, 256)
    check_grid(with_labels, layer)


@pytest.mark.parametrize(
    ("unit", "um"), [("nm", 0.001), ("um", 1), ("mm", 1e3), ("m", 1e6), ("angstrom", 1e-4)]
)
def test_lengths_become_micrometres(model, unit, um):
    layer = model.add_image(pixels(40, 50), scale=(4, 2), units=(unit, unit))
    size = micrograph_of(layer, model.dims).pixel_size
    assert (size.x_um, size.y_um) == pytest.approx((2 * um, 4 * um))
    assert size.source == "the layer's scale"


def test_a_scale_in_pixels_is_no_calibration(model):
    layer = model.add_image(pixels(40, 50), scale=(4, 2))
    assert micrograph_of(layer, model.dims).pixel_size is None


def test_rotation_keeps_and_an_affine_enlarges_the_pixel_size(model):
    double = np.diag([2.0, 2.0, 1.0])
    layer = model.add_image(pixels(40, 50), scale=(0.3, 0.2), units="um", rotate=30, affine=double)
    size = micrograph_of(layer, model.dims).pixel_size
    assert (size.x_um, size.y_um) == pytest.approx((0.4, 0.6))


def test_the_path_is_that_of_a_file_of_one_plane(model, tmp_path):
    import tifffile

    one, stack = tmp_path / "one.tif", tmp_path / "stack.tif"
    tifffile.imwrite(one, pixels(40, 50))
    tifffile.imwrite(stack, pixels(3, 40, 50), photometric="minisblack")
    paths = [
        micrograph_of(model.open(str(p), plugin="napari")[0], model.dims).path for p in (one, stack)
    ]
    assert paths == [one, None]


def test_what_is_no_micrograph_is_refused_with_its_name(model):
    labels = model.add_labels(np.zeros((40, 40), dtype=np.uint8), name="strokes")
    small = model.add_image(pixels(31, 100), name="tiny")
    spectrum = Image(pixels(40, 40), name="spectrum", visible=False)  # can't be shown
    spectrum.data = pixels(40, 40) * (1 + 1j)
    for layer, words in [
        (labels, '"strokes" is not an image layer'),
        (small, '"tiny" is too small: 100 x 31'),
        (spectrum, '"spectrum" holds values of type complex128'),
    ]:
        with pytest.raises(InputError, match=words):
            micrograph_of(layer, model.dims)


def test_a_view_in_3d_along_other_axes_or_past_the_end_is_refused(viewer):
    layer = viewer.add_image(pixels(4, 40, 50), name="stack")
    other = viewer.add_image(pixels(9, 40, 50))
    viewer.dims.current_step = (7, 0, 0)
    with pytest.raises(InputError, match='plane that "stack" doesn\'t have'):
        micrograph_of(layer, viewer.dims)
    assert micrograph_of(other, viewer.dims).height == 40
    viewer.dims.current_step = (2, 0, 0)
    viewer.dims.order = (1, 0, 2)
    with pytest.raises(InputError, match='rows and columns of "stack"'):
        micrograph_of(layer, viewer.dims)
    viewer.dims.order = (0, 2, 1)  # transposed, but the same plane
    np.testing.assert_array_equal(micrograph_of(layer, viewer.dims).pixels, layer.data[2])
    viewer.dims.order = (0, 1, 2)
    viewer.dims.ndisplay = 3
    with pytest.raises(InputError, match='"stack" is shown in 3D'):
        micrograph_of(layer, viewer.dims)


def test_an_info_bar_is_looked_for_unless_the_layer_has_its_own(model):
    data = np.random.default_rng(1).normal(120, 20, (200, 300)).clip(0, 255).astype(np.uint8)
    data[180:] = 0
    data[185:195, 20:60:3] = 255
    layer = model.add_image(data)
    assert micrograph_of(layer, model.dims).info_bar.row == 180
    layer.metadata["matssl_info_bar"] = None
    assert micrograph_of(layer, model.dims).info_bar is None


# -- micrographs as layers


def test_a_micrograph_comes_back_as_it_was_shown(model):
    size, bar = PixelSize(0.02, 0.025, "FEI metadata"), InfoBar(50, "FEI metadata")
    shown = Micrograph("steel.tif", pixels(60, 80, dtype=np.uint16), size, bar)
    layer = add_micrograph(model, shown)
    assert tuple(layer.scale) == (0.025, 0.02)
    assert [str(unit) for unit in layer.units] == ["micrometer", "micrometer"]
    back = micrograph_of(layer, model.dims)
    assert (back.name, back.pixel_size, back.info_bar) == ("steel.tif", size, bar)
    np.testing.assert_array_equal(back.pixels, shown.pixels)
    assert add_micrograph(model, shown, "field 3").name == "field 3"


def test_an_uncalibrated_micrograph_is_shown_in_pixels(model):
    layer = add_micrograph(model, Micrograph("a", pixels(40, 50)))
    assert [str(unit) for unit in layer.units] == ["pixel", "pixel"]
    assert tuple(layer.scale) == (1, 1)


def test_black_and_white_are_percentiles_of_the_specimen(model):
    grey = np.tile(np.linspace(1000, 2000, 200), (100, 1)).astype(np.uint16)
    grey[0, 0], grey[80:] = 60000, 65535  # a dead pixel, an info bar
    layer = add_micrograph(model, Micrograph("a", grey, info_bar=InfoBar(80, "by hand")))
    low, high = layer.contrast_limits
    assert low == pytest.approx(1000, abs=10)
    assert high == pytest.approx(2000, abs=10)


def test_colour_and_blank_micrographs_can_be_shown(model):
    assert add_micrograph(model, Micrograph("c", pixels(40, 50, 3))).rgb
    assert not add_micrograph(model, Micrograph("b", np.zeros((40, 50), np.uint8))).rgb


def test_a_pixel_size_is_applied_to_all_2d_layers_and_taken_back(viewer):
    image = add_micrograph(viewer, Micrograph("a", pixels(60, 80)))
    labels = painted(viewer, image, mode="paint")
    stack = viewer.add_image(pixels(3, 60, 80))
    in_pixels = labels.cursor_size
    size = PixelSize(0.25, 0.5, "measured")
    apply_pixel_size(viewer.layers, size)
    assert micrograph_of(image, viewer.dims).pixel_size == size
    check_grid(labels, image)
    assert tuple(labels.scale) == (0.5, 0.25)
    assert labels.cursor_size == in_pixels / 4
    assert tuple(stack.scale) == (1, 1, 1)
    apply_pixel_size([image, labels], None)
    assert micrograph_of(image, viewer.dims).pixel_size is None
    assert tuple(image.scale) == (1, 1)
    check_grid(labels, image)


def test_a_scale_set_by_hand_beats_the_pixel_size_of_the_file(model):
    size = PixelSize(0.5, 0.5, "FEI metadata")
    layer = add_micrograph(model, Micrograph("a", pixels(40, 50), size))
    layer.scale = (2, 2)
    assert micrograph_of(layer, model.dims).pixel_size == PixelSize(2, 2, "the layer's scale")


# -- labels


def test_labels_lie_on_the_pixels_of_their_image(model):
    affine = np.array([[1.5, 0.1, 4], [0, 1, -3], [0, 0, 1]])
    image = model.add_image(
        pixels(60, 80),
        scale=(0.5, 0.25),
        translate=(7, 9),
        units=("nm", "nm"),
        rotate=20,
        shear=[0.3],
        affine=affine,
    )
    labels = painted(model, image)
    check_grid(labels, image)
    for corner in [(0, 0), (59, 79), (10, 3)]:
        np.testing.assert_allclose(labels.data_to_world(corner), image.data_to_world(corner))
    assert labels.units == image.units


@pytest.mark.parametrize("rgb", [False, True])
def test_labels_of_a_stack_are_one_plane_of_it(model, rgb):
    affine = np.diag([3.0, 1.5, 1.25, 1.0])
    affine[:3, 3] = 5, 6, 7
    image = model.add_image(
        pixels(5, 40, 50, 3) if rgb else pixels(5, 40, 50),
        rgb=rgb,
        scale=(9, 0.5, 0.25),
        translate=(1, 2, 3),
        units="um",
        shear=[0, 0, 0.2],
        rotate=np.array([[1, 0, 0], [0, 0.8, -0.6], [0, 0.6, 0.8]]),
        affine=affine,
    )
    labels = painted(model, image)
    assert labels.data.shape == (40, 50)
    check_grid(labels, image)
    for corner in [(0, 0), (39, 49), (10, 3)]:
        on_image = image.data_to_world((0, *corner))[1:]
        np.testing.assert_allclose(labels.data_to_world(corner), on_image)


def test_settings_for_strokes(model):
    image = model.add_image(pixels(600, 800))
    strokes = painted(model, image)
    assert (strokes.brush_size, strokes.contiguous, strokes.opacity) == (10, True, 0.9)
    assert strokes.metadata["matssl_kind"] == "painted"
    assert painted(model, model.add_image(pixels(40, 40))).brush_size == 3
    mask = painted(model, image, "mask")
    assert (mask.metadata["matssl_kind"], mask.opacity) == ("mask", 0.5)


def test_ids_up_to_254_can_be_painted_and_show_their_colour(viewer, image):
    many = [LabelClass(id=i, name=f"phase {i}", colour=f"#{i:02x}80ff") for i in range(1, 255)]
    layer = add_labels(viewer, image, np.zeros((60, 80), np.uint8), many, "s", "painted")
    layer.selected_label = 254
    layer.paint((20, 30), 254)
    assert layer.data.dtype == np.uint8
    assert layer.data[20, 30] == 254
    assert layer.get_color(254)[:3] == pytest.approx([254 / 255, 128 / 255, 1])
    layer.undo()
    assert not layer.data.any()


def test_colours_are_those_of_the_classes_and_all_else_is_clear():
    colours = label_colours(CLASSES)
    for one in CLASSES:
        assert tuple(colours.map(one.id)) == pytest.approx([*(v / 255 for v in one.rgb), 1])
    for unknown in (0, 3, 255):
        assert colours.map(unknown)[3] == 0


def test_the_status_bar_names_the_class_below_the_cursor(model):
    image = model.add_image(pixels(60, 80))
    layer = painted(model, image)
    place_ids(layer, 10, 10, np.full((5, 5), 2, np.uint8))
    assert "class: pearlite" in layer.get_status((12.0, 12.0), world=True)["value"]
    assert "class: unpainted" in layer.get_status((30.0, 30.0), world=True)["value"]
    mask = painted(model, image, "mask")
    assert "class: not analysed" in mask.get_status((30.0, 30.0), world=True)["value"]


def test_classes_change_without_touching_what_is_painted(viewer, image):
    layer = painted(viewer, image)
    layer.paint((20, 30), 2)
    before = layer.data.copy()
    layer.selected_label = 2
    layer.show_selected_label = True
    set_classes(layer, [FERRITE, LabelClass(id=2, name="bainite", colour="#ff0000")])
    assert layer.get_color(2)[:3] == pytest.approx([1, 0, 0])
    assert "class: bainite" in layer.get_status((20.0, 30.0), world=True)["value"]
    assert layer.metadata["matssl_classes"][1].name == "bainite"
    np.testing.assert_array_equal(layer.data, before)
    assert layer.show_selected_label
    assert layer.colormap.map(np.array([1, 2], np.uint8))[:, 3].tolist() == [0, 1]
    layer.undo()
    assert not layer.data.any()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"scale": (0.5, 0.4)}, "their scale is 0.5 x 0.4 against 0.5"),
        ({"translate": (0, 3)}, "their shift is 0 x 3 against 0"),
        ({"units": ("nm", "nm")}, "their units are nanometer against micrometer"),
        ({"rotate": 5}, "their rotation differs"),
        ({"shear": [0.1]}, "their shear differs"),
        ({"affine": np.diag([2, 2, 1])}, "their affine transform differs"),
    ],
)
def test_labels_off_the_pixels_are_refused_with_the_reason(model, changes, reason):
    image = model.add_image(pixels(60, 80), name="steel", scale=(0.5, 0.5), units="um")
    labels = painted(model, image)
    check_grid(labels, image)
    for name, value in changes.items():
        setattr(labels, name, value)
    with pytest.raises(InputError, match=reason) as raised:
        check_grid(labels, image)
    assert '"strokes painted"' in raised.value.what
    assert '"steel"' in raised.value.what


def test_labels_of_another_size_or_of_a_stack_are_refused(model):
    image = model.add_image(pixels(60, 80))
    with pytest.raises(InputError, match="they have 50 x 40 pixels against 80 x 60"):
        check_grid(Labels(np.zeros((40, 50), np.uint8)), image)
    with pytest.raises(InputError, match="a stack of 3 axes"):
        check_grid(Labels(np.zeros((2, 60, 80), np.uint8)), image)


def test_labels_made_with_napari_s_own_button_are_accepted(model):
    image = model.add_image(pixels(60, 80), scale=(0.5, 0.25), translate=(1, 2), units="nm")
    model.layers.selection.active = image
    model._new_labels()
    check_grid(model.layers[-1], image)


# -- writing into labels


def test_copying_a_mask_is_one_step_to_undo_and_redo(viewer, image):
    layer = painted(viewer, image)
    layer.paint((20, 50), 1)  # half of it below the mask, half beside
    before = layer.data.copy()
    source = np.zeros((60, 80), np.uint8)
    source[10:40, 20:50] = 2
    source[12, 25] = 1
    after = np.where(source, source, before)
    assert copy_into(layer, source, None) == np.count_nonzero(after != before)
    np.testing.assert_array_equal(layer.data, after)
    layer.undo()
    np.testing.assert_array_equal(layer.data, before)
    layer.redo()
    np.testing.assert_array_equal(layer.data, after)
    layer.undo()
    layer.undo()
    assert not layer.data.any()


def test_copying_keeps_to_the_region_and_tells_listeners(viewer, image):
    layer = painted(viewer, image)
    told = []
    layer.events.paint.connect(told.append)
    region = (slice(5, 15), slice(70, 80))
    assert copy_into(layer, np.full((60, 80), 2, np.uint8), region) == 100
    assert (layer.data[region] == 2).all()
    assert np.count_nonzero(layer.data) == 100
    assert len(told) == 1
    assert copy_into(layer, np.full((60, 80), 2, np.uint8), region) == 0
    assert len(told) == 1


def test_copying_into_a_layer_that_was_never_shown(viewer, image):
    layer = Labels(np.zeros((60, 80), np.uint8), visible=False)
    viewer.add_layer(layer)
    assert copy_into(layer, np.ones((60, 80), np.uint8), None) == 4800
    assert layer.data.all()
    assert layer.visible
    layer.undo()
    assert not layer.data.any()


@pytest.mark.parametrize("contour", [0, 1])
def test_what_is_written_shows_on_the_canvas(make_napari_viewer, contour):
    viewer = make_napari_viewer(show=True)
    image = add_micrograph(viewer, Micrograph("a", np.zeros((60, 80), np.uint8)))
    mask = painted(viewer, image, "mask", opacity=1, contour=contour)
    blue, orange = ([*one.rgb] for one in CLASSES)

    def seen():
        QApplication.processEvents()
        shot = viewer.screenshot(canvas_only=True, flash=False)[..., :3].reshape(-1, 3)
        return [
            bool((np.abs(shot.astype(int) - colour).max(axis=1) < 3).any())
            for colour in (blue, orange)
        ]

    assert seen() == [False, False]
    place_ids(mask, 20, 20, np.full((20, 40), 1, np.uint8))
    assert seen() == [True, False]
    copy_into(mask, np.full((60, 80), 2, np.uint8), (slice(20, 40), slice(20, 60)))
    assert seen() == [False, True]


def test_placing_leaves_nothing_to_undo(viewer, image):
    mask = painted(viewer, image, "preview")
    ids = random.integers(1, 3, (20, 30)).astype(np.uint8)
    place_ids(mask, 40, 50, ids)
    np.testing.assert_array_equal(mask.data[40:, 50:], ids)
    assert np.count_nonzero(mask.data) == ids.size
    mask.undo()
    np.testing.assert_array_equal(mask.data[40:, 50:], ids)


# -- regions


def rectangle(top, left, bottom, right):
    return np.array([[top, left], [top, right], [bottom, right], [bottom, left]], dtype=float)


def test_the_last_drawn_shape_is_the_region_unless_some_are_selected(model):
    image = model.add_image(pixels(60, 80))
    shapes = model.add_shapes([rectangle(1, 2, 5, 9), rectangle(10, 20, 30, 40)])
    shapes.selected_data = set()
    assert region_of_shapes(shapes, image) == (slice(10, 31), slice(20, 41))
    shapes.selected_data = {0}
    assert region_of_shapes(shapes, image) == (slice(1, 6), slice(2, 10))
    shapes.selected_data = {0, 1}
    assert region_of_shapes(shapes, image) == (slice(1, 31), slice(2, 41))


@pytest.mark.parametrize(("unit", "factor"), [("um", 1), ("nm", 1000)])
def test_a_region_is_in_pixels_of_the_image_whatever_the_scales(model, unit, factor):
    image = model.add_image(pixels(60, 80), scale=(0.5, 0.25), translate=(1, 1), units="um")
    drawn = rectangle(6, 6, 11, 11) * factor  # in the world, where the image begins at 1 um
    shapes = model.add_shapes([drawn / 2], scale=(2, 2), units=unit)
    assert region_of_shapes(shapes, image) == (slice(10, 21), slice(20, 41))


def test_a_region_is_cut_to_the_image_and_works_on_stacks(model):
    image = model.add_image(pixels(3, 60, 80))
    corners = np.insert(rectangle(-20, 50, 12.4, 500), 0, 1, axis=1)
    shapes = model.add_shapes([corners])
    assert region_of_shapes(shapes, image) == (slice(0, 13), slice(50, 80))


def test_no_shape_and_shapes_beside_the_image_are_refused(model):
    image = model.add_image(pixels(60, 80))
    shapes = model.add_shapes(name="regions", ndim=2)
    with pytest.raises(InputError, match='Nothing is drawn in "regions"'):
        region_of_shapes(shapes, image)
    shapes.add_rectangles([rectangle(100, 100, 120, 130)])
    with pytest.raises(InputError, match="outside the image"):
        region_of_shapes(shapes, image)
