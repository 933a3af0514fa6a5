"""How each defense is drawn: a colour and a mark of its own, the same in every figure."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Look:
    """A line's colour and the mark on it, as matplotlib names them; the paper's lines are broad and have no mark."""

    colour: str
    mark: str = ""

    @property
    def width(self) -> float:
        """The line's width, in points."""
        return 1.3 if self.mark else 2.6


# The colours that the colour-blind tell apart, of M. Okabe and K. Ito, "Color universal design", 2008; instead of their
# yellow, which is hard to see on white, a dark wine.
PAPER = {"naive": Look("#000000"), "ood": Look("#0072B2"), "ood_interp": Look("#D55E00")}
"""The paper's defenses, which every figure draws."""

COLOURS = ("#E69F00", "#56B4E9", "#009E73", "#CC79A7", "#882255")
LOOKS = tuple(Look(colour, mark) for mark in "os^DvPX" for colour in COLOURS)

ORDER = (
    *("mahalanobis", "vim", "knn", "ood_interp_mahalanobis", "feature_squeezing"),
    *("msp", "energy", "detector_subnetwork", "odin", "kernel_density"),
    *("adversarial_dustbin", "ood_interp_adversarial", "adversarial_training", "outlier_exposure", "ensemble"),
    *("cascade", "jpeg", "pca", "magnet", "specialists"),
    *("ood_interp_squeezing", "ood_interp_ensemble", "distillation", "smoothing", "mixup"),
)
"""Whose looks are ``LOOKS``, in this order. Moving a name changes figures that are published."""

KNOWN: Mapping[str, Look] = PAPER | dict(zip(ORDER, LOOKS, strict=False))

BEST = 6
"""How many defenses beside the paper's a figure draws in colour: more lines than that nobody can tell apart."""

GREY = {"color": "0.8", "linewidth": 0.8, "zorder": 1}
"""How the others are drawn, as matplotlib names it."""


def looks(defenses: Sequence[str]) -> dict[str, Look]:
    """Return how each defense of one figure is drawn, no two alike while there are looks left.

    A defense from elsewhere gets one by its name, and the next one where that is taken in this figure.
    """
    found = {name: KNOWN[name] for name in defenses if name in KNOWN}
    for name in defenses:
        if name not in found:
            first = zlib.crc32(name.encode()) % len(LOOKS)
            turned = [*LOOKS[first:], *LOOKS[:first]]
            found[name] = next((look for look in turned if look not in found.values()), turned[0])
    return found


def in_colour(ranked: Sequence[str]) -> tuple[dict[str, Look], list[str]]:
    """Return how those of ranked defenses are drawn that a figure shows in colour, and the names of the rest, in grey.

    In colour are the paper's, and the first ``BEST`` of the others.
    """
    others = [name for name in ranked if name not in PAPER]
    return looks([*(name for name in PAPER if name in ranked), *others[:BEST]]), others[BEST:]
