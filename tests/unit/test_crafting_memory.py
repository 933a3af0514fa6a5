"""Crafting where a device's memory does not hold a batch: smaller batches, the same images, one line about each."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bench.crafting import Advance, Crafted, Warn, craft
from bench.errors import BenchError
from bench.memory import is_lack_of_memory
from bench.suites import SuiteAttack
from defenses.base import LabelledImages, RejectingClassifier, decide

CPU = torch.device("cpu")
CLASSES, SIDE, IMAGES, BATCH = 3, 4, 39, 16

PARAMS: dict[str, dict[str, Any]] = {
    "ifgs": {"epsilon": 0.2, "stepsize": 0.05, "steps": 6},
    "deepfool": {"steps": 50, "overshoot": 0.02},
    "cw": {
        "binary_search_steps": 3,
        "steps": 60,
        "stepsize": 0.05,
        "confidence": 0.5,
        "initial_const": 5.0,
        "abort_early": True,
        "targets": ["least_likely", "most_likely"],
    },
}


class Probe(RejectingClassifier):
    """A linear network whose memory holds the gradients of so many images, and any number without."""

    lack: type[RuntimeError] = torch.OutOfMemoryError

    def __init__(self, fits: int = IMAGES) -> None:
        super().__init__()
        self.config = {}
        self.fits = fits
        torch.manual_seed(0)
        self.layer = nn.Linear(SIDE * SIDE, CLASSES)
        with torch.no_grad():
            self.layer.weight.mul_(4)
            self.layer.bias.copy_(-0.5 * self.layer.weight.sum(1))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        if torch.is_grad_enabled() and x.requires_grad and len(x) > self.fits:
            raise self.lack(f"tried to allocate {len(x)} images: CUBLAS_STATUS_ALLOC_FAILED")
        logits: Tensor = self.layer(x.flatten(1))
        return logits, torch.full_like(logits[:, 0], -torch.inf)


def attacked() -> LabelledImages:
    """Images that the probe gets right."""
    images = torch.rand(IMAGES, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    return LabelledImages(images, decide(*Probe()(images)).detach())


def crafted(
    classifier: RejectingClassifier, kind: str, advance: Advance | None = None, warn: Warn | None = None
) -> Crafted:
    attack = SuiteAttack(kind, kind, kind, "surrogate", True, BATCH, None, None, PARAMS[kind], {}, "test")
    spec = attack.spec("digits")
    return craft(classifier, attack, spec, attacked(), permutation=5, device=CPU, advance=advance, warn=warn)


def halved(held: int, left: int) -> str:
    return f"the memory of cpu does not suffice for {held} images at once; goes on with {left}"


def in_batches_of(size: int, images: int) -> list[int]:
    return [len(batch) for batch in torch.arange(images).split(size)]


def assert_same(made: Crafted, expected: Crafted) -> None:
    assert torch.equal(made.index, expected.index)
    assert torch.equal(made.target, expected.target)
    assert torch.equal(made.fooled, expected.fooled)
    assert expected.fooled.any()
    assert (made.images - expected.images).abs().max() <= 1e-5


@pytest.mark.parametrize("kind", list(PARAMS))
def test_batches_are_halved_until_they_fit_and_the_images_stay_the_same(kind: str) -> None:
    advanced: list[int] = []
    told: list[str] = []
    made = crafted(Probe(fits=3), kind, advanced.append, told.append)
    assert_same(made, crafted(Probe(), kind))
    assert told == [halved(16, 8), halved(8, 4), halved(4, 2)]
    assert advanced == in_batches_of(2, len(made.images))
    assert len(made.images) == IMAGES * (len(PARAMS[kind].get("targets", [])) or 1)


@pytest.mark.parametrize("kind", list(PARAMS))
def test_images_made_before_memory_ran_short_are_kept_and_not_made_again(kind: str) -> None:
    classifier, advanced, told = Probe(fits=16), list[int](), list[str]()

    def advance(count: int) -> None:
        advanced.append(count)
        classifier.fits = 7

    made = crafted(classifier, kind, advance, told.append)
    assert_same(made, crafted(Probe(), kind))
    assert told == [halved(16, 8), halved(8, 4)]
    assert advanced == [16, *in_batches_of(4, len(made.images) - 16)]


def test_a_smaller_last_batch_is_halved_by_what_it_held() -> None:
    class OnlySmall(Probe):
        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            self.fits = 16 if len(x) == 16 else 5
            return super().forward(x)

    advanced, told = list[int](), list[str]()
    made = crafted(OnlySmall(), "ifgs", advanced.append, told.append)
    assert_same(made, crafted(Probe(), "ifgs"))
    assert told == [halved(7, 4)]
    assert advanced == [16, 16, 4, 3]


def test_a_library_beneath_torch_may_be_the_one_that_lacks_memory() -> None:
    probe = Probe(3)
    probe.lack = RuntimeError
    assert_same(crafted(probe, "ifgs"), crafted(Probe(), "ifgs"))


@pytest.mark.parametrize("error", [RuntimeError("shapes cannot be multiplied"), ValueError("out of memory")])
def test_other_failures_are_no_lack_of_memory(error: Exception) -> None:
    assert not is_lack_of_memory(error)


def test_memory_runs_short_without_anyone_to_tell() -> None:
    assert_same(crafted(Probe(fits=3), "ifgs"), crafted(Probe(), "ifgs"))


@pytest.mark.parametrize("kind", list(PARAMS))
def test_where_not_even_one_image_fits_the_error_names_the_way_out(kind: str) -> None:
    advanced, told, classifier = list[int](), list[str](), Probe(fits=0)

    def warn(line: str) -> None:
        told.append(line)
        assert len(told) < 9, "goes on for ever"

    with pytest.raises(BenchError, match=r"the memory of cpu does not suffice .* one image: use --device cpu"):
        crafted(classifier, kind, advanced.append, warn)
    assert told == [halved(16, 8), halved(8, 4), halved(4, 2), halved(2, 1)]
    assert advanced == []
    assert all(weight.requires_grad for weight in classifier.parameters())
