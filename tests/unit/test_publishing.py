"""Publishing a run: what is taken, what is refused, what is left of earlier ones."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from bench import publishing, records, reporting, suites
from bench.errors import InvalidConfig
from bench.reporting import Entry
from bench.store import Store
from bench.tracks import TRACKS
from tests.conftest import Cli

StoreRun = Callable[..., Store]

SUITE = suites.load("table1")
ATTACKS = ("clean", *(attack.name for attack in SUITE.attacks))


@pytest.fixture
def run_of(tmp_path: Path) -> StoreRun:
    """Store a run of the naive defense on four images, with any field of the records' headers changed."""

    def stored(
        track: str = "digits",
        version: str = "a",
        attacks: tuple[str, ...] = ATTACKS,
        status: str = "done",
        **header: Any,
    ) -> Store:
        store = Store(tmp_path / "store")
        keys = []
        for attack in attacks:
            tensors = {name: torch.zeros(4) for name in records.PER_IMAGE}
            tensors |= {name: torch.zeros(4, dtype=torch.int64) for name in ("index", "label", "prediction")}
            tensors |= {name: torch.ones(4, dtype=torch.bool) for name in ("fooled", "hit_target", "victim_correct")}
            fields = {
                "schema_version": records.SCHEMA,
                "track": track,
                "track_title": "A track",
                "architecture": TRACKS[track].architecture,
                "suite": "table1",
                "suite_digest": SUITE.digest,
                "defense": "naive",
                "defense_title": "naive",
                "defense_source": "a paper",
                "control": False,
                "attack": attack,
                "attack_title": attack,
                "kind": "clean" if attack == "clean" else "attack",
                "source": None if attack == "clean" else "surrogate",
                "in_average": attack != "clean",
                "seed": 0,
                "limit": None,
                "precision": TRACKS[track].recipe.precision,
                "parameters": {},
                "data": {},
                "counts": records.counted(tensors),
            }
            key = f"{track}-{attack}-{version}"
            store.write("score", key, meta=fields | header, tensors=tensors, inputs={}, provenance={})
            keys.append(key)
        entry = Entry(track=track, title="A track", status=status, reason="it broke", records=tuple(keys))
        reporting.remember(store, entry, list(TRACKS))
        return store

    return stored


def kept(published: Store) -> set[str]:
    return {path.name for path in (published.root / "score").iterdir()}


def test_a_run_takes_the_place_of_the_tracks_earlier_one_and_of_no_other(run_of: StoreRun, tmp_path: Path) -> None:
    published = Store(tmp_path / "published")
    for track, version in (("digits", "a"), ("mnist", "a"), ("digits", "b")):
        publishing.publish(run_of(track, version), track, published)
    found = {entry.track: reporting.load(published, entry) for entry in reporting.read(published).tracks}
    assert list(found) == ["digits", "mnist"]
    assert [record.key for record in found["digits"]] == [f"digits-{attack}-b" for attack in ATTACKS]
    assert kept(published) == {record.key for records in found.values() for record in records}
    assert {path.name for path in published.root.iterdir()} == {"report.json", "score"}


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"limit": 2000}, "it has limit 2000, the track has none"),
        ({"architecture": "resnet10t"}, "it has architecture resnet10t, the track has cuda_convnet"),
        ({"precision": "bf16"}, "it has precision bf16, the track has float32"),
        ({"suite_digest": "0" * 64}, "its suite 'table1' is none of those that ship with the program"),
        ({"suite": "mine"}, "its suite 'mine' is none"),
        ({"attacks": ATTACKS[:-2]}, "it leaves out deepfool_min, cw"),
        ({"status": "failed"}, r"it ended as 'failed' \(it broke\); mend it first"),
    ],
)
def test_what_is_no_whole_run_of_the_track_is_refused(
    run_of: StoreRun, tmp_path: Path, changed: dict[str, Any], told: str
) -> None:
    published = Store(tmp_path / "published")
    publishing.publish(run_of(version="a"), "digits", published)
    before = kept(published)
    with pytest.raises(InvalidConfig, match=rf"^the last run of 'digits' is not published: {told}"):
        publishing.publish(run_of(version="b", **changed), "digits", published)
    assert kept(published) == before


def test_the_command_writes_the_tables_beside_the_records(run_of: StoreRun, cli: Cli, tmp_path: Path) -> None:
    run_of()
    result = cli("publish", "digits", "--to", "public")
    assert result.exit_code == 0, result.stderr
    files = {"README.md", "digits.md", "digits.csv", "digits.cells.csv", "digits.provenance.json", "records"}
    assert {path.name for path in (tmp_path / "public").iterdir()} == files
    nothing = cli("publish", "mnist", "--to", "public")
    assert nothing.exit_code == 1
    assert nothing.stderr == "error: store: holds no run of 'mnist'; `python -m bench run mnist` makes one\n"
