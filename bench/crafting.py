"""A network and an attack make adversarial images, with what became of each image."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from bench import metrics
from bench.aiming import Pairs, hits, in_pairs
from bench.attacks.adapter import ClassLogits, WithRejectClass, with_reject_class
from bench.attacks.base import AttackSpec
from bench.attacks.criteria import lead_of, winners
from bench.attacks.foolbox_import import Attack, FixedEpsilonAttack, PyTorchModel
from bench.errors import BenchError
from bench.exact import exact
from bench.memory import is_lack_of_memory
from bench.scoring import class_logits, evaluating
from bench.seeding import generator
from bench.suites import SuiteAttack
from defenses.base import LabelledImages, RejectingClassifier, decide

Advance = Callable[[int], None]
Warn = Callable[[str], None]

SLACK = 1e-6
"""How far outside [0, 1] an image may lie by rounding; Foolbox takes none, so such images are clamped."""


@dataclass(frozen=True)
class Crafted:
    """Adversarial images, on the CPU: all of the first target, then all of the second.

    ``images`` are float32 ``(M, C, H, W)`` in [0, 1]; the others are ``(M,)``. ``index``, int64, is the place in the
    split that was attacked; ``label``, int64; ``target``, int64, is a class, or ``REJECTED`` or ``UNTARGETED`` of
    ``bench.aiming``. Of the attacked network and the image as it stands here: ``fooled``, bool, whether it
    misclassifies and accepts it; ``hit_target``, bool, whether it predicts the target, or rejects where that was aimed
    at; ``reached_kappa``, bool, whether the gap of logits is the attack's κ, and ``False`` where it has none. ``l2``
    and ``linf``, float32, are distances from the clean image in pixel values.
    """

    images: Tensor
    index: Tensor
    label: Tensor
    target: Tensor
    fooled: Tensor
    hit_target: Tensor
    reached_kappa: Tensor
    l2: Tensor
    linf: Tensor


def craft(
    source: RejectingClassifier,
    attack: SuiteAttack,
    spec: AttackSpec,
    attacked: LabelledImages,
    *,
    permutation: int,
    device: torch.device,
    advance: Advance | None = None,
    warn: Warn | None = None,
) -> Crafted:
    """Attack ``source`` on the images that it gets right, and accepts.

    ``attack`` is as ``SuiteAttack.on`` returns it and ``spec`` its parameters on the same track; ``permutation`` seeds
    the order from which ``attack.images`` are chosen. ``advance`` is told of each batch how many images × targets it
    held, ``warn`` where a device's memory makes batches smaller. A network that never rejects is attacked over its K
    classes; any other over K + 1, with "wrong and accepted" as the aim, unless the attack has targets. An attack
    without a budget that fails on an image leaves it as it was, and so does any whose target is the rejection of a
    network that never rejects. A defense that is attacked itself and gets no image right, since it rejects them all
    say, is handed none. Raises ``BenchError`` where another network gets none right, where an image lies outside [0, 1]
    and where a result is not finite.
    """
    if attack.tracks:
        raise ValueError(f"{attack.name}: not resolved, use SuiteAttack.on(track)")
    images = _in_bounds(attacked.images)
    logits, margin = class_logits(source, images, device)
    index = (decide(logits, margin) == attacked.labels).nonzero().squeeze(1)
    if not len(index) and attack.source != "victim":
        raise BenchError(
            f"{attack.name}: the attacked network ({attack.source}) gets none of {len(attacked)} images right, "
            "so there is nothing to attack: train it on more images"
        )
    if attack.images is not None:
        index = _first(index, len(attacked), permutation, attack.images)
    pairs = in_pairs(LabelledImages(images[index], attacked.labels[index]), logits[index], margin, spec)
    found = _perturb(source, pairs, _Batches(attack.batch_size, advance, warn), device)
    return _judge(source, pairs, found, index.repeat(max(1, len(spec.targets))), device)


def craft_images(
    classifier: RejectingClassifier, attacked: LabelledImages, spec: AttackSpec, batch_size: int, device: torch.device
) -> Tensor:
    """Return adversarial images of all of ``attacked``, float32 on the CPU: as ``craft``, without a selection.

    A targeted attack returns all images of its first target, then all of the second. As in ``craft``, an attack without
    a budget that fails on an image leaves it as it was, whatever the classifier says of it.
    """
    images = _in_bounds(attacked.images)
    logits, margin = class_logits(classifier, images, device)
    pairs = in_pairs(LabelledImages(images, attacked.labels), logits, margin, spec)
    found = _perturb(classifier, pairs, _Batches(batch_size), device)
    index = torch.arange(len(images)).repeat(max(1, len(spec.targets)))
    return _judge(classifier, pairs, found, index, device).images


def _in_bounds(images: Tensor) -> Tensor:
    """Return the images with rounding clamped away; raise ``BenchError`` where more than rounding is outside."""
    if not bool(((images >= -SLACK) & (images <= 1 + SLACK)).all()):
        raise BenchError("images to attack lie outside [0, 1] or are NaN: check the data set")
    return images.clamp(0, 1)


def _first(index: Tensor, size: int, permutation: int, count: int) -> Tensor:
    """Return the first ``count`` of ``index`` in the order of the permutation of ``size`` places."""
    order = torch.randperm(size, generator=generator(permutation))
    return order[torch.isin(order, index)][:count]


@dataclass
class _Batches:
    """How many images an attack is handed at once, and who is told how it goes."""

    size: int
    advance: Advance | None = None
    warn: Warn | None = None

    def halve(self, held: int, device: torch.device) -> None:
        """Make the batches half of what did not fit into a device's memory; raise ``BenchError`` where it was one."""
        if held == 1:
            raise BenchError(f"the memory of {device} does not suffice for the attack of one image: use --device cpu")
        self.size = (held + 1) // 2
        if self.warn:
            self.warn(f"the memory of {device} does not suffice for {held} images at once; goes on with {self.size}")


@exact()
def _perturb(classifier: RejectingClassifier, pairs: Pairs, batches: _Batches, device: torch.device) -> Tensor:
    """Return the attack's images for every pair, ``(M, C, H, W)`` in [0, 1], on the CPU."""
    if pairs.out_of_reach:
        if batches.advance:
            batches.advance(len(pairs.images))
        return pairs.images
    attack, found, done = pairs.spec.build(), list[Tensor](), 0
    # Attacks need gradients whatever the caller has switched off; clones made here are no inference tensors.
    with torch.inference_mode(mode=False), torch.enable_grad(), _frozen(classifier):
        network = ClassLogits(classifier) if pairs.reject is None else WithRejectClass(classifier)
        # Without a device Foolbox would choose one itself and move the network there.
        model = PyTorchModel(network.eval(), bounds=(0, 1), device=device)
        while done < len(pairs.images):
            rows = slice(done, min(done + batches.size, len(pairs.images)))
            try:
                made = _run(attack, model, pairs, rows, device)
            except RuntimeError as error:
                if not is_lack_of_memory(error):
                    raise
                batches.halve(rows.stop - rows.start, device)
                continue
            if not bool(made.isfinite().all()):
                raise BenchError(f"{type(attack).__name__}: made images that are not finite, check the network's fit")
            found.append(made.clamp(0, 1).cpu())
            done = rows.stop
            if batches.advance:
                batches.advance(rows.stop - rows.start)
    return torch.cat(found) if found else pairs.images


def _run(attack: Attack, model: PyTorchModel, pairs: Pairs, rows: slice, device: torch.device) -> Tensor:
    """Return an attack's images for some of the pairs.

    Calls what Foolbox's own call of an attack calls, without the forward pass by which that asks for its success:
    ``_judge`` asks once, of the images as they are stored.
    """
    clean, criterion = pairs.images[rows].clone().to(device), pairs.criterion(rows, device)
    if isinstance(attack, FixedEpsilonAttack):
        return attack.run(model, clean, criterion, epsilon=cast("float", pairs.spec.epsilons)).detach()
    return attack.run(model, clean, criterion).detach()


@contextmanager
def _frozen(module: nn.Module) -> Iterator[None]:
    """Run a block with the module in evaluation mode and without gradients of its parameters; restore both after it.

    Foolbox's backward passes would otherwise add up gradients of the weights, at a cost and for nothing.
    """
    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    with evaluating(module):
        for parameter in trained:
            parameter.requires_grad_(False)
        try:
            yield
        finally:
            for parameter in trained:
                parameter.requires_grad_(True)


def _judge(source: RejectingClassifier, pairs: Pairs, found: Tensor, index: Tensor, device: torch.device) -> Crafted:
    """Return the images with what the attacked network says of them as they are stored."""
    logits, margin = class_logits(source, found, device)
    predicted = decide(logits, margin)
    fooled = metrics.wrong(pairs.labels, predicted)
    hit = hits(predicted, pairs.targets)
    success = hit if pairs.spec.targets else fooled
    reached = torch.zeros_like(fooled)
    if pairs.spec.kappa is not None:
        outputs = logits if pairs.reject is None else with_reject_class(logits, margin)
        wanted = winners(pairs.criterion(slice(None), torch.device("cpu")), outputs.shape[1])
        reached = success = success & (lead_of(outputs, wanted) >= pairs.spec.kappa)
    if pairs.spec.epsilons is None:
        # An attack that looks for the least distance and finds no success, or one that rounding undoes, has no result.
        found = torch.where(success.view(-1, 1, 1, 1), found, pairs.images)
        fooled, hit = fooled & success, hit & success
    moved = (found - pairs.images).flatten(1)
    return Crafted(
        images=found,
        index=index,
        label=pairs.labels,
        target=pairs.targets,
        fooled=fooled,
        hit_target=hit,
        reached_kappa=reached,
        l2=moved.norm(dim=1),
        linf=moved.abs().amax(dim=1),
    )
