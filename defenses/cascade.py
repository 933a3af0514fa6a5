"""Cascade: an image is rejected where the statistics of each of several layers' outputs call it adversarial."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from defenses.base import Fitting, LabelledImages, Network, in_batches
from defenses.detector import Detector, DetectorDefense
from defenses.principal import principal, whitening
from defenses.tapping import tapped

STAGES = 5  # convolutional layers that are looked at, at most, spread evenly over the network
COMPONENTS = 32  # principal components of a layer's channels, at most
QUANTILES = (0.0, 0.25, 0.5, 0.75, 1.0)  # of a component over an image's positions: the share of them that lies below
ATTACKED = 2000  # training images, at most
STEPS = 50  # of DeepFool, at most
OVERSHOOT = 0.02  # of DeepFool: the share of the perturbation that is added to it
BATCH = 64  # images whose activations are held at a time
LOSS_WEIGHT = 1.0  # an image's, beside the penalty of half the squared coefficients: scikit-learn's C
ITERATIONS = 5000  # of the regression's solver, at most


class CascadeDetector(Detector):
    """Scores an image by the least of its stages' log-odds of being adversarial: any one of them can clear it.

    Stage i is a convolutional layer with the mean ``mean_i`` ``(C,)`` and the whitening ``whitening_i`` ``(C, M)`` of
    its channels, and the coefficients ``weight_i`` ``(S,)`` and ``bias_i`` ``()`` of a classifier of its statistics.
    """

    def judged(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits ``(N, K)`` and the scores ``(N,)``, of one pass."""
        logits, outputs = tapped(self.network, stage_layers(self.network), x)
        return logits, torch.stack([self.margin(stage, output) for stage, output in enumerate(outputs)]).amin(dim=0)

    def margin(self, stage: int, output: Tensor) -> Tensor:
        """Return a stage's log-odds ``(N,)`` by the output ``(N, C, H, W)`` of its layer."""
        mean, white = self.get_buffer(f"mean_{stage}"), self.get_buffer(f"whitening_{stage}")
        weight, bias = self.get_buffer(f"weight_{stage}"), self.get_buffer(f"bias_{stage}")
        return statistics(output, mean, white) @ weight + bias


class Cascade(DetectorDefense):
    """A cascade of classifiers of convolutional filter statistics, on the naive twin."""

    title = "cascade"
    source = "Li & Li 2017, Adversarial Examples Detection with Convolutional Filter Statistics: the paper's [20]"
    departs = (
        f"DeepFool on at most {ATTACKED:,} training images in place of L-BFGS; at most {STAGES} layers and "
        f"{COMPONENTS} components a layer; logistic regressions, each fitted to all images, with one threshold"
    )
    classifier = CascadeDetector

    def fitted(self, fitting: Fitting, network: Network) -> dict[str, Tensor]:
        """Return the tensors of every stage.

        Raises ``ValueError`` where the network has no convolution, and where it gets no attacked image right.
        """
        chosen = torch.randperm(len(fitting.train), generator=fitting.generator)[:ATTACKED]
        clean = LabelledImages(fitting.train.images[chosen], fitting.train.labels[chosen])
        crafted = fitting.craft(fitting.fitted("naive"), clean, "deepfool", steps=STEPS, overshoot=OVERSHOOT)
        moved = (crafted != clean.images).flatten(1).any(dim=1)
        if not moved.any():
            raise ValueError("DeepFool changed no training image: the naive network gets none right; train it longer")
        found: dict[str, Tensor] = {}
        for stage, layer in enumerate(stage_layers(network)):
            of_stage = fit_stage(network, layer, clean.images[moved], crafted[moved], fitting.device)
            found |= {f"{name}_{stage}": tensor for name, tensor in of_stage.items()}
        return found


def fit_stage(
    network: Network, layer: nn.Module, clean: Tensor, crafted: Tensor, device: torch.device
) -> dict[str, Tensor]:
    """Return a stage's tensors, fitted to images ``(N, C, H, W)`` and what an attack made of them."""
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415  only who fits a cascade waits for scikit-learn

    def output(images: Tensor) -> Tensor:
        return in_batches(lambda x: tapped(network, [layer], x)[1][0], images, device, BATCH)

    mean, variances, directions = principal(channels(output(batch)).flatten(0, 1) for batch in clean.split(BATCH))
    centre, white = mean.float(), whitening(variances[:COMPONENTS], directions[:, :COMPONENTS])
    batches = torch.cat([clean, crafted]).split(BATCH)
    seen = torch.cat([statistics(output(batch), centre, white) for batch in batches])
    regression = LogisticRegression(C=LOSS_WEIGHT, max_iter=ITERATIONS)
    line = regression.fit(seen.double().numpy(), [0] * len(clean) + [1] * len(crafted))
    weight, bias = torch.from_numpy(line.coef_[0]).float(), torch.tensor(float(line.intercept_[0]))
    return {"mean": centre, "whitening": white, "weight": weight, "bias": bias}


def stage_layers(network: Network) -> list[nn.Conv2d]:
    """Return at most ``STAGES`` of a network's convolutions, from the first to the last in the order of its modules.

    Raises ``ValueError`` where it has none.
    """
    layers = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    if not layers:
        raise ValueError("the network has no convolution for a cascade to look at; choose another architecture")
    places = torch.linspace(0, len(layers) - 1, min(STAGES, len(layers))).round().int()
    return [layers[place] for place in places.tolist()]


def channels(output: Tensor) -> Tensor:
    """Return the channels at each position, ``(N, P, C)``, of an output ``(N, C, H, W)``."""
    return output.flatten(2).transpose(1, 2)


def statistics(output: Tensor, mean: Tensor, white: Tensor) -> Tensor:
    """Return the mean and the ``QUANTILES`` of each of M components over the positions, ``(N, S)``, S being 6 · M.

    A quantile is the value of the nearest rank, so that the first and the last are the extremes.
    """
    components = (channels(output) - mean) @ white
    ranks = (torch.tensor(QUANTILES, device=output.device) * (components.shape[1] - 1)).round().long()
    ordered = components.sort(dim=1).values[:, ranks]
    return torch.cat([components.mean(dim=1, keepdim=True), ordered], dim=1).flatten(1)
