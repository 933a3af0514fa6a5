"""What tests of crafting share: a small classifier that may reject, images for it, and attacks as a suite has them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from bench.crafting import Crafted, craft
from bench.suites import Source, SuiteAttack
from defenses.base import LabelledImages, RejectingClassifier, decide

CPU = torch.device("cpu")
CLASSES, SIDE = 3, 4

PARAMS: dict[str, dict[str, Any]] = {
    "fgs": {"epsilon": 0.2},
    "ifgs": {"epsilon": 0.2, "stepsize": 0.05, "steps": 6},
    "pgd": {"epsilon": 0.2, "stepsize": 0.05, "steps": 6},
    "tfgs": {"epsilon": 0.2, "targets": ["least_likely"]},
    "tpgd": {"epsilon": 0.2, "stepsize": 0.05, "steps": 6, "targets": ["most_likely"]},
    "deepfool": {"steps": 50, "overshoot": 0.02},
    "cw": {
        "binary_search_steps": 3,
        "steps": 60,
        "stepsize": 0.05,
        "confidence": 0.5,
        "initial_const": 5.0,
        "abort_early": True,
        "targets": ["least_likely", "most_likely"],
    },
}


class Probe(RejectingClassifier):
    """A linear network of three classes, with dropout; may reject dark images by a margin of its own."""

    def __init__(self, *, rejects: bool = False) -> None:
        super().__init__()
        self.config = {}
        torch.manual_seed(0)
        self.layer = nn.Linear(SIDE * SIDE, CLASSES)
        self.dropout = nn.Dropout(0.5)
        self.rejects = rejects
        self.met: list[tuple[bool, bool, bool, str]] = []
        with torch.no_grad():
            self.layer.weight.mul_(4)
            self.layer.bias.copy_(-0.5 * self.layer.weight.sum(1))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        settings = torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision()
        self.met.append((self.training, self.layer.weight.requires_grad, *settings))
        flat = x.flatten(1)
        margin = 0.4 - flat.mean(1)
        logits: Tensor = self.layer(self.dropout(flat))
        return logits, margin if self.rejects else torch.full_like(margin, -torch.inf)


def attacked(count: int = 40, *, wrong: int = 4) -> LabelledImages:
    """Images that the probe gets right, but for the first few."""
    images = torch.rand(count, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    labels = decide(*Probe().eval()(images))
    labels[:wrong] = (labels[:wrong] + 1) % CLASSES
    return LabelledImages(images, labels.detach())


def suite_attack(
    kind: str, *, source: Source = "surrogate", batch_size: int = 16, images: int | None = None
) -> SuiteAttack:
    return SuiteAttack(kind, kind, kind, source, True, batch_size, images, None, PARAMS[kind], {}, "test")


def crafted(classifier: RejectingClassifier, attack: SuiteAttack, data: LabelledImages) -> Crafted:
    return craft(classifier, attack, attack.spec("digits"), data, permutation=5, device=CPU)
