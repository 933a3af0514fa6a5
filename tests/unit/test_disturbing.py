"""Controls of an attack: what is left of its perturbations."""

from dataclasses import replace
from typing import get_args

import pytest
import torch
from torch import Tensor

from bench import plan, selecting, suites
from bench.aiming import REJECTED
from bench.crafting import Crafted
from bench.disturbing import derangement, disturb, scattered
from bench.seeding import generator
from bench.suites import Disturbance
from bench.tracks import Track
from defenses.base import RejectingClassifier

CPU = torch.device("cpu")
N = 40


class Bright(RejectingClassifier):
    """Calls an image 1 where it is brighter than a half, else 0; rejects what is brighter than 0.9."""

    def __init__(self) -> None:
        super().__init__()
        self.config = {}

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mean = x.flatten(1).mean(dim=1)
        return torch.stack([0.5 - mean, mean - 0.5], dim=1), mean - 0.9


def attack(moved: Tensor, clean: Tensor) -> Crafted:
    """Return an attack's result with that perturbation, which fooled nobody at no distance: all is to be said anew."""
    none = torch.zeros(len(clean), dtype=torch.bool)
    return Crafted(
        images=clean + moved,
        index=torch.arange(len(clean)),
        label=torch.zeros(len(clean), dtype=torch.int64),
        target=torch.ones(len(clean), dtype=torch.int64),
        fooled=none,
        hit_target=none,
        reached_kappa=~none,
        l2=torch.zeros(len(clean)),
        linf=torch.zeros(len(clean)),
    )


@pytest.fixture
def clean() -> Tensor:
    return 0.3 + 0.4 * torch.rand(N, 1, 4, 4, generator=generator(1))


@pytest.fixture
def moved() -> Tensor:
    return 0.5 * torch.rand(N, 1, 4, 4, generator=generator(2)) - 0.2


def disturbed(clean: Tensor, moved: Tensor, how: Disturbance, permutation: int = 3) -> Crafted:
    return disturb(attack(moved, clean), clean, how, source=Bright(), permutation=permutation, device=CPU)


def test_noise_has_the_perturbation_s_values_at_other_pixels(moved: Tensor) -> None:
    found = scattered(moved, generator(4))
    for one, other in zip(found.flatten(1), moved.flatten(1), strict=True):
        assert torch.equal(one.abs().sort().values, other.abs().sort().values)
    assert (found != moved).flatten(1).any(dim=1).all()
    assert torch.allclose(found.flatten(1).norm(dim=1), moved.flatten(1).norm(dim=1))
    turned = (scattered(moved.abs() + 0.1, generator(4)) < 0).float().mean()
    assert 0.4 < turned < 0.6


@pytest.mark.parametrize("count", [2, 3, 10, 101])
def test_no_perturbation_stays_with_its_image(count: int) -> None:
    for seed in range(20):
        order = derangement(count, generator(seed))
        assert order.sort().values.tolist() == list(range(count))
        assert (order != torch.arange(count)).all()


def test_a_flipped_perturbation_goes_the_other_way(clean: Tensor, moved: Tensor) -> None:
    found = disturbed(clean, moved, "flipped")
    assert torch.allclose(found.images, (clean - moved).clamp(0, 1))


def test_a_shuffled_one_is_another_image_s(clean: Tensor) -> None:
    moved = (torch.arange(N) / 1000).view(N, 1, 1, 1).expand(N, 1, 4, 4)
    found = disturbed(clean, moved, "shuffled")
    whose = (found.images - clean).flatten(1).mean(dim=1).mul(1000).round().long()
    assert whose.sort().values.tolist() == list(range(N))
    assert (whose != torch.arange(N)).all()


def test_of_several_targets_it_is_another_image_s_with_the_same_target(clean: Tensor) -> None:
    twice, moved = clean.repeat(2, 1, 1, 1), (torch.arange(2 * N) / 1000).view(-1, 1, 1, 1).expand(-1, 1, 4, 4)
    pairs = replace(attack(moved, twice), index=torch.arange(N).repeat(2))
    found = disturb(pairs, twice, "shuffled", source=Bright(), permutation=3, device=CPU)
    first, second = (found.images - twice).flatten(1).mean(dim=1).mul(1000).round().long().split(N)
    assert torch.equal(first, second - N)
    assert (first != torch.arange(N)).all()


@pytest.mark.parametrize("how", get_args(Disturbance))
def test_of_no_image_there_is_no_control(clean: Tensor, how: Disturbance) -> None:
    assert len(disturbed(clean[:0], clean[:0], how).images) == 0


@pytest.mark.parametrize("how", get_args(Disturbance))
def test_what_is_said_of_a_control_is_true_of_it(clean: Tensor, moved: Tensor, how: Disturbance) -> None:
    found = disturbed(clean, 3 * moved, how)
    assert 0 <= found.images.min() <= found.images.max() <= 1
    mean = found.images.flatten(1).mean(dim=1)
    assert torch.equal(found.fooled, (mean > 0.5) & (mean <= 0.9))
    assert torch.equal(found.hit_target, found.fooled)
    assert not found.reached_kappa.any()
    distance = (found.images - clean).flatten(1)
    assert torch.allclose(found.l2, distance.norm(dim=1))
    assert torch.allclose(found.linf, distance.abs().amax(dim=1))


def test_a_control_hits_a_rejection_that_was_aimed_at(clean: Tensor, moved: Tensor) -> None:
    aimed = replace(attack(3 * moved, clean), target=torch.full((N,), REJECTED))
    found = disturb(aimed, clean, "noise", source=Bright(), permutation=3, device=CPU)
    mean = found.images.flatten(1).mean(dim=1)
    assert torch.equal(found.hit_target, mean > 0.9)


def test_equal_seeds_give_equal_noise(clean: Tensor, moved: Tensor) -> None:
    one, again, other = (disturbed(clean, moved, "noise", seed).images for seed in (3, 3, 4))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_a_control_is_made_of_the_attack_that_the_table_has(tiny_track: Track) -> None:
    def crafts(suite: str, *attacks: str) -> dict[str, plan.Job]:
        selection = selecting.select(
            tiny_track,
            suites.load(suite),
            defense_names=["naive"],
            attack_names=attacks,
            seeds=[0],
            limit=None,
        )
        return {job.label: job for job in plan.plan(selection).jobs if job.stage == "craft"}

    fgs = crafts("table1", "fgs")["craft FGS, seed 0"]
    made = crafts("controls", *(f"fgs_{how}" for how in get_args(Disturbance)))
    controls = [job for job in made.values() if "crafted" in job.inputs]
    assert {job.inputs["crafted"].key for job in controls} == {fgs.key}
    assert len({fgs.key, *(job.key for job in controls)}) == 1 + len(get_args(Disturbance))
