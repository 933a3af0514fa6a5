"""Steps that are recorded on a GPU: what comes out is what calling them one by one gives."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import cast

import pytest
import torch
from torch import Tensor, nn

from bench import attacks, seeding, training
from bench.attacks.carlini_wagner import PerImageCarliniWagner
from bench.attacks.fast_gradient import BasicIterative
from bench.attacks.foolbox_import import Misclassification, PyTorchModel
from bench.exact import exact
from bench.models import create
from bench.replay import WARM_UPS, Replayed, off, waits
from bench.tracks import Track
from defenses.base import Network

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")

SEARCH = {
    "targets": ["most_likely"],
    "binary_search_steps": 3,
    "steps": 200,
    "stepsize": 0.05,
    "confidence": 0.0,
    "initial_const": 1.0,
    "abort_early": True,
}


def network_on(device: torch.device) -> Network:
    with seeding.stream(0):
        network = create("cuda_convnet", channels=1, side=28, outputs=10)
    with torch.no_grad():
        network.body.get_submodule("classifier").get_parameter("weight").mul_(10)
    return network.to(device)


def pictures(count: int) -> Tensor:
    return torch.rand(count, 1, 28, 28, generator=seeding.generator(5))


def added_up(device: torch.device, calls: int) -> tuple[Replayed[Tensor], Tensor, list[float]]:
    """Return a step that adds what it is given to a sum, the sum after so many calls, and what the calls returned."""
    total = torch.zeros(2, device=device)

    def step(given: Tensor) -> Tensor:
        return total.add_(given).sum()

    replayed = Replayed(step)
    returned = [replayed(torch.full((2,), float(number), device=device)).item() for number in range(calls)]
    return replayed, total, returned


def test_elsewhere_a_step_is_called_each_time() -> None:
    replayed, total, returned = added_up(CPU, WARM_UPS + 3)
    assert replayed._recording is None
    assert total.tolist() == [15, 15]
    assert returned == [0, 2, 6, 12, 20, 30]


@needs_gpu
def test_on_a_gpu_it_is_recorded_once_and_does_the_same() -> None:
    replayed, total, returned = added_up(CUDA, WARM_UPS + 3)
    assert replayed._recording is not None
    assert total.tolist() == [15, 15]
    assert returned == [0, 2, 6, 12, 20, 30]


@needs_gpu
def test_a_step_of_another_shape_is_called() -> None:
    seen: list[int] = []

    def step(given: Tensor) -> Tensor:
        seen.append(len(given))
        return given.sum()

    replayed = Replayed(step)
    for _ in range(WARM_UPS + 2):
        replayed(torch.ones(4, device=CUDA))
    assert replayed._recording is not None
    assert replayed(torch.ones(3, device=CUDA)).item() == 3
    assert replayed(torch.ones(4, device=CUDA)).item() == 4
    assert seen == [4] * (WARM_UPS + 1) + [3]


@needs_gpu
@pytest.mark.parametrize("looking", [waits, lambda: nullcontext([])], ids=["seen before", "unseen"])
def test_a_step_that_waits_for_the_gpu_is_called_each_time_and_breaks_nothing(
    looking: Callable[[], AbstractContextManager[list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.replay.waits", looking)  # unseen, its recording fails
    total = torch.zeros(1, device=CUDA)

    def step(given: Tensor) -> Tensor:
        return total.add_(given.sum().item())

    replayed = Replayed(step)
    for _ in range(WARM_UPS + 3):
        replayed(torch.ones(1, device=CUDA))
    assert replayed._recording is None
    assert total.item() == WARM_UPS + 3
    drawn = [torch.rand(4, device=CUDA) for _ in range(2)]
    assert not torch.equal(*drawn)
    after, _, _ = added_up(CUDA, WARM_UPS + 3)
    assert after._recording is not None


@needs_gpu
def test_a_replayed_step_draws_other_numbers_each_time_and_the_same_of_a_seed() -> None:
    replayed = Replayed(lambda given: given + torch.rand(4, device=CUDA))
    drawn = []
    for _ in range(2):
        with seeding.stream(3):
            drawn.append([replayed(torch.zeros(4, device=CUDA)).tolist() for _ in range(WARM_UPS + 3)])
    assert replayed._recording is not None
    assert len({tuple(numbers) for numbers in drawn[0]}) == WARM_UPS + 3
    assert drawn[0] == drawn[1]


@needs_gpu
@pytest.mark.parametrize("batch_size", [16, 20])  # of 48 images: the last batch is as large, or smaller
@pytest.mark.parametrize(("optimizer", "rate"), [("adamw", 2e-3), ("sgd", 0.05)])
def test_a_training_that_is_replayed_comes_out_as_one_that_is_not(
    tiny_track: Track, batch_size: int, optimizer: str, rate: float
) -> None:
    images, labels = pictures(48), torch.arange(48) % 10
    recipe = replace(tiny_track.recipe, batch_size=batch_size, epochs=4, optimizer=optimizer, learning_rate=rate)
    assert recipe.precision == "float32"
    trained = []
    for way in (nullcontext, off):
        with exact(), way():
            trained.append(training.train(network_on(CPU), images, labels, recipe=recipe, seed=1, device=CUDA))
    one, other = (network(images.to(CUDA)).detach() for network in trained)
    fresh = network_on(CUDA).eval()(images.to(CUDA)).detach()
    assert (one - other).abs().max() < 0.05 * (one - fresh).abs().max()


@needs_gpu
def test_cw_finds_on_a_gpu_what_it_finds_without_one() -> None:
    images, moved = pictures(12), []
    labels = network_on(CPU).eval()(images).argmax(1)
    for device in (CPU, CUDA):
        network: nn.Module = network_on(device).eval().requires_grad_(requires_grad=False)
        model, there = PyTorchModel(network, bounds=(0, 1), device=device), images.to(device)
        with exact():
            made = cast("PerImageCarliniWagner", attacks.make("cw", **SEARCH)).run(
                model, there, Misclassification(labels.to(device))
            )
            assert (network(made).argmax(1).cpu() != labels).all()
        moved.append((made - there).flatten(1).norm(dim=1).cpu())
    assert torch.allclose(moved[0], moved[1], rtol=0.05)
    assert moved[1].median() <= 1.01 * moved[0].median()


@needs_gpu
@pytest.mark.parametrize("steps", [1, WARM_UPS + 5])
def test_ifgs_makes_the_same_whether_its_steps_are_replayed_or_not(steps: int) -> None:
    network, images, made = network_on(CUDA).eval(), pictures(12).to(CUDA), []
    labels = network(images).argmax(1)
    model = PyTorchModel(network.requires_grad_(requires_grad=False), bounds=(0, 1), device=CUDA)
    for way in (nullcontext, off):
        attack = cast("BasicIterative", attacks.make("ifgs", epsilon=0.1, stepsize=0.02, steps=steps))
        with exact(), way():
            batches = [slice(0, 12), slice(4, 12), slice(0, 8)]
            made += [attack.run(model, images[rows], Misclassification(labels[rows]), epsilon=0.1) for rows in batches]
    assert all((one - other).abs().max() < 1e-6 for one, other in zip(made[:3], made[3:], strict=True))
    assert (made[0][:8] - made[2]).abs().max() < 1e-6
