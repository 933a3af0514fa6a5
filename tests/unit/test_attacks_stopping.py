"""C&W where images that have stopped still lie in the batch, as on a GPU, which halves it: here on a CPU."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
import torch
from torch import Tensor, nn

from bench.attacks import carlini_wagner
from bench.attacks.carlini_wagner import PerImageCarliniWagner
from bench.attacks.descent import halved, staying
from bench.attacks.foolbox_import import Misclassification
from tests.unit.attacked import SEARCH, right_labels, run

SIDE, CLASSES, COUNT = 6, 4, 12

SWINGING = {**SEARCH, "stepsize": 0.2}
"""Steps so large that the loss of some images, once they have stopped, falls again."""


def linear() -> nn.Module:
    """Untrained, with the boundaries well inside [0, 1] around grey images."""
    torch.manual_seed(1)
    layer = nn.Linear(SIDE * SIDE, CLASSES)
    with torch.no_grad():
        layer.weight.copy_(torch.randn(CLASSES, SIDE * SIDE) / SIDE)
        layer.bias.copy_(-0.5 * layer.weight.sum(1))
    return nn.Sequential(nn.Flatten(), layer).eval()


def grey() -> Tensor:
    return 0.5 + 0.12 * torch.randn(COUNT, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(2))


@dataclass
class Halving:
    """Stays in for ``staying`` on a CPU, and notes how many stopped rows it has let lie at each check."""

    lying: list[int] = field(default_factory=list)

    def __call__(self, going: Tensor) -> Tensor:
        rows = halved(going)
        self.lying.append(len(rows) - int(going.sum()))
        return rows


def test_an_image_that_has_stopped_does_not_go_on_in_a_halved_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    network, images, halving = linear(), grey(), Halving()
    criterion = Misclassification(right_labels(network, images))
    dropped = run(PerImageCarliniWagner(**SWINGING), network, images, criterion)
    monkeypatch.setattr(carlini_wagner, "staying", halving)
    kept = run(PerImageCarliniWagner(**SWINGING), network, images, criterion)
    assert max(halving.lying) > 0
    assert (kept - dropped).abs().max() <= 1e-5


def test_what_lies_in_a_halved_batch_does_not_depend_on_its_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    network, images = linear(), grey()
    labels = right_labels(network, images)
    monkeypatch.setattr(carlini_wagner, "staying", Halving())
    together = run(PerImageCarliniWagner(**SWINGING), network, images, Misclassification(labels))
    for row in range(COUNT):
        one = slice(row, row + 1)
        alone = run(PerImageCarliniWagner(**SWINGING), network, images[one], Misclassification(labels[one]))
        assert (alone - together[one]).abs().max() <= 1e-5


@pytest.mark.parametrize(
    ("going", "rows"),
    [
        ("1111", [0, 1, 2, 3]),
        ("10110", [0, 2, 3]),
        ("0100110", [1, 4, 5, 0]),
        ("00010", [3]),
        ("0000", []),
    ],
)
def test_a_batch_is_halved_where_all_that_go_on_have_a_place(going: str, rows: list[int]) -> None:
    flags = torch.tensor([flag == "1" for flag in going])
    assert halved(flags).tolist() == rows
    assert staying(flags).tolist() == sorted(rows[: int(flags.sum())])
