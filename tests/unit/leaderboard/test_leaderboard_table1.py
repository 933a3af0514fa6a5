"""The page of Table I, its figures, and the orders under other choices: from records whose rates can be counted."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from bench.errors import BenchError
from bench.tracks import TRACKS
from leaderboard.ranking import NAIVE
from leaderboard.table1.beside import beside
from leaderboard.table1.of_squeezing import SQUEEZING
from leaderboard.table1.other_runs import other_runs
from leaderboard.table1.page import called, section, write_table1
from tests.unit.leaderboard.paper_run import WRONG, Make, retrained, run


def test_the_page_the_cells_and_the_figure_are_written(make: Make, tmp_path: Path) -> None:
    kappa = [make(NAIVE, "cw_20", (22, 0, 78), suite="kappa")]
    assert write_table1([run(make), run(make, track="digits"), kappa], tmp_path) == ["mnist"]
    page = (tmp_path / "table1.md").read_text()
    line = next(line for line in page.splitlines() if line.startswith("| FGS ") and "| Err " in line)
    assert "| 15.66 |" in " ".join(line.split())
    assert " **+27.3** |" in line  # 43, give or take 15, beside 15.66
    head = next(line for line in page.splitlines() if line.startswith("| images "))
    of_ood = ["+OOD: paper", "+OOD: ours", "+OOD: ours − paper"]
    assert [cell.strip() for cell in head.split("|")][6:9] == of_ood
    assert "does not hold" not in page
    ours, digits = page.split("## The claims on")
    assert "| a much smaller dustbin does not help as much " in ours
    assert ours.count("not measured") == 18
    assert "+OOD+interp errs less than naive" in digits
    assert "not measured" not in digits
    flat = " ".join(page.split())
    assert "| defense | minus naive | minus +OOD | minus ood_interp |" in flat
    assert "| +OOD | -39.0 [-41.5, -36.5] | – | 39.0 [36.5, 41.5] |" in flat
    assert "we do not know" in page
    assert "## CIFAR-10 with CIFAR-100\n\nNot measured: `python -m bench run cifar10 --seeds 3`" in page
    frame = pd.read_csv(tmp_path / "table1.csv")
    assert len(frame) == len(beside(run(make)))
    assert (frame["difference"] - (frame["ours"] - frame["paper"])).abs().max() < 2e-6
    for figure in ("table1.png", "table1-order.png"):
        assert (tmp_path / figure).read_bytes().startswith(b"\x89PNG")
        assert page.count(f"]({figure})") == 1


def test_both_data_sets_have_all_that_the_paper_says_of_each(make: Make, tmp_path: Path) -> None:
    cifar10 = run(make, track="cifar10", track_title="CIFAR-10 with CIFAR-100", architecture="vgg16", epochs=8)
    assert write_table1([run(make), cifar10], tmp_path) == ["mnist", "cifar10"]
    page = (tmp_path / "table1.md").read_text()
    _, first, second, origin = page.split("\n## ")
    assert (first.splitlines()[0], second.splitlines()[0]) == ("MNIST with notMNIST", "CIFAR-10 with CIFAR-100")
    assert "Not measured: `python" not in page
    for part, commit, safe in ((first, "fc43605a", 95), (second, "8068b02f", 75)):
        assert f"Commit `{commit}` froze them" in part
        assert f"| more than {safe}% of adversarial images are rejected or classified correctly " in part
        assert "`docs/trials/open_settings.py`" in part
        assert "`docs/trials/neighbour_search.csv`" in part
        assert "Fewer than three seeds decide nothing" in part
        assert "### Where the paper contradicts itself" in part
    assert "), networks trained for 8 epochs in place of 40; attack by attack in [cifar10.md]" in second
    assert "networks trained for" not in first
    assert "at κ = 20 the naive network" in first
    assert "at κ = " not in second  # the paper names figures of MNIST alone
    assert origin.startswith("From a figure to its origin")


def test_a_track_of_another_name_has_all_that_the_paper_says_of_its_column(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def parts(name: str) -> list[str]:
        records = run(make, WRONG | {SQUEEZING: (30, 31, 32)}, track=name)
        kappa = [make(NAIVE, "cw_0", (97, 0, 3), suite="kappa", track=name)]
        names = {"cw_0": "C&W, κ = 0", **called(records)}
        others = other_runs(records, [kappa])
        return section(records, beside(records), [], others, names).replace(f"{name}.md", "….md").split("\n### ")

    monkeypatch.setitem(TRACKS, "mine", replace(TRACKS["mnist"], name="mine"))
    assert parts("mine") == parts("mnist")
    assert parts("mine")[-1].startswith("Where the paper contradicts itself\n")


def test_rows_of_the_paper_that_were_not_run_are_named_with_what_runs_them(make: Make, tmp_path: Path) -> None:
    cifar10 = {"track": "cifar10", "architecture": "vgg16", "epochs": 8}
    naive = [record for record in run(make, {NAIVE: (80,)}, **cifar10) if record.header.defense == NAIVE]
    assert write_table1([run(make), naive], tmp_path) == ["mnist", "cifar10"]
    _, first, second, _ = (tmp_path / "table1.md").read_text().split("\n## ")
    assert "Not measured yet" not in first
    command = "python -m bench run cifar10 --defenses ood,ood_interp --seeds 1 --epochs 8 --add"
    assert f"Not measured yet: +OOD, +OOD+interp; `{command}` measures the rest." in second
    assert "+OOD: paper" not in second
    claims = [line for line in second.splitlines() if line.startswith("| ") and "+OOD" in line]
    assert claims
    assert all("**not measured**" in line for line in claims)
    assert "minus ood_interp" not in second
    assert "No defended network was measured." in second
    assert "Our figures have 95% intervals over the test images: what another training" in second
    assert "Our figures have 95% intervals over the trainings of 3 seeds" in first
    assert "That was for a training of all epochs" in second
    assert "That was for a training of all epochs" not in first


def test_what_is_missing_is_measured_with_the_seeds_and_the_precision_of_what_is_there(
    make: Make, tmp_path: Path
) -> None:
    naive = run(make, {NAIVE: (80,) * 8}, precision="float32")
    for seeds, said in (((0, 1, 2), "--seeds 3 "), ((5, 6, 7), "--seeds 5-7 "), ((1, 3), "--seeds 1-3 ")):
        write_table1([[record for record in naive if record.header.seed in seeds]], tmp_path)
        page = (tmp_path / "table1.md").read_text()
        assert f"--defenses ood,ood_interp {said}--precision float32 --add` measures the rest." in page


def test_a_control_of_an_attack_is_no_setting_of_it(make: Make, tmp_path: Path) -> None:
    noise = make(NAIVE, "fgs_noise", (22, 0, 78), suite="controls", parameters={"control": "noise"})
    write_table1([run(make), [noise]], tmp_path)
    assert "fgs_noise" not in (tmp_path / "table1.md").read_text()


def test_a_run_under_the_tables_attacks_tells_of_the_variants_that_the_table_has_not(
    make: Make, tmp_path: Path
) -> None:
    own = WRONG | {"ood_interp_random": (8, 9, 10)}
    for suite, marked in (("controls", 2), ("steps", 2), (None, 0)):
        pixels = own | {"ood_interp_pixels": (4, 5, 6)}
        again = [] if suite is None else retrained(run(make, pixels, suite=suite))
        write_table1([run(make), again], tmp_path)
        page = (tmp_path / "table1.md").read_text()
        differences = [
            line for line in page.splitlines() if "minus +OOD+interp's" in line or "minus ood_interp's" in line
        ]
        assert sum("‡" in line for line in differences) == marked, suite
        said = "‡ Of a difference: both defenses are of networks other than the table's, trained at another time for"
        assert page.count(f"{said} [this run](mnist-{suite}.md)") == bool(marked)


def test_of_a_run_of_other_epochs_there_is_nothing_on_the_page(make: Make, tmp_path: Path) -> None:
    steps = [make(NAIVE, "ifgs_3", (22, 0, 78), suite="steps", epochs=8)]
    write_table1([run(make), run(make, track="digits", epochs=8), steps], tmp_path)
    page = (tmp_path / "table1.md").read_text()
    assert "## The claims on" not in page
    assert "ifgs_3" not in page
    with pytest.raises(BenchError, match="no run of a track of Table I has naive"):
        write_table1([run(make, epochs=8)], tmp_path)


def test_equal_records_give_an_equal_page(make: Make, tmp_path: Path) -> None:
    for name in ("one", "other"):
        write_table1([run(make)], tmp_path / name)
    for file in ("table1.md", "table1.csv"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "other" / file).read_bytes()


def test_what_is_no_run_of_the_table_is_no_page(make: Make, tmp_path: Path) -> None:
    whole = run(make)
    fewer_rows = [record for record in whole if record.header.defense != NAIVE]
    fewer_attacks = [record for record in whole if record.header.attack != "cw"]
    others = ([run(make, track="digits")], [run(make, limit=100)], [run(make, suite="steps")])
    for runs in ([], *others, [fewer_rows], [fewer_attacks]):
        with pytest.raises(
            BenchError,
            match=r"no run of a track of Table I has naive under all of its attacks: `python -m bench run mnist`",
        ):
            write_table1(runs, tmp_path)
    assert list(tmp_path.iterdir()) == []
