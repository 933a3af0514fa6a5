"""The cascade: where its stages stand, what each computes, and what all of them reject."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn

from bench import models, seeding
from bench.trackdata import TrackData
from defenses import cascade
from defenses.base import REJECT
from defenses.cascade import Cascade, CascadeDetector
from defenses.naive import NaiveClassifier
from defenses.tapping import tapped
from tests.unit.defenses.conftest import Fits, Small, assert_close, scores


def test_stages_are_spread_evenly() -> None:
    def convolutions(architecture: str, side: int) -> tuple[list[nn.Module], list[int]]:
        network = models.create(architecture, channels=1, side=side, outputs=10)
        layers = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
        return list(layers), [layers.index(layer) for layer in cascade.stage_layers(network)]

    assert convolutions("vgg16", 32)[1] == [0, 3, 6, 9, 12]
    assert convolutions("cuda_convnet", 28)[1] == [0, 1, 2]
    with pytest.raises(ValueError, match="no convolution"):
        cascade.stage_layers(Small())


def test_statistics_are_numpy_s() -> None:
    draw = seeding.generator(10)
    output, mean, white = (torch.randn(shape, generator=draw) for shape in ((3, 4, 5, 5), (4,), (4, 2)))
    components = (output.permute(0, 2, 3, 1).reshape(3, 25, 4) - mean).numpy() @ white.numpy()
    wanted = [components.mean(1), *np.percentile(components, (0, 25, 50, 75, 100), axis=1)]  # ranks are whole: 24 / 4
    assert_close(cascade.statistics(output, mean, white), torch.from_numpy(np.concatenate(wanted, axis=1)), 1e-5)


@torch.no_grad()
def test_one_stage_clears_an_image(fits: Fits, tiny_data: TrackData) -> None:
    shapes = fits[Cascade].config["fitted"]
    biases = {"bias_0": 3.0, "bias_1": -2.0, "bias_2": 1.0}
    flat = {name: torch.full(shape, biases.get(name, 0.0)) for name, shape in shapes.items()}
    detector, images = CascadeDetector(fits[Cascade].network, 10, flat), tiny_data.test.images[:4]
    assert scores(detector, images).tolist() == [-2.0] * 4
    assert (detector.predict(images) != REJECT).all()
    detector.get_buffer("bias_1").fill_(0.5)
    assert scores(detector, images).tolist() == [0.5] * 4
    assert (detector.predict(images) == REJECT).all()


@torch.no_grad()
def test_a_stage_is_scikit_learn_s_regression_on_whitened_channels(fits: Fits, tiny_data: TrackData) -> None:
    network, device = fits[Cascade].network, torch.device("cpu")
    layer = cascade.stage_layers(network)[1]
    clean, noisy = tiny_data.train.images, (tiny_data.train.images + 0.2).clamp(0, 1)
    stage = cascade.fit_stage(network, layer, clean, noisy, device)
    seen = [tapped(network, [layer], images)[1][0] for images in (clean, noisy)]
    white = (cascade.channels(seen[0]).flatten(0, 1) - stage["mean"]) @ stage["whitening"]
    assert_close(white.T @ white / len(white), torch.eye(white.shape[1]), 1e-3)
    inputs = torch.cat([cascade.statistics(output, stage["mean"], stage["whitening"]) for output in seen])
    theirs = LogisticRegression(C=cascade.LOSS_WEIGHT, max_iter=cascade.ITERATIONS)
    theirs.fit(inputs.double().numpy(), [0] * 64 + [1] * 64)
    wanted = torch.from_numpy(theirs.decision_function(inputs.double().numpy()))
    assert_close(inputs @ stage["weight"] + stage["bias"], wanted, 1e-3)
    assert ((wanted > 0) == (torch.arange(128) >= 64)).all()


@torch.no_grad()
def test_the_cascade_rejects_what_it_never_saw(fits: Fits, tiny_data: TrackData) -> None:
    detector, test = fits.detector(Cascade), tiny_data.test
    attacked = fits.fitting(fits.naive).craft(fits.naive, test, "fgs", epsilon=0.1)
    rejected = [(detector.predict(images) == REJECT).float().mean() for images in (test.images, attacked)]
    assert rejected[0] < 0.2
    assert rejected[1] > 0.9


def test_a_cascade_stands_on_any_network_with_convolutions(fits: Fits, tiny_data: TrackData) -> None:
    with seeding.stream(11):
        network = models.create("test_resnet", channels=1, side=28, outputs=10)
    network.eval()
    detector = fits.detector(Cascade, network)
    assert {name for name in detector.config["fitted"] if name.startswith("bias")} == {f"bias_{i}" for i in range(5)}
    assert scores(detector, tiny_data.test.images).isfinite().all()
    assert torch.equal(detector(tiny_data.test.images)[0], network(tiny_data.test.images))


def test_a_cascade_needs_an_image_that_the_network_gets_right(fits: Fits, tiny_data: TrackData) -> None:
    class Wrong(Small):
        def head(self, features: Tensor) -> Tensor:
            return torch.zeros(len(features), 10)

    fitting = fits.fitting(NaiveClassifier(Wrong(), 10))
    fitting.train = type(fitting.train)(fitting.train.images, torch.full_like(fitting.train.labels, 9))
    with pytest.raises(ValueError, match="gets none right"):
        Cascade().fit(fitting)
