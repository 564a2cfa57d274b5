"""A process that starts commands as copies of itself, each to be interrupted at a moment of choice.

Loading torch takes seconds, a copy (fork) takes none; and it is a process of its own, which real
signals end. The process itself computes nothing: threads don't survive a fork.

It reads orders from standard input and answers on standard output, a JSON object a line each. An
order holds the ``arguments`` of the command line, or of another function here that ``call`` names;
``out`` and ``err``, the files for its streams; and ``moments``, the :class:`Moment`\\ s to come.
"""

import errno
import json
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import torch

from napari_matssl import console
from napari_matssl.__main__ import main
from napari_matssl.learn import inference
from napari_matssl.learn.card_files import read_card
from napari_matssl.micrograph import reading_panorama
from napari_matssl.progress import drain
from napari_matssl.project.folder import Project
from napari_matssl.settings import PredictSettings
from napari_matssl.tasks import demo, models
from napari_matssl.tasks.measuring import measure_files
from napari_matssl.tasks.measuring.export_project import export_project
from napari_matssl.tasks.predicting import with_model
from napari_matssl.tasks.predicting.segment_project import ProjectRun, Told, segment_project

LOADED = (demo, measure_files, models)
"""What commands import when they begin; here it is there before the first copy."""


@dataclass
class Moment:
    """When a process is interrupted, and how.

    Parameters
    ----------
    stage, share, until
        At the progress of a job in that stage from a share of it on; with `forward`, until another.
    writes, reads
        When a file with a name of that pattern is about to be put in its place, or to be opened.
    forward
        When a network is given a batch of more images than that.
    nth
        The how manieth time it is so.
    signals
        What the process is sent by itself.
    error
        What the system or PyTorch then reports, each time from then on.
    times
        How often at most.
    """

    stage: str = ""
    share: float = 0.0
    until: float = 2.0
    writes: str = ""
    reads: str = ""
    forward: int | None = None
    nth: int = 1
    signals: Sequence[str] = ()
    error: str = ""
    times: int = 10**9
    _now: tuple[str, float] = ("", 0.0)

    def at_progress(self, progress):
        self._now = progress.stage, progress.step / progress.total
        if self.forward is None and self.stage:
            self._come_if(self._in_stage())

    def at_file(self, name, writes):
        pattern = self.writes if writes else self.reads
        self._come_if(bool(pattern) and fnmatch(name, pattern))

    def at_batch(self, images):
        self._come_if(self.forward is not None and images > self.forward and self._in_stage())

    def _in_stage(self):
        stage, share = self._now
        return not self.stage or (stage == self.stage and self.share <= share < self.until)

    def _come_if(self, so):
        self.nth -= so
        if not so or self.nth > 0:
            return
        signals, self.signals = self.signals, ()
        for name in signals:
            signal.raise_signal(getattr(signal, name))
        if self.error and self.times > 0:
            self.times -= 1
            raise error_of(self.error)


def error_of(name):
    if name == "memory":
        return torch.OutOfMemoryError("CUDA out of memory")
    if name == "MemoryError":
        return MemoryError()
    number = getattr(errno, name)
    return OSError(number, os.strerror(number))


def watch(moments):
    """Have the moments come."""

    def audit(event, given):
        if event in ("os.rename", "open") and isinstance(given[event == "os.rename"], str | Path):
            name = Path(given[event == "os.rename"]).name
            for moment in moments:
                moment.at_file(name, writes=event == "os.rename")

    def forward(_module, inputs):
        if isinstance(inputs[0], torch.Tensor) and inputs[0].shape[1:2] == (3,):  # not its layers
            for moment in moments:
                moment.at_batch(len(inputs[0]))

    def drain_watched(job, show, should_stop):
        def show_and_come(progress):
            show(progress)
            for moment in moments:
                moment.at_progress(progress)

        return drain(job, show_and_come, should_stop)

    sys.addaudithook(audit)
    torch.nn.modules.module.register_module_forward_pre_hook(forward)
    console.drain = drain_watched


def command(*arguments):
    sys.argv = ["napari-matssl", *arguments]
    main()


def small_demo(*arguments):
    """Run the demo on fewer images."""
    demo.PAINTED = demo.UNSEEN = 1
    command("demo", *arguments)


def predict_panoramas(*arguments):
    """Segment images as small as those of other tests by rows."""
    reading_panorama.PANORAMA_PX, inference._BAND = 5000, 500
    command("predict", *arguments)


def segment_all(folder, model):
    """What the panel Segment does with all images, without the window."""
    project = Project(Path(folder))

    def keep(found):
        project.masks.write(found.name, found.mask, found.facts)

    reads = {
        name: lambda name=name: project.micrographs.read(name)
        for name in project.micrographs.analysed
    }
    settings = PredictSettings(device="cpu", magnifications="one")
    with console.one_line_errors():
        ended = console.run_job(with_model.segment_with_model(Path(model), reads, settings, keep))
        ended.leave(ended.result.skipped)


def segment_panoramas(folder, model):
    """What the panel Segment does with panoramas, without the window."""
    reading_panorama.PANORAMA_PX, inference._BAND = 5000, 500
    project, path = Project(Path(folder)), Path(model)
    names = project.micrographs.analysed
    run = ProjectRun.begin(project, path, read_card(path, kind="segmenter"), names)
    settings = PredictSettings(device="cpu", magnifications="one", tile=32, tile_overlap=0)
    told = Told(lambda _found: None, lambda _name: None, print)
    with console.one_line_errors():
        ended = console.run_job(segment_project(run, settings, told))
        ended.leave(ended.result.skipped)


def export(folder, out):
    """What the panel Measure does, without the window."""
    with console.one_line_errors():
        console.run_job(export_project(Project(Path(folder)), Path(out))).leave()


CALLS = {
    one.__name__: one
    for one in (command, small_demo, predict_panoramas, segment_all, segment_panoramas, export)
}


def carry_out(order):
    """Be the copy: carry an order out, and end."""
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(order[name], os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o644), number)
    watch([Moment(**moment) for moment in order["moments"]])
    status = 0
    try:
        CALLS[order["call"]](*order["arguments"])
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def answer_orders():
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            carry_out(order)
        print(json.dumps({"pid": child}), flush=True)
        _, status = os.waitpid(child, 0)
        print(json.dumps({"status": os.waitstatus_to_exitcode(status)}), flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    print("{}", flush=True)
    answer_orders()
    os._exit(0)  # taking PyTorch down takes its time
