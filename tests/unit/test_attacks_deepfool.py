"""DeepFool's backward passes: of all candidates in one, as on a GPU, and one after the other."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from bench.attacks.deepfool import _ahead, _batched, _candidates, _one_by_one
from bench.models import create

SIDE, CLASSES, IMAGES = 28, 10, 6
CONVOLUTIONS = {"cuda_convnet": 3, "vgg16": 13}

Gradients = Callable[[Tensor, Tensor], Tensor]


class Passes(TorchDispatchMode):
    """Counts how often a convolution is gone through backwards."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += func.__name__.startswith("convolution_backward")
        return func(*args, **(kwargs or {}))


class OldKind(torch.autograd.Function):
    """Leaves everything as it is, by an operation that torch cannot batch."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        if not bool(gradient.isfinite().all()):  # waits for a value, which a batched gradient has none of
            raise ValueError
        return gradient


def network_of(architecture: str) -> nn.Module:
    torch.manual_seed(0)
    channels, side = (1, SIDE) if architecture == "cuda_convnet" else (3, 32)
    network = create(architecture, channels=channels, side=side, outputs=CLASSES).eval()
    network.requires_grad_(requires_grad=False)
    network.centre_on(torch.rand(8, channels, side, side))
    return network


def gradients(of: Gradients, network: nn.Module, images: Tensor) -> tuple[Tensor, int]:
    """Return the gradients of every candidate, and how many convolutions were gone through for them."""
    x = images.clone().requires_grad_()
    logits = network(x)
    labels = logits.argmax(1)
    ahead = _ahead(logits, labels, _candidates(logits.detach(), labels, None), None)
    with Passes() as passes:
        return of(ahead, x), passes.count


def furthest(found: Tensor, expected: Tensor) -> float:
    """Return the largest distance of a gradient from the one expected, in lengths of that."""
    length = expected.flatten(2).norm(dim=2)
    assert length.min() > 0
    return float(((found - expected).flatten(2).norm(dim=2) / length).max())


@pytest.mark.parametrize("architecture", list(CONVOLUTIONS))
def test_one_backward_pass_has_the_gradients_of_all_candidates(architecture: str) -> None:
    network = network_of(architecture)
    images = torch.rand(IMAGES, *((1, SIDE, SIDE) if architecture == "cuda_convnet" else (3, 32, 32)))
    expected, passes = gradients(_one_by_one, network, images)
    batched, at_once = gradients(_batched, network, images)
    assert batched.shape == expected.shape == (IMAGES, CLASSES - 1, *images.shape[1:])
    assert furthest(batched, expected) <= 1e-5
    assert (at_once, passes) == (CONVOLUTIONS[architecture], (CLASSES - 1) * CONVOLUTIONS[architecture])


def test_what_cannot_be_batched_is_gone_through_candidate_by_candidate() -> None:
    network, images = network_of("cuda_convnet"), torch.rand(IMAGES, 1, SIDE, SIDE)
    expected, _ = gradients(_one_by_one, network, images)

    class Odd(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            logits: Tensor = network(OldKind.apply(x))
            return logits

    batched, passes = gradients(_batched, Odd(), images)
    assert torch.equal(batched, expected)
    assert passes >= (CLASSES - 1) * CONVOLUTIONS["cuda_convnet"]


def test_a_lack_of_memory_is_no_reason_to_try_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError

    network, images = network_of("cuda_convnet"), torch.rand(IMAGES, 1, SIDE, SIDE)
    monkeypatch.setattr(torch, "vmap", full)
    with pytest.raises(torch.OutOfMemoryError):
        gradients(_batched, network, images)
