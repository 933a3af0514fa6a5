"""The files of a track: golden bytes, what they do not depend on, and what makes no table."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch

from bench.errors import BenchError
from bench.intervals import wilson
from bench.records import DataOrigin, Record
from leaderboard import tables

GOLDEN = Path(__file__).parents[2] / "golden"
DURATIONS = {"mnist.costs.md", "mnist.provenance.json"}
Make = Callable[..., Record]


def written(records: list[Record], out: Path) -> dict[str, bytes]:
    tables.write_track(records, out, "mnist")
    return {path.name: path.read_bytes() for path in out.iterdir()}


def test_the_tables_are_the_golden_ones(small: list[Record], tmp_path: Path) -> None:
    files = written(small, tmp_path)
    assert files.pop("mnist.png").startswith(b"\x89PNG")
    assert set(files) == {"mnist.md", "mnist.csv", "mnist.cells.csv", "mnist.costs.md", "mnist.provenance.json"}
    for name, data in files.items():
        assert data.decode() == (GOLDEN / name).read_text(encoding="utf-8"), f"if meant, copy {tmp_path / name} there"


def test_dates_and_durations_change_no_table_of_rates(small: list[Record], tmp_path: Path) -> None:
    before = written(small, tmp_path / "before")
    dates = torch.randperm(100, generator=torch.Generator().manual_seed(0)).tolist()
    dated = [
        replace(record, provenance={**record.provenance, "created": f"2031-{day}", "seconds": float(day)})
        for record, day in zip(small, dates, strict=False)
    ]
    after = written(dated, tmp_path / "after")
    assert {name for name in before if before[name] != after[name]} == DURATIONS
    assert written(small, tmp_path / "before") == before


def test_the_provenance_lists_every_record_in_table_order(small: list[Record], tmp_path: Path) -> None:
    found = json.loads(written(small[::-1], tmp_path)["mnist.provenance.json"])
    assert found["seeds"] == [0]
    assert found["data"]["mnist"] == {"digest": "ab" * 32, "origin": "mnist.npz", "notes": []}
    assert [entry["key"] for entry in found["records"]] == [record.key for record in small[::-1]]
    assert found["records"][0]["provenance"]["seconds"] == 1.5


def test_csv_over_three_seeds_is_the_mean_with_student_s_interval(make: Make, tmp_path: Path) -> None:
    records = [make("naive", "fgs", (10 - wrong, 0, wrong), seed=seed) for seed, wrong in enumerate((2, 4, 6))]
    files = written(records[::-1], tmp_path)
    across = pd.read_csv(tmp_path / "mnist.csv").iloc[0]
    assert (across["seeds"], across["n"], across["err"]) == (3, 30, 0.4)
    assert across["err_high"] == pytest.approx(0.4 + 4.302653 * 0.2 / 3**0.5, abs=1e-6)
    cells = pd.read_csv(tmp_path / "mnist.cells.csv")
    assert cells["seed"].tolist() == [0, 1, 2] * 3
    assert cells["denominator"].tolist() == ["all"] * 3 + ["fooled"] * 3 + ["victim_correct"] * 3
    assert cells["err_low"][0] == pytest.approx(wilson(2, 10).low, abs=1e-6)
    assert "seeds 0, 1, 2" in files["mnist.md"].decode()
    assert "over the trainings of 3 seeds (Student's t), on the same test images" in files["mnist.md"].decode()


def test_a_seed_without_images_in_a_denominator_is_left_out_of_it(make: Make, tmp_path: Path) -> None:
    records = [make("naive", "fgs", (2, 0, 2), seed=seed) for seed in (0, 1)]
    records[1] = replace(records[1], tensors={**records[1].tensors, "fooled": torch.zeros(4, dtype=torch.bool)})
    written(records, tmp_path)
    fooled = pd.read_csv(tmp_path / "mnist.csv").set_index("denominator").loc["fooled"]
    assert (fooled["seeds"], fooled["n"], fooled["err"]) == (2, 2, 0)
    assert fooled["err_high"] == pytest.approx(wilson(0, 2).high, abs=1e-6)


def test_an_attack_on_no_image_has_empty_rates(make: Make, tmp_path: Path) -> None:
    files = written([make("naive", "clean", (3, 0, 0)), make("naive", "fgs", (0, 0, 0))], tmp_path)
    row = files["mnist.csv"].decode().splitlines()[2]
    assert row == "mnist,table1,naive,fgs,all,1,0" + "," * 14
    assert "was handed no image" in files["mnist.md"].decode()


def test_the_summary_has_the_controls_last(small: list[Record]) -> None:
    found = tables.summary(small)
    assert found["rank"].tolist() == ["1", "2", "control"]
    assert found["defense"].tolist() == ["+OOD", "naive", "reject all"]
    assert found["clean Rej"].tolist()[0] == "5.0 [0.9, 23.6]"
    assert found["Rej on notmnist"].tolist()[1] == "0.0 [0.0, 27.8]"


@pytest.mark.parametrize(
    ("field", "value"),
    [("track", "digits"), ("suite", "other"), ("suite_digest", "f" * 64), ("limit", 5), ("precision", "float32")],
)
def test_records_of_two_kinds_make_no_table(make: Make, tmp_path: Path, field: str, value: object) -> None:
    records = [make("naive", "clean", (1, 0, 0)), make("ood", "clean", (1, 0, 0), **{field: value})]
    with pytest.raises(BenchError, match=f"differ in {field} .*make a table of each"):
        tables.write_track(records, tmp_path, "mnist")
    assert not list(tmp_path.iterdir())


def test_records_of_different_data_make_no_table(make: Make, tmp_path: Path) -> None:
    other = {"mnist": DataOrigin(digest="cd" * 32, origin="mnist.npz")}
    records = [make("naive", "clean", (1, 0, 0)), make("ood", "clean", (1, 0, 0), data=other)]
    with pytest.raises(BenchError, match="different data called mnist"):
        tables.write_track(records, tmp_path, "mnist")


def test_defenses_must_have_met_the_same_images(make: Make, tmp_path: Path) -> None:
    records = [make("naive", "fgs", (1, 0, 1)), make("ood", "fgs", (1, 0, 2))]
    with pytest.raises(BenchError, match="ood and naive were scored on different images of fgs, seed 0"):
        tables.write_track(records, tmp_path, "mnist")
    by_itself = [make("naive", "fgs", (1, 0, 1), source="victim"), make("ood", "fgs", (1, 0, 2), source="victim")]
    assert "victim +OOD" in written(by_itself, tmp_path)["mnist.md"].decode()


@pytest.mark.parametrize("what", ["fooled", "l2", "linf"])
def test_images_of_the_same_number_made_elsewhere_are_others(make: Make, tmp_path: Path, what: str) -> None:
    records = [make("naive", "fgs", (1, 0, 1)), make("ood", "fgs", (0, 1, 1))]
    tables.write_track(records, tmp_path, "mnist")
    tensor = records[1].tensors[what]
    changed = {**records[1].tensors, what: tensor.logical_not() if tensor.dtype == torch.bool else tensor + 1e-6}
    with pytest.raises(BenchError, match="ood and naive were scored on different images of fgs, seed 0"):
        tables.write_track([records[0], replace(records[1], tensors=changed)], tmp_path, "mnist")


def test_no_records_and_doubled_ones_are_errors(make: Make, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="no records"):
        tables.write_track([], tmp_path, "mnist")
    with pytest.raises(BenchError, match="two records of naive under clean, seed 0"):
        tables.summary([make("naive", "clean", (1, 0, 0))] * 2)


def test_a_folder_that_cannot_be_made_is_one_clear_error(small: list[Record], tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(BenchError, match=r"cannot be written: .*name another folder"):
        tables.write_track(small, tmp_path / "file" / "results", "mnist")
