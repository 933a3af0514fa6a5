"""What every attack's parameters are: a frozen, strict model that names its own mistakes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from bench.attacks.foolbox_import import Attack
from bench.suggest import hint

Target = Literal["least_likely", "most_likely", "rejection"]
"""What to aim at: by the attacked network's clean logits the last class, or the first but the true one; or that it
rejects the image."""

REJECTION: Target = "rejection"

BACKWARD = 2.0
"""The cost of a backward pass, in forward passes."""


def _together(targets: tuple[Target, ...]) -> tuple[Target, ...]:
    if len(set(targets)) < len(targets):
        raise ValueError("names a target twice")
    if REJECTION in targets and len(targets) > 1:
        raise ValueError(f"{REJECTION} is no class, and stands alone")
    return targets


# A TOML list is no tuple, so the tuple alone is read leniently; the names in it are not.
Targets = Annotated[tuple[Target, ...], Field(alias="targets", min_length=1, strict=False), AfterValidator(_together)]
"""The targets of a targeted attack: at least one class, none twice, or the rejection."""


class AttackSpec(BaseModel, ABC):
    """An attack with every parameter written out."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)

    @abstractmethod
    def build(self) -> Attack:
        """Return the Foolbox attack, for any Foolbox model over images in [0, 1]."""

    @property
    @abstractmethod
    def work(self) -> float:
        """Return about how many forward passes one image and target costs."""

    @property
    def epsilons(self) -> float | None:
        """Return the L∞ budget, in pixel values of [0, 1]; ``None`` where the attack looks for the least distance."""
        return None

    @property
    def targets(self) -> tuple[Target, ...]:
        """Return what is aimed at, an adversarial image each; nothing for an untargeted attack."""
        return ()

    @property
    def kappa(self) -> float | None:
        """Return the gap of logits that a success must have; ``None`` where the attack has no such parameter."""
        return None

    @property
    def parameters(self) -> dict[str, Any]:
        """Return the parameters as JSON values, under the names that a suite gives them."""
        return self.model_dump(mode="json", by_alias=True)


def first_mistake(error: ValidationError, known: Iterable[str]) -> str:
    """Return ``key: reason`` for the first mistake that a model found; ``known`` are the keys that it takes.

    An unknown key goes first: where it is a misspelt one, the right one is missing too.
    """
    mistakes = error.errors()
    mistake = next((found for found in mistakes if found["type"] == "extra_forbidden"), mistakes[0])
    key = ".".join(str(part) for part in mistake["loc"])
    if mistake["type"] == "extra_forbidden":
        return f"{key}: unknown key, {hint(key, known)}"
    if mistake["type"] == "missing":
        return f"{key}: missing, every parameter must be written out"
    reason = mistake["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return f"{key}: {reason}, not {mistake['input']!r}"


def keys_of(model: type[BaseModel]) -> list[str]:
    """Return the keys that a model takes, as a file writes them."""
    return [field.alias or name for name, field in model.model_fields.items()]
