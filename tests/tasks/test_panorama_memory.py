"""The memory of segmenting doesn't grow with the height of an image."""

import json
import os
import subprocess
import sys

PROGRAM = """
import json, resource, sys
from pathlib import Path

import numpy as np
import tifffile
import torch

from napari_matssl.export.outputs import Outputs
from napari_matssl.labels.class_table import numbered_table
from napari_matssl.learn.card import ModelCard
from napari_matssl.learn.segmenter import Segmenter
from napari_matssl.micrograph import reading_panorama
from napari_matssl.progress import drain
from napari_matssl.settings import IntensityScalingSettings, PredictSettings
from napari_matssl.tasks.predicting.predict import predict

WIDTH = 2048
folder = Path(sys.argv[1])
reading_panorama.PANORAMA_PX = 1 << 20
settings = PredictSettings(device="cpu", magnifications="two", tile=512, tile_overlap=32)
outputs = Outputs(masks_tiff=False, overlays=False)
classes = numbered_table([1, 2])
card = ModelCard(
    kind="segmenter", encoder="none", channels="grey", classes=classes, scale=0.5,
    intensity_scaling=IntensityScalingSettings(),
)
network = torch.nn.Conv2d(3, 2, 1).eval()
peaks = []
for rows in (3072, 32768):
    path = folder / f"{rows}.tif"
    row = np.random.default_rng(0).integers(0, 255, (1, WIDTH)).astype(np.uint8)
    strips = (np.roll(row, k, axis=1).repeat(64, axis=0) for k in range(rows // 64))
    tifffile.imwrite(path, strips, shape=(rows, WIDTH), dtype=np.uint8, rowsperstrip=64)
    drain(predict(Segmenter(network, card), [path], folder / "out", settings, outputs))
    assert (folder / "out" / f"{rows}_mask.tif").exists()
    peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
print(json.dumps(peaks))
"""


def test_the_peak_is_that_of_a_small_image(tmp_path):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    small, large = json.loads(done.stdout)
    # Pixels and mask of the large one would take 58 MB more each, its rescaled values up to 150.
    assert large - small < 100, f"{small} MB, {large} MB"
