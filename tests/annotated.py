"""Annotations of one small image, as the programs write them."""

import base64
import io
import json
import zlib

import numpy as np
from PIL import Image

SIZE = 48, 40  # width, height


def png(mask):
    """Pack a mask as LabelMe does: a grey PNG of 0 and 1."""
    packed = io.BytesIO()
    Image.fromarray(mask.astype(np.uint8)).save(packed, format="PNG")
    return packed.getvalue()


def labelme_shape(label, points, kind="polygon", **other):
    return {"label": label, "points": points, "group_id": None, "description": "",
            "shape_type": kind, "flags": {}, "mask": None, **other}  # fmt: skip


def labelme(shapes, image="a.png", size=SIZE):
    """Make a file of LabelMe 5."""
    return {
        "version": "5.5.0",
        "flags": {},
        "shapes": shapes,
        "imagePath": image,
        "imageData": base64.b64encode(b"not looked at").decode(),
        "imageHeight": size[1],
        "imageWidth": size[0],
    }


def labelme_mask(label, left, top, mask):
    height, width = mask.shape
    corners = [[float(left), float(top)], [left + width - 1.0, top + height - 1.0]]
    return labelme_shape(label, corners, "mask", mask=base64.b64encode(png(mask)).decode())


def coco(segmentations, categories=("ferrite", "martensite"), images=("a.png",), **other):
    """Make a file of COCO; a segmentation comes with the ids of its category and image."""
    return {
        "info": {"year": 2024, "version": "1.0"},
        "licenses": [],
        "images": [
            {"id": n, "file_name": name, "width": SIZE[0], "height": SIZE[1]}
            for n, name in enumerate(images, 1)
        ],
        "annotations": [
            {"id": n, "image_id": image, "category_id": category, "segmentation": one,
             "area": 1.0, "bbox": [0, 0, 1, 1], "iscrowd": int(isinstance(one, dict))}
            for n, (one, category, image) in enumerate(segmentations, 1)
        ],
        "categories": [
            {"id": n, "name": name, "supercategory": ""} for n, name in enumerate(categories, 1)
        ],
        **other,
    }  # fmt: skip


def cvat(shapes, images=("a.png",), labels=("ferrite", "martensite"), start=""):
    """Make a file of CVAT for images 1.1; `shapes` are those of each image."""
    named = "".join(
        f"<label><name>{name}</name><color>#0{n}ff00</color><type>any</type>"
        "<attributes></attributes></label>"
        for n, name in enumerate(labels)
    )
    body = "".join(
        f'<image id="{n}" name="{name}" width="{SIZE[0]}" height="{SIZE[1]}">{own}</image>'
        for n, (name, own) in enumerate(zip(images, shapes, strict=True))
    )
    return (
        f'<?xml version="1.0" encoding="utf-8"?>\n{start}<annotations><version>1.1</version><meta>'
        f"<task><id>3</id><name>steel</name><labels>{named}</labels></task><dumped>2024</dumped>"
        f"</meta>{body}</annotations>"
    )


def supervisely(objects, size=SIZE):
    """Make a file of Supervisely."""
    return {
        "description": "",
        "tags": [],
        "size": {"height": size[1], "width": size[0]},
        "objects": [
            {"id": n, "classId": n, "labelerLogin": "", "tags": [], "classTitle": name, **one}
            for n, (name, one) in enumerate(objects, 1)
        ],
    }


def supervisely_points(kind, outer, inner=()):
    points = {"exterior": outer, "interior": list(inner)}
    return {"geometryType": kind, "points": points}


def supervisely_bitmap(left, top, mask):
    """Pack a bitmap as its SDK does: an indexed PNG whose index 0 is transparent."""
    image = Image.fromarray(mask.astype(np.uint8) * 255)
    image.putpalette([0, 0, 0, *[255] * 765])
    packed = io.BytesIO()
    image.save(packed, format="PNG", transparency=0, optimize=0)
    data = base64.b64encode(zlib.compress(packed.getvalue())).decode()
    return {"geometryType": "bitmap", "bitmap": {"data": data, "origin": [left, top]}}


def write(path, content):
    """Write a file: a text as it is, else JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = content if isinstance(content, str) else json.dumps(content)
    path.write_text(text, encoding="utf-8")
    return path
