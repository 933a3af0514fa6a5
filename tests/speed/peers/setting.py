"""The one setting that every library attacks in: network, images, budgets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bench import fitting, precision, suites, trackdata
from bench.fitting import TrackFitting
from bench.tracks import TRACKS
from defenses.base import Network, in_batches

SEED = 424242  # of the attacked network: no track uses it
KINDS = ("fgs", "ifgs", "tfgs", "deepfool", "cw")

SEARCH: dict[str, Any] = {
    "binary_search_steps": 3,
    "steps": 1000,
    "stepsize": 0.01,  # Foolbox's
    "confidence": 0.0,
    "initial_const": 1.0,  # Foolbox's 0.001 reaches 0.1 in three searches, with which hardly an image is fooled
    "abort_early": True,
}
"""C&W's budget; the suite's own is for images that must transfer."""


@dataclass(frozen=True)
class Setting:
    """A network and the images of one attack: all are classified correctly before it.

    ``images`` are float32 ``(N, C, H, W)`` in [0, 1] and ``labels`` int64 ``(N,)``; ``targets``, int64 ``(N,)``, are
    the least likely classes; ``parameters`` are the budget under the names of ``bench.attacks``.
    """

    kind: str
    network: Network
    images: Tensor
    labels: Tensor
    targets: Tensor
    parameters: dict[str, Any]

    @property
    def targeted(self) -> bool:
        """Whether the attack aims at the targets."""
        return self.kind == "tfgs"


def network_of(track: str, data_dir: Path, epochs: int | None, device: torch.device) -> tuple[Network, Tensor, Tensor]:
    """Return a naive network of a track and the test images that it gets right, with their labels.

    The network is trained on the device, and all are there. Raises ``DataMissing`` where the data is not at hand.
    """
    chosen = precision.on(TRACKS[track], device)
    if epochs is not None:
        chosen = replace(chosen, recipe=replace(chosen.recipe, epochs=epochs, warmup_epochs=min(1, epochs - 1)))
    data = trackdata.assemble(chosen, data_dir, None)
    handed = TrackFitting(chosen, data, device=device, stream=SEED, fitted={}, advance=lambda work: None)
    network = fitting.fit("naive", chosen, handed, floor=0.0).classifier.get_submodule("network")
    assert isinstance(network, Network)
    predicted = in_batches(lambda images: network(images).argmax(1), data.test.images, device)
    right = predicted == data.test.labels
    return network, data.test.images[right].to(device), data.test.labels[right].to(device)


def settings(network: Network, images: Tensor, labels: Tensor, *, track: str, many: int, few: int) -> list[Setting]:
    """Return the setting of every attack: ``many`` images, ``few`` for C&W."""
    suite = suites.load("table1")
    found = []
    for kind in KINDS:
        count = few if kind == "cw" else many
        x, y = images[:count].contiguous(), labels[:count].contiguous()
        with torch.no_grad():
            targets = network(x).argmin(1)
        attack = next(attack for attack in suite.attacks if attack.kind == kind).on(track)
        given = SEARCH if kind == "cw" else attack.spec(track).parameters
        if kind == "deepfool":
            given = given | {"overshoot": 0.02}  # every library's default; the suite's is for images that must transfer
        found.append(Setting(kind, network, x, y, targets, given))
    return found
