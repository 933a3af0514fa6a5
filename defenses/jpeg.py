"""JPEG: images are compressed before the naive twin sees them."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from defenses.on_naive import OnNaiveDefense
from defenses.preprocessing import Preprocessed

QUALITY = 75  # of 100


class JpegClassifier(Preprocessed):
    """A network that sees each image as JPEG leaves it."""

    def cleaned(self, x: Tensor) -> Tensor:
        """Return the images as JPEG leaves them; their gradient is taken as if they were left as they are."""
        stored = (x.detach().clamp(0, 1) * 255).round().to(torch.uint8).cpu()
        seen = torch.stack([compressed(image) for image in stored])
        return x + (seen.to(x) / 255 - x).detach()


class Jpeg(OnNaiveDefense):
    """JPEG compression before the naive twin."""

    title = "JPEG"
    source = "Das et al. 2017, Keeping the Bad Guys Out, section 3: the paper's [8]"
    departs = f"quality {QUALITY} alone, and no network trained on compressed images"
    classifier = JpegClassifier


def compressed(image: Tensor) -> Tensor:
    """Return an image, uint8 ``(C, H, W)``, grey or red, green and blue, as JPEG leaves it."""
    file = BytesIO()
    Image.fromarray(image.movedim(0, 2).squeeze(2).numpy()).save(file, "JPEG", quality=QUALITY)
    left = torch.from_numpy(np.array(Image.open(file)))
    return left.view(*image.shape[1:], len(image)).movedim(2, 0)
