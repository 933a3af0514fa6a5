"""What an attack aims at, told from the parameters that a record has of it."""

from __future__ import annotations

from collections.abc import Mapping

REJECTION = "rejection"
"""What a suite calls the target of an attack that is to have images rejected."""


def targeted(parameters: Mapping[str, object]) -> bool:
    """Return whether an attack with these parameters aims at a class, or at the rejection."""
    return parameters.get("targets") is not None


def aims_at_rejection(parameters: Mapping[str, object]) -> bool:
    """Return whether an attack with these parameters is to have images rejected."""
    return parameters.get("targets") == [REJECTION]


def asks_for_kappa(parameters: Mapping[str, object]) -> bool:
    """Return whether an attack with these parameters asks for a margin κ."""
    return parameters.get("confidence") is not None
