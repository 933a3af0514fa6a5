"""The one training loop."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.optim import Optimizer

from bench import seeding
from bench.checkpoints import Trail, origin
from bench.errors import FitFailed, InvalidConfig
from bench.replay import Replayed
from bench.tracks import Recipe
from defenses.base import BatchHook, Network

FLIPPED = 0.5  # share of the training images that a recipe with `flip` mirrors


def train(
    network: Network,
    images: Tensor,
    targets: Tensor,
    *,
    recipe: Recipe,
    seed: int,
    device: torch.device,
    batch_hook: BatchHook | None = None,
    advance: Callable[[int], None] | None = None,
    trail: Trail | None = None,
) -> Network:
    """Train ``network`` in place and return it in evaluation mode on ``device``.

    ``images`` are float32 ``(N, C, H, W)`` in [0, 1]; ``targets`` int64 ``(N,)`` or probabilities ``(N, outputs)``. The
    order of an epoch is a pure function of ``seed`` and the epoch, as are dropout and augmentation; so the network that
    comes out is the same whether or not ``trail``, its checkpoints, let it go on after an earlier epoch, unless
    ``batch_hook`` remembers earlier batches, which is in no checkpoint. ``advance`` is told the number of
    images after every batch, and that of the epochs left out. On a GPU a step without ``batch_hook`` is recorded and
    replayed. Raises ``FitFailed`` where the loss stops being finite.
    """
    batches, done = math.ceil(len(images) / recipe.batch_size), 0
    network = network.to(device).train()
    optimizer, scheduler = stepping(network, recipe, batches)
    if trail is not None:
        of = origin(network, images, targets, recipe=recipe, seed=seed, device=device)
        done = trail.resume(network, optimizer, of, recipe.epochs)
    if advance is not None and done > 0:
        advance(done * len(images))
    images, targets = images.to(device), targets.to(device)
    take = stepper(network, optimizer, images, targets, recipe=recipe, batch_hook=batch_hook)
    for epoch in range(done, recipe.epochs):
        order = torch.randperm(len(images), generator=seeding.generator(seeding.step(seed, "order", epoch))).to(device)
        with seeding.stream(seeding.step(seed, "epoch", epoch)):
            for number, rows in enumerate(order.split(recipe.batch_size)):
                loss = take(rows)
                scheduler.step_update(epoch * batches + number + 1)
                if advance is not None:
                    advance(len(rows))
        if not math.isfinite(loss.item()):
            raise FitFailed(
                f"the training loss is {loss.item()} after epoch {epoch + 1}; check the images, or lower the rate"
            )
        if trail is not None:
            trail.reached(epoch + 1, recipe.epochs, network, optimizer)
    return network.eval()


def stepper(
    network: Network,
    optimizer: Optimizer,
    images: Tensor,
    targets: Tensor,
    *,
    recipe: Recipe,
    batch_hook: BatchHook | None,
) -> Callable[[Tensor], Tensor]:
    """Return what takes a step on the images of some rows, all on one device, and returns the loss there."""

    def step(rows: Tensor) -> Tensor:
        batch, labels = augmented(images[rows], recipe), targets[rows]
        if batch_hook is not None:
            batch, labels = batch_hook(network, batch, labels)
        with autocast(recipe, images.device):
            loss = functional.cross_entropy(network(batch), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    if batch_hook is not None or not steps_on_gpu(optimizer, images.device):
        return step
    replayed = Replayed(step)
    rates = [torch.tensor(group["lr"], device=images.device) for group in optimizer.param_groups]

    def take(rows: Tensor) -> Tensor:
        # A recorded step reads its rates from where they were.
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate.fill_(group["lr"])
        return replayed(rows)

    return take


def steps_on_gpu(optimizer: Optimizer, device: torch.device) -> bool:
    """Let an optimizer step on a GPU alone, in one kernel; return whether it does: some of torch's can."""
    # What a capturable one has on the device is the number of its steps, which SGD does not count.
    needed = {"fused"} if isinstance(optimizer, torch.optim.SGD) else {"capturable", "fused"}
    if device.type != "cuda" or not needed <= optimizer.defaults.keys():
        return False
    for group in optimizer.param_groups:
        group.update(dict.fromkeys(needed, True))
    return True


def stepping(network: Network, recipe: Recipe, batches: int) -> tuple[Optimizer, Any]:
    """Return a recipe's optimizer and what sets its rate, a pure function of the batches done, ``batches`` an epoch.

    The rate lies in the optimizer's state: to go on after an epoch, the state is all that must be there again. Raises
    ``InvalidConfig`` where timm knows no such optimizer or schedule.
    """
    import timm.optim  # noqa: PLC0415  timm takes seconds to import, and a run that only scores needs none of it
    import timm.scheduler  # noqa: PLC0415

    try:
        optimizer = timm.optim.create_optimizer_v2(
            network, opt=recipe.optimizer, lr=recipe.learning_rate, weight_decay=recipe.weight_decay
        )
        scheduler, _ = timm.scheduler.create_scheduler_v2(
            optimizer,
            sched=recipe.schedule,
            num_epochs=recipe.epochs,
            warmup_epochs=min(recipe.warmup_epochs, recipe.epochs - 1),
            warmup_lr=0.0,
            step_on_epochs=False,
            updates_per_epoch=batches,
        )
    except ValueError as error:
        raise InvalidConfig(
            f"optimizer '{recipe.optimizer}' with schedule '{recipe.schedule}': {error}; mend the track's recipe"
        ) from None
    return optimizer, scheduler


def augmented(images: Tensor, recipe: Recipe) -> Tensor:
    """Return ``(N, C, H, W)`` training images as the recipe varies them, each by chances of its own."""
    if recipe.flip:
        mirrored = torch.rand(len(images), 1, 1, 1, device=images.device) < FLIPPED
        images = torch.where(mirrored, images.flip(3), images)
    return shifted(images, recipe.shift) if recipe.shift else images


def shifted(images: Tensor, most: int) -> Tensor:
    """Return ``(N, C, H, W)`` images, each moved by up to ``most`` pixels along both axes; black moves in."""
    n, _, height, width = images.shape
    padded = functional.pad(images, (most, most, most, most))
    down, right = torch.randint(0, 2 * most + 1, (2, n, 1), device=images.device)
    rows = torch.arange(height, device=images.device) + down
    columns = torch.arange(width, device=images.device) + right
    which = torch.arange(n, device=images.device)[:, None, None]
    return padded.permute(0, 2, 3, 1)[which, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def autocast(recipe: Recipe, device: torch.device) -> AbstractContextManager[object]:
    """Return the precision that a recipe's forward passes run in.

    Nothing is cached: within another autocast, as a fit is, the weights of the first step would be used in all.
    """
    if recipe.precision == "bf16":
        return torch.autocast(device.type, dtype=torch.bfloat16, cache_enabled=False)
    return nullcontext()
