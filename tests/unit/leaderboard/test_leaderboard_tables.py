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
    for figure in ("mnist.png", "mnist.images.png"):
        assert files.pop(figure).startswith(b"\x89PNG")
    ends = (".md", ".csv", ".cells.csv", ".leaderboard.csv", ".equal.csv", ".costs.md", ".provenance.json")
    assert set(files) == {f"mnist{end}" for end in ends}
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
    assert found["records"][0]["seconds"] == 1.5


def test_the_provenance_has_every_environment_once(make: Make, tmp_path: Path) -> None:
    here = {"device": "cpu", "versions": {"torch": "2.6.0"}}
    there = {"device": "gpu", "versions": {"torch": "2.11.0"}}
    made = [
        make("naive", "clean", (9, 0, 1), {**here, "created": "2026-01-01", "inputs": []}),
        make("naive", "fgs", (9, 0, 1), {**there, "created": "2026-01-02", "inputs": [here]}),
    ]
    found = json.loads(written(made, tmp_path)["mnist.provenance.json"])
    assert found["environments"] == [here, there]
    assert [(entry["environment"], entry["inputs"]) for entry in found["records"]] == [(0, []), (1, [0])]
    assert [entry["created"] for entry in found["records"]] == ["2026-01-01", "2026-01-02"]


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


def test_the_leaderboard_as_csv_has_a_row_for_every_defense_with_its_marks_in_words(make: Make, tmp_path: Path) -> None:
    taken = {"ood": {"networks": 1, "out": 1, "attacks": 0}, "at": {"networks": 1, "out": 0, "attacks": 1}}
    counts: dict[str, dict[str, tuple[int, int, int]]] = {
        "naive": {"clean": (99, 0, 1), "out:notmnist": (0, 0, 50), "fgs": (10, 0, 40)},
        "ood": {"clean": (98, 1, 1), "out:notmnist": (0, 50, 0), "fgs": (20, 20, 10)},
        "at": {"clean": (80, 10, 10), "out:notmnist": (0, 5, 45), "fgs": (50, 0, 0)},
        "msp": {"clean": (98, 2, 0), "out:notmnist": (0, 25, 25), "fgs": (0, 25, 25)},
        "reject_all": {"clean": (0, 100, 0), "out:notmnist": (0, 50, 0), "fgs": (0, 50, 0)},
    }
    records = [
        make(name, attack, decided, seed=seed, taken={name: taken.get(name, taken["ood"] | {"out": 0})})
        for name, cells in counts.items()
        for attack, decided in cells.items()
        for seed in ((0,) if name == "msp" else (0, 1, 2))
    ]
    lost = [r for r in records if (r.header.defense, r.header.attack) != ("reject_all", "fgs")]
    written(lost, tmp_path)
    found = pd.read_csv(
        tmp_path / "mnist.leaderboard.csv", dtype={"rank": "Int64"}, keep_default_na=False, na_values=[""]
    )
    assert found["defense"].tolist() == ["ood", "naive", "at", "msp", "reject_all"]
    assert found["title"].tolist() == ["+OOD", "naive", "at", "msp", "reject all"]
    assert found["rank"].fillna(0).tolist() == [1, 2, 3, 0, 0]
    assert found["seeds"].tolist() == [3, 3, 3, 1, 3]
    assert found["marks"].fillna("").tolist() == [
        "trained on out-distribution images",
        "",
        "below the accuracy floor; trained on adversarial images",
        "fewer seeds than others",
        "control; incomplete",
    ]
    assert found["average_err"].fillna(-1).tolist() == [0.2, 0.8, 0, 0.5, -1]
    parts_of_one = found[["average_err", "average_rej", "average_acc"]].sum(axis=1, min_count=3)
    assert parts_of_one.fillna(1).tolist() == pytest.approx([1] * 5)
    assert found["average_rej"].fillna(-1).tolist() == [0.4, 0, 0, 0.5, -1]
    assert found["clean_acc"].tolist() == [0.98, 0.99, 0.8, 0.98, 0]
    assert found["clean_rej"].tolist() == [0.01, 0, 0.1, 0.02, 1]
    assert found["rej_notmnist"].tolist() == [1, 0, 0.1, 0.5, 1]
    of_one = found.loc[3]
    assert (of_one["rej_notmnist_low"], of_one["rej_notmnist_high"]) == pytest.approx(wilson(25, 50), abs=1e-6)
    half = (of_one["average_err_high"] - of_one["average_err_low"]) / 2
    assert of_one["average_err_other_images"] == pytest.approx(half, abs=2e-6)
    assert (
        (tmp_path / "mnist.leaderboard.csv")
        .read_text()
        .splitlines()[-1]
        .startswith(f",reject_all,reject all{',' * 14}0.0")
    )


def test_equally_many_other_seeds_are_no_fewer(make: Make, tmp_path: Path) -> None:
    seeds_of = {"naive": (0, 1, 2), "msp": (3, 4, 5), "odin": (0, 1)}
    records = [
        make(name, attack, decided, seed=seed)
        for name, seeds in seeds_of.items()
        for attack, decided in {"clean": (19, 0, 1), "fgs": (10, 0, 10)}.items()
        for seed in seeds
    ]
    files = written(records, tmp_path)
    found = pd.read_csv(tmp_path / "mnist.leaderboard.csv", dtype=str, keep_default_na=False)
    assert found["defense"].tolist() == ["naive", "msp", "odin"]
    assert (found["seeds"].tolist(), found["rank"].tolist()) == (["3", "3", "2"], ["1", "", ""])
    assert found["marks"].tolist() == ["", "other or fewer seeds than others", "fewer seeds than others"]
    top, others, fewer = files["mnist.md"].decode().partition("## At equal clean rejection")[0].split(" alone\n")
    assert "Some defenses were run with other or fewer seeds: where such a one" in top
    assert "Some defenses were run with other or fewer seeds than others. Networks" in others
    assert "Some defenses were run with fewer seeds than others. Networks" in fewer


def test_a_seed_without_images_in_a_denominator_is_left_out_of_it(make: Make, tmp_path: Path) -> None:
    records = [make("naive", "fgs", (2, 0, 2), seed=seed) for seed in (0, 1)]
    records[1] = replace(records[1], tensors={**records[1].tensors, "fooled": torch.zeros(4, dtype=torch.bool)})
    written(records, tmp_path)
    fooled = pd.read_csv(tmp_path / "mnist.csv").set_index("denominator").loc["fooled"]
    assert (fooled["seeds"], fooled["n"], fooled["err"]) == (1, 2, 0)
    assert fooled["err_high"] == pytest.approx(wilson(0, 2).high, abs=1e-6)


def test_an_attack_on_no_image_has_empty_rates(make: Make, tmp_path: Path) -> None:
    files = written([make("naive", "clean", (3, 0, 0)), make("naive", "fgs", (0, 0, 0))], tmp_path)
    row = files["mnist.csv"].decode().splitlines()[2]
    assert row == "mnist,table1,naive,fgs,all,0,0" + "," * 14
    assert "was handed no image" in files["mnist.md"].decode()


def test_the_rows_for_terminals_have_the_controls_last(small: list[Record], tmp_path: Path) -> None:
    found = tables.write_track(small, tmp_path, "mnist")
    assert found["rank"].tolist() == ["1", "2", "control"]
    assert found["defense"].tolist() == ["+OOD", "naive", "reject all"]
    assert found["clean Rej"].tolist()[0] == "5.0 [0.9, 23.6]"
    assert found["Rej on notmnist"].tolist()[1] == "0.0 [0.0, 27.8]"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("track", "digits"),
        ("suite", "other"),
        ("suite_digest", "f" * 64),
        ("limit", 5),
        ("epochs", 8),
        ("precision", "float32"),
    ],
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
    naive, ood = (make(name, "fgs", (1, 0, 1)) for name in ("naive", "ood"))
    elsewhere = replace(ood, inputs={**ood.inputs, "craft": "made elsewhere"})
    with pytest.raises(BenchError, match="ood and naive were scored on different images of fgs, seed 0"):
        tables.write_track([naive, elsewhere], tmp_path, "mnist")
    by_itself = [
        replace(record, header=record.header.model_copy(update={"source": "victim"})) for record in (naive, elsewhere)
    ]
    assert "victim +OOD" in written(by_itself, tmp_path)["mnist.md"].decode()


def test_a_row_is_of_one_network_a_seed(make: Make, tmp_path: Path) -> None:
    clean, fgs = make("naive", "clean", (1, 0, 0)), make("naive", "fgs", (1, 0, 1))
    again = replace(fgs, inputs={**fgs.inputs, "victim": "trained again"})
    with pytest.raises(BenchError, match="the records of naive, seed 0, are of several trainings: run the track again"):
        tables.write_track([clean, again], tmp_path, "mnist")
    tables.write_track([clean, replace(again, header=again.header.model_copy(update={"seed": 1}))], tmp_path, "mnist")


def test_no_records_and_doubled_ones_are_errors(make: Make, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="no records"):
        tables.write_track([], tmp_path, "mnist")
    with pytest.raises(BenchError, match="two records of naive under clean, seed 0"):
        tables.write_track([make("naive", "clean", (1, 0, 0))] * 2, tmp_path, "mnist")


def test_a_folder_that_cannot_be_made_is_one_clear_error(small: list[Record], tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(BenchError, match=r"cannot be written: .*name another folder"):
        tables.write_track(small, tmp_path / "file" / "results", "mnist")
