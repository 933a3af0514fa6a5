"""Which precision a device trains in."""

from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch

from bench import precision
from bench.tracks import TRACKS

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.mark.parametrize(
    ("capabilities", "has"),
    [
        ({"avx512_bf16": True, "amx_bf16": False}, True),
        ({"avx512_bf16": False, "amx_bf16": True}, True),
        ({"avx512_bf16": False, "amx_bf16": False, "avx512_f": True}, False),
        ({"architecture": "aarch64", "bf16": True}, False),
    ],
)
def test_a_cpu_has_bf16_by_its_instructions(
    capabilities: dict[str, object], *, has: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cpu.get_capabilities", lambda: capabilities, raising=False)
    assert precision.has_bf16(CPU) is has


def test_a_torch_that_cannot_tell_counts_as_one_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("torch.cpu.get_capabilities", raising=False)
    assert not precision.has_bf16(CPU)


@pytest.mark.parametrize("native", [False, True])
def test_an_emulated_bf16_is_none(*, native: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device", lambda device: nullcontext())
    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda *, including_emulation: including_emulation or native)
    assert precision.has_bf16(CUDA) is native


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize("name", list(TRACKS))
def test_only_the_precision_of_a_track_changes_and_only_where_it_is_emulated(
    name: str, *, native: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.precision.has_bf16", lambda device: native)
    track = TRACKS[name]
    trained = precision.on(track, CPU)
    assert trained.recipe.precision in precision.of_recipe(track.recipe)
    assert precision.in_precision(trained, track.recipe.precision) == track
    assert (trained == track) is (native or track.recipe.precision == "float32")


def test_the_recipes_own_precision_comes_first() -> None:
    recipe = TRACKS["mnist"].recipe
    assert precision.of_recipe(recipe) == ("bf16", "float32")
    assert precision.of_recipe(replace(recipe, precision="float32")) == ("float32",)
