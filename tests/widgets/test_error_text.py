"""Errors as the window shows them, with the names of controls that can be seen."""

import pytest
from qtpy.QtWidgets import QCheckBox, QLabel
from test_messages import MODULES, PACKAGE, named_settings

from napari_matssl.errors import ComputeError, InputError
from napari_matssl.progress import Skipped
from napari_matssl.widgets.controls.error_text import ELSEWHERE, control_of, explain, with_left_out
from napari_matssl.widgets.controls.settings_form import SettingsForm
from napari_matssl.widgets.shell import MatSSLWidget

PANELS_OF = {
    "tasks/pretrain": ("Pretrain",),
    "tasks/finetune": ("Fine-tune",),
    "tasks/predict": ("Segment",),
    "learn/start_weights": ("Pretrain", "Fine-tune"),
    "learn/downloads": ("Pretrain", "Fine-tune"),
    "learn/device": ("Pretrain", "Fine-tune", "Segment"),
    "learn/repeatable": ("Pretrain", "Fine-tune"),
    "settings/pretraining": ("Pretrain",),
    "settings/training": ("Pretrain", "Fine-tune"),
    "micrograph/": ("Micrographs",),
}


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (
            InputError("All of it.", "Give more time.", settings="minutes"),
            'All of it. Give more time ("Time budget (min)").',
        ),
        (
            ComputeError("Full.", "Use the processor.", settings="device=cpu"),
            'Full. Use the processor ("Device" cpu).',
        ),
        (
            InputError("It holds 9.", "Give a table.", settings="classes unlabelled"),
            "It holds 9. Give a table (the class table under Micrographs).",
        ),
        (InputError("Halted.", "Start anew.", settings="resume"), "Halted. Start anew."),
    ],
)
def test_an_error_names_the_controls_that_help(error, shown):
    assert explain(error) == shown


def test_what_was_left_out_names_them_too():
    skipped = [Skipped("a.tif", "a.tif is a stack. Choose one.", "page")]
    assert with_left_out("Done.", skipped).splitlines() == [
        "Done. 1 left out:",
        'a.tif is a stack. Choose one ("Page" under Micrographs).',
    ]


@pytest.fixture
def texts(make_napari_viewer, qtbot):
    """What can be read in each panel, all of it unfolded."""
    viewer = make_napari_viewer()
    shell = MatSSLWidget(viewer)
    viewer.window.add_dock_widget(shell)
    for section in shell.sections.values():
        section.expand(animate=False)
    for form in shell.findChildren(SettingsForm):
        form.more.expand(animate=False)
    return {
        title: {w.text() for kind in (QLabel, QCheckBox) for w in section.findChildren(kind)}
        for title, section in shell.sections.items()
    }


def test_every_control_that_an_error_can_name_stands_in_the_panel_where_it_arises(texts):
    seen = 0
    for path in MODULES:
        where = path.relative_to(PACKAGE).as_posix()
        panels = next((p for start, p in PANELS_OF.items() if where.startswith(start)), ())
        for name in named_settings(path):
            if not control_of(name) or name in ELSEWHERE:
                continue
            title = control_of(name).strip('"')
            anywhere = {text for panel in texts.values() for text in panel}
            assert title in anywhere, (where, name)
            for panel in panels:
                assert title in texts[panel], (where, name, panel)
                seen += 1
    assert seen > 10
    assert "Page" in texts["Micrographs"]
