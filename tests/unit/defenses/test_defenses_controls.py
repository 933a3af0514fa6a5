"""The controls: what rejects all, and what rejects at random."""

from collections.abc import Callable

import torch
from scipy import stats

from bench import seeding
from bench.fitting import TrackFitting
from bench.trackdata import TrackData
from defenses.base import REJECT, Defense
from defenses.detector import FALSE_REJECTIONS
from defenses.naive import NaiveClassifier
from defenses.reject_all import RejectAll
from defenses.reject_random import MODULUS, RandomDetector, RejectRandom
from tests.unit.defenses.conftest import FirstPixels, random_images, share_rejected

MakeFitting = Callable[..., TrackFitting]


def test_rejecting_all_rejects_all(make_fitting: MakeFitting, naive: NaiveClassifier, tiny_data: TrackData) -> None:
    classifier = RejectAll().fit(make_fitting(fitted={"naive": naive}))
    logits, margin = classifier(tiny_data.test.images)
    assert torch.equal(logits, naive.network(tiny_data.test.images))
    assert margin.isfinite().all()
    assert (classifier.predict(tiny_data.test.images) == REJECT).all()


def test_rejecting_at_random_depends_on_the_image_alone_and_not_on_what_it_shows(
    make_fitting: MakeFitting, naive: NaiveClassifier, tiny_data: TrackData
) -> None:
    detector = RejectRandom().fit(make_fitting(fitted={"naive": naive}))
    assert isinstance(detector, RandomDetector)
    validation = tiny_data.validation.images
    with torch.no_grad():
        together = detector(validation)[1]
        alone = torch.cat([detector(image[None])[1] for image in validation])
        moved = detector((validation + 1 / 255).clamp(0, 1))[1]
    assert torch.equal(together, alone)
    assert 0 < share_rejected(detector, tiny_data) <= FALSE_REJECTIONS
    assert (moved != together).all()


@torch.no_grad()
def test_random_scores_are_even_for_images_of_every_kind() -> None:
    weights = torch.randint(MODULUS, (784,), generator=seeding.generator(11)).float()
    detector = RandomDetector(FirstPixels(10), 10, {"weights": weights})
    faint, bright = 0.1 * random_images(2000), 1 - 0.1 * random_images(2000, seed=2)
    for images in (faint, bright):
        assert stats.kstest(detector.judged(images)[1].numpy(), stats.uniform.cdf).pvalue > 0.01


def test_the_controls_say_so() -> None:
    defenses: tuple[type[Defense], ...] = (RejectAll, RejectRandom)
    assert all(defense.control for defense in defenses)
