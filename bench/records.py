"""The schema of a record: one scored cell, with what each image got and where the numbers come from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from torch import Tensor

from bench.errors import CorruptArtifact
from bench.store import Artifact, read_artifact
from defenses.base import REJECT

SCHEMA = 4
"""Version of the header below; raised whenever a field changes its meaning."""

OUT = -2
"""The label of an out-distribution image: it belongs to no class, so no prediction of a class is right."""

OUT_SET = "out:"
"""What the ``attack`` of a record of out-distribution images begins with, before the name of their set."""

PER_IMAGE = (
    "index",
    "label",
    "prediction",
    "class_prediction",
    "reject_score",
    "victim_correct",
    "fooled",
    "hit_target",
    "reached_kappa",
    "l2",
    "linf",
)
"""The tensors of a record that have one entry an image."""

NARROW = {"index": torch.int32, **dict.fromkeys(("label", "prediction", "class_prediction"), torch.int16)}
"""As what whole numbers, int64 for whoever reads them, lie in the file: a published record is a quarter of the size."""

EXHIBITS = 8
"""The most images that a record keeps for people to look at."""


class DataOrigin(BaseModel):
    """Which data a record was made from: a digest of the decoded images, and where they came from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    digest: str
    origin: str
    notes: tuple[str, ...] = ()


class Header(BaseModel):
    """What a record says about itself, as JSON. Rates are not stored: they are computed from the images."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: Literal[4]
    track: str
    track_title: str
    architecture: str
    suite: str
    suite_digest: str
    """Of the suite as it is on the track."""
    defense: str
    defense_title: str
    defense_source: str
    defense_departs: str
    """How the defense departs from its source; empty where it does not."""
    control: bool
    attack: str
    attack_title: str
    kind: Literal["clean", "out", "attack"]
    source: Literal["surrogate", "twin", "victim"] | None
    """Whose network was attacked; ``None`` where nothing was."""
    in_average: bool
    """Whether the attack counts in the average Err."""
    taken: dict[str, dict[str, int]]
    """Of the defense and of those that it needs, by name: how many ``networks`` it trained, and whether it took
    out-distribution images, ``out``, and adversarial ones, ``attacks`` (0 or 1)."""
    thresholds: dict[str, float]
    """By a share of clean validation images, as text: the reject score above which that share of them lies."""
    seed: int
    limit: int | None
    precision: str
    epochs: int | None = None
    """How many the networks trained for, where the run asked for another number than the track's."""
    parameters: dict[str, object]
    """The attack's parameters, every one written out; empty for ``clean`` and ``out``."""
    data: dict[str, DataOrigin]
    counts: dict[str, int]
    """``n``, ``correct``, ``rejected``, ``wrong``, ``fooled``: a check on the per-image tensors."""


@dataclass(frozen=True)
class Record:
    """A scored cell.

    Per image, all ``(n,)``: ``index`` in the test split, ``label`` (``OUT`` for out-distribution images),
    ``prediction`` (``REJECT`` for a rejection), ``class_prediction`` (the class if none were rejected),
    ``reject_score``, ``victim_correct`` (the defense gets the clean image right), ``fooled`` (the attacked network
    misclassifies the final image as stored), ``hit_target``, ``reached_kappa``, ``l2``, ``linf``; and ``exhibits``,
    uint8 ``(<= 8, C, H, W)``.
    """

    header: Header
    tensors: Mapping[str, Tensor]
    key: str
    digest: str
    inputs: Mapping[str, str]
    """Digests of what it was made from, by name: ``victim``, the network, ``craft``, the images, and others."""
    provenance: Mapping[str, object]
    """Dates, durations, device, threads, versions: no part of the digest."""


def narrowed(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return per-image tensors as they are stored."""
    return {name: tensor.to(NARROW.get(name, tensor.dtype)) for name, tensor in tensors.items()}


def from_artifact(artifact: Artifact) -> Record:
    """Return the record that a stored artifact holds; raise ``CorruptArtifact`` where it holds none."""
    try:
        header = Header.model_validate(artifact.meta)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise CorruptArtifact(f"{artifact.path}: not a record: {where}: {first['msg']}") from None
    tensors = {name: t.long() if name in NARROW else t for name, t in artifact.tensors().items()}
    lengths = {name: len(tensors[name]) if name in tensors else None for name in PER_IMAGE}
    for name, length in lengths.items():
        if length != header.counts["n"]:
            raise CorruptArtifact(
                f"{artifact.path}: not a record: {name} is of {length} images, not {header.counts['n']}"
            )
    if counted(tensors) != header.counts:
        raise CorruptArtifact(f"{artifact.path}: not a record: its counts {header.counts} are not those of its images")
    return Record(header, tensors, artifact.key, artifact.digest, artifact.inputs, artifact.provenance)


def counted(tensors: Mapping[str, Tensor]) -> dict[str, int]:
    """Return the counts that a header holds, from per-image tensors."""
    label, prediction = tensors["label"], tensors["prediction"]
    correct, rejected = int((prediction == label).sum()), int((prediction == REJECT).sum())
    return {
        "n": len(label),
        "correct": correct,
        "rejected": rejected,
        "wrong": len(label) - correct - rejected,
        "fooled": int(tensors["fooled"].sum()),
    }


def seeds_by_defense(records: Iterable[Record]) -> dict[str, tuple[int, ...]]:
    """Return the seeds, from the least up, of which each defense has a record."""
    found: dict[str, set[int]] = {}
    for record in records:
        found.setdefault(record.header.defense, set()).add(record.header.seed)
    return {defense: tuple(sorted(seeds)) for defense, seeds in found.items()}


def load(path: str | Path) -> Record:
    """Read and verify the record in a store's folder ``path``, or in the folder of the manifest ``path``.

    Raises ``CorruptArtifact`` where a file is missing, damaged or of another schema.
    """
    path = Path(path)
    return from_artifact(read_artifact(path if path.is_dir() else path.parent))
