"""Publishing a run: what is taken, and what is left of earlier ones."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock, Timeout

import defenses
from bench import publishing, records, reporting
from bench.errors import InvalidConfig
from bench.precision import in_precision
from bench.selecting import PAPER
from bench.store import MANIFEST, PACKED, Store
from bench.tracks import TRACKS, Precision
from tests.conftest import Cli
from tests.unit.publishing.conftest import ATTACKS, StoreRun, kept, publish


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
    with pytest.raises(InvalidConfig, match="it has the seeds 2, which"):
        publishing.whole_run(later, "digits", "table1")
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
    made_again = later.find("score", first.key)
    assert made_again is not None
    assert made_again.meta["defense_title"] == "made here too"
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


def test_a_network_at_a_time_may_be_published_and_none_is_lost(run_of: StoreRun, tmp_path: Path) -> None:
    published = Store(tmp_path / "published")
    publish(run_of(names=("naive",), seeds=(0,)), "digits", published)
    later = run_of(names=("ood", "ood_interp"), seeds=(0,))
    publishing.publish(publishing.whole_run(later, "digits", "table1", published), published)
    before = kept(published)
    (entry,) = reporting.read(published).runs
    assert records.seeds_by_defense(reporting.load(published, entry)) == dict.fromkeys(PAPER, (0,))
    with pytest.raises(InvalidConfig, match=r"'digits' has ood, ood_interp: a run without does not .* with --add, if"):
        publish(run_of(names=("naive",), seeds=(0,)), "digits", published)
    assert kept(published) == before


def test_a_damaged_published_record_may_be_replaced(run_of: StoreRun, tmp_path: Path) -> None:
    published = Store(tmp_path / "published")
    publish(run_of(seeds=(0,)), "digits", published)
    damaged = min(published.root.glob(f"score/*/{MANIFEST}"))
    damaged.write_text("{", encoding="utf-8")
    publish(run_of(seeds=(0,)), "digits", published)
    (entry,) = reporting.read(published).runs
    assert len(reporting.load(published, entry)) == len(entry.records)


def test_what_is_published_of_another_recipe_is_not_added_to(
    run_of: StoreRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = Store(tmp_path / "published")
    publish(run_of(seeds=(0, 1)), "digits", published)
    monkeypatch.setattr("bench.codedigest.as_loaded", lambda module: "0" * 64)
    with pytest.raises(InvalidConfig, match="it is of another recipe than the track's now"):
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


def test_a_run_may_be_trained_as_briefly_as_a_cpu_can(run_of: StoreRun) -> None:
    cifar10 = TRACKS["cifar10"]
    brief = replace(cifar10, recipe=replace(cifar10.recipe, epochs=8), near_tests=())
    run = publishing.whole_run(run_of(brief, epochs=8), "cifar10", "table1")
    assert len(run.entry.records) == len(PAPER) * (len(ATTACKS) + 2)
    assert run.records[0].header.epochs == cifar10.cpu_epochs


def test_a_brief_run_gives_way_to_a_whole_one_and_not_the_other_way_round(run_of: StoreRun, tmp_path: Path) -> None:
    whole = replace(TRACKS["cifar10"], near_tests=())
    brief = replace(whole, recipe=replace(whole.recipe, epochs=8))
    published = Store(tmp_path / "published")
    publish(run_of(brief, epochs=8), "cifar10", published)
    before = kept(published)
    publish(run_of(whole), "cifar10", published)
    assert kept(published).isdisjoint(before)
    with pytest.raises(InvalidConfig, match="a run of 8 does not take its place"):
        publish(run_of(brief, epochs=8), "cifar10", published)
    assert kept(published).isdisjoint(before)


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
        "digits.equal.csv",
        "digits.costs.md",
        "digits.png",
        "digits.images.png",
        "digits.provenance.json",
        "records",
    }
    assert {path.name for path in (tmp_path / "public").iterdir()} == files


def test_one_at_a_time_publishes_to_a_folder(tmp_path: Path) -> None:
    published = Store(tmp_path / "published")
    with publishing.alone(published), pytest.raises(Timeout):
        FileLock(tmp_path / "published" / ".lock").acquire(timeout=0)
    with publishing.alone(published):
        assert [path.name for path in published.root.iterdir()] == [".lock"]


def test_a_lock_that_cannot_be_had_is_one_line(run_of: StoreRun, cli: Cli) -> None:
    run_of()
    lock = Path("public", "records", ".lock")
    lock.mkdir(parents=True)
    result = cli("publish", "digits", "--to", "public")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"error: {lock}: ")
    assert result.stderr.endswith("; make it a file that can be written, or choose another folder with --to\n")
    assert result.stderr.count("\n") == 1


def test_a_command_that_is_refused_leaves_nothing_behind(run_of: StoreRun, cli: Cli, tmp_path: Path) -> None:
    nothing = cli("publish", "mnist", "--to", "public")
    assert nothing.exit_code == 1
    assert nothing.stderr == "error: store: holds no run of 'mnist'; `python -m bench run mnist` makes one\n"
    run_of(limit=9)
    limited = cli("publish", "digits", "--to", "public")
    assert limited.exit_code == 1
    assert "it has limit 9, the track has none" in limited.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["store"]
