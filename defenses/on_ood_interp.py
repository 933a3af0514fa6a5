"""What stands on +OOD+interp: its network."""

from __future__ import annotations

from defenses.base import Fitting, Network
from defenses.dustbin import DustbinClassifier


def dustbin_network(fitting: Fitting) -> Network:
    """Return the (K+1)-way network of +OOD+interp of the same seed, which the defense names in ``needs``.

    Raises ``TypeError`` where what is fitted as ``ood_interp`` has no dustbin.
    """
    found = fitting.fitted("ood_interp")
    if not isinstance(found, DustbinClassifier):
        raise TypeError(f"'ood_interp' is a {type(found).__name__}: what stands on it needs a network with a dustbin")
    return found.network
