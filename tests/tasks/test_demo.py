"""The demo, with the shortest trainings."""

from functools import partial

import numpy as np
from PIL import Image

from napari_matssl.learn.card_files import read_card
from napari_matssl.progress import drain
from napari_matssl.settings import FinetuneSettings
from napari_matssl.tasks import demo as module
from napari_matssl.tasks.demo import _own, demo


def test_other_images_in_its_folder_are_left_out_and_reported(tmp_path):
    images, unseen = (tmp_path / "dual-phase" / name for name in ("images", "unseen"))
    for folder in (images, unseen):
        folder.mkdir(parents=True)
        (folder / "holiday.png").write_bytes(b"no image")
    Image.fromarray(np.full((64, 64), 9, np.uint8)).save(images / "blank.png")
    job = demo(tmp_path, "cpu")
    told = []
    while len(told) < 2:
        told += filter(None, [next(job).message])
    job.close()
    assert "Left out:" in told[0]
    assert "blank.png is constant" in told[0]
    assert "holiday.png" in told[1]
    assert [path.name for path in _own(unseen)] == [f"dual-phase-0{n}.tif" for n in (4, 5, 6)]


def test_it_goes_from_sample_images_to_scores_and_a_picture(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MATERIALS", ("dual-phase",))
    monkeypatch.setattr(module, "PRETRAIN_MINUTES", 0.03)
    instant = partial(FinetuneSettings, architecture="pixel-classifier")
    monkeypatch.setattr(module, "FinetuneSettings", instant)
    result = drain(demo(tmp_path, "cpu"))
    (scored,) = result.scored
    assert scored.evaluation.scores.miou > 0.5
    assert len(scored.phases) == 2 * module.UNSEEN
    with Image.open(result.picture) as picture:  # image, truth and prediction of each
        assert picture.width > 3 * 512
        assert picture.height > module.UNSEEN * 512
    card = read_card(tmp_path / "dual-phase" / "model.safetensors")
    assert "MatSSL" in card.start  # it has learnt from the encoder that was pretrained here
