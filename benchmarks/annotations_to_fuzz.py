"""Small annotation files of other programs, for fuzz_files.py."""

import base64
import io
import json
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from napari_matssl.errors import InputError
from napari_matssl.labels.exchange.drawing import draw
from napari_matssl.labels.exchange.recognising import Reading, read_annotation_file
from napari_matssl.labels.exchange.shapes import BrokenAnnotationError

WIDTH, HEIGHT = 48, 40
START = "others"
"""What the names of these files begin with."""

_SQUARE = [[2.0, 3.0], [12.0, 3.0], [12.0, 9.0], [2.0, 9.0]]


def read_others(path: Path) -> None:
    """Read a file and draw all that it holds, as the command does."""
    file = read_annotation_file(path, Reading("pore"))
    ids = {one.name: n for n, one in enumerate(file.classes[:200], 1)}
    for image in file.images:
        try:
            draw(image.annotations, ids, HEIGHT, WIDTH, 3.0)
        except BrokenAnnotationError as error:
            raise InputError(f"{path} can't be used: {error}.") from error
    if file.skipped:
        raise InputError(file.skipped[0].reason)


def _png() -> bytes:
    packed = io.BytesIO()
    Image.fromarray(np.eye(3, dtype=np.uint8)).save(packed, "PNG")
    return packed.getvalue()


def _coco() -> bytes:
    masks = [[[2, 3, 12, 3, 12, 9]], {"size": [HEIGHT, WIDTH], "counts": [0, 80, 1840]},
             {"size": [HEIGHT, WIDTH], "counts": "0`2`i1"}]  # fmt: skip
    annotations = [
        {"id": n, "image_id": 1, "category_id": 1, "segmentation": one, "iscrowd": 0}
        for n, one in enumerate(masks)
    ]
    image = {"id": 1, "file_name": "a.png", "width": WIDTH, "height": HEIGHT}
    categories = [{"id": 1, "name": "pore"}]
    content = {"images": [image], "annotations": annotations, "categories": categories}
    return json.dumps(content).encode()


def _labelme() -> bytes:
    kinds = {"polygon": _SQUARE, "rectangle": _SQUARE[:2], "circle": _SQUARE[:2],
             "linestrip": _SQUARE, "point": _SQUARE[:1], "mask": [[2, 3], [4, 5]]}  # fmt: skip
    mask = base64.b64encode(_png()).decode()
    shapes = [
        {"label": "pore", "points": points, "shape_type": kind, "mask": mask}
        for kind, points in kinds.items()
    ]
    content = {"version": "5.5.0", "shapes": shapes, "imagePath": "a.png",
               "imageHeight": HEIGHT, "imageWidth": WIDTH}  # fmt: skip
    return json.dumps(content).encode()


def _cvat() -> bytes:
    shapes = (
        '<box label="pore" xtl="1" ytl="1" xbr="9" ybr="3" rotation="30" z_order="1"/>'
        '<polygon label="pore" points="2.0,3.0;12.0,3.0;12.0,9.0" z_order="0"/>'
        '<ellipse label="pore" cx="20" cy="20" rx="9" ry="3" z_order="0"/>'
        '<mask label="pore" rle="1, 1, 1, 3, 3" left="3" top="3" width="3" height="3"/>'
    )
    image = f'<image id="0" name="a.png" width="{WIDTH}" height="{HEIGHT}">{shapes}</image>'
    labels = "<meta><task><labels><label><name>pore</name></label></labels></task></meta>"
    start = '<?xml version="1.0" encoding="utf-8"?>'
    return f"{start}<annotations>{labels}{image}</annotations>".encode()


def _supervisely() -> bytes:
    bitmap = {"data": base64.b64encode(zlib.compress(_png())).decode(), "origin": [3, 3]}
    holes = {"exterior": _SQUARE, "interior": [_SQUARE[:3]]}
    objects = [
        {"classTitle": "pore", "geometryType": "bitmap", "bitmap": bitmap},
        {"classTitle": "pore", "geometryType": "polygon", "points": holes},
    ]
    size = {"height": HEIGHT, "width": WIDTH}
    return json.dumps({"size": size, "objects": objects}).encode()


def _roi() -> bytes:
    from roifile import ImagejRoi

    raw: bytes = ImagejRoi.frompoints(np.array(_SQUARE), name="pore-1").tobytes()
    return raw


def _roi_zip() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in ("1.roi", "2.roi"):
            archive.writestr(name, _roi())
    return packed.getvalue()


SOURCES: dict[str, tuple[str, list[Callable[[], bytes]]]] = {
    "annotations of COCO": (f"{START}.json", [_coco]),
    "annotations of LabelMe": (f"{START}.json", [_labelme]),
    "annotations of CVAT": (f"{START}.xml", [_cvat]),
    "annotations of Supervisely": (f"{START}.png.json", [_supervisely]),
    "ROI of Fiji": (f"{START}.roi", [_roi]),
    "ROIs of Fiji, zip": (f"{START}.zip", [_roi_zip]),
}
