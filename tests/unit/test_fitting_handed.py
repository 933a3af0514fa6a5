"""What a defense is handed for its fit, and what is counted of it."""

from collections.abc import Callable

import pytest
import torch

from bench import fitting
from bench.errors import FitFailed, InvalidConfig
from bench.fitting import TrackFitting
from bench.trackdata import TrackData
from defenses.base import LabelledImages
from defenses.naive import Naive, NaiveClassifier

MakeFitting = Callable[..., TrackFitting]


def test_what_a_defense_takes_is_counted(make_fitting: MakeFitting, tiny_data: TrackData) -> None:
    handed = make_fitting()
    naive = Naive().fit(handed)
    assert handed.taken == {"networks": 1, "out": 0, "attacks": 0}
    handed.craft(naive, LabelledImages(tiny_data.test.images[:2], tiny_data.test.labels[:2]), "fgs", epsilon=0.1)
    assert handed.taken == {"networks": 1, "out": 0, "attacks": 1}
    assert handed.out_train is tiny_data.out_train
    assert handed.taken == {"networks": 1, "out": 1, "attacks": 1}


def test_only_what_is_needed_is_handed_out(make_fitting: MakeFitting) -> None:
    twin = NaiveClassifier(fitting.network_factory(make_fitting()._track)(10), 10)
    handed = make_fitting(fitted={"naive": twin})
    assert handed.fitted("naive") is twin
    with pytest.raises(FitFailed, match="asks for 'ood'; name it in its `needs`"):
        handed.fitted("ood")


def test_a_defense_crafts_on_a_classifier_of_its_own(make_fitting: MakeFitting, tiny_data: TrackData) -> None:
    handed = make_fitting()
    classifier = Naive().fit(handed)
    images = handed.craft(classifier, tiny_data.train, "fgs", epsilon=0.1)
    assert images.shape == tiny_data.train.images.shape
    assert (images - tiny_data.train.images).abs().max() == pytest.approx(0.1, abs=1e-6)
    with pytest.raises(InvalidConfig, match="craft: epsilom"):
        handed.craft(classifier, tiny_data.train, "fgs", epsilom=0.1)


def test_every_network_of_a_fit_has_a_stream_of_its_own(make_fitting: MakeFitting) -> None:
    handed = make_fitting()
    train = handed.train
    one, other = (handed.train_network(train.images, train.labels, 10) for _ in range(2))
    again = make_fitting().train_network(train.images, train.labels, 10)
    states = [network.state_dict()["body.classifier.weight"] for network in (one, other, again)]
    assert not torch.equal(states[0], states[1])
    assert torch.equal(states[0], states[2])
    torch.testing.assert_close(one.get_buffer("mean").flatten(), train.images.mean(dim=(0, 2, 3)))
