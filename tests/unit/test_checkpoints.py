"""Checkpoints: a training that was stopped after any epoch ends as the one that was not."""

import json
import math
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from bench import canonical, checkpoints, provenance, seeding, training
from bench.checkpoints import Checkpoints
from bench.models import create
from bench.store import MANIFEST, TENSORS, Store
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


@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "lamb", "muon", "lookahead_adamw"])
def test_stopped_after_any_epoch_it_ends_as_if_it_had_not_been(shop: Workshop, optimizer: str) -> None:
    shop.recipe = replace(RECIPE, optimizer=optimizer, learning_rate=1e-3)
    undisturbed = weights(shop.train(alone=True))
    for done in range(EPOCHS):
        shop.stop(done + 1)
        resumed = shop.train()
        assert weights(resumed) == undisturbed
        assert not resumed.training
        assert shop.told == ([f"goes on after epoch {done} of {EPOCHS}"] if done else [])
        assert not shop.warned
        shop.checkpoints().clear()


def test_stopped_in_every_epoch_it_repeats_only_that_one(shop: Workshop) -> None:
    shop.recipe = replace(RECIPE, precision="bf16", flip=True)
    undisturbed = weights(shop.train(alone=True))
    for epoch in range(1, EPOCHS + 1):
        shop.stop(epoch)
        if epoch > 2:
            assert shop.seen == [(epoch - 2) * IMAGES, 32, 8, 32]
    assert weights(shop.train()) == undisturbed
    assert sum(shop.seen) == EPOCHS * IMAGES


def test_a_finished_network_is_not_trained_again(shop: Workshop) -> None:
    finished = weights(shop.train())
    assert shop.names() == {f"1.{EPOCHS}"}
    assert weights(shop.train()) == finished
    assert shop.seen == [EPOCHS * IMAGES]
    assert shop.told == [f"goes on after epoch {EPOCHS} of {EPOCHS}"]


def test_only_the_last_epoch_is_kept_of_each_network(shop: Workshop) -> None:
    shop.train()
    shop.number, shop.seed = 11, 2
    shop.stop(3)
    shop.number, shop.seed = 2, 3
    shop.stop(4)
    assert shop.names() == {f"1.{EPOCHS}", "11.2", "2.3"}
    shop.train()
    assert shop.told == [f"network 2 goes on after epoch 3 of {EPOCHS}"]
    shop.checkpoints().clear()
    assert list(shop.root.iterdir()) == []


def test_between_checkpoints_there_is_the_time_that_was_asked_for(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = 0.0
    kept = []

    def tick() -> float:
        return clock

    def write(self: Store, stage: str, key: str, **rest: object) -> None:
        kept.append(key)

    monkeypatch.setattr("bench.checkpoints.time.monotonic", tick)
    monkeypatch.setattr(Store, "write", write)
    shop.every = 10.0
    trail = shop.checkpoints().network(1)
    network = shop.network()
    optimizer = torch.optim.SGD(network.parameters())
    for epoch, clock in enumerate((9.0, 10.0, 19.9, 20.0, 29.9, 40.0, 41.0), start=1):  # noqa: B007  tick() reads it
        trail.reached(epoch, 7, network, optimizer)
    assert kept == ["1.2", "1.4", "1.6", "1.7"]


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"recipe": replace(RECIPE, learning_rate=1e-3)}, "recipe"),
        ({"seed": 2}, "seed"),
        ({"images": torch.zeros(IMAGES, 1, 28, 28)}, "images"),
        ({"targets": torch.zeros(IMAGES, dtype=torch.int64)}, "targets"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_checkpoint_of_another_training_is_not_used(
    shop: Workshop, changes: dict[str, object], what: str, tmp_path: Path
) -> None:
    shop.stop(3)
    other = replace(shop, **changes)  # type: ignore[arg-type]
    assert weights(other.train()) == weights(replace(other, root=tmp_path / "empty").train())
    shop.checkpoints().clear()
    shop.stop(3)
    other.train()
    assert other.warned == [f"{shop.root / KEY / '1.2'}: is of other {what}; that checkpoint is not used"]
    assert other.told == []


def test_a_checkpoint_of_another_start_or_environment_is_not_used(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.stop(3)
    own = provenance.environment(CPU)
    with seeding.stream(7):
        other = create("cuda_convnet", channels=1, side=28, outputs=10)
    monkeypatch.setattr(Workshop, "network", lambda self: other)
    monkeypatch.setattr(provenance, "environment", lambda device: own | {"threads": 99})
    shop.stop(1)
    assert shop.warned == [
        f"{shop.root / KEY / '1.2'}: is of other starting weights, environment; that checkpoint is not used"
    ]


@pytest.mark.parametrize("name", [MANIFEST, TENSORS])
@pytest.mark.parametrize("damage", ["flipped", "truncated", "missing"])
def test_a_damaged_checkpoint_is_named_and_the_training_starts_over(shop: Workshop, name: str, damage: str) -> None:
    undisturbed = weights(shop.train(alone=True))
    shop.stop(3)
    file = shop.root / KEY / "1.2" / name
    data = bytearray(file.read_bytes())
    if damage == "flipped":
        data[len(data) // 2] ^= 4
        file.write_bytes(data)
    elif damage == "truncated":
        file.write_bytes(data[:-7])
    else:
        file.unlink()
    assert weights(shop.train()) == undisturbed
    assert shop.told == []
    assert len(shop.warned) == 1
    assert shop.warned[0].startswith(f"{file}: ")
    assert shop.warned[0].endswith("; that checkpoint is not used")
    assert sum(shop.seen) == EPOCHS * IMAGES
    assert shop.names() == {f"1.{EPOCHS}"}


def test_killed_while_it_writes_it_goes_on_from_the_one_before(shop: Workshop) -> None:
    undisturbed = weights(shop.train(alone=True))
    shop.stop(4)
    (shop.root / KEY / "1.4.partial").mkdir()
    assert weights(shop.train()) == undisturbed
    assert shop.told == [f"goes on after epoch 3 of {EPOCHS}"]


def test_killed_before_the_older_one_was_removed_it_takes_the_newer_or_the_whole_one(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = weights(shop.train(alone=True))
    monkeypatch.setattr(Store, "discard", lambda self, stage, key: None)
    shop.stop(4)
    monkeypatch.undo()
    assert shop.names() == {"1.1", "1.2", "1.3"}
    (shop.root / KEY / "1.3" / TENSORS).unlink()
    assert weights(shop.train()) == undisturbed
    assert shop.told == [f"goes on after epoch 2 of {EPOCHS}"]
    assert shop.names() == {f"1.{EPOCHS}"}


def test_an_optimizer_that_cannot_be_stored_is_told_once_and_trains_on(shop: Workshop) -> None:
    shop.recipe = replace(RECIPE, optimizer="adafactorbv")
    undisturbed = weights(shop.train(alone=True))
    shop.stop(EPOCHS)
    assert shop.warned == ["has no checkpoints: AdafactorBigVision cannot be stored: a dtype is no JSON"]
    assert weights(shop.train()) == undisturbed
    assert shop.names() == {f"1.{EPOCHS}"}


def test_an_optimizer_that_does_not_take_back_what_it_gave_starts_over(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = weights(shop.train(alone=True))
    shop.stop(3)
    load = torch.optim.AdamW.load_state_dict

    def forgetful(self: torch.optim.AdamW, state: dict[str, object]) -> None:
        load(self, state)
        for held in self.state.values():
            held["exp_avg"] = held["exp_avg"] * 0

    monkeypatch.setattr(torch.optim.AdamW, "load_state_dict", forgetful)
    assert weights(shop.train()) == undisturbed
    assert shop.warned == [
        f"{shop.root / KEY / '1.2'}: AdamW does not take back what it gave; that checkpoint is not used"
    ]


def test_a_full_disk_is_an_error_as_everywhere(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("bench.store.write_file", full)
    with pytest.raises(OSError, match="No space left"):
        shop.train()
    assert shop.names() == set()


def test_times_and_resumptions_are_counted_over_all_runs(shop: Workshop) -> None:
    first = shop.checkpoints()
    with pytest.raises(KeyboardInterrupt):
        shop.train(3, kept=first)
    assert (first.resumptions, first.seconds, first.provenance) == (0, 0.0, {})
    spent = [json.loads((shop.root / KEY / "1.2" / MANIFEST).read_bytes())["meta"]["seconds"]]
    second = shop.checkpoints()
    with pytest.raises(KeyboardInterrupt):
        shop.train(4, kept=second)
    spent.append(json.loads((shop.root / KEY / "1.3" / MANIFEST).read_bytes())["meta"]["seconds"])
    third = shop.checkpoints()
    shop.train(kept=third)
    assert [first.seconds, second.seconds, third.seconds] == [0.0, *spent]
    assert 0 < spent[0] < spent[1]
    assert second.provenance == {"resumed": 1}
    assert third.provenance == {"resumed": 2}


def test_what_is_packed_is_unpacked_as_it_was() -> None:
    value = {
        "state": {
            0: {"step": torch.tensor(3.0), "moment": torch.rand(2, 3, 4, 4).to(memory_format=torch.channels_last)}
        },
        "groups": [
            {"betas": (0.9, 0.999), "rate": 0.1 + 0.2, "amsgrad": False, "what": None, "name": "a", "p": [0, 1]}
        ],
        3: (torch.arange(3), torch.zeros(0), torch.ones(2, dtype=torch.bfloat16)),
    }
    tensors: dict[str, Tensor] = {}
    packed = json.loads(canonical.encode(checkpoints.pack(value, tensors)))
    again = checkpoints.unpack(packed, {name: tensor.contiguous() for name, tensor in tensors.items()}, CPU)
    assert repr(again) == repr(value)
    assert again["state"][0]["moment"].stride() == (48, 1, 12, 3)
    with pytest.raises(TypeError, match="a set is no JSON"):
        checkpoints.pack({"a": [set()]}, {})
