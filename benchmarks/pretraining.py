"""Does pretraining pay? The same fine-tuning from many starts of the encoder.

    python benchmarks/pretraining.py --quick            # under half an hour on two cores
    python benchmarks/pretraining.py                    # hours: the whole grid
    python benchmarks/pretraining.py --starts imagenet "both 20, 2 min" --sets EBC-2 --seeds 0 1 2
    python benchmarks/pretraining.py --levers           # recipes, on the development sets
    python benchmarks/pretraining.py --tables           # only write table and plot again

A start is ``random``, ``imagenet``, ``micrographs`` (comes with the program), or an encoder
pretrained by ``--preset quick`` from ImageNet's weights on N images of the user's own folder
(``own N``, a tenth fewer where there are no more), on other micrographs (``other``: 67 light
optical slices and 40 generated micrographs), or on ``both N``, for some minutes of this machine.
No image that a set tests on is pretrained on. Fine-tuning takes a fixed number of steps, so a busy
machine changes no score.

Every cell (start, set, seed) is kept in ``benchmarks/pretraining.json`` and not computed again,
unless ``--again``; encoders are kept in ``--encoders``. Table and plot go into
``benchmarks/NOTES.md``. Needs the data that tests marked ``real`` use.
"""

import argparse
import datetime
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import real_sets
import sets
from development import development_sets
from pretraining_tables import write_tables
from recipes import changes, look, train
from scoring import figures

from napari_matssl.files import atomic_write
from napari_matssl.labels.painted import PaintedMicrograph
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.progress import drain
from napari_matssl.samples import MATERIALS, make_sample
from napari_matssl.settings import FinetuneSettings, PredictSettings, PretrainSettings
from napari_matssl.tasks.inputs import read_folder
from napari_matssl.tasks.pretrain.job import pretrain

HERE = Path(__file__).parent
RESULTS = HERE / "pretraining.json"
NOTES = HERE / "NOTES.md"

INTERACTIVE_1, INTERACTIVE_4 = 57, 113
"""Steps of the preset ``interactive`` in its minutes, from strokes on one image and on four."""

READY = ("random", "imagenet", "micrographs")
"""Starts that need no pretraining here."""


@dataclass(frozen=True)
class Start:
    """What an encoder starts from: see the top of this file.

    Parameters
    ----------
    source
        ``"random"``, ``"imagenet"``, ``"micrographs"``, ``"own"``, ``"other"`` or ``"both"``.
    images
        Of the user's own folder.
    minutes
        Of pretraining.
    """

    source: str
    images: int = 0
    minutes: float = 0.0

    @classmethod
    def of(cls, text: str) -> "Start":
        """Read ``"both 20, 10 min"``.

        Raises
        ------
        ValueError
            If it is no start.
        """
        if text in READY:
            return cls(text)
        found = re.fullmatch(r"(own|other|both)(?: (\d+))?, ([\d.]+) min", text)
        if found is None or (found[1] == "other") != (found[2] is None):
            raise ValueError(f'{text!r} is no start: {", ".join(READY)}, or like "both 20, 10 min"')
        return cls(found[1], int(found[2] or 0), float(found[3]))


@dataclass(frozen=True)
class Case:
    """A set to fine-tune on, how long, and the images that its user has.

    Parameters
    ----------
    make
        Gives the set for a seed, which draws the strokes where there are any.
    steps
        Of fine-tuning.
    own
        The folder of the user, without test images, those that are painted first.
    """

    make: Callable[[int], sets.BenchmarkSet]
    steps: int
    own: Callable[[], list[Micrograph]]


def cases(data: Path) -> dict[str, Case]:
    """Name the sets."""
    found = {}
    for split in ("EBC-2", "EBC-3"):
        own = _own_coatings(data, split)
        found[split] = Case(lambda _seed, s=split: real_sets.ebc(data, s), 300, own)
        found[f"{split}, 1 image"] = Case(
            lambda seed, s=split: sets.painted_in_strokes(real_sets.ebc(data, s), 1, seed),
            INTERACTIVE_1,
            own,
        )
    found["EBC-2 strokes"] = Case(
        lambda _seed: real_sets.ebc(data, "EBC-2", True),
        INTERACTIVE_4,
        _own_coatings(data, "EBC-2"),
    )
    for steel in ("MetalDAM", "UHCS"):
        found[f"{steel} S4 strokes"] = Case(
            lambda _seed, n=steel: sets.some(real_sets.steel(data, n, "S4", True), 12),
            INTERACTIVE_4,
            lambda n=steel: _own_steels(data, n),
        )
    for material in ("dual-phase", "coating"):
        found[f"{material}, 1 image"] = Case(
            lambda seed, m=material: sets.painted_in_strokes(
                sets.synthetic(m, range(1), range(10, 16)), 1, seed
            ),
            INTERACTIVE_1,
            lambda m=material: [make_sample(m, s).micrograph for s in [0, *range(1000, 1059)]],
        )
    return found


def _own_coatings(data: Path, split: str) -> Callable[[], list[Micrograph]]:
    def read() -> list[Micrograph]:
        chosen = real_sets.ebc(data, split)
        first = [p.micrograph for p in (*chosen.training, *chosen.validation)]
        known = {m.name for m in (*first, *(p.micrograph for p in chosen.test))}
        rest = [m for m in read_folder([data / "ebc" / "images"]) if m.name not in known]
        return first + rest

    return read


def _own_steels(data: Path, name: str) -> list[Micrograph]:
    """Give the images painted on, then those without labels: no twin of a labelled one."""
    painted = [p.micrograph for p in real_sets.steel(data, name, "S4", True).training]
    return painted + read_folder([data / name.lower() / "unlabelled"])


QUICK_STARTS = ("imagenet", "own 20, 2 min", "other, 2 min")
QUICK_SETS = ("EBC-2", "dual-phase, 1 image")
STARTS = (
    *READY,
    *(f"own {n}, {m} min" for n, m in ((10, 10), (20, 2), (20, 10), (20, 60), (60, 10))),
    *(f"other, {m} min" for m in (2, 10, 60)),
    *(f"both 20, {m} min" for m in (2, 10, 60)),
)
"""The grid, pruned: the number of images varies at 10 minutes, the minutes at 20 images."""


def encoder(
    start: Start, name: str, own: Callable[[], list[Micrograph]], data: Path, seed: int,
    changed: dict[str, object], folder: Path,
) -> tuple[str, dict[str, Any]]:  # fmt: skip
    """Pretrain what a start needs, or find it; what ``--weights`` takes, and facts of the run."""
    if start.source in READY:
        return start.source, {}
    micrographs = []
    if start.source in ("own", "both"):
        micrographs += own()[: start.images]
    if start.source in ("other", "both"):
        micrographs += other_micrographs(data)
    what = name.partition(",")[0].removesuffix(" strokes") if start.images else "any"
    recipe = "".join(f"-{k}={v}" for k, v in changed.items()).replace("/", "_")
    title = f"{start.source}{start.images}-{what}-{start.minutes:g}min-seed{seed}{recipe}"
    path, facts = folder / f"{title}.safetensors", folder / f"{title}.json"
    if not path.exists():
        settings = PretrainSettings.make({"minutes": start.minutes, "seed": seed, **changed})
        result = drain(pretrain(micrographs, settings))
        folder.mkdir(parents=True, exist_ok=True)
        facts.write_text(
            json.dumps({"images": len(micrographs), "pretrain_steps": result.card.metrics["steps"]})
        )
        result.write(path)
    return str(path), json.loads(facts.read_text())


def other_micrographs(data: Path) -> list[Micrograph]:
    """Micrographs of other specimens: optical slices, and generated ones of every material."""
    made = [make_sample(m, seed).micrograph for m in MATERIALS for seed in range(2000, 2010)]
    return read_folder([data / "am-slices"]) + made


def judge_recipe(given: argparse.Namespace) -> None:
    """Print how a recipe of pretraining does on the development sets, instant and fine-tuned."""
    changed = changes(given.set)
    start = Start.of(given.starts[0]) if given.starts else Start("other", 0, 4.0)
    found: dict[str, list[float]] = {"instant": [], "ours": []}
    for one in development_sets(given.data):

        def own(one: sets.BenchmarkSet = one) -> list[Micrograph]:
            return _development_folder(given.data, one)

        for seed in given.seeds:
            source, _ = encoder(start, one.name, own, given.data, seed, changed, given.encoders)
            strokes = sets.painted_in_strokes(one, 1 if not one.coatings else 4, seed)
            said = []
            for row, preset in (("instant", "instant"), ("ours", "interactive")):
                if row == "ours" and given.instant:
                    continue
                values = {"preset": preset, "weights": source, "epochs": 1, "seed": seed}
                segmenter = train(strokes, FinetuneSettings.make(values), 150)
                result = figures(strokes, look(segmenter, strokes.test, PredictSettings()))
                found[row].append(result["miou"] or 0.0)
                said.append(f"{row} {found[row][-1]:.3f}")
            print(f"{strokes.name}, seed {seed}: {', '.join(said)}", flush=True)
    means = ", ".join(f"{row} {np.mean(v):.3f}" for row, v in found.items() if v)
    print(f"{' '.join(given.set) or 'quick'}, {start}: mean {means}", flush=True)


def _development_folder(data: Path, one: sets.BenchmarkSet) -> list[Micrograph]:
    """Give the folder of a development set, without the images that it tests on.

    For coatings these are its four training images and those that only published splits use.
    """
    if not one.coatings:
        return [p.micrograph for p in one.training] + [
            make_sample(one.name, seed).micrograph for seed in range(1000, 1056)
        ]
    tested = {p.micrograph.name for p in one.test}
    return [m for m in read_folder([data / "ebc" / "images"]) if m.name not in tested]


def main() -> None:
    """Compute what is missing and write table and plot."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--starts", nargs="+", metavar="START")
    parser.add_argument("--sets", nargs="+", metavar="SET")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument(
        "--pretraining-seed", type=int, help="one encoder for all seeds of fine-tuning"
    )
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE")
    parser.add_argument("--levers", action="store_true", help="judge a recipe (--set, one start)")
    parser.add_argument("--instant", action="store_true", help="with --levers: instant only")
    parser.add_argument("--again", action="store_true", help="compute cells that are there, too")
    parser.add_argument("--quick", action="store_true", help="few cells")
    parser.add_argument("--tables", action="store_true", help="compute nothing")
    parser.add_argument("--encoders", type=Path, default=HERE / "encoders")
    parser.add_argument("--results", type=Path, default=RESULTS)
    given = parser.parse_args()
    if given.levers:
        judge_recipe(given)
        return
    if given.set and given.results == RESULTS:
        parser.error("--set needs --results or --levers: the table is of the usual recipe")
    results = json.loads(given.results.read_text()) if given.results.exists() else {}
    known = cases(given.data)
    starts = given.starts or (QUICK_STARTS if given.quick else STARTS)
    wanted = given.sets or (QUICK_SETS if given.quick else list(known))
    if unknown := set(wanted) - known.keys():
        parser.error(f"no such set: {', '.join(unknown)}; there are {', '.join(known)}")
    for seed in [] if given.tables else given.seeds:
        for text in starts:
            for name in wanted:
                key = f"{text} | {name} | {seed}"
                if key in results and not given.again:
                    continue
                if 0.9 * Start.of(text).images > len(known[name].own()):
                    print(f"{key}: there are only {len(known[name].own())} images", flush=True)
                    continue
                found = cell(Start.of(text), name, known[name], seed, given)
                results[key] = found
                print(key, found, flush=True)
                with atomic_write(given.results) as temporary:
                    temporary.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")
    write_tables(results, list(known), NOTES)


def cell(
    start: Start, name: str, case: Case, seed: int, given: argparse.Namespace
) -> dict[str, Any]:
    """Pretrain, fine-tune once and score."""
    chosen, changed = case.make(seed), changes(given.set)
    first = seed if given.pretraining_seed is None else given.pretraining_seed
    source, facts = encoder(start, name, case.own, given.data, first, changed, given.encoders)
    _check_unseen(start, case, chosen.test)
    settings = FinetuneSettings.make({"weights": source, "epochs": 1, "seed": seed})
    segmenter = train(chosen, settings, case.steps)
    result = figures(chosen, look(segmenter, chosen.test, PredictSettings()))
    classes = {name: result[name] for name in chosen.table.names}
    return {
        "miou": result["miou"], "fraction_error": result["fraction_error"], "classes": classes,
        "steps": case.steps, **facts,
        "date": datetime.date.today().isoformat(),
    }  # fmt: skip


def _check_unseen(start: Start, case: Case, test: tuple[PaintedMicrograph, ...]) -> None:
    if start.images:
        seen = {m.name for m in case.own()[: start.images]}
        assert not seen & {one.micrograph.name for one in test}, "pretrained on test images"


if __name__ == "__main__":
    main()
