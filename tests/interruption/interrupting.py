"""What interrupted commands are given, and how what they left is looked at."""

import csv

from napari_matssl.learn.card_files import read_card

NAMES = ("a0.tif", "a1.tif", "a2.tif")
TINY = ("--encoder", "test_efficientnet", "--weights", "random", "--device", "cpu")
INSTANT = ("--preset", "instant", *TINY)
SHORT = {"crop_size": 32, "batch_size": 4, "architecture": "unet++", "epochs": 2}
PRETRAINING = {
    "encoder": "test_efficientnet",
    "weights": "random",
    "epochs": 3,
    "batch_size": 4,
    "patch_size": 48,
    "view_size": 48,
    "projection_hidden": 32,
    "projection_out": 16,
    "device": "cpu",
}
FULL = "No space left on device"


def contents(folder):
    """Give the files of a folder, by name."""
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def images_of(table):
    """Give the images that a table lists."""
    with table.open(encoding="utf-8-sig", newline="") as file:
        return {row["image"] for row in csv.DictReader(file)}


def temporaries(folder):
    """Find what a killed program has left."""
    return [path for path in folder.rglob("*") if ".matssl-tmp-" in path.name]


def steps_of(model):
    return read_card(model).metrics["steps"]
