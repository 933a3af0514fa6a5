"""Publishing a run: what is taken, what is refused, what is left of earlier ones."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import defenses
from bench import publishing, records, reporting, suites
from bench.data.in_folder import Source
from bench.errors import InvalidConfig
from bench.plan import OUT, Job, ScoreTask, Selection, plan
from bench.precision import in_precision
from bench.records import DataOrigin
from bench.reporting import Entry
from bench.selecting import PAPER
from bench.store import MANIFEST, PACKED, Store
from bench.tracks import TRACKS, Precision, Track
from defenses.base import LabelledImages
from tests.conftest import Cli

StoreRun = Callable[..., Store]

SUITE = suites.load("table1")
ATTACKS = tuple(attack.name for attack in SUITE.attacks)
DIGITS = TRACKS["digits"]


def meta_of(job: Job) -> dict[str, Any]:
    """Return what a record of the job says of itself."""
    task = job.task
    assert isinstance(task, ScoreTask)
    attack = task.attack.name if task.attack else OUT + task.out if task.out else "clean"
    return {
        "schema_version": records.SCHEMA,
        "track": task.track.name,
        "track_title": "A track",
        "architecture": task.track.architecture,
        "suite": task.suite.name,
        "suite_digest": task.suite.digest(task.track.name),
        "defense": task.defense,
        "defense_title": task.defense,
        "defense_source": "a paper",
        "defense_departs": "",
        "taken": {},
        "thresholds": {},
        "control": False,
        "attack": attack,
        "attack_title": attack,
        "kind": "attack" if task.attack else "out" if task.out else "clean",
        "source": "surrogate" if task.attack else None,
        "in_average": task.attack is not None,
        "seed": task.seed,
        "limit": task.limit,
        "precision": task.track.recipe.precision,
        "parameters": {},
        "data": {"digits": DataOrigin(digest="ab" * 32, origin="here").model_dump()},
    }


@pytest.fixture
def run_of(tmp_path: Path) -> StoreRun:
    """Store the records, of four images each, that a selection's plan names; ``header`` changes what they say."""

    def stored(
        track: Track = DIGITS,
        *,
        names: tuple[str, ...] = PAPER,
        attacks: tuple[str, ...] = ATTACKS,
        seeds: Sequence[int] = (0,),
        limit: int | None = None,
        status: str = "done",
        **header: Any,
    ) -> Store:
        store = Store(tmp_path / "store")
        made = plan(Selection(track, SUITE, names, attacks, tuple(seeds), limit))
        keys = []
        for job in made.records:
            tensors = {name: torch.zeros(4) for name in records.PER_IMAGE}
            tensors |= {
                name: torch.zeros(4, dtype=torch.int64) for name in ("index", "label", "prediction", "class_prediction")
            }
            tensors |= {name: torch.ones(4, dtype=torch.bool) for name in ("fooled", "hit_target", "victim_correct")}
            meta = meta_of(job) | {"counts": records.counted(tensors)} | header
            inputs = {name: needed.key for name, needed in job.inputs.items()}
            store.write("score", job.key, meta=meta, tensors=tensors, inputs=inputs, provenance={})
            keys.append(job.key)
        entry = Entry(
            track=track.name, suite="table1", title="A track", status=status, reason="it broke", records=tuple(keys)
        )
        reporting.remember(store, entry, list(TRACKS))
        return store

    return stored


def publish(source: Store, track: str, published: Store) -> None:
    publishing.publish(publishing.whole_run(source, track, "table1"), published)


def kept(published: Store) -> set[str]:
    return {path.name for path in (published.root / "score").iterdir()}


def refused(source: Store, track: str = "digits") -> str:
    """Return what a refusal says between the name of the run and the mend."""
    with pytest.raises(InvalidConfig) as caught:
        publishing.whole_run(source, track, "table1")
    before, after = f"the last run of '{track}' is not published: ", "; publish one of the track's own settings and "
    text = str(caught.value)
    assert text.startswith(before)
    assert text.endswith(f"{after}known data: `python -m bench run {track}`")
    return text.removeprefix(before).partition(after)[0]


def test_a_run_takes_the_place_of_the_tracks_earlier_one_and_of_no_other(run_of: StoreRun, tmp_path: Path) -> None:
    published = Store(tmp_path / "published")
    publish(run_of(seeds=(0, 1)), "digits", published)
    publish(run_of(TRACKS["mnist"]), "mnist", published)
    before = kept(published)
    publish(run_of(seeds=(0,)), "digits", published)
    found = {entry.name: reporting.load(published, entry) for entry in reporting.read(published).runs}
    assert list(found) == ["digits", "mnist"]
    assert {record.header.seed for record in found["digits"]} == {0}
    assert kept(published) == {record.key for records in found.values() for record in records} < before
    assert {path.name for path in published.root.iterdir()} == {"report.json", "score"}


def test_seeds_of_two_runs_are_published_together(run_of: StoreRun, tmp_path: Path) -> None:
    published = Store(tmp_path / "published")
    publish(run_of(seeds=(0, 1)), "digits", published)
    later = run_of(seeds=(2,))
    shutil.rmtree(later.root / "score")
    later = run_of(seeds=(2,))
    assert "it has the seeds 2, which" in refused(later)
    publishing.publish(publishing.whole_run(later, "digits", "table1", published), published)
    (entry,) = reporting.read(published).runs
    found = reporting.load(published, entry)
    assert [record.header.seed for record in found] == sorted(3 * [*range(3)] * (len(ATTACKS) + 3))
    assert {path.name for path in published.root.glob("score/*/*")} == {MANIFEST, PACKED}
    alone = run_of(seeds=(0, 1, 2))
    assert entry.records == reporting.read(alone).runs[0].records


def test_what_is_published_already_stays_as_it_is_there(run_of: StoreRun, tmp_path: Path) -> None:
    published = Store(tmp_path / "published")
    publish(run_of(seeds=(0,)), "digits", published)
    first = reporting.load(published, reporting.read(published).runs[0])[0]
    run_of(seeds=(0,), defense_title="made here too")
    later = run_of(seeds=(1,))
    assert later.find("score", first.key).meta["defense_title"] == "made here too"  # type: ignore[union-attr]
    publishing.publish(publishing.whole_run(later, "digits", "table1", published), published)
    found = {record.key: record for record in reporting.load(published, reporting.read(published).runs[0])}
    assert {record.header.seed for record in found.values()} == {0, 1}
    assert found[first.key].header == first.header


def test_a_costly_defense_may_have_fewer_seeds_the_paper_s_may_not(
    run_of: StoreRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(defenses.ROSTER, "another", "defenses.naive:Naive")
    published = Store(tmp_path / "published")
    publish(run_of(names=(*PAPER, "another"), seeds=(0,)), "digits", published)
    later = run_of(seeds=(1, 2))
    publishing.publish(publishing.whole_run(later, "digits", "table1", published), published)
    (entry,) = reporting.read(published).runs
    found = reporting.load(published, entry)
    assert records.seeds_by_defense(found) == {**dict.fromkeys(PAPER, (0, 1, 2)), "another": (0,)}

    shutil.rmtree(published.root)
    publish(run_of(seeds=(0,)), "digits", published)
    later = run_of(names=("naive",), seeds=(1,))
    with pytest.raises(InvalidConfig, match="it has fewer seeds of ood, ood_interp than of others"):
        publishing.whole_run(later, "digits", "table1", published)


def test_what_is_published_of_another_recipe_is_not_added_to(
    run_of: StoreRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = Store(tmp_path / "published")
    publish(run_of(seeds=(0, 1)), "digits", published)
    monkeypatch.setattr("bench.codedigest.as_loaded", lambda module: "0" * 64)
    with pytest.raises(InvalidConfig, match=OTHER):
        publishing.whole_run(run_of(seeds=(2,)), "digits", "table1", published)


def test_further_defenses_may_be_part_of_it(run_of: StoreRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(defenses.ROSTER, "another", "defenses.naive:Naive")
    run = publishing.whole_run(run_of(names=(*PAPER, "another")), "digits", "table1")
    assert len(run.entry.records) == 4 * (len(ATTACKS) + 3)


def test_near_tests_are_part_of_it_where_they_were_at_hand(run_of: StoreRun, tmp_path: Path) -> None:
    mnist = TRACKS["mnist"]
    near = replace(mnist, out_tests=(*mnist.out_tests, "kmnist"), near_tests=())
    run = publishing.whole_run(run_of(near), "mnist", "table1")
    assert len(run.entry.records) == len(PAPER) * (len(ATTACKS) + 3)


@pytest.mark.parametrize("trained_in", ["bf16", "float32"])
def test_a_run_may_be_trained_in_what_its_device_has(run_of: StoreRun, trained_in: Precision) -> None:
    trained = in_precision(TRACKS["mnist"], trained_in)
    run = publishing.whole_run(run_of(replace(trained, near_tests=())), "mnist", "table1")
    assert len(run.entry.records) == len(PAPER) * (len(ATTACKS) + 2)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"limit": 2000}, "it has limit 2000, the track has none"),
        ({"track": replace(DIGITS, architecture="vgg16")}, "it has architecture vgg16, the track has cuda_convnet"),
        (
            {"track": in_precision(DIGITS, "bf16")},
            "it has precision bf16, the track has float32",
        ),
        ({"suite_digest": "0" * 64}, "its suite 'table1' is none of those that ship with the program"),
        ({"suite": "mine"}, "its suite 'mine' is none of those that ship with the program"),
        ({"attacks": ATTACKS[:-2]}, "it leaves out deepfool_min, cw"),
        ({"names": ("naive", "ood")}, "it leaves out ood_interp"),
        ({"track": replace(DIGITS, out_tests=("letters",))}, "it leaves out out:photos"),
        ({"seeds": (0, 2)}, "it has the seeds 0, 2, which do not count up from 0"),
        ({"seeds": (1,)}, "it has the seeds 1, which do not count up from 0"),
    ],
)
def test_what_is_no_whole_run_of_the_track_is_refused(run_of: StoreRun, changed: dict[str, Any], told: str) -> None:
    assert refused(run_of(**changed)) == told


OTHER = "it is of another recipe than the track's now, of other code of a defense, or of other cells"


@pytest.mark.parametrize("field", ["epochs", "batch_size", "learning_rate"])
def test_a_run_of_another_recipe_is_refused(run_of: StoreRun, field: str) -> None:
    recipe = replace(DIGITS.recipe, **{field: getattr(DIGITS.recipe, field) * 2})
    assert refused(run_of(replace(DIGITS, recipe=recipe))) == OTHER


def test_a_run_of_other_code_is_refused(run_of: StoreRun, monkeypatch: pytest.MonkeyPatch) -> None:
    source = run_of()
    publishing.whole_run(source, "digits", "table1")
    monkeypatch.setattr("bench.codedigest.as_loaded", lambda module: "0" * 64)
    assert refused(source) == OTHER


def test_a_run_on_a_set_that_is_no_test_of_the_track_is_refused(run_of: StoreRun) -> None:
    assert refused(run_of(replace(DIGITS, out_tests=(*DIGITS.out_tests, "svhn")))) == OTHER


def test_a_run_that_lacks_a_cell_is_refused(run_of: StoreRun) -> None:
    source = run_of()
    (entry,) = reporting.read(source).runs
    fewer = entry.model_copy(update={"records": entry.records[:-1]})
    reporting.remember(source, fewer, ["digits"])
    assert refused(source) == OTHER


def test_a_run_on_a_copy_that_nobody_knows_is_refused(run_of: StoreRun) -> None:
    split = LabelledImages(torch.zeros(1, 1, 2, 2), torch.zeros(1, dtype=torch.int64))
    copy = Source("mnist", "mnist.npz", {}, official=False).dataset({"train": split}, known={})
    origin = DataOrigin(digest=copy.digest, origin=copy.origin, notes=copy.notes)
    source = run_of(TRACKS["mnist"], data={"mnist": origin.model_dump()})
    assert refused(source, "mnist") == f"its data set 'mnist' is an unknown copy ({copy.digest[:12]})"


def test_a_run_that_broke_off_is_refused(run_of: StoreRun) -> None:
    with pytest.raises(InvalidConfig, match=r"ended as 'failed' \(it broke\); mend it first$"):
        publishing.whole_run(run_of(status="failed"), "digits", "table1")


def test_the_command_writes_the_tables_beside_the_records(run_of: StoreRun, cli: Cli, tmp_path: Path) -> None:
    run_of()
    result = cli("publish", "digits", "--to", "public")
    assert result.exit_code == 0, result.stderr
    files = {
        "README.md",
        "digits.md",
        "digits.csv",
        "digits.cells.csv",
        "digits.leaderboard.csv",
        "digits.costs.md",
        "digits.png",
        "digits.provenance.json",
        "records",
    }
    assert {path.name for path in (tmp_path / "public").iterdir()} == files


def test_a_command_that_is_refused_leaves_nothing_behind(run_of: StoreRun, cli: Cli, tmp_path: Path) -> None:
    nothing = cli("publish", "mnist", "--to", "public")
    assert nothing.exit_code == 1
    assert nothing.stderr == "error: store: holds no run of 'mnist'; `python -m bench run mnist` makes one\n"
    run_of(limit=9)
    limited = cli("publish", "digits", "--to", "public")
    assert limited.exit_code == 1
    assert "it has limit 9, the track has none" in limited.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["store"]
