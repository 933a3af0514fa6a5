"""The training loop."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from bench import seeding, training
from bench.errors import FitFailed, InvalidConfig
from bench.exact import exact
from bench.models import create
from bench.tracks import Recipe, Track
from defenses.base import BatchHook, Network

CPU = torch.device("cpu")


def trained(track: Track, images: Tensor, targets: Tensor, seed: int = 1, hook: BatchHook | None = None) -> Network:
    with seeding.stream(0):
        network = create("cuda_convnet", channels=1, side=28, outputs=10)
    return training.train(network, images, targets, recipe=track.recipe, seed=seed, device=CPU, batch_hook=hook)


@pytest.fixture
def images() -> Tensor:
    return torch.rand(48, 1, 28, 28, generator=seeding.generator(5))


@pytest.fixture
def labels() -> Tensor:
    return torch.arange(48) % 10


def same(one: Network, other: Network) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_equal_seeds_give_equal_networks_whatever_the_global_generator(
    tiny_track: Track, images: Tensor, labels: Tensor
) -> None:
    torch.manual_seed(1)
    one = trained(tiny_track, images, labels)
    torch.manual_seed(2)
    assert same(one, trained(tiny_track, images, labels))
    assert not same(one, trained(tiny_track, images, labels, seed=2))
    assert not one.training


def test_within_full_precision_a_training_in_bf16_is_what_it_is_elsewhere(
    tiny_track: Track, images: Tensor, labels: Tensor
) -> None:
    recipe = replace(tiny_track.recipe, precision="bf16", batch_size=16, epochs=2)
    track = replace(tiny_track, recipe=recipe)
    elsewhere = trained(track, images, labels)
    with exact():  # as a fit is
        assert same(elsewhere, trained(track, images, labels))


def test_hard_and_one_hot_targets_train_alike(tiny_track: Track, images: Tensor, labels: Tensor) -> None:
    soft = torch.nn.functional.one_hot(labels, 10).float()
    hard_net, soft_net = trained(tiny_track, images, labels), trained(tiny_track, images, soft)
    assert torch.allclose(hard_net(images), soft_net(images), atol=1e-4)


def test_it_learns(tiny_track: Track) -> None:
    labels = torch.arange(200) % 10
    images = torch.zeros(200, 1, 28, 28)
    for place, label in enumerate(labels.tolist()):
        images[place, 0, 2 * label : 2 * label + 4, 4:24] = 1
    track = replace(tiny_track, recipe=replace(tiny_track.recipe, epochs=25, shift=0))
    network = trained(track, images, labels)
    assert (network(images).argmax(1) == labels).float().mean() > 0.95


def test_the_hook_sees_every_batch_and_its_images_are_trained_on(
    tiny_track: Track, images: Tensor, labels: Tensor
) -> None:
    seen = []

    def darken(network: Network, batch: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        seen.append(len(batch))
        return batch * 0, targets

    dark = trained(tiny_track, images, labels, hook=darken)
    assert seen == [32, 16]
    assert not same(dark, trained(tiny_track, images, labels))


def watched(track: Track, images: Tensor, targets: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Return the images and targets of every batch of a training."""
    seen: list[tuple[Tensor, Tensor]] = []

    def watch(network: Network, batch: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        seen.append((batch, labels))
        return batch, labels

    trained(track, images, targets, hook=watch)
    return seen


def test_every_epoch_has_all_images_in_an_order_of_its_own(tiny_track: Track, images: Tensor) -> None:
    track = replace(tiny_track, recipe=replace(tiny_track.recipe, epochs=2))
    seen = torch.cat([labels for _, labels in watched(track, images, torch.arange(48) % 10)])
    first, second = seen.view(2, 48)
    assert torch.equal(first.sort().values, second.sort().values)
    assert torch.equal(first.sort().values, (torch.arange(48) % 10).sort().values)
    assert not torch.equal(first, second)


def test_what_is_trained_on_is_augmented_as_the_recipe_says(tiny_track: Track, labels: Tensor) -> None:
    points = torch.zeros(48, 1, 28, 28)
    points[:, :, 14, 14] = 1

    def places(shift: int) -> set[int]:
        track = replace(tiny_track, recipe=replace(tiny_track.recipe, shift=shift, flip=False))
        return {place for batch, _ in watched(track, points, labels) for place in batch.flatten(1).argmax(1).tolist()}

    assert places(0) == {14 * 28 + 14}
    assert places(1) == {28 * row + column for row in (13, 14, 15) for column in (13, 14, 15)}


def test_an_optimizer_has_the_recipe_s_decay_for_weights_and_none_for_what_is_no_matrix(tiny_track: Track) -> None:
    network = create("cuda_convnet", channels=1, side=28, outputs=10)
    optimizer, _ = training.stepping(network, replace(tiny_track.recipe, weight_decay=0.3), batches=3)
    found = {value.ndim > 1: group["weight_decay"] for group in optimizer.param_groups for value in group["params"]}
    assert found == {True: 0.3, False: 0.0}


def test_the_rate_is_set_after_every_batch_for_the_next(tiny_track: Track, monkeypatch: pytest.MonkeyPatch) -> None:
    updates: list[int] = []

    class Scheduler:
        def step_update(self, done: int) -> None:
            updates.append(done)

    def stepping(network: Network, recipe: Recipe, batches: int) -> tuple[torch.optim.Optimizer, Scheduler]:
        return torch.optim.SGD(network.parameters(), lr=0.0), Scheduler()

    monkeypatch.setattr(training, "stepping", stepping)
    track = replace(tiny_track, recipe=replace(tiny_track.recipe, epochs=3))
    trained(track, torch.zeros(48, 1, 28, 28), torch.zeros(48, dtype=torch.int64))
    assert updates == [1, 2, 3, 4, 5, 6]


def test_a_loss_that_is_no_number_is_an_error(tiny_track: Track, images: Tensor, labels: Tensor) -> None:
    images[3] = torch.nan
    with pytest.raises(FitFailed, match="loss is nan after epoch 1"):
        trained(tiny_track, images, labels)


def test_progress_counts_every_image_of_every_epoch(tiny_track: Track, images: Tensor, labels: Tensor) -> None:
    counts: list[int] = []
    network = create("cuda_convnet", channels=1, side=28, outputs=10)
    training.train(network, images, labels, recipe=tiny_track.recipe, seed=1, device=CPU, advance=counts.append)
    assert sum(counts) == 48 * tiny_track.recipe.epochs


def test_shifts_move_whole_images_within_their_bound() -> None:
    image = torch.zeros(1, 1, 9, 9)
    image[0, 0, 4, 4] = 1
    many = image.repeat(500, 1, 1, 1)
    with seeding.stream(1):
        moved = training.shifted(many, 2)
    places = moved.flatten(1).argmax(dim=1)
    assert torch.equal(moved.sum(dim=(1, 2, 3)), torch.ones(500))
    assert set(((places // 9) - 4).tolist()) == {-2, -1, 0, 1, 2}
    assert set(((places % 9) - 4).tolist()) == {-2, -1, 0, 1, 2}


def test_a_recipe_that_flips_mirrors_half_of_the_images(tiny_track: Track) -> None:
    images = torch.zeros(400, 1, 2, 2)
    images[:, :, :, 0] = 1
    recipe = replace(tiny_track.recipe, shift=0, flip=True)
    with seeding.stream(1):
        varied = training.augmented(images, recipe)
    mirrored = (varied[:, 0, :, 1] == 1).all(dim=1)
    assert torch.equal(varied[mirrored], images[mirrored].flip(3))
    assert torch.equal(varied[~mirrored], images[~mirrored])
    assert 150 < mirrored.sum() < 250
    assert training.augmented(images, replace(recipe, flip=False)) is images


def test_bf16_is_the_recipes_choice(tiny_track: Track, images: Tensor, labels: Tensor) -> None:
    recipe = replace(tiny_track.recipe, precision="bf16")
    with training.autocast(recipe, CPU):
        assert torch.is_autocast_enabled("cpu")
    with training.autocast(tiny_track.recipe, CPU):
        assert not torch.is_autocast_enabled("cpu")
    with exact(), training.autocast(recipe, CPU):  # as fits are made
        assert torch.is_autocast_enabled("cpu")
    network = trained(replace(tiny_track, recipe=recipe), images, labels)
    assert all(tensor.dtype == torch.float32 for tensor in network.state_dict().values())


@pytest.mark.parametrize(("optimizer", "alone"), [("adamw", True), ("sgd", True), ("lamb", False)])
def test_an_optimizer_steps_on_a_gpu_alone_where_torchs_own_can(
    tiny_track: Track, *, optimizer: str, alone: bool
) -> None:
    network = create("cuda_convnet", channels=1, side=28, outputs=10)
    stepped, _ = training.stepping(network, replace(tiny_track.recipe, optimizer=optimizer), batches=3)
    assert not training.steps_on_gpu(stepped, CPU)
    assert not any(group.get("fused") for group in stepped.param_groups)
    assert training.steps_on_gpu(stepped, torch.device("cuda")) is alone
    assert all(bool(group.get("fused")) is alone for group in stepped.param_groups)


def test_sgd_steps_alike_where_its_rate_is_a_tensor() -> None:
    stepped = []
    for way in (float, torch.tensor):
        value = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
        optimizer = torch.optim.SGD([value], lr=0.1, momentum=0.9, nesterov=True, fused=way is torch.tensor)
        for rate in (0.1, 0.05, 0.01):
            optimizer.param_groups[0]["lr"] = way(rate)
            value.grad = value.detach().clone()
            optimizer.step()
        stepped.append(value.detach())
    torch.testing.assert_close(*stepped)


@pytest.mark.parametrize(
    ("misspelt", "said"),
    [({"optimizer": "adamww"}, r"optimizer 'adamww' .*adamww.*; mend"), ({"schedule": "cosin"}, "'cosin': .*; mend")],
)
def test_an_unknown_optimizer_or_schedule_is_named(tiny_track: Track, misspelt: dict[str, Any], said: str) -> None:
    network = create("cuda_convnet", channels=1, side=28, outputs=10)
    with pytest.raises(InvalidConfig, match=said):
        training.stepping(network, replace(tiny_track.recipe, **misspelt), batches=3)
