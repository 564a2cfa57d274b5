"""The demo, as far as it can be looked at without its trainings."""

import numpy as np
from PIL import Image

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
