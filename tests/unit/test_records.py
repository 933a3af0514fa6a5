"""Records: what is not one is named."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from bench import records
from bench.errors import CorruptArtifact
from bench.store import Store

Write = Callable[..., Path]

HEADER: dict[str, Any] = {
    "schema_version": 4,
    "track": "digits",
    "track_title": "Digits",
    "architecture": "cuda_convnet",
    "suite": "table1",
    "suite_digest": "0" * 64,
    "defense": "naive",
    "defense_title": "naive",
    "defense_source": "a paper",
    "defense_departs": "",
    "taken": {},
    "thresholds": {},
    "control": False,
    "attack": "clean",
    "attack_title": "clean",
    "kind": "clean",
    "source": None,
    "in_average": False,
    "seed": 0,
    "limit": None,
    "precision": "float32",
    "parameters": {},
    "data": {},
    "counts": {"n": 4, "correct": 2, "rejected": 1, "wrong": 1, "fooled": 0},
}


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(header: dict[str, Any] | None = None, **tensors: Tensor | None) -> Path:
        zeros = {name: torch.zeros(4) for name in records.PER_IMAGE}
        whole: dict[str, Tensor | None] = {
            **zeros,
            "label": torch.tensor([0, 1, 2, 3]),
            "prediction": torch.tensor([0, 1, -1, 2]),
            "fooled": torch.zeros(4, dtype=torch.bool),
            "exhibits": torch.zeros(4, 1, 2, 2, dtype=torch.uint8),
        }
        kept = {name: tensor for name, tensor in (whole | tensors).items() if tensor is not None}
        store = Store(tmp_path)
        store.write("score", "k", meta=header or HEADER, tensors=kept, inputs={}, provenance={})
        return store.path("score", "k")

    return written


def test_a_record_is_read_from_its_folder_or_its_manifest(write: Write) -> None:
    path = write()
    one, other = records.load(path), records.load(path / "manifest.json")
    assert one.header == other.header == records.Header.model_validate(HEADER)
    assert one.digest == other.digest
    assert one.tensors["prediction"].tolist() == [0, 1, -1, 2]


@pytest.mark.parametrize(
    ("tensors", "told"),
    [
        ({"label": None}, "label is of None images, not 4"),
        ({"l2": torch.zeros(3)}, "l2 is of 3 images, not 4"),
        ({"prediction": torch.tensor([0, 1, 2, 3])}, "its counts .* are not those of its images"),
    ],
)
def test_tensors_that_are_not_what_the_header_says_are_named(write: Write, tensors: dict[str, Any], told: str) -> None:
    with pytest.raises(CorruptArtifact, match=told):
        records.load(write(**tensors))


@pytest.mark.parametrize(
    ("change", "told"),
    [({"kind": "odd"}, "kind: "), ({"extra": 1}, "extra: "), ({"schema_version": 1}, "schema_version: ")],
)
def test_a_header_of_another_schema_is_named(write: Write, change: dict[str, Any], told: str) -> None:
    with pytest.raises(CorruptArtifact, match=f"not a record: {told}"):
        records.load(write({**HEADER, **change}))
