"""Pages name only controls that the window has."""

import sys
from pathlib import Path

import pytest

from napari_matssl.widgets.reader import SHELL_NAME
from napari_matssl.widgets.shell import MatSSLWidget

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))
from control_names import PAGES, all_names, fits, named_in, unknown


@pytest.fixture
def there(make_napari_viewer):
    """Texts of the window with all panels."""
    viewer = make_napari_viewer()
    viewer.window.add_dock_widget(MatSSLWidget(viewer), name=SHELL_NAME)
    return all_names(viewer)


def test_every_control_that_a_page_names_is_there(there, tmp_path):
    assert sum(len([*named_in(page.name, page.read_text("utf-8"))]) for page in PAGES) > 100
    assert [*map(str, unknown(PAGES, there))] == []

    page = tmp_path / "made-up.md"
    page.write_text("Press **Fine-tune**.\n\nThen press **Make\nit better**, or **Measure**.\n")
    assert [*map(str, unknown([page], there))] == [
        'made-up.md:3: no control is called "Make it better"'
    ]


def test_bold_sentences_and_code_are_no_controls():
    text = "**How many?** **Save...** **A heading.**\n```\n2**3**4\n```\n**File > Open**"
    assert [(one.line, one.name) for one in named_in("a.md", text)] == [
        (1, "Save..."),
        (5, "File"),
        (5, "Open"),
    ]


def test_names_of_files_fit_where_a_file_stands():
    assert fits("Model: model-001", "Model: {}")
    assert not fits("Model: ", "Model: {}")
    assert not fits("Models: model-001", "Model: {}")
