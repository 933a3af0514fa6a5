"""Small records made by hand: every rate in a table can be counted."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from bench.records import EXHIBITS, OUT, DataOrigin, Header, Record
from defenses.base import REJECT

TITLES = {
    "naive": "naive",
    "ood": "+OOD",
    "reject_all": "reject all",
    "clean": "clean",
    "out:notmnist": "notMNIST",
    "fgs": "FGS",
    "cw": "C&W",
}
PARAMETERS: dict[str, dict[str, object]] = {
    "fgs": {"epsilon": 0.2},
    "cw": {"confidence": 20.0, "targets": ["least_likely", "most_likely_other"]},
}
PROVENANCE: dict[str, object] = {
    "created": "2026-01-01T00:00:00+00:00",
    "seconds": 1.5,
    "device": "cpu",
    "threads": 2,
    "platform": "Linux x86_64",
    "versions": {"foolbox": "3.3.4", "torch": "2.6.0"},
}


def record(
    defense: str, attack: str, decided: tuple[int, int, int], provenance: dict[str, object] | None = None, **header: Any
) -> Record:
    """Return a record of so many correct, rejected and wrong images, in this order, with any header field changed."""
    kind = attack if attack == "clean" else "out" if attack.startswith("out:") else "attack"
    n = sum(decided)
    fields: dict[str, Any] = {
        "schema_version": 4,
        "track": "mnist",
        "track_title": "MNIST with notMNIST",
        "architecture": "cuda_convnet",
        "suite": "table1",
        "suite_digest": "0123456789abcdef" * 4,
        "defense": defense,
        "defense_title": TITLES.get(defense, defense),
        "defense_source": f"where {defense} comes from",
        "defense_departs": "",
        "taken": {defense: {"networks": 1, "out": int(defense == "ood"), "attacks": 0}},
        "thresholds": {"0.01": 0.0, "0.05": 0.0},
        "control": defense == "reject_all",
        "attack": attack,
        "attack_title": TITLES.get(attack, attack),
        "kind": kind,
        "source": "surrogate" if kind == "attack" else None,
        "in_average": kind == "attack",
        "seed": 0,
        "limit": None,
        "precision": "bf16",
        "parameters": PARAMETERS.get(attack, {}),
        "data": {"mnist": DataOrigin(digest="ab" * 32, origin="mnist.npz")},
        "counts": {"n": n},
    }
    changed = Header.model_validate(fields | header)
    key = f"{changed.defense}-{changed.attack}-{changed.seed}"
    inputs = {"victim": f"{changed.defense}-{changed.seed}", "craft": f"{changed.attack}-{changed.seed}"}
    return Record(changed, tensors(changed.kind, decided), key, f"digest of {key}", inputs, provenance or PROVENANCE)


def tensors(kind: str, decided: tuple[int, int, int]) -> dict[str, Tensor]:
    """Return per-image tensors: the first half of an attack's images was fooled, at distances 0.1, 0.2, ..."""
    correct, rejected, wrong = decided
    n = sum(decided)
    fooled = torch.arange(n) < (n + 1) // 2
    return {
        "index": torch.arange(n),
        "label": torch.full((n,), OUT if kind == "out" else 3),
        "prediction": torch.tensor([3] * correct + [REJECT] * rejected + [4] * wrong, dtype=torch.int64),
        "class_prediction": torch.tensor([3] * (correct + rejected) + [4] * wrong, dtype=torch.int64),
        "reject_score": torch.tensor([-1.0] * correct + [1.0] * rejected + [-0.5] * wrong),
        "victim_correct": torch.arange(n) > 0,
        "fooled": fooled,
        "hit_target": torch.arange(n) < n // 4,
        "reached_kappa": torch.zeros(n, dtype=torch.bool),
        "l2": (torch.arange(n) + 1) / 10,
        "linf": (torch.arange(n) + 1) / 100,
        "exhibits": torch.arange(min(n, EXHIBITS) * 16, dtype=torch.uint8).view(-1, 1, 4, 4),
    }


@pytest.fixture
def make() -> Callable[..., Record]:
    """Make a record by hand."""
    return record


@pytest.fixture
def small() -> list[Record]:
    """Give two defenses and a control on clean and other images and two attacks, one seed."""
    decided = {
        "naive": {"clean": (19, 0, 1), "out:notmnist": (0, 0, 10), "fgs": (5, 0, 15), "cw": (2, 0, 6)},
        "ood": {"clean": (19, 1, 0), "out:notmnist": (0, 9, 1), "fgs": (4, 12, 4), "cw": (3, 3, 2)},
        "reject_all": {"clean": (0, 20, 0), "out:notmnist": (0, 10, 0), "fgs": (0, 20, 0), "cw": (0, 8, 0)},
    }
    return [record(defense, attack, counts) for defense, cells in decided.items() for attack, counts in cells.items()]
