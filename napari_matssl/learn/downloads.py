"""Downloads of ImageNet weights: announced, bounded in time, interruptible.

The hub's client waits and retries for minutes where packets are dropped, and can't be interrupted
meanwhile. So it works in a thread of its own, with a timeout here.
"""

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlparse
from urllib.request import getproxies

import segmentation_models_pytorch as smp
import timm
from huggingface_hub import constants, hf_hub_download, try_to_load_from_cache
from huggingface_hub.errors import EntryNotFoundError
from huggingface_hub.utils.tqdm import tqdm
from torch import Tensor

from napari_matssl.errors import StoppedError, WeightsError
from napari_matssl.learn.encoders import outline
from napari_matssl.progress import Control, Job, Progress

log = logging.getLogger(__name__)

PATIENCE_S = 15.0
"""A download of which nothing arrives for so long is given up, s."""

OFFLINE_REMEDY = (
    "Use tf_efficientnet_lite0, whose weights are installed "
    "with the program; or give a file of weights; or ask for random."
)

_STAGE = "fetching weights"
_LOOK_S = 0.1
_FALLBACK = "pytorch_model.bin"


@dataclass(frozen=True)
class HubFile:
    """A file of weights on the hub.

    Parameters
    ----------
    repository, name, revision
        Where it is.
    """

    repository: str
    name: str = "model.safetensors"
    revision: str | None = None

    def on_disk(self) -> Path | None:
        """Return the path of the cached file; None if it isn't cached."""
        for name in (self.name, _FALLBACK):
            found = try_to_load_from_cache(self.repository, name, revision=self.revision)
            if isinstance(found, str):
                return Path(found)
        return None


def hub_file(name_in_smp: str) -> HubFile:
    """Return where the ImageNet weights of an encoder are.

    Parameters
    ----------
    name_in_smp
        Its name in segmentation-models-pytorch.

    Raises
    ------
    WeightsError
        If there are none.
    """
    if name_in_smp.startswith("tu-"):
        try:
            of_timm = timm.get_pretrained_cfg(name_in_smp.removeprefix("tu-"))
        except RuntimeError:  # a tag that timm doesn't have
            of_timm = None
        if of_timm is not None and of_timm.hf_hub_id:
            repository, _, revision = of_timm.hf_hub_id.partition("@")
            name = of_timm.hf_hub_filename or HubFile.name
            return HubFile(repository, name, revision or None)
    else:
        of_smp = smp.encoders.encoders[name_in_smp]["pretrained_settings"].get("imagenet")
        if of_smp is not None:
            return HubFile(of_smp["repo_id"], revision=of_smp["revision"])
    raise WeightsError(
        f"There are no ImageNet weights of {name_in_smp.removeprefix('tu-')!r} to fetch.",
        OFFLINE_REMEDY,
        settings="encoder weights",
    )


def fetch(name_in_smp: str) -> Job[Path]:
    """Fetch the ImageNet weights of an encoder, unless they are on this machine.

    Yields
    ------
    A progress ten times a second; the first names file and source.

    Raises
    ------
    WeightsError
        If there are none, the hub can't be reached, or nothing arrives for :data:`PATIENCE_S`.
    StoppedError
        If STOP was sent.
    """
    file = hub_file(name_in_smp)
    there = file.on_disk()
    if there is not None:
        return there
    where = f"{file.repository} on {urlparse(constants.ENDPOINT).hostname}"
    name = name_in_smp.removeprefix("tu-")
    message = f"Fetching the ImageNet weights of {name} from {where}"
    size = f"about {_size_mb(name_in_smp):.0f} MB."
    yield Progress(_STAGE, 0, 1, message=f"{message}, {size}", passing=True)
    transfer = _Transfer(file)
    transfer.start()
    seen, since = transfer.arrived, time.monotonic()
    while not transfer.done.wait(_LOOK_S):
        if transfer.arrived != seen:
            seen, since = transfer.arrived, time.monotonic()
        if time.monotonic() - since > PATIENCE_S:
            raise _failed(name, f"{where}: nothing arrived for {PATIENCE_S:g} s")
        share = min(seen / transfer.expected, 1.0) if transfer.expected else 0.0
        if (yield Progress(_STAGE, share, 1)) is Control.STOP:
            raise StoppedError("Stopped while fetching weights.")
    if transfer.path is None:
        log.info("download of %s failed", name, exc_info=transfer.error)
        lines = str(transfer.error).splitlines() or [type(transfer.error).__name__]
        raise _failed(name, f"{where}: {lines[0][:120]}")
    return transfer.path


def _failed(name: str, reason: str) -> WeightsError:
    return WeightsError(
        f"ImageNet weights of {name!r} are not on this machine and can't be downloaded ({reason}).",
        OFFLINE_REMEDY,
        settings="encoder weights",
    )


def _size_mb(name_in_smp: str) -> float:
    """Estimate the size of a file by the number of weights, MB."""
    with outline():
        state: dict[str, Tensor] = smp.encoders.get_encoder(name_in_smp, weights=None).state_dict()
    return 4 * sum(weights.numel() for weights in state.values()) / 1e6


@dataclass
class _Transfer:
    """One download, in a daemon thread that can be left behind."""

    file: HubFile
    arrived: int = 0
    expected: int = 0
    path: Path | None = None
    error: BaseException | None = None
    done: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        """Begin."""
        threading.Thread(target=self._run, name="fetching weights", daemon=True).start()

    def _run(self) -> None:
        try:
            _check_address()
            with _silent():
                self.path = self._fetch()
        except Exception as error:  # noqa: BLE001 - of many libraries; fetch() raises it in words
            self.error = error
        finally:
            self.done.set()

    def _fetch(self) -> Path:
        for name in (self.file.name, _FALLBACK):
            try:
                found = hf_hub_download(
                    self.file.repository,
                    name,
                    revision=self.file.revision,
                    endpoint=constants.ENDPOINT,
                    tqdm_class=_counter(self._count),
                )
                return Path(found)
            except EntryNotFoundError as error:
                self.error = error
        assert self.error is not None
        raise self.error

    def _count(self, arrived: int, expected: int) -> None:
        self.arrived += arrived
        self.expected = max(self.expected, expected)


def _counter(count: Callable[[int, int], None]) -> type[Any]:
    """Make a progress bar that shows nothing and counts what arrives."""

    class Counter(tqdm):
        def __init__(self, *values: Any, **named: Any) -> None:
            super().__init__(*values, **{**named, "disable": True})  # type: ignore[no-untyped-call]
            count(0, int(named.get("total") or 0))

        def update(self, n: float | None = 1) -> bool | None:
            count(int(n or 0), 0)
            shown: bool | None = super().update(n)
            return shown

    return Counter


def _check_address() -> None:
    """Fail at once where the hub's host can't even be found; a proxy finds hosts itself."""
    if not getproxies():
        socket.getaddrinfo(urlparse(constants.ENDPOINT).hostname, 443)


@contextmanager
def _silent() -> Iterator[None]:
    """Keep the hub's client from printing warnings of its own."""
    logger = logging.getLogger("huggingface_hub")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)
