"""What a classifier says of images: predictions and reject scores, in exact float32, checked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bench.errors import BenchError
from bench.exact import exact
from bench.memory import is_lack_of_memory
from defenses.base import RejectingClassifier, decide, in_batches

LARGEST = torch.finfo(torch.float32).max
"""The largest threshold that JSON can hold, which no margin exceeds."""


@dataclass(frozen=True)
class Scores:
    """What a classifier says of images, ``(N,)`` each.

    ``prediction`` is int64, ``REJECT`` for a rejection; ``class_prediction``, int64, the class if none were rejected;
    ``reject_score`` float32.
    """

    prediction: Tensor
    class_prediction: Tensor
    reject_score: Tensor


def score(classifier: RejectingClassifier, images: Tensor, device: torch.device, batch_size: int = 512) -> Scores:
    """Return what ``classifier`` says of images ``(N, C, H, W)`` in [0, 1], on the CPU.

    The classifier is put on ``device`` and stays there; its training mode is restored. Raises ``BenchError`` where it
    raises anything but an ``OSError``, and where its output is not what ``RejectingClassifier.forward`` must return, or
    is not a number.
    """
    logits, margin = class_logits(classifier, images, device, batch_size)
    return Scores(decide(logits, margin), logits.argmax(dim=1), margin)


@exact()
def class_logits(
    classifier: RejectingClassifier, images: Tensor, device: torch.device, batch_size: int = 512
) -> tuple[Tensor, Tensor]:
    """Return the checked class logits ``(N, K)`` and reject margins ``(N,)``, float32, on the CPU; as ``score``.

    Margins are ``LARGEST`` at most.
    """

    def outputs(batch: Tensor) -> Tensor:
        logits, margin = classifier(batch)
        _check(classifier, logits, margin, len(batch))
        return torch.cat([logits, margin.unsqueeze(1)], dim=1).float()

    try:
        with evaluating(classifier.to(device)):
            both = in_batches(outputs, images, device, batch_size)
    except (BenchError, OSError):
        raise
    except Exception as error:
        if is_lack_of_memory(error):
            mend = f"use --device cpu; it does not suffice for {batch_size} images at once"
            raise BenchError(f"{called(classifier)}: out of the memory of {device}: {mend}") from error
        raise BenchError(
            f"{called(classifier)}: {type(error).__name__}: {' '.join(str(error).split())}; "
            "mend its forward, which must return class logits (N, K) and reject margins (N,)"
        ) from error
    return both[:, :-1], both[:, -1].clamp(max=LARGEST)


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Run a block with a module in evaluation mode; each of its parts is restored to the mode that it was in."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training


def called(classifier: RejectingClassifier) -> str:
    """Return a classifier's class with its module, which names the file to be mended."""
    return f"{type(classifier).__module__}.{type(classifier).__qualname__}"


def _check(classifier: RejectingClassifier, logits: Tensor, margin: Tensor, images: int) -> None:
    """Raise ``BenchError`` where the output for that many images breaks the contract."""
    name = called(classifier)
    if logits.ndim != 2 or len(logits) != images or logits.shape[1] == 0:  # noqa: PLR2004  # images by classes
        raise BenchError(f"{name}: class logits of shape {tuple(logits.shape)} for {images} images, must be (N, K)")
    if margin.shape != (images,):
        raise BenchError(f"{name}: reject margins of shape {tuple(margin.shape)} for {images} images, must be (N,)")
    if not (logits.is_floating_point() and margin.is_floating_point()):
        raise BenchError(
            f"{name}: class logits of {logits.dtype} and reject margins of {margin.dtype}, must be floats: a margin "
            "says by how much an image is rejected"
        )
    if not logits.isfinite().all():
        raise BenchError(f"{name}: class logits that are not finite, check its fit")
    if margin.isnan().any():
        raise BenchError(f"{name}: reject margins that are NaN, check its fit")
