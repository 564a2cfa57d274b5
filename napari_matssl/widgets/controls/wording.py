"""Messages of the core in the words of the window: it has labelled controls, no options."""

import re
from collections.abc import Sequence

from napari_matssl.progress import Skipped
from napari_matssl.settings import FinetuneSettings, PredictSettings, PretrainSettings
from napari_matssl.settings.fields import title_of

_OPTION = re.compile(r"--([a-z][a-z-]*)")

_FORMS = (PretrainSettings, FinetuneSettings, PredictSettings)

_OTHERS = {
    "help": "the tooltips",
    "classes": "the class table under Micrographs",
    "page": '"Page" under Micrographs',
}


def in_the_window(text: str) -> str:
    """Name controls where a message names options of the command line.

    ``"Give more --minutes."`` becomes ``'Give more "Time budget (min)".'``; options that no form
    has stay.
    """
    return _OPTION.sub(_control, text)


def with_left_out(text: str, skipped: Sequence[Skipped]) -> str:
    """Add the images that were left out, if any, to what was done: one a line."""
    if not skipped:
        return text
    reasons = (in_the_window(one.reason) for one in skipped)
    return "\n".join((f"{text} {len(skipped)} left out:", *reasons))


def _control(option: re.Match[str]) -> str:
    name = option[1].replace("-", "_")
    for form in _FORMS:
        if name in form.model_fields:
            return f'"{title_of(form, [name])}"'
    return _OTHERS.get(name, option[0])
