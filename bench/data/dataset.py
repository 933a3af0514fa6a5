"""What every data set is, once loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from defenses.base import LabelledImages


@dataclass(frozen=True)
class Dataset:
    """A data set: its splits by name (``train``, ``validation``, ``test``; those that it has), checked.

    ``origin`` says where it came from, for people; ``digest`` is the sha256 of the decoded images and labels of every
    split; ``notes`` are things that a reader of a table made from it must know.
    """

    name: str
    splits: Mapping[str, LabelledImages]
    origin: str
    digest: str
    notes: tuple[str, ...] = ()
