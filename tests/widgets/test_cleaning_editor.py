"""Sizes of specks and holes in the window: whose they are, and in which unit."""

import pytest

from napari_matssl.labels.class_table import ClassTable, LabelClass
from napari_matssl.micrograph.image import PixelSize
from napari_matssl.settings import Cleaning, Size
from napari_matssl.widgets.controls.cleaning_editor import CleaningEditor

FERRITE, CARBIDE = 1, 2
CLASSES = ClassTable(
    classes=(
        LabelClass(id=FERRITE, name="ferrite", colour="#0072b2"),
        LabelClass(id=CARBIDE, name="carbide", colour="#e69f00"),
    )
).classes
FINE = PixelSize(0.1, 0.1, "set by hand")


@pytest.fixture
def editor(qtbot):
    editor = CleaningEditor()
    qtbot.addWidget(editor)
    editor.set_classes(CLASSES)
    editor.set_pixel_size(FINE)
    editor.show()
    return editor


def choose_unit(slider, unit):
    slider.unit.setCurrentIndex(slider.unit.findData(unit))


def test_a_class_gets_sizes_of_its_own_and_gives_them_up(editor):
    heard = []
    editor.changed.connect(heard.append)
    editor.region.slider.setValue(30)
    assert not editor.reset.isEnabled()
    editor.pick(CARBIDE)
    assert editor.region.slider.value() == 30, "as all classes"
    editor.region.slider.setValue(0)
    expected = Cleaning(smallest_region=30).with_sizes(CARBIDE, smallest_region=Size())
    assert editor.cleaning == heard[-1] == expected
    assert editor.picked == CARBIDE, "the choice stays while the sizes change"
    assert editor.picker.currentText() == "carbide *"
    assert editor.words.text() == "other classes >= 30 px; carbide of any size"
    editor.pick(FERRITE)
    assert editor.region.slider.value() == 30
    editor.pick(CARBIDE)
    editor.reset.click()
    assert editor.cleaning == heard[-1] == Cleaning(smallest_region=30)
    assert editor.words.isHidden()


def test_another_unit_keeps_the_size(editor):
    editor.region.slider.setValue(200)
    choose_unit(editor.region, "um2")
    assert editor.cleaning.smallest_region == Size(value=2, unit="um2")
    assert editor.region.slider.value() == 2
    editor.region.slider.setValue(1.25)
    assert editor.cleaning.smallest_region == Size(value=1.25, unit="um2")
    choose_unit(editor.region, "px")
    assert editor.cleaning.smallest_region == Size(value=125)


def test_um2_can_be_chosen_only_where_the_image_has_a_pixel_size(editor):
    def offered():
        return editor.hole.unit.model().item(editor.hole.unit.findData("um2")).isEnabled()

    assert offered()
    editor.set_pixel_size(None)
    assert not offered()
    editor.set_cleaning(Cleaning(largest_hole="2 um2"))
    assert editor.hole.slider.value() == 2, "a size that is set shows on every image"
    assert "not applied: the image has no pixel size" in editor.words.text()
    assert not editor.words.isHidden()
    editor.set_pixel_size(FINE)
    assert editor.words.text() == "all classes holes <= 2 um2"
    assert editor.cleaning == Cleaning(largest_hole="2 um2"), "looking changes nothing"


def test_stepping_through_images_never_changes_a_size(editor):
    heard = []
    sizes = Cleaning(smallest_region="1234.5678 um2", largest_hole=5000)
    editor.set_cleaning(sizes)
    editor.changed.connect(heard.append)
    for um in (0.1, 20.0, None, 0.001):
        editor.set_pixel_size(None if um is None else PixelSize(um, um, "set by hand"))
        editor.pick(CARBIDE)
        editor.pick(None)
    assert not heard
    assert editor.cleaning == sizes


def test_a_class_that_goes_takes_its_sizes_along(editor):
    editor.pick(CARBIDE)
    editor.hole.slider.setValue(9)
    editor.set_classes(CLASSES[:1])
    assert editor.cleaning == Cleaning()
    assert editor.picked is None
    assert [editor.picker.itemText(i) for i in range(editor.picker.count())] == [
        "All classes",
        "ferrite",
    ]
