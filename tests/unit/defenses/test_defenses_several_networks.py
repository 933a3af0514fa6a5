"""Defenses of more than one network: small ones beside the naive twin, specialists, ensembles."""

from collections.abc import Callable

import pytest
import torch
from scipy import stats
from torch import Tensor, nn
from torch.nn import functional

from bench import models, seeding
from bench.fitting import TrackFitting, network_factory
from bench.trackdata import TrackData
from bench.tracks import Track
from defenses import magnet, small_network
from defenses.base import REJECT
from defenses.committee import MEMBERS, Committee, log_mean
from defenses.detector import FALSE_REJECTIONS, Detector
from defenses.detector_subnetwork import SubnetworkDetector, adversarial_logit, middle
from defenses.ensemble import Ensemble, EnsembleDetector, disagreement
from defenses.naive import NaiveClassifier
from defenses.small_network import Weights, convolved, fresh, trained
from defenses.specialists import Specialists, domains, voted
from tests.unit.defenses.conftest import FirstPixels, FittingOf, Spy, pixels, random_images, share_rejected, untrained

MakeFitting = Callable[..., TrackFitting]
CPU = torch.device("cpu")
NEVER = -40.0  # a logit beside which another's softmax is 1 in float32


@pytest.mark.parametrize(
    ("architecture", "channels", "maps", "side"),
    [("cuda_convnet", 1, 32, 14), ("vgg16", 3, 256, 8), ("resnet10t", 3, 128, 4), ("mobilenetv3_small_050", 3, 0, 0)],
)
def test_the_middle_of_any_architecture_can_be_looked_at(
    architecture: str, channels: int, maps: int, side: int
) -> None:
    network = models.create(architecture, channels=channels, side=32 if channels == 3 else 28, outputs=10).eval()
    found = middle(network)
    if maps:
        shape: list[torch.Size] = []
        found.register_forward_hook(lambda _layer, _inputs, output: shape.append(output.shape))
        network(torch.rand(2, channels, 32 if channels == 3 else 28, 32 if channels == 3 else 28))
        assert shape == [(2, maps, side, side)]
    assert max(found.kernel_size) > 1


def test_a_network_without_convolutions_has_no_middle() -> None:
    with pytest.raises(ValueError, match="has no convolution"):
        middle(FirstPixels(10))


def test_the_subnetwork_learns_to_tell_two_textures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(small_network, "RATE", 1e-2)
    draw = seeding.generator(3)
    smooth = torch.rand(200, 2, 1, 1, generator=draw).expand(-1, -1, 8, 8)
    maps = torch.cat([smooth, smooth + 0.5 * torch.randn(200, 2, 8, 8, generator=draw)])
    rough = torch.arange(400) >= 200

    def loss(weights: Weights, places: Tensor) -> Tensor:
        told = adversarial_logit(maps[places], weights)
        return functional.binary_cross_entropy_with_logits(told, rough[places].float())

    weights = trained(fresh((2, 8, 8, 1), draw), loss, count=400, epochs=6, generator=draw, device=CPU)
    assert ((adversarial_logit(maps, weights) > 0) == rough).float().mean() > 0.95


def test_the_subnetwork_leaves_the_classes_to_the_network(tiny_track: Track) -> None:
    network, images = untrained(tiny_track, 10), random_images(3)
    fitted = {"mean": torch.zeros(32, 1, 1), "deviation": torch.ones(32, 1, 1)} | fresh(
        (32, 4, 4, 1), torch.Generator()
    )
    detector = SubnetworkDetector(network, 10, fitted)
    logits, score = detector.judged(images)
    assert torch.equal(logits, network(images))
    assert len(score.unique()) == 3


def test_a_layer_of_a_small_network_is_a_convolution() -> None:
    draw = seeding.generator(4)
    weights, maps = fresh((3, 5, 2), draw), torch.rand(2, 5, 6, 7, generator=draw)
    layer = nn.Conv2d(5, 2, 3, padding=1)
    layer.load_state_dict({"weight": weights["kernel1"], "bias": weights["bias1"]})
    torch.testing.assert_close(convolved(maps, weights, 1), layer(maps))
    assert weights["kernel0"].shape == (5, 3, 3, 3)


def test_fresh_weights_keep_the_spread_of_activations() -> None:
    weights = fresh((64, 64), seeding.generator(5))
    assert weights["kernel0"].std().item() == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.02)
    assert not weights["bias0"].any()


def test_magnet_knows_its_images_again(
    make_fitting: MakeFitting, naive: NaiveClassifier, tiny_data: TrackData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(small_network, "RATE", 1e-2)
    detector = magnet.MagNet().fit(make_fitting(fitted={"naive": naive}))
    images = tiny_data.test.images
    with torch.no_grad():
        again = magnet.reconstructed(images, dict(detector.named_buffers(recurse=False)))
        logits, error = detector.judged(images)
    torch.testing.assert_close(error, (again - images).abs().mean(dim=(1, 2, 3)))
    assert torch.equal(logits, naive.network(again))
    assert 0 < share_rejected(detector, tiny_data) <= FALSE_REJECTIONS
    assert (detector.predict(random_images(20)) == REJECT).all()


@pytest.mark.parametrize(("channels", "side", "reached"), [(1, 28, 12), (3, 32, 9)])
def test_only_grey_images_are_pooled_on_the_way(channels: int, side: int, reached: int) -> None:
    """A pixel reaches four to each side by four convolutions, and further where one is on a coarser grid."""
    weights = fresh((channels, 8, 8, 8, channels), seeding.generator(9))
    images = torch.rand(4, channels, side, side, generator=seeding.generator(10))
    moved = images.clone()
    moved[:, :, 8, 8] = 1 - moved[:, :, 8, 8]
    changed = (magnet.reconstructed(moved, weights) != magnet.reconstructed(images, weights)).any(dim=0).any(dim=0)
    assert changed.any(dim=1).sum() == changed.any(dim=0).sum() == reached


def test_specialists_know_the_classes_of_most_confusions() -> None:
    confusions = torch.tensor(
        [
            [9, 5, 4, 1],  # 5 + 4 of 10 are more than 0.8
            [4, 0, 0, 1],  # 4 of 5 are just 0.8
            [0, 0, 7, 0],  # never confused
            [4, 3, 3, 0],  # all of them: the generalist's domain
        ]
    )
    found = domains(confusions)
    assert found.int().tolist() == [[1, 1, 1, 1], [1, 1, 1, 0], [1, 1, 0, 0]]


def test_equal_domains_are_merged() -> None:
    found = domains(torch.tensor([[0, 9, 0], [9, 0, 0], [0, 9, 0]]))
    assert found.int().tolist() == [[1, 1, 1], [1, 1, 0], [0, 1, 1]]


def test_specialists_that_agree_decide_alone() -> None:
    known = torch.tensor([[True, True, True], [True, True, False], [False, True, True]])
    logits = torch.tensor([[5.0, 0.0, 0.0], [4.0, 0.0, 9.0], [9.0, 0.0, 3.0]])  # those of unknown classes are not seen
    found = voted(logits[:, None], known)[0]
    alone = [torch.tensor([5.0, 0.0, 0.0]).softmax(0), torch.tensor([4.0, 0.0, -torch.inf]).softmax(0)]
    torch.testing.assert_close(found, (alone[0] + alone[1]) / 2)


def test_where_specialists_disagree_all_are_asked() -> None:
    known = torch.tensor([[True, True, True], [True, True, False], [False, True, True]])
    logits = torch.tensor([[[5.0, 0.0, 0.0]], [[0.0, 5.0, 0.0]], [[0.0, 0.0, 5.0]]])
    found = voted(logits, known)
    wanted = logits.masked_fill(~known[:, None], -torch.inf).softmax(2).mean(0)
    torch.testing.assert_close(found, wanted)
    assert found.max() < 0.5


def test_each_specialist_is_trained_on_its_classes_alone(
    fitting_of: FittingOf, spy: Spy, naive: NaiveClassifier, tiny_data: TrackData
) -> None:
    detector = Specialists().fit(fitting_of({"naive": naive}))
    known = detector.get_buffer("domains")
    assert len(spy.asked) == len(known) - 1 > 0
    for domain, (images, labels, outputs, _) in zip(known[1:], spy.asked, strict=True):
        rows = domain[tiny_data.train.labels] > 0
        assert torch.equal(images, tiny_data.train.images[rows])
        assert torch.equal(labels, tiny_data.train.labels[rows])
        assert outputs == 10


def test_a_committee_is_the_mean_of_its_members_probabilities(tiny_track: Track) -> None:
    members = [network_factory(tiny_track)(10).eval() for _ in range(3)]
    images = random_images(5)
    mean = torch.stack([member(images).softmax(1) for member in members]).mean(0)
    torch.testing.assert_close(Committee(members)(images), mean.log())
    torch.testing.assert_close(log_mean(Committee(members).each(images)), mean.log())


def test_disagreement_is_nothing_or_the_log_of_the_sides() -> None:
    one, other = [0.0, NEVER, NEVER], [NEVER, 0.0, NEVER]
    logits = torch.tensor([[one, one, [0.3, 0.2, 0.1]], [one, other, [0.3, 0.2, 0.1]]])
    torch.testing.assert_close(disagreement(logits), torch.tensor([0.0, 2.0, 1.0]).log().clamp(min=0))


def test_disagreement_is_the_entropy_that_the_mean_adds() -> None:
    logits = torch.randn(3, 20, 5, generator=seeding.generator(6))
    likely = logits.softmax(2).double().numpy()
    wanted = stats.entropy(likely.mean(0), axis=1) - stats.entropy(likely, axis=2).mean(0)
    torch.testing.assert_close(disagreement(logits).double(), torch.from_numpy(wanted), atol=1e-6, rtol=0)


def test_an_ensemble_rejects_where_its_members_disagree() -> None:
    ensemble = EnsembleDetector(Committee([FirstPixels(3), FirstPixels(3, skipped=3)]), 3, {})
    ensemble.threshold.fill_(0.1)
    agreed, disagreed = (9.0, 0.0, 0.0, 5.0, 0.0, 0.0), (9.0, 0.0, 0.0, 0.0, 5.0, 0.0)
    assert ensemble.predict(pixels(agreed, disagreed)).tolist() == [0, REJECT]


def test_an_ensemble_holds_the_twin_and_others(fitting_of: FittingOf, spy: Spy, naive: NaiveClassifier) -> None:
    detector = Ensemble().fit(fitting_of({"naive": naive}))
    assert isinstance(detector.network, Committee)
    assert detector.network.member(0) is naive.network
    assert len(detector.network.members) == MEMBERS == len(spy.asked) + 1


def test_a_detector_on_a_network_of_its_own_is_calibrated(
    make_fitting: MakeFitting, naive: NaiveClassifier, tiny_data: TrackData
) -> None:
    fitting = make_fitting(fitted={"naive": naive})
    for defense in (Ensemble(), Specialists()):
        detector = defense.fit(fitting)
        assert isinstance(detector, Detector)
        assert share_rejected(detector, tiny_data) <= FALSE_REJECTIONS
        scores = detector(tiny_data.validation.images)[1]
        assert (scores >= 0).any()
