"""Messages of the core with the names that the window has for settings."""

from collections.abc import Sequence

from napari_matssl.errors import MatSSLError, add_settings
from napari_matssl.progress import Skipped
from napari_matssl.settings import FinetuneSettings, PredictSettings, PretrainSettings
from napari_matssl.settings.fields import title_of
from napari_matssl.settings.measuring import MeasureSettings

ELSEWHERE = {
    "class": "the list of classes beside the measure",
    "classes": "the class table under Micrographs",
    "grains_class_is": '"Measured class is" under "More settings"',
    "groups": "",  # a project has one group
    "measures": "the ticks of the panel Measure",
    "page": '"Page" under Micrographs',
    "unlabelled": "",  # fixed to 0 in projects
}
"""What the window calls settings that no form has; nothing where it has no such control."""


def explain(error: MatSSLError, between: str = " ") -> str:
    """Return an error with the controls that help: ``'Give more time ("Time budget (min)").'``."""
    text = f"{error.what}{between}{error.remedy}".strip()
    return add_settings(text, error.settings, control_of)


def with_left_out(text: str, skipped: Sequence[Skipped]) -> str:
    """Add the images that were left out, if any, to what was done: one a line."""
    if not skipped:
        return text
    reasons = (add_settings(one.reason, one.settings, control_of) for one in skipped)
    return "\n".join((f"{text} {len(skipped)} left out:", *reasons))


def control_of(setting: str) -> str:
    """Name the control of a setting; empty where there is none."""
    if setting in ELSEWHERE:
        return ELSEWHERE[setting]
    for kind in (PretrainSettings, FinetuneSettings, PredictSettings, MeasureSettings):
        if setting in kind.model_fields:
            return f'"{title_of(kind, [setting])}"'
    return ""
