"""Images that workers of a cluster segment: two processes, one of which may be killed."""

import csv
import json
import re
import socket
import struct
import sys
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tifffile
import workers
from PIL import Image
from tiny import TINY

from napari_matssl import __version__
from napari_matssl.cli import main
from napari_matssl.errors import ComputeError, InputError, SettingsError, StoppedError
from napari_matssl.export.masks import write_mask
from napari_matssl.export.outputs import Outputs
from napari_matssl.export.tables import write_frames
from napari_matssl.labels.class_table import numbered_table
from napari_matssl.labels.provenance import MaskFacts, read_mask_facts
from napari_matssl.learn.card import ModelCard
from napari_matssl.learn.networks import build_network
from napari_matssl.learn.segmenter import Segmenter, read_segmenter, write_segmenter
from napari_matssl.micrograph.image import PixelSize
from napari_matssl.progress import drain
from napari_matssl.settings import IntensityScalingSettings, PredictSettings
from napari_matssl.settings.measuring import MeasureSettings
from napari_matssl.tasks.measuring.masks_to_measure import Sources
from napari_matssl.tasks.measuring.measure_files import measure_masks, measure_masks_by
from napari_matssl.tasks.predicting import scheduler
from napari_matssl.tasks.predicting.on_worker import (
    Outcome,
    Task,
    Versions,
    carry_out,
    versions_here,
)
from napari_matssl.tasks.predicting.predict import predict, predict_on

distributed = pytest.importorskip("distributed")

CPU = PredictSettings(device="cpu", magnifications="one")
NAMES = [f"a{number}.png" for number in range(5)] + ["b.tif"]


@pytest.fixture(scope="module")
def cluster():
    """Two worker processes of one thread each."""
    import dask

    with (
        dask.config.set({"distributed.scheduler.worker-saturation": 1.0}),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50
        ) as made,
    ):
        yield made


@pytest.fixture
def client(cluster):
    """A client of both workers, also after one has died."""
    with distributed.Client(cluster, set_as_default=False) as made:
        made.wait_for_workers(2, timeout=120)
        yield made


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A network with random weights."""
    path = tmp_path_factory.mktemp("model") / "random.safetensors"
    card = ModelCard(
        encoder=TINY,
        architecture="unet++",
        channels="grey",
        intensity_scaling=IntensityScalingSettings(),
        classes=numbered_table([1, 2]),
    )
    write_segmenter(path, Segmenter(build_network(TINY, 2, 0, "unet++").eval(), card))
    return path


def noise(seed, size=(48, 64)):
    return np.random.default_rng(seed).integers(0, 256, size).astype(np.uint8)


@pytest.fixture
def images(tmp_path):
    """Six fields; the first is the largest, and the last one has a pixel size."""
    folder = tmp_path / "images"
    folder.mkdir()
    for seed, name in enumerate(NAMES[:-1]):
        Image.fromarray(noise(seed, (48, 64) if seed else (200, 300))).save(folder / name)
    facts = {"resolution": (4, 4), "metadata": {"unit": "um"}}
    tifffile.imwrite(folder / NAMES[-1], noise(9), imagej=True, **facts)
    return folder


def paths_of(images):
    return sorted(images.iterdir())


def run_here(model, images, out, **more):
    return drain(predict(read_segmenter(model), paths_of(images), out, CPU, model=model, **more))


@contextmanager
def connected(cluster):
    with scheduler.connect(cluster.scheduler_address) as connection:
        yield connection


def run_there(cluster, model, images, out, show=None, stop=None, **more):
    with connected(cluster) as there:
        job = predict_on(there.each, model, paths_of(images), out, CPU, **more)
        return drain(job, show, stop)


def chunks_of(png):
    place = 8
    while place < len(png):
        (length,) = struct.unpack(">I", png[place : place + 4])
        yield png[place + 4 : place + 8 + length]
        place += 12 + length


RUN = re.compile(rb"\d{8}-\d{6}-[0-9a-f]{4}")
WRITTEN = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00")


def contents(folder):
    """Give all files, byte by byte but for the name of the run, the time, and the sums over both.

    They stand in texts of a fixed length: nothing else can hide behind them.
    """

    def without_run(path):
        data = path.read_bytes()
        parts = list(chunks_of(data)) if path.suffix == ".png" else [data]
        texts = path.suffix == ".csv" or path.name.endswith("_mask.png")
        return [WRITTEN.sub(b"T", RUN.sub(b"R", one)) if texts else one for one in parts]

    return {path.name: without_run(path) for path in sorted(folder.iterdir())}


def rows_of(table):
    with table.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_masks_and_tables_are_those_of_one_process(cluster, client, model, images, tmp_path):
    client.run(workers.count_models)
    outputs = Outputs(masks_tiff=False, probabilities=False)
    here = run_here(model, images, tmp_path / "here", outputs=outputs)
    said = []
    there = run_there(cluster, model, images, tmp_path / "there", said.append, outputs=outputs)
    assert contents(tmp_path / "there") == contents(tmp_path / "here")
    assert len(contents(tmp_path / "there")) == 2 * len(NAMES) + 4
    assert [one.name for one in there.images] == NAMES == [one.name for one in here.images]
    assert {row["run"] for row in rows_of(there.phases)} == {
        read_mask_facts(one.mask).provenance.run for one in there.images
    }
    assert all(count <= 1 for count in client.run(workers.loaded_models).values())
    assert sum("Device: cpu" in one.message for one in said) == 1


@pytest.mark.cell("predict --scheduler", "killed")
def test_a_worker_that_dies_has_its_image_done_by_another(cluster, client, model, images, tmp_path):
    mark = tmp_path / "died"
    client.run(workers.die_once, "a1_mask.png", mark)
    there = run_there(cluster, model, images, tmp_path / "there")
    assert mark.exists()
    assert there.skipped == ()
    run_here(model, images, tmp_path / "here")
    assert contents(tmp_path / "there") == contents(tmp_path / "here")


def test_an_image_that_costs_too_many_workers_is_left_out(
    cluster, client, model, images, tmp_path, monkeypatch
):
    monkeypatch.setattr(cluster.scheduler, "allowed_failures", 0)
    lethal = tmp_path / "lethal"
    lethal.touch()
    # Those that take the place of dead ones as well; the first death counts against their others.
    client.register_worker_callbacks(partial(workers.die_while, "a1_mask.png", lethal))
    said = []
    there = run_there(cluster, model, images, tmp_path / "there", said.append)
    lethal.unlink()
    (skipped,) = there.skipped
    assert skipped.name == "a1.png"
    assert "a1.png: 1 workers died with it" in skipped.reason
    assert any(skipped.reason in one.message for one in said)
    assert [one.name for one in there.images] == [name for name in NAMES if name != "a1.png"]
    assert {row["image"] for row in rows_of(there.phases)} == set(NAMES) - {"a1.png"}


def test_a_second_run_does_only_what_is_missing(cluster, client, model, images, tmp_path):
    out = tmp_path / "there"
    first = run_there(cluster, model, images, out)
    tables = {path.name: path.read_bytes() for path in out.glob("*.csv")}
    stamps = {one.name: one.mask.stat().st_mtime_ns for one in first.images}
    again = run_there(cluster, model, images, out)
    assert all(one.kept for one in again.images)
    assert {path.name: path.read_bytes() for path in out.glob("*.csv")} == tables
    (out / "a1_mask.png").unlink()
    (out / "a2_overlay.png").unlink()
    Image.fromarray(noise(77)).save(images / "a3.png")
    third = run_there(cluster, model, images, out)
    new = {one.name for one in third.images if not one.kept}
    assert new == {"a1.png", "a2.png", "a3.png"}
    for one in third.images:
        assert (one.mask.stat().st_mtime_ns != stamps[one.name]) == (one.name in new)
    run_here(model, images, tmp_path / "here")
    assert contents(out).keys() == contents(tmp_path / "here").keys()
    assert contents(out)["phases.csv"] == contents(tmp_path / "here")["phases.csv"]
    assert contents(out)["a3_mask.png"] == contents(tmp_path / "here")["a3_mask.png"]
    forced = run_there(cluster, model, images, out, missing=False)
    assert not any(one.kept for one in forced.images)


def test_a_broken_image_is_left_out_and_the_exit_status_tells(
    cluster, client, model, images, tmp_path, monkeypatch, capsys
):
    (images / "a2.png").write_bytes(b"no image")
    place = cluster.scheduler_address
    monkeypatch.chdir(tmp_path)
    command = ["predict", model, images, "--out", "there", "--scheduler", place]
    options = ["--device", "cpu", "--magnifications", "one"]
    monkeypatch.setattr(sys, "argv", ["napari-matssl", *map(str, command), *options])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 3
    said = capsys.readouterr()
    assert "5 of 6 images in there" in said.out
    assert f"Tables: {Path('there') / 'phases.csv'}, " in said.out, "named as on one machine"
    assert "a2.png" in said.err.rpartition("1 left out:")[2]
    run_here(model, images, tmp_path / "here")
    assert contents(tmp_path / "there") == contents(tmp_path / "here")


def test_without_a_good_image_old_results_stay(cluster, client, model, images, tmp_path):
    run_there(cluster, model, images, tmp_path / "out")
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    for path in images.iterdir():
        path.write_bytes(b"")
    with pytest.raises(InputError, match="None of the 6 images"):
        run_there(cluster, model, images, tmp_path / "out")
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


@pytest.mark.cell("predict --scheduler", "stopped late")
def test_stopped_it_keeps_what_is_done_and_cancels_the_rest(
    cluster, client, model, images, tmp_path
):
    """All but the first image wait until the job was asked to stop."""
    mark = tmp_path / "go on"
    client.run(workers.wait_for, "a[1-4]_mask.png", mark)
    client.run(workers.wait_for, "b_mask.png", mark)
    asked = []

    def stop():
        return bool(asked)

    def show(progress):
        if asked:
            mark.touch()
        if progress.stage == "segmenting" and progress.step >= 1:
            asked.append(progress)

    there = run_there(cluster, model, images, tmp_path / "out", show, stop)
    mark.touch()
    assert there.stopped
    done = {one.name for one in there.images}
    assert "a0.png" in done
    assert "b.tif" not in done
    masks = {path.name for path in (tmp_path / "out").glob("*_mask.png")}
    assert masks == {one.mask.name for one in there.images}
    assert {row["image"] for row in rows_of(there.phases)} == done


@pytest.mark.cell("predict --scheduler", "stopped early")
def test_stopped_before_the_first_image_nothing_is_written(
    cluster, client, model, images, tmp_path
):
    with pytest.raises(StoppedError, match="nothing was written"):
        run_there(cluster, model, images, tmp_path / "out", stop=lambda: True)
    assert list((tmp_path / "out").iterdir()) == []


def test_workers_that_do_not_see_the_files_end_the_run(cluster, client, images, model, tmp_path):
    """The model is gone when workers look for it."""
    gone = tmp_path / "gone.safetensors"
    gone.write_bytes(model.read_bytes())
    with connected(cluster) as there:
        job = predict_on(there.each, gone, paths_of(images), tmp_path / "out", CPU)
        next(job)
        gone.unlink()
        with pytest.raises(InputError, match=r"On the worker tcp://.*There is no .*same names"):
            drain(job)


def test_a_lost_scheduler_ends_the_run_with_tables_of_what_is_done(model, images, tmp_path):
    """The second image waits until the scheduler has gone."""
    mark, gone = tmp_path / "go on", []
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, dashboard_address=None, silence_logs=50
    ) as short:
        with distributed.Client(short, set_as_default=False) as client:
            client.run(workers.wait_for, "a1_mask.png", mark)

        def show(progress):
            if progress.stage == "segmenting" and progress.step >= 1 and not gone:
                gone.append(True)
                short.sync(short.scheduler.close)

        with pytest.raises(ComputeError, match="The scheduler of the cluster has gone"):
            run_there(short, model, images, tmp_path / "out", show)
        mark.touch()
    assert {row["image"] for row in rows_of(tmp_path / "out" / "phases.csv")} == {"a0.png"}


# ---- measuring ----


@pytest.mark.parametrize(("measures", "only"), [("phases,objects", ()), ("grains", ("class 2",))])
def test_tables_of_masks_are_those_of_one_process(cluster, client, tmp_path, measures, only):
    (tmp_path / "masks").mkdir()
    table = numbered_table([1, 2])
    for seed in range(4):
        blocks = np.kron(noise(seed, (6, 8)) > 180, np.ones((16, 16), np.uint8))
        facts = MaskFacts(PixelSize(0.5, 0.5, "test"), None, table)
        write_mask(tmp_path / "masks" / f"m{seed}.png", blocks + 1, table, facts=facts)
    settings = MeasureSettings(measures=measures)
    here = measure_masks([tmp_path / "masks"], None, settings, only)
    with connected(cluster) as there:
        job = measure_masks_by(there.each, [tmp_path / "masks"], Sources(), settings, only)
        said = []
        found = drain(job, said.append)
    assert found.rows == here.rows
    assert found.remarks == here.remarks
    for name, measured in (("here", here), ("there", found)):
        write_frames({tmp_path / name / file: one for file, one in measured.tables.items()})
    assert contents(tmp_path / "there") == contents(tmp_path / "here")
    assert len(contents(tmp_path / "here")) >= 3
    assert (said[-1].stage, said[-1].step) == ("measuring", 4)


# ---- what is refused ----


@pytest.mark.parametrize("address", ["127.0.0.1:1", "strange://host:1", "no address"])
def test_a_wrong_address_is_one_line(monkeypatch, address):
    monkeypatch.setattr(scheduler, "CONNECT_S", 1)
    told = "No scheduler of dask answers at"
    with pytest.raises(SettingsError, match=told) as caught, scheduler.connect(address):
        pass
    assert caught.value.settings == "scheduler"


def test_something_else_that_listens_there_is_given_up(monkeypatch):
    monkeypatch.setattr(scheduler, "CONNECT_S", 1)
    with socket.create_server(("127.0.0.1", 0)) as other:
        place = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(SettingsError, match="within 1 s"), scheduler.connect(place):
            pass


def test_the_scheduler_file_is_an_address_too(cluster, client, tmp_path):
    file = tmp_path / "scheduler.json"
    file.write_text(json.dumps(cluster.scheduler.identity()))
    with scheduler.connect(str(file)) as there:
        there.check()


def test_without_the_package_the_line_names_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    told = r'pip install "napari-matssl\[cluster\]"'
    with pytest.raises(SettingsError, match=told), scheduler.connect("127.0.0.1:8786"):
        pass


def test_workers_of_another_version_are_refused(cluster, client):
    client.run(workers.claim_version, "9.9")
    try:
        told = r"The worker tcp://.* has napari-matssl 9\.9 with PyTorch"
        with pytest.raises(SettingsError, match=told) as caught, connected(cluster):
            pass
    finally:
        client.run(workers.claim_version, __version__)
    assert str(versions_here()) in str(caught.value)


def test_a_worker_of_another_version_that_comes_later_does_nothing():
    task = Task("r", lambda: pytest.fail("loaded"), "a", None, Versions("9.9", "2.0"))
    outcome = carry_out(task, "tcp://late:1", threads=1)
    assert isinstance(outcome.fatal, SettingsError)
    assert outcome == Outcome(fatal=outcome.fatal)
    assert "tcp://late:1" in str(outcome.fatal)
