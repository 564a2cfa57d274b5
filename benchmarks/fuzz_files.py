"""Mutate files of every kind that the program opens, and see that each is opened or refused.

    python benchmarks/fuzz_files.py --count 200 --seed 0 --keep failed/

Each mutated file is opened in a child process with a limit of time and of memory. A file may be
opened (its picture survived) or refused (one line that names it); a traceback, a crash, a hang or
more than 500 MB is a failure. The table says how many of each; files that failed are kept.
"""

import argparse
import io
import json
import multiprocessing as mp
import re
import resource
import struct
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import annotations_to_fuzz
import numpy as np
import recipes_to_fuzz
import tifffile
from PIL import Image

LONGEST_S = 5.0
MOST_MB = 500
LIMIT_MB = 2048  # of address space, beyond what the child has when it begins
EXTREMES = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)

PNG = b"\x89PNG\r\n\x1a\n"

RANDOM = np.random.default_rng(7)
GREY = RANDOM.integers(0, 256, (96, 128), dtype=np.uint8)
RGB = RANDOM.integers(0, 256, (96, 128, 3), dtype=np.uint8)


def tiff(image: np.ndarray = GREY, **options: object) -> Callable[[], bytes]:
    """Make TIFF files with given options."""

    def write() -> bytes:
        file = io.BytesIO()
        tifffile.imwrite(file, image, **{"photometric": "minisblack", **options})
        return file.getvalue()

    return write


def picture(kind: str, image: np.ndarray = GREY, **options: object) -> Callable[[], bytes]:
    """Make PNG, JPEG, BMP or GIF files with given options."""

    def write() -> bytes:
        file = io.BytesIO()
        Image.fromarray(image).save(file, kind, **options)
        return file.getvalue()

    return write


def palette_png() -> bytes:
    """Make a PNG of palette indices."""
    file = io.BytesIO()
    Image.fromarray(RGB).quantize(8).save(file, "PNG")
    return file.getvalue()


def interlaced_png() -> bytes:
    """Make an interlaced PNG, which Pillow doesn't write."""
    passes = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2))
    rows = b"".join(
        b"\0" + row.tobytes()
        for x, y, dx, dy in (*passes, (0, 1, 1, 2))
        for row in GREY[y::dy, x::dx]
    )
    parts = [
        (b"IHDR", struct.pack(">IIBBBBB", 128, 96, 8, 0, 0, 0, 1)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    ]
    return PNG + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in parts
    )


def class_table() -> bytes:
    """Make a class table."""
    table = {
        "classes": [
            {"id": 1, "name": "ferrite", "colour": "#ff0000"},
            {"id": 2, "name": "pore", "colour": "#00ff00"},
        ]
    }
    return json.dumps(table).encode()


def model_card() -> bytes:
    """Make a model file of the bundled encoder's card and one small tensor."""
    from safetensors import safe_open
    from safetensors.numpy import save

    from napari_matssl.learn.shipped_weights import weights_path

    with safe_open(weights_path("micrographs"), "np") as file:
        return save({"a": np.zeros(8, np.float32)}, file.metadata())


SOURCES: dict[str, tuple[str, list[Callable[[], bytes]]]] = {
    "TIFF, strips": ("a.tif", [tiff(rowsperstrip=16), tiff(RGB, photometric="rgb")]),
    "TIFF, tiles": ("a.tif", [tiff(tile=(32, 32)), tiff(tile=(32, 32), compression="zlib")]),
    "TIFF, LZW": ("a.tif", [tiff(compression="lzw", rowsperstrip=16, predictor=True)]),
    "TIFF, deflate": ("a.tif", [tiff(compression="zlib", rowsperstrip=16)]),
    "TIFF, JPEG": ("a.tif", [tiff(compression="jpeg", tile=(32, 32))]),
    "TIFF, stack": (
        "a.tif",
        [tiff(np.stack([GREY] * 4)), tiff(np.stack([GREY] * 4), metadata=None)],
    ),
    "TIFF, float": ("a.tif", [tiff(GREY.astype(np.float32)), tiff(GREY.astype(">f8"))]),
    "OME-TIFF": ("a.ome.tif", [tiff(ome=True, metadata={"axes": "YX", "PhysicalSizeX": 0.2})]),
    "ImageJ TIFF": (
        "a.tif",
        [tiff(imagej=True, resolution=(4, 4), metadata={"unit": "um"})],
    ),
    "BigTIFF": ("a.tif", [tiff(bigtiff=True), tiff(bigtiff=True, compression="zlib")]),
    "PNG, 8 bits": ("a.png", [picture("PNG"), picture("PNG", RGB)]),
    "PNG, 16 bits": ("a.png", [picture("PNG", GREY.astype(np.uint16) * 200)]),
    "PNG, palette": ("a.png", [palette_png]),
    "PNG, interlaced": ("a.png", [interlaced_png]),
    "JPEG": ("a.jpg", [picture("JPEG"), picture("JPEG", RGB), picture("JPEG", progressive=True)]),
    "BMP": ("a.bmp", [picture("BMP"), picture("BMP", RGB)]),
    "GIF": ("a.gif", [picture("GIF"), picture("GIF", interlace=0)]),
    "class table": ("classes.json", [class_table]),
    "model card": ("model.safetensors", [model_card]),
    **annotations_to_fuzz.SOURCES,
    **recipes_to_fuzz.SOURCES,
}


def mutate(name: str, raw: bytes, random: np.random.Generator) -> bytes:
    """Change a file: half of the time a field of its structure, else any of its bytes."""
    if random.random() < 0.5:
        if name.endswith(recipes_to_fuzz.SUFFIX):
            return recipes_to_fuzz.change_recipe(raw, random, change_json)
        for start, change in FIELDS.items():
            if raw.startswith(start):
                return change(raw, random)
        if raw[8:9] == b"{":  # safetensors: the length of the JSON, the JSON, the tensors
            return change_card(raw, random)
    changed = change_bytes(raw, random)
    if raw.startswith(PNG) and random.random() < 0.6:
        return with_right_sums(changed)
    return changed


def change_bytes(raw: bytes, random: np.random.Generator) -> bytes:
    """Change bits, numbers, the end, or the order of parts; mostly near the start."""
    changed = bytearray(raw)
    for _ in range(int(random.integers(1, 4))):
        reach = len(changed) if random.random() < 0.5 else min(len(changed), 600)
        place = int(random.integers(max(1, reach)))
        kind = random.choice(["bits", "number", "number", "end", "cut", "twice", "noise"])
        if kind == "bits":
            for _ in range(int(random.integers(1, 12))):
                changed[int(random.integers(max(1, reach)))] ^= 1 << int(random.integers(8))
        elif kind == "number":
            changed[place : place + 4] = extreme(str(random.choice(["<I", ">I", "<H"])), random)
        elif kind == "end":
            del changed[place:]
        elif kind == "cut":
            del changed[place : place + int(random.integers(1, 40))]
        elif kind == "twice":
            changed[place:place] = changed[place : place + int(random.integers(1, 400))]
        else:
            length = int(random.integers(1, 64))
            changed[place : place + length] = random.bytes(length)
        if not changed:
            break
    return bytes(changed)


def extreme(form: str, random: np.random.Generator) -> bytes:
    """Give a number that programs stumble over."""
    value = int(random.choice(EXTREMES)) if random.random() < 0.8 else int(random.integers(2**32))
    return struct.pack(form, value & ((1 << 8 * struct.calcsize(form)) - 1))


def change_tiff(raw: bytes, random: np.random.Generator) -> bytes:
    """Set fields of directory entries (code, type, count, value) or the next directory's place."""
    changed = bytearray(raw)
    order = "<" if raw[:2] == b"II" else ">"
    big = raw[2:4] in (b"+\0", b"\0+")
    place = struct.unpack_from(order + ("Q" if big else "I"), raw, 8 if big else 4)[0]
    head, each, wide = (8, 20, "Q") if big else (2, 12, "I")
    count = struct.unpack_from(order + ("Q" if big else "H"), raw, place)[0]
    for _ in range(int(random.integers(1, 4))):
        entry = place + head + each * int(random.integers(count + 1))
        width = struct.calcsize(wide)
        offset, form = ((0, "H"), (2, "H"), (4, wide), (4 + width, wide))[int(random.integers(4))]
        if entry == place + head + each * count:
            offset, form = 0, wide
        value = extreme(order + form, random)
        if offset == 2:  # a type that there is
            value = struct.pack(order + "H", int(random.integers(1, 19)))
        changed[entry + offset : entry + offset + len(value)] = value
    return bytes(changed)


def change_png(raw: bytes, random: np.random.Generator) -> bytes:
    """Set fields of the header, or put chunks between, with right sums."""
    changed = bytearray(raw)
    if random.random() < 0.6:
        place = int(random.choice([16, 20, 24, 25, 26, 27, 28]))
        form = ">I" if place < 24 else ">B"
        value = extreme(form, random) if random.random() < 0.5 else bytes([random.integers(17)])
        changed[place : place + len(value)] = value
    else:
        kinds = [b"zTXt", b"iTXt", b"tEXt", b"eXIf", b"iCCP", b"acTL", b"PLTE", b"tRNS", b"IDAT"]
        body = random.bytes(int(random.integers(0, 900)))
        kind = kinds[int(random.integers(len(kinds)))]
        changed[33:33] = struct.pack(">I", len(body)) + kind + body + bytes(4)
    return with_right_sums(bytes(changed))


def change_json(raw: bytes, random: np.random.Generator) -> bytes:
    """Put something else for one of the values or keys."""
    others = [
        b"null", b"-1", b"1e999", b"NaN", b"1" * 5000, b'""', b"[]", b"{}", b"[" * 3000, b"true",
        b'"\\ud800"', b'"a\\nb"', b"1.5", b"255", b"256", b'"=1+1"', b'"' + b"x" * 9000 + b'"',
    ]  # fmt: skip
    tokens = re.split(rb'("(?:[^"\\]|\\.)*"|[-+.\w]+)', raw)
    for _ in range(int(random.integers(1, 3))):
        spot = 1 + 2 * int(random.integers(max(1, len(tokens) // 2)))
        if spot < len(tokens):
            tokens[spot] = others[int(random.integers(len(others)))]
    return b"".join(tokens)


def change_xml(raw: bytes, random: np.random.Generator) -> bytes:
    """Put something else for one of the values of attributes."""
    others = [
        b"",
        b"-1",
        b"1e999",
        b"nan",
        b"1" * 5000,
        b"1,2",
        b"1,2;3",
        b"0.5",
        b"&lol;",
        b"99999",
    ]
    tokens = re.split(rb'("[^"]*")', raw)
    for _ in range(int(random.integers(1, 3))):
        spot = 1 + 2 * int(random.integers(len(tokens) // 2))
        tokens[spot] = b'"' + others[int(random.integers(len(others)))] + b'"'
    return b"".join(tokens)


def change_card(raw: bytes, random: np.random.Generator) -> bytes:
    """Change the header of a model file, or the card that stands in it as text."""
    size = struct.unpack("<Q", raw[:8])[0]
    header = raw[8 : 8 + size]
    if random.random() < 0.3:
        changed = change_json(header, random)
    else:
        entries = json.loads(header)
        notes = entries["__metadata__"]
        name = max(notes, key=lambda key: len(notes[key]))
        notes[name] = change_json(notes[name].encode(), random).decode()
        changed = json.dumps(entries).encode()
    return struct.pack("<Q", len(changed)) + changed + raw[8 + size :]


FIELDS: dict[bytes, Callable[[bytes, np.random.Generator], bytes]] = {
    b"II": change_tiff,
    b"MM": change_tiff,
    PNG: change_png,
    b"{": change_json,
    b"<": change_xml,
}


def with_right_sums(raw: bytes) -> bytes:
    """Give the chunks of a PNG their check sums, so that a mutation reaches the decoder."""
    fixed, place = bytearray(raw), 8
    while place + 12 <= len(raw):
        length = struct.unpack_from(">I", raw, place)[0]
        end = place + 12 + length
        if end > len(raw):
            break
        fixed[end - 4 : end] = struct.pack(">I", zlib.crc32(raw[place + 4 : end - 4]))
        place = end
    return bytes(fixed)


def open_file(path: Path) -> str:
    """Open a file as the program does; give the line by which it was refused, or ``""``."""
    from napari_matssl.errors import MatSSLError
    from napari_matssl.labels.class_table_files import read_named_values
    from napari_matssl.learn.card_files import read_card
    from napari_matssl.micrograph.reading import read_micrograph, read_pixels

    refused = ""
    readers = {
        ".json": [read_named_values],
        ".safetensors": [read_card],
        recipes_to_fuzz.SUFFIX: [recipes_to_fuzz.read_to_run],
    }
    chosen = readers.get(path.suffix, [read_micrograph, read_pixels])
    others = path.name.startswith(annotations_to_fuzz.START)
    for read in [annotations_to_fuzz.read_others] if others else chosen:
        try:
            read(path)
        except MatSSLError as error:
            refused = str(error)
            if "\n" in refused or path.name not in refused:
                raise AssertionError(f"not one line that names the file: {refused!r}") from error
    return refused


def serve(pipe: Connection) -> None:
    """Open the files that are asked for, within a limit of memory, and tell what happened."""
    open_file(Path("warm-up.png"))
    open_file(Path("warm-up.json"))
    open_file(Path(f"{annotations_to_fuzz.START}.json"))
    open_file(Path(f"warm-up{recipes_to_fuzz.SUFFIX}"))
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + (LIMIT_MB << 20),) * 2)
    pipe.send(("ready", "", resident_mb()))
    while (path := pipe.recv()) is not None:
        try:
            line = open_file(path)
            pipe.send(("refused" if line else "opened", line, resident_mb()))
        except BaseException as error:  # noqa: BLE001 - whatever escapes is a failure to be told
            pipe.send(("traceback", f"{type(error).__name__}: {error}", resident_mb()))


def resident_mb() -> float:
    """Return the most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


class Child:
    """A process that opens files, replaced when it dies, hangs or has grown."""

    def __init__(self) -> None:
        self.start()

    def start(self) -> None:
        """Begin, and wait until it is ready."""
        context = mp.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()
        _, _, self._before = self._pipe.recv()

    def open(self, path: Path) -> tuple[str, str]:
        """Open a file; give the outcome, and the line or error that came with it."""
        begin = time.monotonic()
        self._pipe.send(path)
        try:
            if not self._pipe.poll(LONGEST_S):
                self.replace()
                return "hang", f"more than {LONGEST_S:.0f} s"
            outcome, line, most = self._pipe.recv()
        except (EOFError, ConnectionError):
            self.replace()
            return "crash", f"the process died after {time.monotonic() - begin:.1f} s"
        if most - self._before > MOST_MB:
            self.replace()
            return "memory", f"{most - self._before:.0f} MB; {line}"
        return outcome, line

    def replace(self) -> None:
        """End it and begin another."""
        self._process.kill()
        self._process.join()
        self.start()

    def close(self) -> None:
        """Let it end."""
        self._pipe.send(None)
        self._process.join(10)


def main() -> None:
    """Run and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=200, help="files per kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="kinds whose name holds this")
    parser.add_argument("--keep", type=Path, help="folder for the files that failed")
    chosen = parser.parse_args()
    child, failed = Child(), 0
    print(f"seed {chosen.seed}, {chosen.count} files per kind\n")
    print("| kind | files | opened | refused in one line | failed |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for kind, (name, sources) in SOURCES.items():
            if chosen.only.lower() not in kind.lower():
                continue
            counts: Counter[str] = Counter()
            notes: list[str] = []
            raws = [write() for write in sources]
            for number in range(chosen.count):
                random = np.random.default_rng([chosen.seed, number, len(kind)])
                path = Path(folder) / name
                path.write_bytes(mutate(name, raws[number % len(raws)], random))
                outcome, line = child.open(path)
                counts[outcome] += 1
                if outcome not in ("opened", "refused"):
                    notes.append(f"  {kind} {number}: {outcome}: {line}")
                    if chosen.keep:
                        chosen.keep.mkdir(parents=True, exist_ok=True)
                        kept = f"{kind.replace(', ', '-').replace(' ', '-')}-{number}{path.suffix}"
                        (chosen.keep / kept).write_bytes(path.read_bytes())
            failed += len(notes)
            opened, refused = counts["opened"], counts["refused"]
            print(f"| {kind} | {chosen.count} | {opened} | {refused} | {len(notes)} |", flush=True)
            print("\n".join(notes[:10]), end="\n" if notes else "", flush=True)
    child.close()
    raise SystemExit(1 if failed else 0)


if __name__ == "__main__":
    main()
