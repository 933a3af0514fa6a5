"""The plan: what is run, in which order, under which keys."""

from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import suites
from bench.errors import InvalidConfig
from bench.plan import CraftTask, FitTask, Plan, ScoreTask, Selection, data_of, plan
from bench.suites import Suite, SuiteAttack
from bench.tracks import TRACKS, Recipe, Track
from defenses.ood import OutDistribution
from defenses.ood_interp import OutDistributionInterpolated
from tests.conftest import QUICK

Make = Callable[..., Plan]

GOLDEN = {
    "fit naive, seed 0": "3370f7fb82d1d2e4",
    "craft FGS, seed 0": "81bf28f52d6b0722",
    "score naive on fgs, seed 0": "09edd12812525fc1",
}
"""The first 16 digits of the keys of a pinned selection, with the code of every defense put to one value.

A key that changes makes everybody fit, craft and score again: change one only with a stage's version.
"""


@pytest.fixture
def make(quick: Path) -> Make:
    def planned(
        *,
        track: Track = TRACKS["digits"],
        defenses: tuple[str, ...] = ("naive", "ood"),
        attacks: tuple[str, ...] = ("fgs", "deepfool", "cw"),
        seeds: int = 1,
        limit: int | None = None,
        suite: Suite | None = None,
    ) -> Plan:
        return plan(Selection(track, suite or suites.load(quick), defenses, attacks, tuple(range(seeds)), limit))

    return planned


def keys(made: Plan) -> dict[str, str]:
    return {job.label: job.key for job in made.jobs}


def changed(one: Plan, other: Plan) -> set[str]:
    """Return the first words of the labels of the jobs that both plans have under different keys."""
    mine, theirs = keys(one), keys(other)
    return {label for label in mine if label in theirs and mine[label] != theirs[label]}


def test_the_keys_are_pinned(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.codedigest.as_loaded", lambda module: "0" * 64)
    recipe = Recipe(
        epochs=3,
        batch_size=32,
        optimizer="adamw",
        learning_rate=1e-3,
        weight_decay=0.0,
        schedule="cosine",
        warmup_epochs=1,
        shift=0,
        flip=False,
        precision="float32",
    )
    track = replace(TRACKS["digits"], recipe=recipe)
    monkeypatch.setitem(TRACKS, "digits", track)
    found = keys(make(track=track))
    assert {label: found[label][:16] for label in GOLDEN} == GOLDEN


def test_every_job_comes_after_its_inputs_and_no_recipe_twice(make: Make) -> None:
    made = make(defenses=("naive", "ood", "ood_interp"), seeds=2)
    seen: set[str] = set()
    for job in made.jobs:
        assert {needed.key for needed in job.inputs.values()} <= seen
        assert job.key not in seen
        seen.add(job.key)


def test_an_attack_is_crafted_once_on_the_surrogate_or_the_twin_and_once_a_victim(make: Make) -> None:
    made = make()
    crafts = [job for job in made.jobs if isinstance(job.task, CraftTask)]
    by_attack = {name: [job for job in crafts if job.task.attack.name == name] for name in ("fgs", "deepfool", "cw")}  # type: ignore[union-attr]
    assert [len(jobs) for jobs in by_attack.values()] == [1, 1, 2]
    roles = {name: [job.inputs["source"].task for job in jobs] for name, jobs in by_attack.items()}
    assert [(task.role, task.defense) for task in roles["fgs"] if isinstance(task, FitTask)] == [("surrogate", "naive")]
    assert [(task.role, task.defense) for task in roles["deepfool"] if isinstance(task, FitTask)] == [
        ("victim", "naive")
    ]
    assert [task.defense for task in roles["cw"] if isinstance(task, FitTask)] == ["naive", "ood"]


def test_no_two_jobs_have_one_label(make: Make) -> None:
    labels = [job.label for job in make().jobs]
    assert len(set(labels)) == len(labels)
    assert {"craft FGS, seed 0", "craft C&W against naive, seed 0", "craft C&W against +OOD, seed 0"} < set(labels)


def test_every_cell_has_a_record(make: Make) -> None:
    made = make(seeds=2)
    cells = {
        (task.defense, task.seed, task.attack.name if task.attack else task.out)
        for task in (job.task for job in made.records)
        if isinstance(task, ScoreTask)
    }
    of_one = {None, "letters", "photos", "fgs", "deepfool", "cw"}
    assert cells == {(name, seed, cell) for name in ("naive", "ood") for seed in (0, 1) for cell in of_one}


def test_a_result_comes_from_what_was_trained_on_and_what_is_shown(make: Make) -> None:
    found = {job.label: data_of(job.task) for job in make(attacks=("fgs",)).jobs}
    assert found["fit +OOD, seed 0"] == found["score +OOD on fgs, seed 0"] == ("digits", "letters")
    assert found["score +OOD on out:photos, seed 0"] == ("digits", "letters", "photos")
    assert found["score +OOD on out:letters, seed 0"] == ("digits", "letters")
    assert found["craft FGS, seed 0"] == ("digits",)


def test_what_a_defense_needs_is_fitted_though_not_scored(make: Make) -> None:
    made = make(defenses=("ood_interp",), attacks=("fgs",))
    fits = [job.task.defense for job in made.jobs if isinstance(job.task, FitTask)]
    assert sorted(fits) == ["naive", "naive", "ood_interp"]
    assert {job.task.defense for job in made.records if isinstance(job.task, ScoreTask)} == {"ood_interp"}


def test_surrogate_and_twin_are_of_different_streams(make: Make) -> None:
    fits = [job for job in make().jobs if isinstance(job.task, FitTask) and job.task.defense == "naive"]
    assert len(fits) == len({job.key for job in fits}) == 2


def test_an_edited_defense_changes_its_own_keys_alone(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    before = make(attacks=("fgs",))
    monkeypatch.setattr("bench.codedigest.as_loaded", lambda module: "1" * 64 if module == "defenses.ood" else "0" * 64)
    middle = make(attacks=("fgs",))
    monkeypatch.setattr("bench.codedigest.as_loaded", lambda module: "2" * 64 if module == "defenses.ood" else "0" * 64)
    assert changed(before, middle)
    assert changed(middle, make(attacks=("fgs",))) == {label for label in keys(middle) if "+OOD" in label}


@pytest.mark.parametrize("field", [field.name for field in fields(Recipe)])
def test_every_value_of_the_recipe_is_in_the_keys(make: Make, field: str) -> None:
    track = TRACKS["digits"]
    value = getattr(track.recipe, field)
    another: Any = f"not {value}" if isinstance(value, str) else value + 1
    other = replace(track, recipe=replace(track.recipe, **{field: another}))
    assert changed(make(), make(track=other)) == set(keys(make()))


@pytest.mark.parametrize(
    "value",
    [{"batch_size": 7}, {"images": 7}, {"kind": "pgd"}, {"params": {"epsilon": 0.3}}, {"source": "twin"}],
    ids=lambda value: next(iter(value)),
)
def test_every_value_of_an_attack_is_in_its_key(make: Make, quick: Path, value: dict[str, Any]) -> None:
    suite = suites.load(quick)
    if value.get("kind"):
        value = {**value, "params": {"epsilon": 0.2, "stepsize": 0.1, "steps": 3}}
    other = replace(suite, attacks=(replace(suite.attacks[0], **value), *suite.attacks[1:]))
    moved = {label for label in changed(make(), make(suite=other)) if label.startswith("craft")}
    assert moved == {"craft FGS, seed 0"}


def test_the_order_of_the_images_is_in_every_attack_s_key(make: Make, quick: Path) -> None:
    other = replace(suites.load(quick), permutation=2)
    crafts = {label for label in keys(make()) if label.startswith("craft")}
    assert {label for label in changed(make(), make(suite=other)) if label.startswith("craft")} == crafts


def test_what_decides_limited_runs_alone_moves_no_key(make: Make) -> None:
    track = TRACKS["digits"]
    assert keys(make(track=replace(track, limited_epochs=1))) == keys(make())


LIMITS = st.none() | st.integers(1, 10**6)


@given(LIMITS, LIMITS, st.floats(1e-6, 1.0), st.floats(1e-6, 1.0))
def test_keys_of_fits_are_equal_exactly_where_limit_and_rate_are(
    one: int | None, other: int | None, rate: float, another: float
) -> None:
    track, suite = TRACKS["digits"], suites.load(QUICK)

    def fit_key(limit: int | None, learning_rate: float) -> str:
        recipe = replace(track.recipe, learning_rate=learning_rate)
        made = plan(Selection(replace(track, recipe=recipe), suite, ("naive",), ("fgs",), (0,), limit))
        return made.jobs[0].key

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bench.codedigest.as_loaded", lambda module: "0" * 64)
        same = fit_key(one, rate) == fit_key(other, another)
    assert same == ((one, rate) == (other, another))


def test_precision_and_limit_are_in_every_key(make: Make) -> None:
    track = TRACKS["digits"]
    other = replace(track, recipe=replace(track.recipe, precision="bf16"))
    assert changed(make(), make(track=other)) == set(keys(make()))
    assert changed(make(), make(limit=100)) == set(keys(make()))


def test_a_record_s_key_tells_whether_its_epochs_were_asked_for(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record says whether it is of the track's epochs, and a track may be given others."""
    track = TRACKS["digits"]
    asked = replace(track, recipe=replace(track.recipe, epochs=2))
    before = make(track=asked)
    monkeypatch.setitem(TRACKS, "digits", asked)
    assert {label.split()[0] for label in changed(before, make(track=asked))} == {"score"}


def test_defenses_that_need_one_another_are_refused(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OutDistribution, "needs", ("ood_interp",))
    monkeypatch.setattr(OutDistributionInterpolated, "needs", ("ood",))
    with pytest.raises(InvalidConfig, match="defense 'ood' needs itself, by way of ood, ood_interp"):
        make(defenses=("ood",))


def test_a_suite_s_name_is_in_the_keys_of_its_records_alone(make: Make, quick: Path) -> None:
    other = make(suite=replace(suites.load(quick), name="renamed"))
    assert {label.split()[0] for label in changed(make(), other)} == {"score"}


def test_titles_and_floors_refit_nothing(make: Make) -> None:
    other = replace(TRACKS["digits"], title="Other", floor=0.1, paper="other")
    assert {label.split()[0] for label in changed(make(), make(track=other))} == {"score"}


def edited(suite: Suite, name: str, **values: object) -> Suite:
    def edit(attack: SuiteAttack) -> SuiteAttack:
        return replace(attack, params={**attack.params, **values}) if attack.name == name else attack

    return replace(suite, attacks=tuple(edit(attack) for attack in suite.attacks))


def test_an_attack_s_parameter_changes_its_own_images_alone(make: Make, quick: Path) -> None:
    suite = suites.load(quick)
    other = make(suite=edited(suite, "fgs", epsilon=0.1))
    made_anew = {label for label in changed(make(), other) if not label.startswith("score ")}
    assert made_anew == {"craft FGS, seed 0"}


def test_other_attacks_leave_a_cell_s_key_as_it_is(make: Make) -> None:
    assert changed(make(), make(attacks=("fgs",))) == set()
    assert changed(make(), make(defenses=("ood",))) == set()
    assert changed(make(), make(seeds=3)) == set()
