"""What every registered defense must do; registering is enough to be tested."""

from collections.abc import Callable

import pytest
import torch

import defenses
from bench import canonical, codedigest, fitting
from bench.attacks.adapter import WithRejectClass
from bench.fitting import TrackFitting
from bench.trackdata import TrackData
from bench.tracks import Track
from defenses.base import REJECT, RejectingClassifier

MakeFitting = Callable[..., TrackFitting]
Fit = Callable[[str], RejectingClassifier]

CPU = torch.device("cpu")


@pytest.fixture
def fit(make_fitting: MakeFitting) -> Fit:
    """Fit a defense after those that it needs."""

    def fitted(name: str) -> RejectingClassifier:
        defense = defenses.load(name)
        needed = {other: fitted(other) for other in defense.needs}
        return defense().fit(make_fitting(stream=1, fitted=needed)).eval()

    return fitted


@pytest.fixture(params=list(defenses.registered()))
def name(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


def test_it_says_what_it_is(name: str) -> None:
    defense = defenses.load(name)
    assert defense.title
    assert defense.source
    assert defense.__doc__
    assert name not in defense.needs
    assert set(defense.needs) <= set(defenses.registered())
    assert codedigest.module_digest(defenses.target(name).partition(":")[0])


def test_what_it_returns_keeps_the_contract(name: str, fit: Fit, tiny_data: TrackData, tiny_track: Track) -> None:
    classifier = fit(name)
    images = tiny_data.test.images[:7]
    logits, margin = classifier(images)
    assert logits.shape == (7, tiny_track.classes)
    assert margin.shape == (7,)
    assert logits.is_floating_point()
    assert margin.is_floating_point()
    assert logits.isfinite().all()
    assert not margin.isnan().any()
    prediction = classifier.predict(images)
    assert prediction.dtype == torch.int64
    assert torch.equal(prediction == REJECT, margin > 0)
    assert torch.equal(prediction[margin <= 0], logits.argmax(1)[margin <= 0])
    assert torch.equal(classifier.reject_score(images), margin)
    assert not classifier.training


def test_an_image_s_fate_does_not_depend_on_its_batch(name: str, fit: Fit, tiny_data: TrackData) -> None:
    classifier = fit(name)
    images = tiny_data.test.images[:9]
    together = classifier(images)[0]
    alone = torch.cat([classifier(image[None])[0] for image in images])
    assert torch.allclose(together, alone, atol=1e-4)


def test_it_is_made_again_from_config_and_weights(name: str, fit: Fit, tiny_data: TrackData, tiny_track: Track) -> None:
    classifier = fit(name)
    canonical.encode(dict(classifier.config))
    again = fitting.rebuild(name, classifier.config, classifier.state_dict(), tiny_track, CPU)
    images = tiny_data.test.images
    for one, other in zip(classifier(images), again(images), strict=True):
        assert torch.equal(one, other)


def test_equal_streams_give_equal_fits(name: str, fit: Fit) -> None:
    torch.manual_seed(1)
    one = fit(name).state_dict()
    torch.manual_seed(2)
    other = fit(name).state_dict()
    assert one.keys() == other.keys()
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_attackers_can_take_its_gradients(name: str, fit: Fit, tiny_data: TrackData) -> None:
    images = tiny_data.test.images[:3].clone().requires_grad_()
    WithRejectClass(fit(name))(images)[:, :-1].logsumexp(1).sum().backward()
    assert images.grad is not None
    assert images.grad.isfinite().all()
    assert images.grad.abs().sum() > 0
