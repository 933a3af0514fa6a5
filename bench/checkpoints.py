"""Keeps networks in training as they stood after an epoch, so that a fit that was stopped goes on from there."""

from __future__ import annotations

import copy
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from bench import canonical, provenance
from bench.errors import CorruptArtifact
from bench.store import Artifact, Store, plain, read_artifact
from bench.tracks import Recipe

FORMAT = 1
"""Version of what a checkpoint holds."""

FOLDER = "checkpoints"
"""Where a store keeps them."""

EVERY = 10.0
"""Seconds of training, at least, from one checkpoint to the next; the last epoch's is always written."""

NETWORK = "network."

Packed = dict[str, Any] | list[Any] | str | float | bool | None


@dataclass
class Checkpoints:
    """The checkpoints of one fit: artifacts ``<key>/<network>.<epochs>`` of a store of their own.

    The caller holds the lock of the fit's key. ``tell`` hears in one line where a training goes on, ``warn`` which
    checkpoint cannot be used. ``resumptions`` is how often the fit has been taken up again, and ``seconds`` how long
    the training took that was taken over.
    """

    store: Store
    key: str
    every: float
    tell: Callable[[str], None]
    warn: Callable[[str], None]
    resumptions: int = 0
    seconds: float = 0.0

    def network(self, number: int) -> Trail:
        """Return the checkpoints of the fit's network with that number, 1 and up."""
        return Trail(self, number)

    @property
    def provenance(self) -> dict[str, int]:
        """What an artifact says of it: how often its fit was taken up again, nothing where it was not."""
        return {"resumed": self.resumptions} if self.resumptions else {}

    @property
    def folder(self) -> Path:
        """Where they lie."""
        return self.store.root / self.key

    def clear(self) -> None:
        """Remove them all."""
        shutil.rmtree(self.folder, ignore_errors=True)


class OfAnother(CorruptArtifact):
    """A checkpoint is whole, and of another training: it is left to that one."""


class Trail:
    """The checkpoints of one network: a new one takes the place of the one before."""

    def __init__(self, fit: Checkpoints, number: int) -> None:
        self._fit = fit
        self._number = number
        self._origin: Mapping[str, str] = {}
        self._before = 0.0  # seconds of training that were taken over
        self._started = self._written = time.monotonic()
        self._unable = False  # to store what the optimizer holds
        self._of_others: set[int] = set()  # epochs of checkpoints that another environment, say, goes on from

    def resume(self, network: nn.Module, optimizer: Optimizer, origin: Mapping[str, str], epochs: int) -> int:
        """Bring a network and its fresh optimizer to where they stood; return the number of epochs that are done.

        ``origin`` is what the training is of (``origin()`` below): a checkpoint of anything else is not used, nor one
        that is damaged; both are told. Where there is none to be used nothing changes, and 0 is returned.
        """
        self._origin = origin
        for done in self._kept():
            try:
                artifact = read_artifact(self._fit.folder / self._name(done))
                check(artifact, origin)
                restore(network, optimizer, artifact)
            except CorruptArtifact as error:
                self._fit.warn(f"{error}; that checkpoint is not used")
                if isinstance(error, OfAnother):
                    self._of_others.add(done)
            else:
                self._take_over(artifact.meta)
                self._fit.tell(f"{self._title}goes on after epoch {done} of {epochs}")
                return done
        return 0

    def reached(self, done: int, epochs: int, network: nn.Module, optimizer: Optimizer) -> None:
        """Keep a network that is ``done`` of its epochs old; not if the last was kept only moments ago.

        The time decides only whether there is a checkpoint, never what comes out. A finished network is always kept:
        the fit may have others to train. It needs its optimizer no more. Raises ``OSError``.
        """
        finished = done == epochs
        now = time.monotonic()
        if not finished and (self._unable or now - self._written < self._fit.every):
            return
        tensors: dict[str, Tensor] = {}
        try:
            state = None if finished else pack(optimizer.state_dict(), tensors)
            canonical.encode(state)
        except (TypeError, ValueError) as error:
            self._fit.warn(f"{self._title}has no checkpoints: {type(optimizer).__name__} cannot be stored: {error}")
            self._unable = True
            return
        tensors |= {NETWORK + name: tensor for name, tensor in network.state_dict().items()}
        meta = {
            "optimizer": state,
            "seconds": self._before + now - self._started,
            "resumptions": self._fit.resumptions,
        }
        self._fit.store.write(
            self._fit.key, self._name(done), meta=meta, tensors=tensors, inputs=self._origin, provenance={}
        )
        self._of_others.discard(done)
        for other in self._kept():
            if other != done and other not in self._of_others:
                self._fit.store.discard(self._fit.key, self._name(other))
        self._written = time.monotonic()

    @property
    def _title(self) -> str:
        return f"network {self._number} " if self._number > 1 else ""

    def _name(self, done: int) -> str:
        return f"{self._number}.{done}"

    def _kept(self) -> list[int]:
        """Return after how many epochs there are checkpoints, the latest first."""
        found = (path.name.removeprefix(f"{self._number}.") for path in self._fit.folder.glob(f"{self._number}.*"))
        return sorted((int(done) for done in found if done.isdigit()), reverse=True)

    def _take_over(self, meta: Mapping[str, Any]) -> None:
        """Count what a checkpoint says of the runs before."""
        self._before = meta["seconds"]
        self._fit.seconds += self._before
        self._fit.resumptions = max(self._fit.resumptions, meta["resumptions"] + 1)


def origin(
    network: nn.Module, images: Tensor, targets: Tensor, *, recipe: Recipe, seed: int, device: torch.device
) -> dict[str, str]:
    """Return the digests of all that a training is a function of, by name, save its batch hook, whose code the key has.

    Fits of equal keys have equal recipes; that the images are the same too follows from the defense's code, unless it
    chooses otherwise than by its generator. Digests leave nothing to that.
    """
    weights = {name: canonical.tensor_digest(tensor) for name, tensor in network.state_dict().items()}
    return {
        "format": canonical.digest(FORMAT),
        "starting weights": canonical.digest(weights),
        "images": canonical.tensor_digest(images),
        "targets": canonical.tensor_digest(targets),
        "recipe": canonical.digest(asdict(recipe)),
        "seed": canonical.digest(seed),
        "environment": canonical.digest(provenance.of_training(device)),
    }


def check(artifact: Artifact, wanted: Mapping[str, str]) -> None:
    """Raise ``OfAnother`` where a checkpoint is of another training than wanted."""
    differing = [name for name in wanted if artifact.inputs.get(name) != wanted[name]]
    if differing:
        raise OfAnother(f"{artifact.path}: is of other {', '.join(differing)}")


def restore(network: nn.Module, optimizer: Optimizer, artifact: Artifact) -> None:
    """Bring a network and its optimizer to where a checkpoint of the same training left them, or leave both alone.

    Raises ``CorruptArtifact`` where the optimizer, once loaded, is not what it was: not every one loads all it says.
    """
    tensors = artifact.tensors()
    weights = {name.removeprefix(NETWORK): tensor for name, tensor in tensors.items() if name.startswith(NETWORK)}
    packed = artifact.meta["optimizer"]
    if packed is not None:
        fresh = copy.deepcopy(optimizer.state_dict())
        device = next(network.parameters()).device
        optimizer.load_state_dict(unpack(packed, tensors, device))
        again: dict[str, Tensor] = {}
        same = pack(optimizer.state_dict(), again) == packed
        if not same or not all(torch.equal(plain(tensor), tensors[name]) for name, tensor in again.items()):
            optimizer.load_state_dict(fresh)
            raise CorruptArtifact(f"{artifact.path}: {type(optimizer).__name__} does not take back what it gave")
    network.load_state_dict(weights, strict=True)


def pack(value: object, tensors: dict[str, Tensor]) -> Packed:
    """Return a value of nested dicts, lists and tuples as JSON; its tensors are added to ``tensors`` and named there.

    A tensor's strides are kept, since what a sum rounds to can depend on them, and whether it is on the CPU: a counter
    of steps may be, of a network that is not. Raises ``TypeError`` where something in it is no number, text or tensor.
    """
    if isinstance(value, Tensor):
        name = str(len(tensors))
        tensors[name] = value
        return {"tensor": name, "stride": list(value.stride()), "cpu": value.device.type == "cpu"}
    if isinstance(value, dict):
        return {"dict": [[key, pack(item, tensors)] for key, item in value.items()]}
    if isinstance(value, tuple):
        return {"tuple": [pack(item, tensors) for item in value]}
    if isinstance(value, list):
        return [pack(item, tensors) for item in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"a {type(value).__name__} is no JSON")


def unpack(packed: Any, tensors: Mapping[str, Tensor], device: torch.device) -> Any:
    """Return the value that ``pack`` was given; tensors are on ``device``, or the CPU where they were."""
    if isinstance(packed, list):
        return [unpack(item, tensors, device) for item in packed]
    if not isinstance(packed, dict):
        return packed
    if "dict" in packed:
        return {key: unpack(item, tensors, device) for key, item in packed["dict"]}
    if "tuple" in packed:
        return tuple(unpack(item, tensors, device) for item in packed["tuple"])
    kept = tensors[packed["tensor"]]
    place = torch.device("cpu") if packed["cpu"] else device
    return torch.empty_strided(kept.shape, packed["stride"], dtype=kept.dtype, device=place).copy_(kept)
