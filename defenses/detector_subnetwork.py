"""Detector subnetwork: a small network tells adversarial images by the activations in the middle of the naive twin."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from defenses.adversarial_images import fast_gradient
from defenses.base import Fitting, Network, in_batches
from defenses.detector import Detector, DetectorDefense
from defenses.small_network import Weights, convolved, fresh, trained
from defenses.tapping import tapped

MAPS = 64  # of the subnetwork's hidden layers
POOL = 2  # pixels, the side and the stride of its one pooling
EPOCHS = 10  # over the training images and as many adversarial ones


class SubnetworkDetector(Detector):
    """Scores an image by the subnetwork's logit of its being adversarial."""

    mean: Tensor
    deviation: Tensor

    def judged(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits ``(N, K)`` and the scores ``(N,)``, of one pass."""
        logits, (maps,) = tapped(self.network, [middle(self.network)], x)
        return logits, adversarial_logit((maps - self.mean) / self.deviation, dict(self.named_buffers(recurse=False)))


class DetectorSubnetwork(DetectorDefense):
    """A binary subnetwork on the naive twin, trained on clean against adversarial images."""

    title = "detector subnetwork"
    source = "Metzen et al. 2017, On Detecting Adversarial Perturbations, section 3: the paper's [23]"
    departs = (
        "FGS images alone, a subnetwork of three small convolutions, no dynamic adversary, and a threshold that "
        "rejects 5% of clean images in place of a probability of one half"
    )
    classifier = SubnetworkDetector

    def fitted(self, fitting: Fitting, network: Network) -> dict[str, Tensor]:
        """Return the activations' mean and deviation, ``(C, 1, 1)``, and the subnetwork's weights."""
        clean, device = fitting.train.images, fitting.device
        mean, deviation = spread(network, clean, device)
        images = torch.cat([clean, fast_gradient(fitting)])
        adversarial = torch.cat([torch.zeros(len(clean)), torch.ones(len(clean))])

        def loss(weights: Weights, places: Tensor) -> Tensor:
            with torch.no_grad():
                maps = tapped(network, [middle(network)], images[places].to(device))[1][0]
            told = adversarial_logit((maps - mean.to(device)) / deviation.to(device), weights)
            return functional.binary_cross_entropy_with_logits(told, adversarial[places].to(device))

        weights = fresh((len(mean), MAPS, MAPS, 1), fitting.generator)
        count = len(images)
        found = trained(weights, loss, count=count, epochs=EPOCHS, generator=fitting.generator, device=device)
        return {"mean": mean, "deviation": deviation, **found}


def adversarial_logit(maps: Tensor, weights: Weights) -> Tensor:
    """Return the subnetwork's logit ``(N,)`` for standardised activations ``(N, C, H, W)``."""
    hidden = functional.max_pool2d(convolved(maps, weights, 0).relu(), POOL, ceil_mode=True)
    return convolved(convolved(hidden, weights, 1).relu(), weights, 2).mean(dim=(1, 2, 3))


def middle(network: Network) -> nn.Conv2d:
    """Return the middle one of the network's convolutions, in the order of its modules; those of 1×1 do not count.

    Raises ``ValueError`` where there is none.
    """
    found = [part for part in network.modules() if isinstance(part, nn.Conv2d) and max(part.kernel_size) > 1]
    if not found:
        raise ValueError("the network has no convolution for a subnetwork to look at; choose another architecture")
    return found[len(found) // 2]


def spread(network: Network, images: Tensor, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the mean and the standard deviation, each ``(C, 1, 1)``, of the middle convolution's maps."""

    def moments(x: Tensor) -> Tensor:
        maps = tapped(network, [middle(network)], x)[1][0]
        return torch.stack([maps.mean(dim=(2, 3)), maps.square().mean(dim=(2, 3))], dim=1)

    first, second = in_batches(moments, images, device).double().mean(dim=0)[..., None, None]
    deviation = (second - first.square()).clamp(min=torch.finfo(torch.float32).eps).sqrt()
    return first.float(), deviation.float()
