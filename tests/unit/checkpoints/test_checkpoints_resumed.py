"""A training that was stopped goes on from its checkpoint, and ends as if it had not been."""

import json
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from bench import canonical, checkpoints
from bench.store import MANIFEST, Store
from tests.unit.checkpoints.conftest import CPU, EPOCHS, IMAGES, KEY, RECIPE, Workshop, weights


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
