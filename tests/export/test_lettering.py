"""Legends in any script, and what is said where no font has it."""

import sys

import numpy as np
import pytest
from PIL import Image, ImageDraw

from napari_matssl.export import lettering
from napari_matssl.export.legend import Entry, legend_panel
from napari_matssl.export.lettering import Lettering, undrawable


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


def test_usual_letters_come_from_the_font_that_is_always_there(monkeypatch):
    monkeypatch.setattr(lettering, "_system_fonts", lambda: ())
    lettering._file_for.cache_clear()
    assert undrawable(["α-Fe γ′ µm μm", "Gefüge", "10⁻³ mm²", "CO₂", "феррит", "ferrite"]) == ""
    lettering._file_for.cache_clear()


def test_letters_that_no_font_has_are_named_with_their_class(monkeypatch):
    monkeypatch.setattr(lettering, "_system_fonts", lambda: ())
    lettering._file_for.cache_clear()
    line = undrawable(["ferrite", "铁素体"])
    lettering._file_for.cache_clear()
    assert "铁素体" in line
    assert "ferrite" not in line
    assert "Noto" in line


def test_fonts_are_found_anywhere_below_the_folders_of_the_system(monkeypatch, tmp_path):
    for name in ("a/NotoSans-Bold.ttf", "b/c/NotoSans-Regular.otf", "b/readme.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    monkeypatch.setattr(lettering, "_FOLDERS", {sys.platform: (str(tmp_path), "~/none/here")})
    lettering._system_fonts.cache_clear()
    found = [file.name for file in lettering._system_fonts()]
    lettering._system_fonts.cache_clear()
    assert found == ["NotoSans-Regular.otf", "NotoSans-Bold.ttf"], "plain ones first"


def test_a_damaged_font_is_passed_over(monkeypatch, tmp_path):
    bad = tmp_path / "bad.ttf"
    bad.write_bytes(b"no font")
    monkeypatch.setattr(lettering, "_system_fonts", lambda: (bad,))
    lettering._file_for.cache_clear()
    assert undrawable(["铁"]) != ""
    lettering._file_for.cache_clear()


def test_mixed_scripts_take_the_room_that_they_need():
    letters = Lettering(20)
    assert letters.length("α 铁") > letters.length("α ") > 0
    assert letters.shortened("ferrite", letters.length("fer…") + 1).endswith("…")
    panel = legend_panel((100, 400), [Entry("铁素体 α", (1, 2, 3))], None)
    assert panel.shape[1] == 400
