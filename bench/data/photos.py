"""The data set ``photos``: small grey patches of scikit-learn's two sample photographs, at several scales."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from bench.data.assemble import assemble, shuffled, stream
from bench.data.dataset import Dataset
from bench.data.location import embedded

REDUCTIONS = (1, 2, 4, 8)
"""By how much a photograph (427x640) is reduced before patches are cut: a patch shows 28 to 224 pixels of it."""

PATCHES = 50
"""How many patches are cut from each photograph at each reduction: 400 in all."""

FLOOR = 0.1
"""The least standard deviation of a patch's pixels, of the whole range of grey: flatter ones are sky and blur."""

_SIDE = 28  # pixels
_CANDIDATES = 16 * PATCHES  # places looked at: in the flattest case a quarter of them are above the floor


def load() -> Dataset:
    """Return the patches: images ``(400, 1, 28, 28)`` in a ``test`` split alone, in random order.

    The label is the index of the photograph (0 a temple in China, 1 a flower), which no track uses. Places are drawn
    without repetition; the seed is fixed. Source: ``sklearn.datasets.load_sample_images``.
    """
    from sklearn.datasets import load_sample_images  # noqa: PLC0415  only who loads photos waits for scikit-learn

    generator = stream("photos", "places")
    patches, labels = [], []
    for label, photo in enumerate(load_sample_images().images):
        for reduction in REDUCTIONS:
            grey = np.asarray(Image.fromarray(photo).convert("L").reduce(reduction))
            patches.append(cut(grey, generator))
            labels.append(torch.full((len(patches[-1]),), label))
    images = torch.cat(patches).unsqueeze(1).float() / 255
    test = shuffled(images, torch.cat(labels), stream("photos", "order"))
    return assemble("photos", {"test": test}, origin())


def origin() -> str:
    """Return where they come from."""
    return embedded("scikit-learn")


def cut(grey: NDArray[np.uint8], generator: torch.Generator) -> Tensor:
    """Return up to 50 patches ``(N, 28, 28)`` of a grey photograph ``(H, W)``, none flatter than the floor."""
    windows = np.lib.stride_tricks.sliding_window_view(grey, (_SIDE, _SIDE))
    rows, columns = windows.shape[:2]
    places = torch.randperm(rows * columns, generator=generator)[:_CANDIDATES].numpy()
    candidates = windows[places // columns, places % columns]
    lively = candidates.std(axis=(1, 2)) >= 255 * FLOOR
    return torch.from_numpy(candidates[lively][:PATCHES])
