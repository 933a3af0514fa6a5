"""Where the attacks that search wait for a GPU: between two looks at what is finished, nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from bench import attacks
from bench.attacks.carlini_wagner import PerImageCarliniWagner
from bench.attacks.foolbox_import import Misclassification
from bench.replay import off
from tests.unit.attacked import PARAMS, SEARCH, convolutional, criterion_of, pictures, right_labels, run


class Waits(TorchDispatchMode):
    """Notes, while it is on, the operations that wait for a GPU: their result, or its shape, depends on values."""

    WAITING = ("_local_scalar_dense", "nonzero", "is_nonzero", "equal", "masked_select")

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.on = False
        self.met: list[str] = []

    def switch(self, on: bool) -> None:  # noqa: FBT001
        self.on = on

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.__name__.split(".")[0]
        if self.on and name in self.WAITING:
            self.met.append(name)
        return func(*args, **(kwargs or {}))


@contextmanager
def on_from_third_to_fourth_pass(network: nn.Module, switch: Any) -> Iterator[list[bool]]:
    """Call ``switch(True)`` as the third forward pass begins and ``switch(False)`` as the fourth does; give the calls.

    The first two of DeepFool and C&W go before the first check for what is finished, and the next check comes later.
    """
    turned: list[bool] = []
    passes = 0

    def hook(*_: Any) -> None:
        nonlocal passes
        passes += 1
        if passes in {3, 4}:
            turned.append(passes == 3)
            switch(turned[-1])

    handle = network.register_forward_pre_hook(hook)
    try:
        yield turned
    finally:
        switch(False)
        handle.remove()


def test_cw_takes_no_value_to_the_host_between_two_checks() -> None:
    network, images = convolutional(), pictures(6)
    criterion = Misclassification(right_labels(network, images))
    waits = Waits()
    with waits, on_from_third_to_fourth_pass(network, waits.switch) as turned:
        run(PerImageCarliniWagner(**SEARCH), network, images, criterion)
    assert turned == [True, False]
    assert waits.met == []


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.filterwarnings("ignore:Synchronization debug mode")  # torch calls it a prototype
@pytest.mark.parametrize("kind", ["deepfool", "cw"])
def test_steps_between_two_checks_do_not_wait_for_a_gpu(kind: str) -> None:
    device = torch.device("cuda")
    network, images = convolutional().to(device), pictures(12).to(device)
    criterion = criterion_of(right_labels(network, images), targeted=kind == "cw")
    attack = attacks.make(kind, **PARAMS[kind])

    def switch(on: bool) -> None:  # noqa: FBT001
        torch.cuda.set_sync_debug_mode("error" if on else "default")

    run(attack, network, images, criterion)  # what is loaded on first use may wait
    with off(), on_from_third_to_fourth_pass(network, switch) as turned:
        made = run(attack, network, images, criterion)
    assert turned == [True, False]
    assert criterion(made, network(made)).any()
