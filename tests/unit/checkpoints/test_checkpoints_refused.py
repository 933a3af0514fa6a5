"""A checkpoint of another training, or a damaged one, is not used; what cannot be kept is told."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from bench import provenance, seeding
from bench.models import create
from bench.store import MANIFEST, TENSORS, Store
from tests.unit.checkpoints.conftest import CPU, EPOCHS, IMAGES, KEY, RECIPE, Workshop, weights


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


def test_a_checkpoint_of_another_environment_is_left_to_it(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    undisturbed = weights(shop.train(alone=True))
    shop.stop(4)
    own = provenance.environment(CPU)
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(provenance, "environment", lambda device: own | {"threads": 99})
        shop.stop(3)
        assert shop.names() == {"1.3", "1.2"}
    assert weights(shop.train()) == undisturbed
    assert shop.told == [f"goes on after epoch 3 of {EPOCHS}"]
    assert shop.names() == {f"1.{EPOCHS}"}


@pytest.mark.parametrize(("package", "goes_on"), [("matplotlib", True), ("torch", False)])
def test_a_training_goes_on_after_an_upgrade_of_what_it_takes_no_step_by(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch, package: str, *, goes_on: bool
) -> None:
    shop.stop(3)
    own = provenance.environment(CPU)
    upgraded = own | {"versions": own["versions"] | {package: "99"}}
    monkeypatch.setattr(provenance, "environment", lambda device: upgraded)
    shop.train()
    assert bool(shop.told) is goes_on
    assert bool(shop.warned) is not goes_on


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
