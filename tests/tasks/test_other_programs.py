"""The lines of docs/other-programs.md, run as they stand there."""

import ast
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiny import instant

from napari_matssl.labels.class_table import numbered_table
from napari_matssl.labels.painted import PaintedMicrograph
from napari_matssl.learn.card_files import read_card
from napari_matssl.learn.device import Compute
from napari_matssl.learn.inference import segment
from napari_matssl.learn.segmenter import read_segmenter, write_segmenter
from napari_matssl.micrograph.reading import read_micrograph, read_pixels
from napari_matssl.progress import drain
from napari_matssl.settings import PredictSettings
from napari_matssl.tasks.exporting.checking import LARGEST_DIFFERENCE
from napari_matssl.tasks.exporting.job import export_model
from napari_matssl.tasks.finetune.job import finetune

PAGE = Path(__file__).parents[2] / "docs" / "other-programs.md"


def lines_of(page):
    """The one block of Python on a page."""
    (block,) = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    return block


PAINTED_SCALE = 'about["grey_scale"] or '


def share_that_differs(folder, painted, image, table, monkeypatch, without=""):
    """Train on a painted image, run the page's lines on another, and compare with our mask."""
    trained = drain(finetune([painted], table, instant()))
    model = folder / "steel.safetensors"
    write_segmenter(model, trained.segmenter)
    assert read_card(model, "segmenter").grey_reference is not None
    exported = drain(export_model(model, "onnx", folder / "model.onnx", [image]))
    assert exported.agreement.share <= LARGEST_DIFFERENCE
    lines = lines_of(PAGE)
    assert "napari_matssl" not in lines
    statements = [one for one in ast.parse(lines).body if "Import" not in type(one).__name__]
    assert len(statements) <= 15
    assert without in lines
    lines = lines.replace(without, "")
    monkeypatch.chdir(folder)
    exec(compile(lines, str(PAGE), "exec"), {})
    found = np.asarray(Image.open("mask.png"))

    compute = Compute(torch.device("cpu"), torch.float32, "to compare")
    segmenter = read_segmenter(model)
    settings = PredictSettings(magnifications="one", device="cpu")
    micrograph = read_micrograph(image)
    job = segment(segmenter.network, segmenter.card, micrograph, compute, settings)
    expected = drain(job).mask
    assert found.shape == expected.shape
    assert len(np.unique(expected)) > 1
    return (found != expected).mean()


def test_the_page_runs_an_exported_model_without_this_program(tmp_path, two_phases, monkeypatch):
    pytest.importorskip("onnxruntime")
    image = tmp_path / "image.png"
    Image.fromarray(two_phases(1, (150, 230)).micrograph.pixels).save(image)
    painted, table = two_phases(0, (160, 192)), numbered_table([1, 2])
    assert share_that_differs(tmp_path, painted, image, table, monkeypatch) < 0.01


@pytest.mark.real
def test_the_page_runs_an_exported_model_on_a_real_micrograph(tmp_path, real_data, monkeypatch):
    pytest.importorskip("onnxruntime")
    folder = real_data / "uhcs"
    names = sorted(path.stem for path in (folder / "labels").glob("*.png"))[:2]
    first, second = (next((folder / "images").glob(f"{name}.*")) for name in names)
    labels = read_pixels(folder / "labels" / f"{names[0]}.png")
    painted = PaintedMicrograph(read_micrograph(first), labels)
    image = tmp_path / "image.png"
    Image.open(second).save(image)
    table = numbered_table([int(one) for one in np.unique(labels) if one])
    differs = share_that_differs(tmp_path, painted, image, table, monkeypatch, PAINTED_SCALE)
    assert differs < 0.02, "the second image was exposed in another way"
