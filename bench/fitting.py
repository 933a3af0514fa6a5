"""Fits a defense on a track, checks what comes out, and makes it again from what was stored."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import FunctionType
from typing import Any

import torch
from torch import Tensor

import defenses
from bench import attacks, canonical, crafting, models, scoring, seeding, training
from bench.checkpoints import Checkpoints
from bench.errors import BenchError, FitFailed
from bench.exact import exact
from bench.trackdata import TrackData
from bench.tracks import Track
from defenses.base import REJECT, BatchHook, Config, LabelledImages, Network, RejectingClassifier, decide, threshold_at

FALSE_REJECTIONS = (0.01, 0.05)  # shares of clean images rejected, at which any two defenses can be compared
FORGIVEN = 0.1  # share of clean images that a defense may reject before its accuracy is held against it
CRAFT_BATCH = 256  # images, for a defense's own adversarial images
COMPARED = 128  # validation images by which a classifier is compared with what is made again of it
ALIKE = 1e-3  # by how much the logits and margins may differ there, absolutely and relatively: in memory order, say
TRAINING_WORK = 3  # forward passes that a training image costs: one forward, and a backward of about two


class TrackFitting:
    """What a defense is handed: ``defenses.base.Fitting`` over one track's data and one seed's stream."""

    def __init__(
        self,
        track: Track,
        data: TrackData,
        *,
        device: torch.device,
        stream: int,
        fitted: Mapping[str, RejectingClassifier],
        advance: Callable[[float], None],
        checkpoints: Checkpoints | None = None,
    ) -> None:
        self.classes = track.classes
        self.train = data.train
        self.validation = data.validation
        self.interpolated = round(track.interpolated * len(data.train))
        self.device = device
        self.generator = seeding.generator(stream)
        self._track = track
        self._stream = stream
        self._fitted = fitted
        self._advance = advance
        self._checkpoints = checkpoints
        self._out_train = data.out_train
        self._networks = 0
        self._sees_out = False
        self._sees_attacks = False

    @property
    def out_train(self) -> Tensor:
        """Out-distribution training images."""
        self._sees_out = True
        return self._out_train

    @property
    def taken(self) -> dict[str, int]:
        """What the defense has taken so far: trained networks, out-distribution images, adversarial images (0 or 1)."""
        return {"networks": self._networks, "out": int(self._sees_out), "attacks": int(self._sees_attacks)}

    def train_network(
        self, images: Tensor, targets: Tensor, outputs: int, batch_hook: BatchHook | None = None
    ) -> Network:
        """Train a network of the track's architecture; each call of one fit has a stream of its own.

        It goes on from its last checkpoint where there is one, but for one with a batch hook that may remember: a hook
        can keep count of what it saw in ways that nobody else can store, so that its training begins anew.
        """
        self._networks += 1
        seed = seeding.step(self._stream, "network", self._networks)
        with seeding.stream(seed):
            network = network_factory(self._track)(outputs)
        network.centre_on(self.train.images)
        trail = None
        if self._checkpoints is not None and not may_remember(batch_hook):
            trail = self._checkpoints.network(self._networks)
        return training.train(
            network,
            images,
            targets,
            recipe=self._track.recipe,
            seed=seed,
            device=self.device,
            batch_hook=batch_hook,
            advance=lambda count: self._advance(TRAINING_WORK * count),
            trail=trail,
        )

    def craft(self, classifier: RejectingClassifier, attacked: LabelledImages, kind: str, **params: Any) -> Tensor:
        """Return adversarial images against a classifier of the defense's own."""
        self._sees_attacks = True
        spec = attacks.spec(kind, params, where="craft")
        return crafting.craft_images(classifier, attacked, spec, CRAFT_BATCH, self.device)

    def fitted(self, name: str) -> RejectingClassifier:
        """Return the fitted classifier of a defense named in ``needs``."""
        if name not in self._fitted:
            raise FitFailed(f"the defense asks for '{name}'; name it in its `needs`")
        return self._fitted[name]


def may_remember(hook: BatchHook | None) -> bool:
    """Return whether a batch hook may know of earlier batches: any but a module's own function, which has nowhere to.

    Such a one has no closure, attributes or defaults; what it would write into its module no defense may rely on.
    """
    if hook is None:
        return False
    if not isinstance(hook, FunctionType) or hook.__qualname__ != hook.__name__:
        return True
    # A decorator's function bears the name of the one that it wraps; one may also count in its own attributes.
    return any((hook.__closure__, hook.__dict__, hook.__defaults__, hook.__kwdefaults__))


def network_factory(track: Track) -> Callable[[int], models.Centred]:
    """Return what makes an untrained network of a track's architecture."""

    def make(outputs: int) -> models.Centred:
        return models.create(track.architecture, channels=track.channels, side=track.side, outputs=outputs)

    return make


@dataclass(frozen=True)
class Validation:
    """What a classifier says of the validation images: the shares that it gets right and rejects.

    ``thresholds`` maps each of ``FALSE_REJECTIONS`` to the reject score above which that share of them lies.
    """

    acc: float
    rej: float
    thresholds: Mapping[float, float]


@dataclass(frozen=True)
class Fitted:
    """A classifier that passed the checks, and what it says of the validation images."""

    classifier: RejectingClassifier
    validation: Validation


def fit(name: str, track: Track, fitting: TrackFitting, floor: float) -> Fitted:
    """Fit a defense and check what comes out.

    Raises ``FitFailed`` where the defense raises, returns something else than a classifier that can be stored and made
    again as it is, or ends as a network that must not be ranked.
    """
    defense = defenses.load(name)
    with blamed(name), exact():  # what a fit measures is what is scored; a training in bf16 says so itself
        classifier = defense().fit(fitting)
        if not isinstance(classifier, RejectingClassifier):
            raise FitFailed(
                f"defense '{name}': its fit returned a {type(classifier).__name__}, must return a RejectingClassifier"
            )
        classifier.to(fitting.device).eval()
    with blamed(name, "; its classifier's config must hold what JSON can"):
        config = canonical.as_read(dict(classifier.config))
    with blamed(name, "; its build must make of config alone whatever the fitted state has a place in"):
        again = rebuild(name, config, tensors_of(name, classifier), track, fitting.device)
    validation = check(name, classifier, fitting, 0.0 if defense.control else floor)
    compare(name, classifier, again, fitting)
    return Fitted(classifier, validation)


@contextmanager
def blamed(name: str, mend: str = "") -> Iterator[None]:
    """Run a block of a defense's own code; what it raises becomes a ``FitFailed``, one line that names the defense."""
    try:
        yield
    except (BenchError, OSError):
        raise
    except Exception as error:
        said = " ".join(str(error).split())
        raise FitFailed(f"defense '{name}' failed: {type(error).__name__}: {said}{mend}") from error


def tensors_of(name: str, classifier: RejectingClassifier) -> dict[str, Tensor]:
    """Return a classifier's state; raise ``FitFailed`` where something in it is no tensor and could not be stored."""
    state = classifier.state_dict()
    for key, value in state.items():
        if not isinstance(value, Tensor):
            raise FitFailed(
                f"defense '{name}': its state holds '{key}', no tensor; make it a buffer or put it in config"
            )
    return state


def check(name: str, classifier: RejectingClassifier, fitting: TrackFitting, floor: float) -> Validation:
    """Return what a classifier says of the validation images.

    A collapsed network can look like the best defense (it rejects everything, so it never errs): raises ``FitFailed``
    where the accuracy is under ``floor``, few rejections forgiven, where there is a floor and every image is given the
    same, and where there are not as many logits as classes.
    """
    validation, classes = fitting.validation, fitting.classes
    logits, margin = scoring.class_logits(classifier, validation.images, fitting.device)
    if logits.shape[1] != classes:
        raise FitFailed(
            f"defense '{name}' returns {logits.shape[1]} class logits for {classes} classes; mend its forward"
        )
    prediction = decide(logits, margin)
    acc = (prediction == validation.labels).float().mean().item()
    rej = (prediction == REJECT).float().mean().item()
    if floor > 0 and len(prediction.unique()) == 1:
        what = "rejects every validation image" if rej == 1 else f"predicts class {int(prediction[0])} for every image"
        raise FitFailed(f"defense '{name}' has collapsed: it {what}; use another seed or mend the defense")
    if acc + min(rej, FORGIVEN) < floor:
        raise FitFailed(
            f"defense '{name}' has collapsed: validation accuracy {acc:.1%} is under the track's floor of {floor:.1%}, "
            f"with {rej:.1%} rejected, of which {FORGIVEN:.0%} of all would be forgiven; use another seed or mend the "
            "defense"
        )
    return Validation(acc, rej, {rate: finite(threshold_at(margin, rate)) for rate in FALSE_REJECTIONS})


def compare(name: str, classifier: RejectingClassifier, again: RejectingClassifier, fitting: TrackFitting) -> None:
    """Raise ``FitFailed`` where a classifier made again of its config and state answers otherwise than the fitted one.

    Tables are of what was made again: whatever a fit sets beside parameters and buffers would be lost without a word.
    """

    def answers(one: RejectingClassifier) -> Tensor:
        with seeding.stream(0):  # of one that draws at random the same is drawn
            images = fitting.validation.images[:COMPARED]
            return torch.column_stack(scoring.class_logits(one, images, fitting.device))

    before = answers(classifier)
    try:
        after = answers(again)
    except BenchError as error:
        raise FitFailed(
            f"defense '{name}' answers no more once it is stored and made again, when its config has text for keys and "
            f"lists for tuples: {error}"
        ) from error
    if not torch.allclose(before, after, rtol=ALIKE, atol=ALIKE):
        raise FitFailed(
            f"defense '{name}' answers otherwise once it is stored and made again; let whatever its fit sets be a "
            "parameter, a buffer, or in config"
        )


def finite(threshold: float) -> float:
    """Return a threshold that JSON can hold: a margin of minus infinity does not exceed it either."""
    return min(max(threshold, -scoring.LARGEST), scoring.LARGEST)


def rebuild(
    name: str, config: Config, state: Mapping[str, Tensor], track: Track, device: torch.device
) -> RejectingClassifier:
    """Return the classifier that a defense's ``build`` makes of ``config``, with these weights, in evaluation mode."""
    classifier = defenses.load(name).build(config, network_factory(track))
    classifier.load_state_dict(dict(state), strict=True)
    return classifier.to(device).eval()
