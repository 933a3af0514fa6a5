"""Fitting a defense: what is not let through."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

import defenses
from bench import fitting
from bench.errors import FitFailed
from bench.fitting import TrackFitting
from bench.tracks import Track
from defenses.base import Config, Defense, Fitting, LabelledImages, NetworkFactory, RejectingClassifier

MakeFitting = Callable[..., TrackFitting]
Fit = Callable[..., fitting.Fitted]


class Constant(RejectingClassifier):
    """Gives every image the same class and margin."""

    logits: Tensor

    def __init__(self, margin: Any) -> None:
        super().__init__()
        self.config: Config = {"margin": margin}
        self.register_buffer("logits", torch.arange(10.0))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        margin = torch.full((len(x),), float(self.config["margin"]))
        return self.logits.expand(len(x), -1), margin


class Faulty(Defense):
    """A defense that does what a test says."""

    title = "faulty"
    source = "a test"
    made: Callable[[Fitting], RejectingClassifier]

    def fit(self, fitting: Fitting) -> RejectingClassifier:
        return type(self).made(fitting)

    @classmethod
    def build(cls, config: Config, make_network: NetworkFactory) -> RejectingClassifier:
        return Constant(config["margin"])


@pytest.fixture
def fit(monkeypatch: pytest.MonkeyPatch, make_fitting: MakeFitting, tiny_track: Track) -> Fit:
    def fitted(
        made: Callable[[Fitting], RejectingClassifier], floor: float = 0.0, *, control: bool = False
    ) -> fitting.Fitted:
        monkeypatch.setattr(Faulty, "made", staticmethod(made), raising=False)
        monkeypatch.setattr(Faulty, "control", control)
        monkeypatch.setattr(defenses, "load", lambda name: Faulty)
        return fitting.fit("mine", tiny_track, make_fitting(), floor)

    return fitted


def test_a_collapsed_network_is_no_row(fit: Fit) -> None:
    with pytest.raises(FitFailed, match="'mine' has collapsed: it rejects every validation image"):
        fit(lambda fitting: Constant(1.0), floor=0.5)
    with pytest.raises(FitFailed, match="'mine' has collapsed: it predicts class 9 for every image"):
        fit(lambda fitting: Constant(-1.0), floor=0.05)


def test_a_defense_is_fitted_in_the_float32_that_it_is_scored_in(fit: Fit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    seen = []

    def made(_: Fitting) -> RejectingClassifier:
        seen.append(torch.backends.cudnn.allow_tf32)
        return Constant(-1.0)

    fit(made)
    assert seen == [False]
    assert torch.backends.cudnn.allow_tf32


class Guess(Constant):
    """Takes pixels of the middle for logits."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x.flatten(1)[:, 400:410], torch.zeros(len(x))


class Knows(RejectingClassifier):
    """Gives each of some images its label, and rejects the first so many."""

    def __init__(self, known: LabelledImages, rejected: int) -> None:
        super().__init__()
        self.known, self.rejected = known, rejected

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        places = torch.cdist(x.flatten(1), self.known.images.flatten(1)).argmin(dim=1)
        logits = torch.nn.functional.one_hot(self.known.labels[places], 10).float()
        return logits, self.rejected - 0.5 - places.float()


def test_a_tenth_of_rejections_is_forgiven_and_no_more(make_fitting: MakeFitting) -> None:
    handed = make_fitting()
    count = len(handed.validation)
    found = fitting.check("mine", Knows(handed.validation, count // 10), handed, 0.97)
    assert found.rej == pytest.approx(0.1, abs=0.02)
    assert found.acc + found.rej == pytest.approx(1)
    with pytest.raises(FitFailed, match=r"is under the track's floor of 97.0%, with 4\d.\d% rejected"):
        fitting.check("mine", Knows(handed.validation, round(0.45 * count)), handed, 0.97)


def test_at_its_thresholds_it_rejects_these_shares_of_the_validation_images(make_fitting: MakeFitting) -> None:
    handed = make_fitting()
    count = len(handed.validation)
    knows = Knows(handed.validation, 0)
    _, scores = knows(handed.validation.images)
    thresholds = fitting.check("mine", knows, handed, 0.0).thresholds
    assert {rate: int((scores > at).sum()) for rate, at in thresholds.items()} == {
        rate: int(rate * count) for rate in (0.01, 0.05)
    }


def test_an_inaccurate_network_is_no_row(fit: Fit) -> None:
    with pytest.raises(FitFailed, match=r"validation accuracy \d+\.\d% is under the track's floor of 90.0%"):
        fit(lambda fitting: Guess(0.0), floor=0.9)


class Wide(Constant):
    """Has more logits than there are classes."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x.flatten(1)[:, 400:413], torch.zeros(len(x))


def test_more_logits_than_classes_are_no_row(fit: Fit) -> None:
    with pytest.raises(FitFailed, match="'mine' returns 13 class logits for 10 classes; mend its forward"):
        fit(lambda fitting: Wide(0.0))


def test_a_state_that_is_no_tensor_is_refused(fit: Fit) -> None:
    class Odd(Constant):
        def get_extra_state(self) -> dict[str, int]:
            return {"a": 1}

    with pytest.raises(FitFailed, match="its state holds '_extra_state', no tensor"):
        fit(lambda fitting: Odd(0.0))


def test_a_control_may_reject_everything(fit: Fit) -> None:
    fitted = fit(lambda fitting: Constant(1.0), floor=0.5, control=True)
    assert (fitted.validation.acc, fitted.validation.rej) == (0.0, 1.0)
    assert fitted.validation.thresholds == {0.01: 1.0, 0.05: 1.0}


def test_an_exception_of_a_defense_is_one_line_that_names_it(fit: Fit) -> None:
    def broken(fitting: Fitting) -> RejectingClassifier:
        raise KeyError("first\nsecond")

    with pytest.raises(FitFailed, match=r"^defense 'mine' failed: KeyError: ") as caught:
        fit(broken)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value.__cause__, KeyError)


def test_a_config_that_is_no_json_and_weights_that_do_not_fit_are_refused(fit: Fit) -> None:
    def no_json(fitting: Fitting) -> RejectingClassifier:
        classifier = Constant(0.0)
        classifier.config = {"margin": torch.zeros(1)}
        return classifier

    def other_weights(fitting: Fitting) -> RejectingClassifier:
        classifier = Constant(0.0)
        classifier.register_buffer("forgotten", torch.zeros(1))
        return classifier

    def no_config(fitting: Fitting) -> RejectingClassifier:
        classifier = Constant(0.0)
        del classifier.config
        return classifier

    with pytest.raises(
        FitFailed, match=r"TypeError: Object of type Tensor is not JSON.*; its classifier's config must"
    ):
        fit(no_json)
    with pytest.raises(FitFailed, match=r"no attribute 'config'; its classifier's config must hold what JSON can"):
        fit(no_config)
    with pytest.raises(FitFailed, match=r'Unexpected key.*"forgotten".*; its build must make of config alone'):
        fit(other_weights)


class Loose(Constant):
    """Keeps its threshold as a number, which is stored nowhere."""

    threshold = 0.0

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        logits, margin = super().forward(x)
        return logits, margin - self.threshold


def test_what_a_fit_sets_beside_state_and_config_is_an_error(fit: Fit, monkeypatch: pytest.MonkeyPatch) -> None:
    def made(fitting: Fitting) -> RejectingClassifier:
        classifier = Loose(-1.0)
        classifier.threshold = 0.5
        return classifier

    monkeypatch.setattr(Faulty, "build", lambda config, make_network: Loose(config["margin"]))
    with pytest.raises(FitFailed, match="defense 'mine' answers otherwise once it is stored and made again; let what"):
        fit(made)


class Scaled(Constant):
    """Looks its margin up by the number of channels."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.logits.expand(len(x), -1), torch.full((len(x),), self.config["margin"][x.shape[1]])


def test_a_config_is_tried_as_it_will_be_read(fit: Fit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Faulty, "build", lambda config, make_network: Scaled(config["margin"]))
    with pytest.raises(FitFailed, match=r"'mine' answers no more once it is stored.* text for keys .*: KeyError: 1"):
        fit(lambda fitting: Scaled({1: -1.0}))
    assert fit(lambda fitting: Scaled([0.0, -1.0])).validation.rej == 0


class Drawn(Constant):
    """Draws its margins at random."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.logits.expand(len(x), -1), torch.rand(len(x)) - 1


def test_one_that_draws_at_random_is_the_same_made_again(fit: Fit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Faulty, "build", lambda config, make_network: Drawn(config["margin"]))
    assert fit(lambda fitting: Drawn(0.0)).validation.rej == 0


@pytest.mark.parametrize("made", [None, (Constant(0.0), 1.0)])
def test_a_fit_that_returns_no_classifier_is_named(fit: Fit, made: object) -> None:
    said = rf"defense 'mine': its fit returned a {type(made).__name__}, must return a RejectingClassifier"
    with pytest.raises(FitFailed, match=said):
        fit(lambda fitting: made)
