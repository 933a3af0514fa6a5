"""Foolbox attacks with checked parameters: a table from kind to class, one file a kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from bench.attacks.base import AttackSpec, first_mistake, keys_of
from bench.attacks.cw import CW
from bench.attacks.deepfool import DeepFool
from bench.attacks.fgs import FGS
from bench.attacks.foolbox_import import Attack
from bench.attacks.ifgs import IFGS
from bench.attacks.pgd import PGD
from bench.attacks.tfgs import TFGS
from bench.attacks.tpgd import TPGD
from bench.errors import InvalidConfig
from bench.suggest import hint

KINDS: Mapping[str, type[AttackSpec]] = {
    "fgs": FGS,
    "ifgs": IFGS,
    "tfgs": TFGS,
    "tpgd": TPGD,
    "pgd": PGD,
    "deepfool": DeepFool,
    "cw": CW,
}
"""Every kind of attack."""


def spec(kind: str, params: Mapping[str, Any], where: str = "attack") -> AttackSpec:
    """Return the checked parameters of an attack of that kind.

    Raises ``InvalidConfig``, one line that names ``where``, the key and the reason.
    """
    if kind not in KINDS:
        raise InvalidConfig(f"{where}: kind: unknown kind {kind!r}, {hint(kind, KINDS)}")
    try:
        return KINDS[kind].model_validate(dict(params))
    except ValidationError as error:
        raise InvalidConfig(f"{where}: {first_mistake(error, keys_of(KINDS[kind]))}") from None


def make(kind: str, **params: Any) -> Attack:
    """Return a Foolbox attack with checked parameters, for use in a script of one's own.

    The parameters are those that a suite writes for this kind. A budget, ``epsilon``, is checked and not applied:
    Foolbox takes it with the images, as ``epsilons``. Raises ``InvalidConfig``.
    """
    return spec(kind, params, where=kind).build()
