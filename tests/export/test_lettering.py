"""Legends in any script, and the remark where no font has it."""

import sys

import numpy as np
import pytest
from PIL import Image, ImageDraw

from napari_matssl.export import lettering
from napari_matssl.export.legend import Entry, legend_panel
from napari_matssl.export.lettering import Lettering, undrawable

NOWHERE = "\u0378"
"""A character that Unicode assigns no letter, and that no font has."""


def drawn(text):
    picture = Image.new("L", (400, 60), 255)
    Lettering(30).draw(ImageDraw.Draw(picture), (5, 30), text, 0)
    return np.asarray(picture)


def has_font_for(text):
    return not undrawable([text])


@pytest.mark.parametrize("text", ["铁素体", "マルテンサイト", "페라이트"])
def test_letters_of_other_scripts_are_drawn_by_a_font_that_has_them(text):
    if not has_font_for(text):
        pytest.skip("this system has no such font")
    box = drawn("\U00012345")
    assert not np.array_equal(drawn(text[0]), box)
    assert not np.array_equal(drawn(text[0]), drawn(text[1]))


@pytest.fixture
def users_fonts(monkeypatch, tmp_path):
    """An empty folder where a user of this system may keep fonts."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "AppData"))
    place = {"win32": "AppData/Microsoft/Windows/Fonts", "darwin": "Library/Fonts"}
    folder = tmp_path / place.get(sys.platform, ".local/share/fonts")
    folder.mkdir(parents=True)
    lettering._system_fonts.cache_clear()
    lettering._file_for.cache_clear()
    yield folder
    lettering._system_fonts.cache_clear()
    lettering._file_for.cache_clear()


@pytest.mark.parametrize(
    "text", ["α-Fe γ′ µm μm", "Gefüge", "10⁻³ mm²", "CO₂", "феррит", "ferrite"]
)
def test_usual_letters_come_from_the_font_that_is_always_there(text):
    assert {lettering._file_for(char) for char in text} == {lettering._USUAL}


def test_letters_that_no_font_has_are_named_with_their_class():
    line = undrawable(["ferrite", f"phase {NOWHERE}"])
    assert f'{NOWHERE} ("phase {NOWHERE}")' in line
    assert "ferrite" not in line
    assert "Noto" in line


def test_fonts_are_found_anywhere_below_the_folders_of_the_user(users_fonts):
    for name in ("a/NotoSans-Bold.ttf", "b/c/NotoSans-Regular.otf", "b/readme.txt"):
        (users_fonts / name).parent.mkdir(parents=True, exist_ok=True)
        (users_fonts / name).write_bytes(b"")
    own = [file.name for file in lettering._system_fonts() if users_fonts in file.parents]
    assert own == ["NotoSans-Regular.otf", "NotoSans-Bold.ttf"], "plain ones first"


def test_a_damaged_font_is_passed_over(users_fonts):
    (users_fonts / "bad.ttf").write_bytes(b"no font")
    assert undrawable([NOWHERE]) != ""


def test_mixed_scripts_take_the_room_that_they_need():
    letters = Lettering(20)
    assert letters.length("α 铁") > letters.length("α ") > 0
    assert letters.shortened("ferrite", letters.length("fer…") + 1).endswith("…")
    panel = legend_panel((100, 400), [Entry("铁素体 α", (1, 2, 3))], None)
    assert panel.shape[1] == 400
