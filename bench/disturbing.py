"""Controls of an attack: its perturbation, robbed of what makes it one, on the same images."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from bench import metrics
from bench.aiming import hits
from bench.crafting import Crafted
from bench.scoring import score
from bench.seeding import generator
from bench.suites import Disturbance
from defenses.base import RejectingClassifier


def disturb(
    crafted: Crafted,
    clean: Tensor,
    how: Disturbance,
    *,
    source: RejectingClassifier,
    permutation: int,
    device: torch.device,
) -> Crafted:
    """Return what ``how`` makes of an attack's images on the clean ones, ``(M, C, H, W)`` in [0, 1] each.

    Before it is brought back into [0, 1], a perturbation keeps its norms, or has those of the image that it comes from;
    ``permutation`` seeds what is random. Whether the attacked network ``source`` is fooled, and the distances, are of
    the images as they come out; none of them is asked to reach a κ.
    """
    random = generator(permutation)
    moved = crafted.images - clean
    if how == "noise":
        moved = scattered(moved, random)
    elif how == "flipped":
        moved = -moved
    elif len(moved):  # of a network that gets no image right there is none
        sources = len(crafted.index.unique())
        moved = moved.unflatten(0, (-1, sources))[:, derangement(sources, random)].flatten(0, 1)
    images = (clean + moved).clamp(0, 1)
    predicted = score(source, images, device).prediction
    distance = (images - clean).flatten(1)
    return replace(
        crafted,
        images=images,
        fooled=metrics.wrong(crafted.label, predicted),
        hit_target=hits(predicted, crafted.target),
        reached_kappa=torch.zeros_like(crafted.reached_kappa),
        l2=distance.norm(dim=1),
        linf=distance.abs().amax(dim=1),
    )


def scattered(moved: Tensor, random: torch.Generator) -> Tensor:
    """Return perturbations ``(M, C, H, W)``, each with its own values at random places and with random signs."""
    flat = moved.flatten(1)
    places = torch.rand(flat.shape, generator=random).argsort(dim=1)
    signs = torch.randint(0, 2, flat.shape, generator=random) * 2 - 1
    return (flat.gather(1, places) * signs).view_as(moved)


def derangement(count: int, random: torch.Generator) -> Tensor:
    """Return a random order of ``count`` places, int64, in which none is where it was; of one place, that one."""
    order = torch.randperm(count, generator=random)
    found = torch.empty_like(order)
    found[order] = order.roll(1)
    return found
