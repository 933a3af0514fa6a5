"""What each kind of job computes: seeds, floors and what was taken, which images are attacked, disturbed and judged."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch import Tensor

from bench import crafting, disturbing, fitting, stages, suites
from bench.checkpoints import Checkpoints
from bench.plan import CraftTask, FitTask, ScoreTask
from bench.stages import Means, Result
from bench.store import Store
from bench.trackdata import TrackData
from bench.tracks import Track

CPU = torch.device("cpu")
SUITE = suites.load("table1")


@dataclass
class Stored:
    """A result as a later job is handed it."""

    result: Result

    @property
    def meta(self) -> Any:
        return self.result.meta

    def tensors(self) -> dict[str, Tensor]:
        return dict(self.result.tensors)


def handed(**results: Result) -> dict[str, Any]:
    return {name: Stored(result) for name, result in results.items()}


@pytest.fixture
def means(tmp_path: Path) -> Means:
    kept = Checkpoints(Store(tmp_path), "key", every=1e9, tell=print, warn=print)
    return Means(CPU, lambda work: None, print, kept)


def test_roles_and_seeds_are_other_trainings(tiny_track: Track, tiny_data: TrackData, means: Means) -> None:
    def weights(role: str, seed: int) -> torch.Tensor:
        made = stages.fit(FitTask(tiny_track, 64, role, "naive", seed), {}, tiny_data, means)
        return made.tensors["network.body.classifier.weight"]

    first = weights("victim", 0)
    assert not torch.equal(first, weights("surrogate", 0))
    assert not torch.equal(first, weights("victim", 1))


def test_attacks_in_a_batch_hook_are_told_of(tiny_track: Track, tiny_data: TrackData, means: Means) -> None:
    def fit(name: str) -> Result:
        return stages.fit(FitTask(tiny_track, 64, "victim", name, 0), {}, tiny_data, means)

    assert fit("adversarial_training").meta["taken"]["adversarial_training"]["attacks"] == 1
    assert fit("naive").meta["taken"]["naive"]["attacks"] == 0


@pytest.mark.parametrize("limit", [None, 64])
def test_the_floor_is_the_track_s_unless_few_images_are_asked_for(
    tiny_track: Track, tiny_data: TrackData, means: Means, monkeypatch: pytest.MonkeyPatch, limit: int | None
) -> None:
    floors: list[float] = []
    fit = fitting.fit

    def watched(name: str, track: Track, handed: fitting.TrackFitting, floor: float) -> fitting.Fitted:
        floors.append(floor)
        return fit(name, track, handed, 0.0)

    monkeypatch.setattr(fitting, "fit", watched)
    stages.fit(FitTask(tiny_track, limit, "victim", "naive", 0), {}, tiny_data, means)
    assert floors == [tiny_track.floor if limit is None else 0.0]


def test_what_a_needed_fit_took_is_told_too(tiny_track: Track, tiny_data: TrackData, means: Means) -> None:
    naive = stages.fit(FitTask(tiny_track, 64, "victim", "naive", 0), {}, tiny_data, means)
    made = stages.fit(FitTask(tiny_track, 64, "victim", "msp", 0), handed(naive=naive), tiny_data, means)
    assert made.meta["taken"] == {
        "msp": {"networks": 0, "out": 0, "attacks": 0},
        "naive": {"networks": 1, "out": 0, "attacks": 0},
    }


def test_a_clean_image_counts_as_right_for_every_one_that_was_made_of_it(tiny_track: Track) -> None:
    task = ScoreTask(tiny_track, 64, SUITE, SUITE.attacks[0], None, "naive", 0)
    clean = Result({}, {"prediction": torch.tensor([0, 9, 2, -1]), "label": torch.tensor([0, 1, 2, 3])})
    index, none = torch.tensor([2, 1, 1, 0, 3]), torch.zeros(5, dtype=torch.int64)
    right = stages.victim_correct(task, handed(clean=clean), index, none, none)
    assert right.tolist() == [True, False, False, True, False]


class Caught(Exception):
    """Ends a job as soon as what was to be seen was seen."""


def test_an_attack_is_handed_the_suite_s_images_in_its_order(
    tiny_track: Track, tiny_data: TrackData, means: Means, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, Any] = {}

    def craft(source: object, attack: suites.SuiteAttack, spec: object, test: object, **how: Any) -> crafting.Crafted:
        seen.update(how, images=attack.images, test=test)
        raise Caught

    monkeypatch.setattr(crafting, "craft", craft)
    monkeypatch.setattr(stages, "classifier_of", lambda *_: None)
    suite, attack = replace(SUITE, permutation=7), replace(SUITE.attacks[0], images=12)
    with pytest.raises(Caught):
        stages.craft(CraftTask(tiny_track, 64, suite, attack, "naive"), handed(source=Result({}, {})), tiny_data, means)
    assert seen["permutation"] == 7
    assert seen["images"] == tiny_data.of_share(12)
    assert seen["test"] is tiny_data.test


def test_a_control_disturbs_each_image_beside_the_one_that_it_was_made_of(
    tiny_track: Track, tiny_data: TrackData, means: Means, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, Any] = {}

    def disturb(crafted: crafting.Crafted, clean: Tensor, how: str, **more: Any) -> crafting.Crafted:
        seen.update(more, how=how, clean=clean)
        raise Caught

    monkeypatch.setattr(disturbing, "disturb", disturb)
    monkeypatch.setattr(stages, "classifier_of", lambda *_: None)
    index = torch.tensor([3, 1, 3])
    crafted = dict.fromkeys(stages.CRAFTED, torch.zeros(3)) | {"index": index}
    suite, attack = replace(SUITE, permutation=7), replace(SUITE.attacks[0], control=cast("Any", "noise"))
    task = CraftTask(tiny_track, 64, suite, attack, "naive")
    with pytest.raises(Caught):
        stages.craft(task, handed(source=Result({}, {}), crafted=Result({}, crafted)), tiny_data, means)
    assert (seen["how"], seen["permutation"]) == ("noise", 7)
    assert torch.equal(seen["clean"], tiny_data.test.images[index])
