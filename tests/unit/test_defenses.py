"""The paper's defenses and the roster."""

from collections.abc import Callable
from importlib.metadata import EntryPoint

import pytest
import torch
from torch import Tensor

import defenses
from bench import seeding
from bench.fitting import TrackFitting
from bench.trackdata import TrackData
from defenses import RosterError
from defenses import ood_interp_variants as variants
from defenses.base import (
    REJECT,
    Defense,
    Fitting,
    LabelledImages,
    Network,
    RejectingClassifier,
    decide,
    in_batches,
    threshold_at,
)
from defenses.dustbin import DustbinClassifier
from defenses.naive import NaiveClassifier
from defenses.ood import OutDistribution
from defenses.ood_interp import OutDistributionInterpolated, balanced_sources, nearest_foreign

MakeFitting = Callable[..., TrackFitting]


def test_a_margin_above_zero_rejects() -> None:
    logits = torch.tensor([[1.0, 2.0], [3.0, 0.0], [5.0, 4.0]])
    assert decide(logits, torch.tensor([-1.0, 0.0, 1e-6])).tolist() == [1, 0, REJECT]


def test_a_threshold_rejects_no_more_than_its_share() -> None:
    scores = torch.randperm(200).float()
    assert threshold_at(scores, 0.05) == 189.0
    assert int((scores > threshold_at(scores, 0.05)).sum()) == 10
    assert threshold_at(scores, 0.0) == 199.0
    assert threshold_at(scores, 1.0) == 0.0
    tied = torch.tensor([0.0, 1.0, 1.0, 1.0])
    assert int((tied > threshold_at(tied, 0.5)).sum()) == 0
    odd = torch.arange(150.0)
    assert int((odd > threshold_at(odd, 0.05)).sum()) == 7  # of 7.5
    hundred = torch.arange(100.0)
    assert int((hundred > threshold_at(hundred, 0.29)).sum()) == 29  # 0.29 · 100 is a little less in floats


def test_the_naive_classifier_never_rejects(make_fitting: MakeFitting, tiny_data: TrackData) -> None:
    classifier = defenses.load("naive")().fit(make_fitting())
    assert isinstance(classifier, NaiveClassifier)
    logits, margin = classifier(tiny_data.test.images)
    assert (margin == -torch.inf).all()
    assert torch.equal(classifier.predict(tiny_data.test.images), logits.argmax(1))
    assert classifier.network.features(tiny_data.test.images).shape == (64, 576)


class FirstPixels(Network):
    """A network whose logits are the first eleven pixels."""

    def features(self, x: Tensor) -> Tensor:
        return x.flatten(1)

    def head(self, features: Tensor) -> Tensor:
        return features[:, :11]


def test_the_dustbin_rejects_exactly_what_it_predicts_as_class_k() -> None:
    images = torch.rand(200, 1, 4, 4, generator=seeding.generator(4))
    best = images.flatten(1)[:, :11].argmax(1)
    predicted = DustbinClassifier(FirstPixels(), 10).predict(images)
    assert 0 < (best == 10).sum() < len(best)
    assert torch.equal(predicted == REJECT, best == 10)
    assert torch.equal(predicted[best < 10], best[best < 10])


def test_the_dustbin_s_images_are_trained_on_as_class_k(
    make_fitting: MakeFitting, tiny_data: TrackData, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitting, asked = make_fitting(), []
    train_network = fitting.train_network

    def watched(images: Tensor, targets: Tensor, outputs: int, batch_hook: None) -> Network:
        asked.append((images, targets))
        return train_network(images, targets, outputs, batch_hook)

    monkeypatch.setattr(fitting, "train_network", watched)
    classifier = OutDistribution().fit(fitting)
    assert isinstance(classifier, DustbinClassifier)
    assert classifier.config == {"classes": 10}
    assert classifier.network(torch.rand(2, 1, 28, 28)).shape == (2, 11)
    ((images, targets),) = asked
    train = tiny_data.train
    assert torch.equal(images, torch.cat([train.images, tiny_data.out_train]))
    assert torch.equal(targets, torch.cat([train.labels, torch.full((len(tiny_data.out_train),), 10)]))


def test_what_goes_into_the_dustbins(make_fitting: MakeFitting, tiny_data: TrackData) -> None:
    fitting = make_fitting(fitted={"naive": defenses.load("naive")().fit(make_fitting())})
    assert torch.equal(OutDistribution().dustbin(fitting), tiny_data.out_train)
    dustbin = OutDistributionInterpolated().dustbin(fitting)
    assert fitting.interpolated == round(0.3 * 64)
    assert len(dustbin) == len(tiny_data.out_train) + fitting.interpolated
    assert torch.equal(dustbin[: len(tiny_data.out_train)], tiny_data.out_train)


def test_interpolated_images_are_means_of_two_training_images_of_two_classes(
    make_fitting: MakeFitting, tiny_data: TrackData
) -> None:
    fitting = make_fitting(fitted={"naive": defenses.load("naive")().fit(make_fitting())})
    features = tiny_data.train.images.flatten(1)
    sources = balanced_sources(fitting.train, 10, fitting.interpolated, seeding.generator(1))
    neighbours = nearest_foreign(features, fitting.train.labels, sources, size=4)
    assert (fitting.train.labels[sources] != fitting.train.labels[neighbours]).all()
    for source, neighbour in zip(sources.tolist(), neighbours.tolist(), strict=True):
        foreign = fitting.train.labels != fitting.train.labels[source]
        distances = (features - features[source]).norm(dim=1)
        assert distances[neighbour] <= distances[foreign].min() + 1e-5
    assert_made_of_two_classes(OutDistributionInterpolated().interpolated(fitting), fitting, 0.5)


def assert_made_of_two_classes(images: Tensor, fitting: TrackFitting, mixing: float) -> None:
    """Assert that each of the images is, in this proportion, a mean of two training images of different classes."""
    train, labels = fitting.train.images, fitting.train.labels
    one, other = torch.cartesian_prod(torch.arange(len(train)), torch.arange(len(train))).T
    foreign = labels[one] != labels[other]
    means = (mixing * train[one[foreign]] + (1 - mixing) * train[other[foreign]]).flatten(1)
    assert torch.cdist(images.flatten(1).double(), means.double()).amin(dim=1).max() < 1e-3


def test_a_source_has_its_share_of_what_is_made_of_it(make_fitting: MakeFitting) -> None:
    fitting, chosen = make_fitting(), []

    class Next(OutDistributionInterpolated):
        mixing = 0.7

        def neighbours(self, fitting: Fitting, sources: Tensor) -> Tensor:
            chosen.append(sources)
            return (sources + 1) % len(fitting.train)

    made, images = Next().interpolated(fitting), fitting.train.images
    (sources,) = chosen
    torch.testing.assert_close(made, 0.7 * images[sources] + 0.3 * images[(sources + 1) % len(images)])


def test_neighbours_are_near_in_the_naive_network_s_features_or_in_the_pixels(make_fitting: MakeFitting) -> None:
    naive = defenses.load("naive")().fit(make_fitting())
    assert isinstance(naive, NaiveClassifier)
    fitting = make_fitting(fitted={"naive": naive})
    images, labels, sources = fitting.train.images, fitting.train.labels, torch.arange(len(fitting.train))
    with torch.no_grad():
        spaces = [naive.network.features(images), images.flatten(1), naive.network(images)]
    features, pixels, logits = (nearest_foreign(space, labels, sources) for space in spaces)
    assert not torch.equal(features, pixels)
    assert not torch.equal(features, logits)
    assert torch.equal(OutDistributionInterpolated().neighbours(fitting, sources), features)
    assert torch.equal(variants.PixelNeighbours().neighbours(make_fitting(), sources), pixels)


def test_each_variant_changes_one_thing(make_fitting: MakeFitting, tiny_data: TrackData) -> None:
    fitted = {"naive": defenses.load("naive")().fit(make_fitting())}
    whole = OutDistributionInterpolated().dustbin(make_fitting(fitted=fitted))
    out, interpolated = len(tiny_data.out_train), len(whole) - len(tiny_data.out_train)

    def dustbin(variant: type[OutDistributionInterpolated]) -> Tensor:
        return variant().dustbin(make_fitting(fitted={name: fitted[name] for name in variant.needs}))

    assert torch.equal(dustbin(variants.InterpolatedAlone), whole[out:])
    assert len(dustbin(variants.SizeMatched)) == out
    assert len(dustbin(variants.Tenth)) == len(whole) // 10
    assert 2 * interpolated < len(dustbin(variants.Triple)) - out <= 3 * interpolated
    for variant in (variants.SizeMatched, variants.Tenth):
        assert torch.cdist(dustbin(variant).flatten(1).double(), whole.flatten(1).double()).amin(dim=1).max() < 1e-3
    for paired in (variants.NearNeighbour, variants.NearSource, variants.RandomNeighbours, variants.PixelNeighbours):
        made = dustbin(paired)
        assert torch.equal(made[:out], whole[:out])
        assert len(made) == len(whole)
        assert_made_of_two_classes(made[out:], make_fitting(), paired.mixing)
    assert (variants.NearNeighbour.mixing, variants.NearSource.mixing) == (0.3, 0.7)


def test_sources_are_spread_evenly_and_none_comes_twice() -> None:
    labels = torch.arange(200) % 10
    train = LabelledImages(torch.zeros(200, 1, 2, 2), labels)
    sources = balanced_sources(train, 10, 53, seeding.generator(2))
    assert len(sources) == len(sources.unique()) == 53
    assert labels[sources].bincount().tolist() == [6, 6, 6, 5, 5, 5, 5, 5, 5, 5]


def test_interpolation_needs_the_network_of_the_naive_twin(make_fitting: MakeFitting) -> None:
    class Without(RejectingClassifier):
        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            raise AssertionError

    with pytest.raises(TypeError, match=r"'naive' is a Without: what stands on it needs its network"):
        OutDistributionInterpolated().fit(make_fitting(fitted={"naive": Without()}))


def test_batches_are_put_together_again() -> None:
    images = torch.rand(7, 1, 2, 2, requires_grad=True)
    found = in_batches(lambda batch: batch.sum(dim=(1, 2, 3)), images, torch.device("cpu"), size=3)
    assert torch.allclose(found, images.sum(dim=(1, 2, 3)))
    assert not found.requires_grad


class Untitled(OutDistribution):
    title = None  # type: ignore[assignment]


class Unsourced(OutDistribution):
    source = 3  # type: ignore[assignment]


class OneNeed(OutDistribution):
    needs = "naive"  # type: ignore[assignment]


class Circular(OutDistribution):
    needs = ("mine",)


def brought(monkeypatch: pytest.MonkeyPatch, **points: str) -> None:
    found = [EntryPoint(name, value, defenses.GROUP) for name, value in points.items()]
    monkeypatch.setattr("defenses.entry_points", lambda group: found if group == defenses.GROUP else [])
    monkeypatch.setattr("defenses.brought", defenses.brought.__wrapped__)  # what was found before is remembered


def test_other_packages_bring_defenses_after_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    brought(monkeypatch, zeta="defenses.ood:OutDistribution")
    assert list(defenses.registered()) == [*defenses.ROSTER, "zeta"]
    assert defenses.load("zeta") is OutDistribution


def test_a_name_that_is_taken_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    brought(monkeypatch, naive="elsewhere:Naive")
    with pytest.raises(RosterError, match=r"'naive' is registered twice, as defenses\.naive:Naive and elsewhere:Naive"):
        defenses.registered()


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("no_such_module:X", "cannot be imported: ModuleNotFoundError"),
        ("defenses.ood:Missing", "cannot be imported: AttributeError"),
        ("defenses.base:LabelledImages", "is not a subclass"),
        ("defenses.ood", "register it as module:Class"),
        ("tests.unit.test_defenses:Untitled", "has no title"),
        ("tests.unit.test_defenses:Unsourced", "has no source"),
        ("tests.unit.test_defenses:OneNeed", "needs is 'naive'; make it a tuple"),
        ("tests.unit.test_defenses:Circular", "needs is .*; make it a tuple of other defenses"),
    ],
)
def test_a_defense_that_cannot_be_loaded_is_named(monkeypatch: pytest.MonkeyPatch, value: str, told: str) -> None:
    brought(monkeypatch, mine=value)
    with pytest.raises(RosterError, match=told) as caught:
        defenses.load("mine")
    assert "'mine'" in str(caught.value)


def test_a_misspelt_name_is_helped() -> None:
    with pytest.raises(RosterError, match="did you mean 'ood_interp'"):
        defenses.load("ood_intrep")
    with pytest.raises(RosterError, match="known are naive, ood"):
        defenses.load("xyz")


def test_every_defense_of_the_roster_is_a_defense() -> None:
    assert all(issubclass(defenses.load(name), Defense) for name in defenses.ROSTER)
