"""One Qt binding for everybody, and nobody's own napari settings."""

import gc
import os
import sys
import tempfile

import pytest

# pytest-qt and qtpy choose a binding each on their own: QT_API decides for both.
if "QT_API" in os.environ:
    os.environ.setdefault("PYTEST_QT_API", os.environ["QT_API"])

# Helpers of tests import torch in the process that has drawn windows: there, triton's LLVM would
# clash with that of Mesa's OpenGL driver and end it. Jobs of the window leave triton out.
sys.modules.setdefault("triton", None)

# napari reads its settings file when it is imported, and writes it while it runs. Tests get a file
# of their own, and so do the processes that they start.
_settings = tempfile.TemporaryDirectory(prefix="matssl-napari-")
os.environ["NAPARI_CONFIG"] = os.path.join(_settings.name, "settings.yaml")


@pytest.fixture(autouse=True)
def no_folders_used_before(tmp_path):
    """Keep recent folders apart from the user's own, and from those of other tests."""
    from qtpy.QtCore import QSettings

    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(tmp_path / "ini"))


@pytest.fixture(autouse=True)
def out_of_the_collectors_way():
    """Keep what earlier tests imported out of the garbage collector's way.

    napari collects garbage whenever a layer goes, which takes 0.2 s with everything loaded.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture
def folder(tmp_path):
    """Give a folder of images without labels."""
    from desk import write_folder

    return write_folder(tmp_path / "steel")


@pytest.fixture
def empty_panel(make_napari_viewer):
    """Give the panel of micrographs in a window that is shown, without a folder."""
    from desk import docked

    return docked(make_napari_viewer(show=True))


@pytest.fixture
def panel(empty_panel, folder):
    """Give the same with the folder open."""
    assert empty_panel.session.folder.open([folder])
    return empty_panel
