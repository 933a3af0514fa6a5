"""The roster of defenses: ours by name, and those that installed packages bring."""

from __future__ import annotations

import difflib
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points

from defenses.base import Defense

ROSTER: dict[str, str] = {
    "naive": "defenses.naive:Naive",
    "ood": "defenses.ood:OutDistribution",
    "ood_interp": "defenses.ood_interp:OutDistributionInterpolated",
    "msp": "defenses.msp:MaximumSoftmaxProbability",
    "energy": "defenses.energy:Energy",
    "odin": "defenses.odin:Odin",
    "mahalanobis": "defenses.mahalanobis:Mahalanobis",
    "knn": "defenses.knn:NearestNeighbours",
    "vim": "defenses.vim:VirtualLogit",
    "kernel_density": "defenses.kernel_density:KernelDensity",
    "feature_squeezing": "defenses.feature_squeezing:FeatureSqueezing",
    "cascade": "defenses.cascade:Cascade",
    "jpeg": "defenses.jpeg:Jpeg",
    "pca": "defenses.pca:PrincipalComponents",
    "magnet": "defenses.magnet:MagNet",
    "adversarial_dustbin": "defenses.adversarial_dustbin:AdversarialDustbin",
    "detector_subnetwork": "defenses.detector_subnetwork:DetectorSubnetwork",
    "distillation": "defenses.distillation:Distillation",
    "specialists": "defenses.specialists:Specialists",
    "outlier_exposure": "defenses.outlier_exposure:OutlierExposure",
    "adversarial_training": "defenses.adversarial_training:AdversarialTraining",
    "ensemble": "defenses.ensemble:Ensemble",
    "smoothing": "defenses.smoothing:Smoothing",
    "mixup": "defenses.mixup:Mixup",
    "ood_interp_adversarial": "defenses.ood_interp_adversarial:OodInterpAdversarial",
    "ood_interp_squeezing": "defenses.ood_interp_squeezing:OodInterpSqueezing",
    "ood_interp_ensemble": "defenses.ood_interp_ensemble:OodInterpEnsemble",
    "ood_interp_mahalanobis": "defenses.ood_interp_mahalanobis:OodInterpMahalanobis",
    "reject_all": "defenses.reject_all:RejectAll",
    "reject_random": "defenses.reject_random:RejectRandom",
    "interp": "defenses.ood_interp_variants:InterpolatedAlone",
    "ood_interp_matched": "defenses.ood_interp_variants:SizeMatched",
    "ood_interp_tenth": "defenses.ood_interp_variants:Tenth",
    "ood_interp_triple": "defenses.ood_interp_variants:Triple",
    "ood_interp_alpha30": "defenses.ood_interp_variants:NearNeighbour",
    "ood_interp_alpha70": "defenses.ood_interp_variants:NearSource",
    "ood_interp_random": "defenses.ood_interp_variants:RandomNeighbours",
    "ood_interp_pixels": "defenses.ood_interp_variants:PixelNeighbours",
}
"""The defenses of this repository: name -> ``module:Class``. One line adds one."""

VARIANTS = frozenset(f"ood_interp_{what}" for what in ("tenth", "triple", "alpha30", "alpha70", "random", "pixels"))
"""Those of the roster that are +OOD+interp under another choice of the paper's: its claims ask for them by name."""

GROUP = "rejectbench.defenses"
"""The entry-point group through which other packages bring theirs."""


class RosterError(Exception):
    """A defense that cannot be found or loaded; the message names it and says the mend."""


def registered() -> dict[str, str]:
    """Return every registered defense, name -> ``module:Class``: the roster's first, then those of other packages.

    Raises ``RosterError`` where two have one name.
    """
    found = dict(ROSTER)
    for point in brought():
        if found.setdefault(point.name, point.value) != point.value:
            raise RosterError(
                f"defense '{point.name}' is registered twice, as {found[point.name]} and {point.value}; rename one"
            )
    return found


@cache
def brought() -> list[EntryPoint]:
    """Return the entry points of other packages, by name; they are looked for once, in every package installed."""
    return sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value))


def target(name: str) -> str:
    """Return the ``module:Class`` of a registered defense; raise ``RosterError`` where there is none of that name."""
    known = registered()
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean '{close[0]}'?" if close else "known are " + ", ".join(known)
        raise RosterError(f"unknown defense '{name}'; {hint}")
    return known[name]


def load(name: str) -> type[Defense]:
    """Return the class of a registered defense.

    Raises ``RosterError`` where the name is unknown, its module cannot be imported, or it is no ``Defense``.
    """
    where = target(name)
    module, _, attribute = where.partition(":")
    if not (module and attribute):
        raise RosterError(f"defense '{name}' ({where}) cannot be found; register it as module:Class")
    try:
        found = getattr(import_module(module), attribute)
    except Exception as error:
        raise RosterError(
            f"defense '{name}' ({where}) cannot be imported: {type(error).__name__}: {error}; mend that module"
        ) from error
    if not (isinstance(found, type) and issubclass(found, Defense)):
        raise RosterError(f"defense '{name}' ({where}) is not a subclass of defenses.base.Defense; make it one")
    for attribute in ("title", "source"):
        if not isinstance(getattr(found, attribute, None), str):
            raise RosterError(f"defense '{name}' ({where}) has no {attribute}; give its class one, a text")
    if not isinstance(found.needs, tuple) or name in found.needs:
        raise RosterError(f"defense '{name}' ({where}): needs is {found.needs!r}; make it a tuple of other defenses")
    return found
