"""Published weights: recognition of their network, and names of their tensors.

A name in a file and a name in an encoder differ by what was wrapped round it: ``backbone.``,
``module.``, ``encoder_q.``. Heads that classified photographs stay behind, as they do where
segmentation-models-pytorch loads such files.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from napari_matssl.learn.encoder_signatures import SIGNATURES
from napari_matssl.learn.pickled import Shape

_HEADS = ("fc", "_fc", "classifier", "last_linear", "head", "linear", "head_fc")
"""First parts of the names of classifiers (torchvision, pretrainedmodels, timm and others)."""

_SLOW_COPY = re.compile(r"(^|[._])(k|key|momentum|teacher|ema|target)([._]|$)")
"""Part of the name of a copy of the encoder that follows it slowly."""

_OLD_DENSENET = re.compile(r"(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\..*)")

_SWIN_MERGING = re.compile(r"layers\.(\d+)\.downsample\.")
"""Merging of patches in a Swin: at the end of a stage by its authors, timm has it at the start."""

_SWIN_BUFFERS = ("relative_position_index", "attn_mask")
"""What a Swin computes by itself."""

_IN_SEQUENCE = {
    "0": "conv1",
    "1": "bn1",
    "4": "layer1",
    "5": "layer2",
    "6": "layer3",
    "7": "layer4",
}
"""Parts of a ResNet by their places in a sequence."""

_DEEPEST_PREFIX = 4
_FEWEST = 8
"""No encoder has fewer tensors."""


@dataclass(frozen=True)
class Published:
    """Content of a published file of weights.

    Parameters
    ----------
    encoder
        As segmentation-models-pytorch calls it.
    classes
        Channels of a U-Net++ around it; None if there is the encoder alone.
    prefix
        Of the names of the whole U-Net++.
    """

    encoder: str
    classes: int | None = None
    prefix: str = ""


def identify(shapes: Mapping[str, Shape]) -> Published | None:
    """Recognise the encoder of a published state dict by its tensors; None if it isn't known."""
    for prefix in _prefixes(shapes):
        stored = without_heads(bare_names(shapes, prefix))
        name = SIGNATURES.get(signature({bare: shapes[name] for bare, name in stored.items()}))
        if name is None:
            continue
        outer = prefix.removesuffix("encoder.")
        head = shapes.get(f"{outer}segmentation_head.0.weight")
        plus_plus = f"{outer}decoder.blocks.x_0_0.conv1.0.weight" in shapes
        if outer == prefix or head is None or len(head) != 4 or not plus_plus:
            return Published(name)
        return Published(name, head[0], outer)
    return None


def signature(shapes: Mapping[str, Shape]) -> str:
    """Hash names and shapes of all tensors but counters of batches; it identifies an encoder."""
    lines = (
        f"{name}:{tuple(shape)}\n"
        for name, shape in sorted(shapes.items())
        if not name.endswith("num_batches_tracked")
    )
    return hashlib.sha256("".join(lines).encode()).hexdigest()[:12]


def match_names(names: Iterable[str], own: Iterable[str]) -> dict[str, str]:
    """Find an encoder's tensors in a state dict.

    Parameters
    ----------
    names
        Names in the file.
    own
        Names of the encoder's tensors.

    Returns
    -------
    For each tensor under the prefix that fits best its name there, by the encoder's own name where
    it has such a tensor, else by the bare one. Classifiers are left out.
    """
    names = list(names)
    plain = {_plain(name): name for name in own}
    best: dict[str, str] = {}
    most = -1
    for prefix in _prefixes(names):
        bare = bare_names(names, prefix)
        fitting = sum(_plain(name) in plain for name in bare)
        if fitting > most:
            most, best = fitting, bare
    found = {plain.get(_plain(bare), bare): stored for bare, stored in best.items()}
    heads = found.keys() - without_heads(found).keys() - set(plain.values())
    return {
        name: stored
        for name, stored in found.items()
        if name not in heads and not name.endswith(_SWIN_BUFFERS)
    }


def bare_names(names: Iterable[str], prefix: str) -> dict[str, str]:
    """Strip what was wrapped round an encoder; names in the file by bare ones."""
    inside = {}
    for stored in names:
        if not stored.startswith(prefix):
            continue
        parts = [part for part in stored[len(prefix) :].split(".") if part != "module"]
        if parts[0].isdecimal():
            parts[0] = _IN_SEQUENCE.get(parts[0], parts[0])
        inside[_OLD_DENSENET.sub(r"\1\2", ".".join(parts))] = stored
    if any(bare.startswith("layers.0.downsample.") for bare in inside):
        inside = {_SWIN_MERGING.sub(_next_stage, bare): stored for bare, stored in inside.items()}
    return inside


def _next_stage(merging: re.Match[str]) -> str:
    return f"layers.{int(merging[1]) + 1}.downsample."


def without_heads(stored: Mapping[str, str]) -> dict[str, str]:
    """Leave out the classifiers of photographs."""
    return {bare: name for bare, name in stored.items() if bare.split(".")[0] not in _HEADS}


def _plain(name: str) -> str:
    """Write a name alike for timm's networks as they are and as lists of features."""
    return name.removeprefix("model.").replace(".", "_")


def _prefixes(names: Iterable[str]) -> Iterator[str]:
    """Return possible prefixes of an encoder's names: short ones first, momentum copies last."""
    counts: dict[str, int] = {"": _FEWEST}
    for name in names:
        parts = name.split(".")
        for depth in range(1, min(len(parts), _DEEPEST_PREFIX + 1)):
            prefix = ".".join(parts[:depth]) + "."
            counts[prefix] = counts.get(prefix, 0) + 1
    found = [prefix for prefix, count in counts.items() if count >= _FEWEST]
    yield from sorted(found, key=lambda p: (_SLOW_COPY.search(p) is not None, p.count(".")))
