"""What workers of a cluster are made to do by tests; they import this file."""

import os
import signal
import sys
import time
from fnmatch import fnmatch
from pathlib import Path

from napari_matssl.tasks.predicting import on_worker, predict_images

LOADED = []
"""Models that this worker has loaded."""


def count_models():
    """Note from now on which models are loaded."""
    read = predict_images.read_segmenter
    predict_images.read_segmenter = lambda path: LOADED.append(path) or read(path)


def loaded_models():
    return len(LOADED)


def claim_version(version):
    """Be of another version of the program from now on."""
    on_worker.__version__ = version


def when_written(pattern, do):
    """Do something before a file of that name takes its place."""

    def audit(event, given):
        if event == "os.rename" and fnmatch(Path(os.fsdecode(given[1])).name, pattern):
            do()

    sys.addaudithook(audit)


def die_once(pattern, mark):
    """End as if by the system's memory killer, the first time that such a file is written."""

    def die():
        if not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    when_written(pattern, die)


def die_while(pattern, mark):
    """End likewise whenever such a file is written, as long as a file is there."""
    when_written(pattern, lambda: mark.exists() and os.kill(os.getpid(), signal.SIGKILL))


def wait_for(pattern, mark):
    """Wait for a file before such a file is written."""

    def wait():
        while mark.parent.exists() and not mark.exists():
            time.sleep(0.02)

    when_written(pattern, wait)
