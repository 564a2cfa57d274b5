"""Messages of the core, as the window says them."""

import pytest

from napari_matssl.widgets.controls.wording import in_the_window


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("Give more --minutes, or less.", 'Give more "Time budget (min)", or less.'),
        ("Use a smaller --patch-size.", 'Use a smaller "Patch size (px)".'),
        ("Try --device cpu; then look.", 'Try "Device" cpu; then look.'),
        ("See --help for bounds.", "See the tooltips for bounds."),
        ("Name the value (--unknown).", "Name the value (--unknown)."),
        ("Give it (--classes).", "Give it (the class table under Micrographs)."),
        ("left out; --info-bar none keeps it.", 'left out; "Info bar" none keeps it.'),
    ],
)
def test_options_become_the_names_of_controls(message, shown):
    assert in_the_window(message) == shown
