"""The settings form: what a user types is what a job gets."""

import json

import pytest
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QApplication, QFileDialog, QLabel, QPushButton

from napari_matssl.errors import SettingsError
from napari_matssl.settings import (
    FinetuneSettings,
    IntensityScalingSettings,
    PredictSettings,
    PretrainSettings,
)
from napari_matssl.settings.fields import words_of
from napari_matssl.widgets.controls.settings_form import SettingsForm

MAIN = ("preset", "minutes", "epochs")


@pytest.fixture
def form(qtbot):
    return opened(qtbot, SettingsForm(FinetuneSettings, MAIN, hidden=("encoder",)))


def opened(qtbot, form):
    qtbot.addWidget(form)
    form.resize(380, 900)
    with qtbot.waitActive(form):  # only an active window has a focus to lose
        form.show()
        form.activateWindow()
    if hasattr(form, "more"):
        form.more.expand(animate=False)
    return form


def editor(form, *path):
    return form._editors[path]


def typed(qtbot, form, name, text):
    control = editor(form, name).control
    control.setFocus()
    control.selectAll()
    qtbot.keyClicks(control, text)
    return control


def tick(form, name, on=True):
    editor(form, name).tick.setChecked(on)


def hidden(kind):
    """Fields that have controls of their own, outside of forms."""
    cleaning = ("smallest_region", "largest_hole", "class_sizes")
    return [name for name in cleaning if name in kind.model_fields]


def problem(form):
    return form._problem.text() if form._problem.isVisible() else ""


@pytest.mark.parametrize("kind", [FinetuneSettings, PretrainSettings, PredictSettings])
def test_an_untouched_form_makes_the_settings_of_a_bare_command(qtbot, kind):
    form = SettingsForm(kind, list(kind.model_fields)[:2], hidden(kind))
    qtbot.addWidget(form)
    assert form.settings() == kind.make()
    assert opened(qtbot, form).settings() == kind.make()


@pytest.mark.parametrize("kind", [FinetuneSettings, PretrainSettings])
@pytest.mark.parametrize(
    "given",
    [
        {},
        {"epochs": 7},
        {"minutes": 0.5},
        {"epochs": 7, "minutes": 0.5},
        {"batch_size": 4, "seed": 2**40, "learning_rate": 0.0003, "weight_decay": 1e-6},
    ],
)
def test_a_form_makes_the_settings_that_the_command_line_makes(qtbot, kind, given):
    for preset in words_of(kind.model_fields["preset"]):
        form = SettingsForm(kind, MAIN)
        qtbot.addWidget(form)
        for name, value in {"preset": preset, **given}.items():
            form.set_value(name, value)
        assert form.settings() == kind.make({"preset": preset, **given})


def test_what_is_typed_is_what_a_job_gets(qtbot, form):
    typed(qtbot, form, "learning_rate", "1e-6")
    typed(qtbot, form, "weight_decay", "0,00025")
    typed(qtbot, form, "crop_size", "512")
    typed(qtbot, form, "device", "cuda:1")
    editor(form, "cosine").control.setChecked(False)
    editor(form, "optimiser").control.setCurrentText("adam")
    editor(form, "intensity_scaling", "kind").control.setCurrentText("imagenet")
    assert form.settings() == FinetuneSettings.make(
        {
            "learning_rate": 1e-6,
            "weight_decay": 0.00025,
            "crop_size": 512,
            "device": "cuda:1",
            "cosine": False,
            "optimiser": "adam",
            "intensity_scaling": {"kind": "imagenet"},
        }
    )


def test_small_numbers_show_all_their_digits_and_others_no_zeros(form):
    for value, text in [(1e-6, "1e-6"), (0.0001, "0.0001"), (0.003, "0.003"), (1.0, "1")]:
        form.set_value("learning_rate", value)
        assert editor(form, "learning_rate").control.text() == text
    form.set_value("weight_decay", 1.5e-10)
    assert editor(form, "weight_decay").control.text() == "1.5e-10"


@pytest.mark.parametrize("nonsense", ["seven", "-3", "", "e-", "5"])
def test_a_number_that_cant_be_is_not_taken(qtbot, form, nonsense):
    typed(qtbot, form, "learning_rate", nonsense)
    editor(form, "crop_size").control.setFocus()
    assert form.settings().learning_rate == 0.003
    assert editor(form, "learning_rate").control.text() == "0.003"


def test_values_from_files_are_not_rounded_by_looking_at_them(qtbot, form):
    exact = FinetuneSettings.make({"balance": 1 / 3, "learning_rate": 1.23456789012345e-5})
    form.set_settings(exact)
    for name in ("balance", "learning_rate", "weight_decay"):
        editor(form, name).control.setFocus()
    assert form.settings() == exact


def test_steps_are_sensible_and_stay_within_the_bounds(form):
    def stepped(name, value, steps):
        form.set_value(name, value)
        editor(form, name).control.stepBy(steps)
        return form.settings().model_dump()[name]

    assert stepped("learning_rate", 0.0001, 1) == pytest.approx(0.00011)
    assert stepped("minutes", 2.0, 1) == 3
    assert stepped("minutes", 1.0, -1) == 1  # 0 is out of bounds, and 1e-12 minutes are none
    assert stepped("val_fraction", 0.0, 1) == pytest.approx(0.05)
    assert stepped("val_fraction", 0.05, -1) == 0
    assert stepped("weight_decay", 0.0, 1) == pytest.approx(0.01)


def test_a_preset_fills_what_it_names_and_leaves_the_rest(form):
    form.set_value("crop_size", 128)
    editor(form, "preset").control.setCurrentText("paper")
    assert form.settings() == FinetuneSettings.make({"preset": "paper", "crop_size": 128})
    assert editor(form, "learning_rate").control.text() == "0.0001"
    assert not editor(form, "minutes").tick.isChecked()
    editor(form, "preset").control.setCurrentText("interactive")
    assert form.settings() == FinetuneSettings.make({"crop_size": 128})


@pytest.mark.parametrize("network", ["segformer", "cs-unet"])
def test_a_network_fills_what_suits_it_and_gives_it_back(form, network):
    before = form.settings()
    editor(form, "architecture").control.setCurrentText(network)
    assert form.settings() == FinetuneSettings.make({"architecture": network})
    assert editor(form, "crop_size").control.value() == form.settings().crop_size
    editor(form, "architecture").control.setCurrentText("auto")
    assert form.settings() == before


def test_the_automatic_magnification_can_be_had_with_any_preset(form):
    form.set_value("preset", "paper")
    assert form.settings().scale == 1.0
    tick(form, "scale", False)
    assert form.settings().scale is None


def test_a_first_limit_lifts_the_default_one(form):
    tick(form, "epochs")
    assert (form.settings().epochs, form.settings().minutes) == (200, None)
    assert editor(form, "epochs").control.text() == "200"
    assert editor(form, "minutes").control.isHidden()
    assert not editor(form, "minutes").tick.isChecked()
    tick(form, "minutes")  # now both were asked for
    assert (form.settings().epochs, form.settings().minutes) == (200, 2.0)


def test_a_preset_takes_back_the_wishes_that_it_replaces(form):
    form.set_value("epochs", 7)
    form.set_value("preset", "paper")
    assert form.settings().epochs == 200
    tick(form, "minutes")
    assert (form.settings().epochs, form.settings().minutes) == (None, 2.0)


def test_a_job_without_an_end_is_refused_in_a_line(form):
    tick(form, "minutes", False)
    with pytest.raises(SettingsError, match=r"^Nothing ends the run"):
        form.settings()
    assert problem(form) == (
        'Nothing ends the run: give epochs or a time ("Epochs", "Time budget (min)").'
    )
    tick(form, "epochs")
    assert problem(form) == ""
    form.settings()


def test_contradictions_are_reported_in_the_words_of_the_form(qtbot):
    form = opened(qtbot, SettingsForm(PretrainSettings, MAIN))
    form.set_value("learning_rate", 1e-6)
    assert 'at the start ("Learning rate", "Final learning rate")' in problem(form)
    form.set_value("learning_rate", 1e-3)
    assert problem(form) == ""


@pytest.mark.parametrize(
    ("field", "value"), [("batch_size", 0), ("learning_rate", 2.0), ("preset", "best")]
)
def test_a_value_out_of_bounds_is_refused_and_changes_nothing(form, field, value):
    before = form.settings()
    with pytest.raises(SettingsError, match=f"^{field.replace('_', ' ').capitalize()} = "):
        form.set_value(field, value)
    assert form.settings() == before


def test_an_unset_value_comes_back_when_ticked_again(form):
    form.set_value("minutes", 12.5)
    tick(form, "minutes", False)
    tick(form, "minutes")
    assert form.settings().minutes == 12.5
    tick(form, "epochs", False)
    assert form.settings().epochs is None
    shown = editor(form, "epochs").findChildren(QLabel)
    assert [label.text() for label in shown if label.isVisible()] == ["no limit"]


@pytest.mark.parametrize(("text", "value"), [("none", None), ("255", 255), ("auto", "auto")])
def test_numbers_or_words_are_typed_as_on_the_command_line(qtbot, form, text, value):
    assert typed(qtbot, form, "unlabelled", text).text() == text
    assert form.settings().unlabelled == value
    form.set_value("unlabelled", 7)
    assert editor(form, "unlabelled").control.text() == "7"
    form.set_value("unlabelled", value)
    assert editor(form, "unlabelled").control.text() == text


def test_changed_is_emitted_once_per_change_and_not_for_none(qtbot, form):
    changes = []
    form.changed.connect(lambda: changes.append(form.settings()))
    form.set_value("crop_size", 64)
    form.set_value("crop_size", 64)
    form.set_settings(form.settings())
    assert [s.crop_size for s in changes] == [64]
    form.set_value("preset", "paper")
    assert len(changes) == 2
    editor(form, "augment").control.setChecked(True)
    assert changes[-1].augment
    assert len(changes) == 3


def test_typing_a_text_keeps_the_cursor_where_it_is(qtbot, form):
    control = typed(qtbot, form, "device", "cda")
    control.setCursorPosition(1)
    qtbot.keyClicks(control, "u")
    assert (control.text(), control.cursorPosition()) == ("cuda", 2)


def test_save_and_load_bring_everything_back(qtbot, form, tmp_path):
    path = tmp_path / "settings.json"
    form.set_value("preset", "paper")
    form.set_value("intensity_scaling", IntensityScalingSettings(low_percent=1.0))
    form.set_value("encoder", "resnet18")  # hidden
    saved = form.settings()
    form.save(path)
    assert FinetuneSettings.make(file=path) == saved
    other = opened(qtbot, SettingsForm(FinetuneSettings, MAIN, hidden=("encoder",)))
    other.load(path)
    assert other.settings() == saved
    assert editor(other, "intensity_scaling", "low_percent").control.text() == "1"


def button(form, text):
    return next(b for b in form.findChildren(QPushButton) if b.text() == text)


def test_the_buttons_save_and_load_and_show_what_is_wrong(qtbot, form, tmp_path, monkeypatch):
    path = tmp_path / "mine.json"
    monkeypatch.setattr(QFileDialog, "exec", lambda self: True)
    monkeypatch.setattr(QFileDialog, "selectedFiles", lambda self: [str(path)])
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *a, **k: (str(path), ""))
    form.set_value("zoom", 2.0)
    button(form, "Save settings...").click()
    assert json.loads(path.read_text())["zoom"] == 2.0
    form.set_value("zoom", 3.0)
    button(form, "Load settings...").click()
    assert form.settings().zoom == 2.0
    path.write_text('{"zoom": 99}')
    button(form, "Load settings...").click()
    assert "zoom = 99" in problem(form)
    assert form.settings().zoom == 2.0


def test_nothing_is_saved_while_the_settings_contradict(form, tmp_path, monkeypatch):
    path = tmp_path / "mine.json"
    monkeypatch.setattr(QFileDialog, "exec", lambda self: True)
    monkeypatch.setattr(QFileDialog, "selectedFiles", lambda self: [str(path)])
    tick(form, "minutes", False)
    button(form, "Save settings...").click()
    assert not path.exists()
    assert "Nothing ends" in problem(form)


def test_defaults_leave_hidden_fields_to_their_owner(form):
    form.set_value("encoder", "resnet18")
    form.set_value("preset", "paper")
    form.set_value("encoder", "resnet18")
    form.set_value("crop_size", 64)
    button(form, "Defaults").click()
    assert form.settings() == FinetuneSettings.make({"encoder": "resnet18"})


def test_every_field_has_a_label_and_a_tooltip_with_bounds_and_default(qtbot):
    for kind in (FinetuneSettings, PretrainSettings, PredictSettings):
        form = opened(qtbot, SettingsForm(kind, (), hidden(kind)))
        names = [label.text() for label in form.findChildren(QLabel)]
        assert not [name for name in names if "_" in name]
        for path, made in form._editors.items():
            assert "Default: " in made.control.toolTip(), path
    form = opened(qtbot, SettingsForm(FinetuneSettings, MAIN))
    tooltip = editor(form, "crop_size").control.toolTip()
    assert "Side of a training crop in px" in tooltip
    assert "At least 32 and at most 4,096" in tooltip
    assert "Default: 256" in tooltip
    assert "Default: 1; with paper: 0." in editor(form, "cross_entropy").control.toolTip()
    assert "Default: on; with paper: off." in editor(form, "augment").control.toolTip()
    assert "Default: no limit; with paper: 200." in editor(form, "epochs").control.toolTip()
    kind = editor(form, "intensity_scaling", "kind").control.toolTip()
    assert "Default: standardise; with paper: imagenet." in kind
    assert "Time budget (min)" in [label.text() for label in form.findChildren(QLabel)]


def test_hidden_fields_are_kept_but_not_shown(qtbot, form):
    assert ("encoder",) not in form._editors
    form.set_value("encoder", "resnet34")
    assert form.settings().encoder == "resnet34"
    with pytest.raises(KeyError):
        form.set_value("nonsense", 1)


def test_a_closed_form_is_in_step_when_it_opens(qtbot):
    form = SettingsForm(FinetuneSettings, MAIN)
    qtbot.addWidget(form)
    form.set_value("crop_size", 96)
    form.set_value("preset", "paper")
    opened(qtbot, form)
    assert editor(form, "crop_size").control.value() == 96
    assert editor(form, "optimiser").control.currentText() == "adam"


def test_more_settings_open_and_close_with_a_click(qtbot):
    form = SettingsForm(FinetuneSettings, MAIN)
    qtbot.addWidget(form)
    form.show()
    form.more.setDuration(0)
    assert form.more.text() == "▸ More settings"
    qtbot.mouseClick(form.more.toggleButton(), Qt.MouseButton.LeftButton)
    assert form.more.text() == "▾ More settings"
    qtbot.waitUntil(lambda: editor(form, "crop_size").control.isVisible())
    qtbot.waitUntil(lambda: form.more.content().height() >= form.more.content().sizeHint().height())
    qtbot.mouseClick(form.more.toggleButton(), Qt.MouseButton.LeftButton)
    assert not editor(form, "crop_size").control.isVisible()  # nor reached by Tab


def test_the_wheel_scrolls_past_a_control_that_was_not_clicked(qtbot, form):
    control = editor(form, "crop_size").control
    at = QPoint(5, 5)
    for focus, stepped in [(False, False), (True, True)]:
        (control if focus else editor(form, "device").control).setFocus()
        qtbot.waitUntil(lambda f=focus: control.hasFocus() == f)
        event = QWheelEvent(
            QPointF(at),
            QPointF(control.mapToGlobal(at)),
            QPoint(0, 120),
            QPoint(0, 120),
            Qt.MouseButton.NoButton,
            Qt.KeyboardModifier.NoModifier,
            Qt.ScrollPhase.NoScrollPhase,
            False,
        )
        QApplication.sendEvent(control, event)
        assert (form.settings().crop_size > 256) == stepped


def test_the_form_fits_a_dock(qtbot):
    form = SettingsForm(FinetuneSettings, MAIN)
    qtbot.addWidget(form)
    form.show()
    QApplication.processEvents()
    form.more.expand(animate=False)
    assert form.minimumSizeHint().width() <= 360


def test_encoders_are_offered_in_a_list_and_others_can_be_typed(qtbot):
    form = SettingsForm(PretrainSettings, ("encoder",))
    qtbot.addWidget(form)
    control = form._editors[("encoder",)].control
    assert control.itemText(0) == "tf_efficientnet_lite0" == form.settings().encoder
    control.setCurrentText("resnet34")
    assert form.settings().encoder == "resnet34"
    control.lineEdit().selectAll()
    qtbot.keyClicks(control.lineEdit(), "tu-convnext_nano")
    assert form.settings().encoder == "tu-convnext_nano"
    form.set_value("encoder", "resnet50")
    assert control.currentText() == "resnet50"
