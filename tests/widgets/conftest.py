"""One Qt binding for everybody, and nobody's own napari settings."""

import os
import tempfile

# pytest-qt and qtpy choose a binding each on their own: QT_API decides for both.
if "QT_API" in os.environ:
    os.environ.setdefault("PYTEST_QT_API", os.environ["QT_API"])

# napari reads its settings file when it is imported, and writes it while it runs. Tests get a file
# of their own, and so do the processes that they start.
_settings = tempfile.TemporaryDirectory(prefix="matssl-napari-")
os.environ["NAPARI_CONFIG"] = os.path.join(_settings.name, "settings.yaml")
