"""One project with a model, its recipe, and a folder of a second shift."""

import pytest
from recipe_lab import make_lab, write_field


@pytest.fixture(scope="session")
def lab(tmp_path_factory, two_phases):
    return make_lab(tmp_path_factory.mktemp("lab"), two_phases)


@pytest.fixture
def shift(tmp_path, two_phases):
    """Three good fields."""
    folder = tmp_path / "shift"
    folder.mkdir()
    for seed in range(3):
        write_field(folder / f"f{seed}.tif", two_phases(seed))
    return folder


@pytest.fixture(autouse=True)
def no_printing(monkeypatch):
    monkeypatch.setattr("napari_matssl.report.pdf.find_renderer", lambda: None)
