"""What loading torch beside a window does, and leaves as it was."""

import pytest
from desk import in_own_process

LOADS = """
import gc, sys, threading
from napari_matssl.widgets.jobs import torch_start

wanted = sys.argv[1] == "on"
gc.enable() if wanted else gc.disable()
seen = []
load = torch_start._load_libraries

def watched():
    seen.append(gc.isenabled())
    load()
    maps = open("/proc/self/maps").read() if sys.platform == "linux" else "libtorch_cpu"
    seen.append("libtorch_cpu" in maps and "torch" not in sys.modules)

torch_start._load_libraries = watched
thread = threading.Thread(target=torch_start.start_torch)
thread.start()
thread.join()
import torch
print(seen, gc.isenabled() is wanted, float(torch.ones(3).sum()))
"""

COUNTS = """
import gc, sys
from napari_matssl.widgets.jobs.torch_start import start_torch

if sys.argv[1] == "frozen":
    gc.freeze()
before = len(gc.get_objects())
gc.disable()
start_torch()
print((gc.get_freeze_count() > 0) is (sys.argv[1] == "frozen"))
print(len(gc.get_objects()) - before > 50_000, len(gc.get_objects(generation=0)) < 5_000)
"""


@pytest.mark.parametrize("collecting", ["on", "off"])
def test_the_libraries_come_before_the_import_and_collecting_is_as_it_was(collecting):
    done = in_own_process(LOADS, collecting)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[False, True] True 3.0\n"


@pytest.mark.parametrize(("how", "young"), [("plain", True), ("frozen", False)])
def test_what_was_loaded_is_old_for_the_collector_unless_objects_are_frozen(how, young):
    done = in_own_process(COUNTS, how)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"True\nTrue {young}\n"
