"""Image files put together by hand, for tests of damaged and hostile ones."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

GREY = np.random.default_rng(0).integers(0, 256, (128, 160), dtype=np.uint8)


def png_bytes(rows, height, width, depth=8, kind=0, interlaced=0, extra=b""):
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, interlaced)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + extra
        + chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
        + chunk(b"IEND", b"")
    )


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def picture(kind, image=GREY, **options):
    file = io.BytesIO()
    Image.fromarray(image).save(file, kind, **options)
    return bytearray(file.getvalue())


def jpeg_that_claims(height, rows, **options):
    raw = picture("JPEG", GREY[:rows], **options)
    place = raw.index(b"\xff\xc2" if options.get("progressive") else b"\xff\xc0")
    raw[place + 5 : place + 7] = struct.pack(">H", height)
    return raw


def gif_that_claims(height, rows, **options):
    raw = picture("GIF", GREY[:rows], **options)
    raw[8:10] = struct.pack("<H", height)
    frame = raw.index(struct.pack("<BHHHH", 0x2C, 0, 0, 160, rows))
    raw[frame + 7 : frame + 9] = struct.pack("<H", height)
    return raw


def bmp_that_claims(height, rows):
    raw = picture("BMP", GREY[:rows])
    raw[22:26] = struct.pack("<i", height)
    return raw
