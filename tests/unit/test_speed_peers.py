"""The measuring of other libraries, as far as it can be done with Foolbox alone."""

import dataclasses

import pytest
import torch
from torch import Tensor

from bench import models
from tests.speed.peers.libraries import LIBRARIES, OURS, LacksAttack, Library
from tests.speed.peers.measuring import measure
from tests.speed.peers.setting import KINDS, Setting, settings

HERE = [library for library in LIBRARIES if library.package in {"rejectbench", "foolbox"}]


@pytest.fixture(scope="module")
def found() -> list[Setting]:
    torch.manual_seed(0)
    network = models.create("cuda_convnet", channels=1, side=28, outputs=10).eval()
    images = torch.rand(6, 1, 28, 28)
    with torch.no_grad():
        labels = network(images).argmax(1)
    made = settings(network, images, labels, track="mnist", many=6, few=2)
    short = {"binary_search_steps": 2, "steps": 20}
    return [dataclasses.replace(s, parameters=s.parameters | (short if s.kind == "cw" else {})) for s in made]


@pytest.mark.parametrize("kind", KINDS)
def test_every_attack_is_measured_with_figures_of_its_images(found: list[Setting], kind: str) -> None:
    setting = next(setting for setting in found if setting.kind == kind)
    rows = measure(setting, HERE, rounds=2)
    assert [row.library for row in rows] == [library.title for library in HERE]
    assert {len(row.seconds) for row in rows} == {2}
    own, stock, frozen = rows
    assert own.success == stock.success == frozen.success
    assert own.forwards is not None
    assert stock.forwards is not None
    if kind == "cw":  # no less patient than Foolbox; two passes more: how many outputs there are, and what holds
        assert own.forwards <= setting.parameters["binary_search_steps"] * setting.parameters["steps"] + 2
    else:
        assert own.forwards <= stock.forwards
    if own.success:
        assert own.l2 == pytest.approx(stock.l2, rel=0.01)
    assert all(parameter.grad is None for parameter in setting.network.parameters())


def black(setting: Setting) -> Tensor:
    return torch.zeros_like(setting.images)


def lacking(setting: Setting) -> Tensor:
    raise LacksAttack("none")


def test_black_images_are_failures_and_a_lack_is_said(found: list[Setting]) -> None:
    setting = found[0]
    other = dataclasses.replace(setting, labels=(setting.labels + 1) % 10)
    failing = Library("black", "foolbox", lambda given: lambda: black(given), frozen=True, notes={})
    without = Library("without", "foolbox", lacking, frozen=True, notes={})  # type: ignore[arg-type]
    absent = Library("absent", "no-such-package", lacking, frozen=True, notes={})  # type: ignore[arg-type]
    rows = measure(other, [failing, without, absent], rounds=1)
    assert rows[0].success == 0
    assert rows[0].l2 is None
    assert [row.note for row in rows[1:]] == ["none", "not installed"]
    assert [len(row.seconds) for row in rows] == [1, 0, 0]


def test_we_come_first() -> None:
    assert LIBRARIES[0].title == OURS
    assert len({library.title for library in LIBRARIES}) == len(LIBRARIES)
