"""PCA: images are brought to the training images' main directions before the naive twin sees them."""

from __future__ import annotations

from torch import Tensor

from defenses.base import Fitting, Network
from defenses.on_naive import OnNaiveDefense
from defenses.preprocessing import Preprocessed
from defenses.principal import principal

VARIANCE = 0.95  # share of the training images' variance that is kept
BATCH = 4096  # images that are held in float64 at a time


class PcaClassifier(Preprocessed):
    """A network that sees each image's projection on the main directions."""

    mean: Tensor
    directions: Tensor

    def cleaned(self, x: Tensor) -> Tensor:
        """Return the images' projections."""
        flat = x.flatten(1) - self.mean
        return (flat @ self.directions @ self.directions.T + self.mean).view_as(x)


class PrincipalComponents(OnNaiveDefense):
    """A projection on the principal components before the naive twin."""

    title = "PCA"
    source = "Bhagoji et al. 2017, Enhancing Robustness via Data Transformations: the paper's [4]"
    departs = f"{VARIANCE:.0%} of the variance kept, and no network trained on the projections"
    classifier = PcaClassifier

    def fitted(self, fitting: Fitting, network: Network) -> dict[str, Tensor]:
        """Return the training images' mean ``(P,)`` and main directions ``(P, M)``, P pixel values."""
        mean, variances, directions = principal(fitting.train.images.flatten(1).split(BATCH))
        shares = variances.cumsum(0) / variances.sum()
        kept = int((shares < VARIANCE).sum()) + 1
        return {"mean": mean.float(), "directions": directions[:, :kept].float()}
