"""A training that can be stopped, and its checkpoints."""

import math
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from bench import canonical, seeding, training
from bench.checkpoints import Checkpoints
from bench.models import create
from bench.store import Store
from bench.tracks import TRACKS, Recipe
from defenses.base import Network

CPU = torch.device("cpu")
IMAGES = 40
EPOCHS = 4
RECIPE = replace(TRACKS["digits"].recipe, epochs=EPOCHS, batch_size=32, warmup_epochs=1)
KEY = "ab" * 32


@dataclass
class Workshop:
    """Trains one network again and again over one folder; stops where it is told to."""

    root: Path
    recipe: Recipe = RECIPE
    seed: int = 1
    number: int = 1
    every: float = 0.0
    images: Tensor = field(default_factory=lambda: torch.rand(IMAGES, 1, 28, 28, generator=seeding.generator(5)))
    targets: Tensor = field(default_factory=lambda: torch.arange(IMAGES) % 10)
    told: list[str] = field(default_factory=list)
    warned: list[str] = field(default_factory=list)
    seen: list[int] = field(default_factory=list)

    def checkpoints(self) -> Checkpoints:
        return Checkpoints(Store(self.root), KEY, every=self.every, tell=self.told.append, warn=self.warned.append)

    def network(self) -> Network:
        with seeding.stream(0):
            return create("cuda_convnet", channels=1, side=28, outputs=10)

    def train(self, stop_in: float = math.inf, *, kept: Checkpoints | None = None, alone: bool = False) -> Network:
        """Train, with checkpoints unless alone; raise ``KeyboardInterrupt`` in the middle of epoch ``stop_in``."""
        self.told.clear()
        self.warned.clear()
        self.seen.clear()

        def advance(count: int) -> None:
            self.seen.append(count)
            if sum(self.seen) > (stop_in - 1) * IMAGES:
                raise KeyboardInterrupt

        return training.train(
            self.network(),
            self.images,
            self.targets,
            recipe=self.recipe,
            seed=self.seed,
            device=CPU,
            advance=advance,
            trail=None if alone else (kept or self.checkpoints()).network(self.number),
        )

    def stop(self, epoch: int) -> None:
        with pytest.raises(KeyboardInterrupt):
            self.train(epoch)

    def names(self) -> set[str]:
        return {path.name for path in (self.root / KEY).glob("*")}


@pytest.fixture
def shop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path / "checkpoints")


def weights(network: Network) -> str:
    return canonical.digest({name: canonical.tensor_digest(tensor) for name, tensor in network.state_dict().items()})
