"""Forms and command line make equal settings of equal wishes, whatever is changed."""

import itertools

import pytest
from option_commands import command_of

from napari_matssl.errors import SettingsError
from napari_matssl.options import flag_of
from napari_matssl.settings import FinetuneSettings, PredictSettings, PretrainSettings
from napari_matssl.settings.fields import may_be_none, single_fields, words_of
from napari_matssl.widgets.controls.field_editor import bounds
from napari_matssl.widgets.controls.settings_form import SettingsForm

KINDS = (PretrainSettings, FinetuneSettings, PredictSettings)
SIZES = {"2": {"smallest_region": "30 px"}}


def decisions(kind):
    """All presets with all methods, as far as there are any."""
    fields = [n for n in ("preset", "method") if n in kind.model_fields]
    words = [words_of(kind.model_fields[name]) for name in fields]
    return [dict(zip(fields, chosen, strict=True)) for chosen in itertools.product(*words)]


def others(path, field):
    """Values that a field may be changed to: as one option, and as a form has it."""
    values = [(word, word) for word in words_of(field)]
    if field.annotation is bool:
        values = [(value, value) for value in (True, False)]
    elif path == ("class_sizes",):
        values = [('{"2": {"smallest_region": "30 px"}}', SIZES)]
    elif field.metadata:
        low, high = bounds(field)
        middle = low + min(high - low, 8) / 2
        values += [
            (n, n) for n in ((round(middle),) if "int" in str(field.annotation) else (middle,))
        ]
    elif not values:
        values = [("7", "7")]
    return [*values, ("none", None)] if may_be_none(field) else values


def options(wishes):
    for path, value in wishes:
        flag = flag_of(path)
        if isinstance(value, bool):
            yield flag if value else f"--no-{flag[2:]}"
        else:
            yield from (flag, value)


def outcome(make, *arguments):
    try:
        return make(*arguments)
    except SettingsError:
        return "refused"


@pytest.mark.parametrize(
    ("kind", "decided"),
    [(kind, decided) for kind in KINDS for decided in decisions(kind)],
    ids=lambda value: "-".join(value.values()) if isinstance(value, dict) else value.__name__,
)
def test_every_change_makes_the_settings_that_the_command_line_makes(qtbot, kind, decided):
    command = command_of(kind)
    wishes = [((name,), word) for name, word in decided.items()]
    count = 0
    for path, field in single_fields(kind):
        if path[0] in decided:
            continue
        for typed, value in others(path, field):
            expected = outcome(command, *options([*wishes, (path, typed)]))
            change = (path[0], value if len(path) == 1 else {path[1]: value})
            orders = [[*decided.items(), change], [*reversed(decided.items()), change]]
            if "preset" in decided:  # a preset takes back what was changed before, a method doesn't
                orders.append([("preset", decided["preset"]), change, *[*decided.items()][1:]])
            for order in orders:
                form = SettingsForm(kind, ())
                qtbot.addWidget(form)
                for name, wish in order:
                    form.set_value(name, wish)
                assert outcome(form.settings) == expected, (path, value, order)
                count += isinstance(expected, kind)
    assert count >= len(kind.model_fields)


def test_another_method_with_the_papers_recipe_has_its_own_published_settings(qtbot):
    form = SettingsForm(PretrainSettings, ("preset",))
    qtbot.addWidget(form)
    form.set_value("method", "mocov2")
    form.set_value("preset", "paper")
    made = form.settings()
    assert (made.batch_size, made.learning_rate, made.temperature) == (256, 0.03, 0.2)
    form.set_value("method", "matssl")
    assert form.settings() == PretrainSettings.make({"preset": "paper"})


def test_a_method_leaves_what_somebody_set_before(qtbot):
    form = SettingsForm(PretrainSettings, ("preset",))
    qtbot.addWidget(form)
    for name, value in {"preset": "paper", "batch_size": 7, "method": "densecl"}.items():
        form.set_value(name, value)
    assert (form.settings().batch_size, form.settings().learning_rate) == (7, 0.03)


@pytest.mark.parametrize("changed", [{"preset": "interactive"}, {"epochs": 5}, {"minutes": 4}])
def test_a_file_and_a_change_make_the_same_in_both(qtbot, tmp_path, changed):
    path = tmp_path / "settings.json"
    paper = FinetuneSettings.make({"preset": "paper", "minutes": 9, "epochs": 3, "zoom": 2})
    paper.write(path)
    form = SettingsForm(FinetuneSettings, ("preset",))
    qtbot.addWidget(form)
    form.load(path)
    for name, value in changed.items():
        form.set_value(name, value)
    given = options([((name,), value) for name, value in changed.items()])
    assert form.settings() == command_of(FinetuneSettings)("--settings", path, *given)
