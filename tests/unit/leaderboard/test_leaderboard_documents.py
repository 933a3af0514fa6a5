"""The index of a results folder, and tables embedded in documents."""

from collections.abc import Callable
from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.records import Record
from leaderboard import embed
from leaderboard.index import IndexEntry, write_index
from leaderboard.tables import write_track

Make = Callable[..., Record]
BLOCK = "# Title\n\n<!-- table: mnist -->\nold\n<!-- end of table -->\n\nThe end.\n"


def test_the_index_shows_a_done_track_s_rows_and_others_reasons(small: list[Record], tmp_path: Path) -> None:
    write_track(small, tmp_path, "mnist")
    entries = [
        IndexEntry("mnist", "MNIST", "done", ""),
        IndexEntry("cifar10", "CIFAR-10", "missing", "no cifar10.npz: fetch it"),
        IndexEntry("digits", "digits", "failed", "ood, seed 0: collapsed"),
        IndexEntry("letters", "letters", "invalid", "letters.npz: truncated"),
    ]
    write_index(tmp_path, entries)
    text = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "[Leaderboard](mnist.md) · [as CSV](mnist.leaderboard.csv) · [rates](mnist.csv)" in text
    assert "| 1      | +OOD " in text
    assert "| 2      | naive " in text
    assert "reject all" not in text
    assert "rows." not in text
    assert "\n\nAverage Err over FGS; C&W; suite `table1`" in text
    assert "Not run: its data is not at hand: no cifar10.npz: fetch it" in text
    assert "Not finished: a job failed: ood, seed 0: collapsed" in text
    assert "Not run: its data is not what it should be: letters.npz: truncated" in text
    assert text.index("MNIST") < text.index("CIFAR-10")
    write_index(tmp_path, entries)
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == text


def test_the_index_shows_five_rows_and_explains_the_marks_that_they_have(make: Make, tmp_path: Path) -> None:
    def written(worst: int, **header: object) -> str:
        correct = {"a": 90, "b": 90, "c": 90, "naive": 90, "d": worst, "e": worst}
        records = [make(name, "clean", (right, 0, 100 - right), **header) for name, right in correct.items()]
        records += [make(name, "fgs", (9, 0, 1), **header) for name in correct]
        write_track(records, tmp_path, "mnist")
        write_index(tmp_path, [IndexEntry("mnist", "MNIST", "done", "")])
        return (tmp_path / "README.md").read_text(encoding="utf-8")

    text = written(90)
    introduction = text.partition("\n## ")[0]
    assert introduction.startswith("# Results\n\nLeaderboards of ")
    assert "**average Err**" in introduction
    assert "made from the records" in introduction
    assert "†" not in text
    assert "‡" not in text
    assert [line.split("|")[2].strip() for line in text.splitlines() if line.startswith("| ")][1:] == [*"abcde"]
    assert "The first 5 of 6 rows." in text
    marked = written(80, taken={"x": {"networks": 1, "out": 0, "attacks": 1}})
    assert "†: clean Acc more than 4 points below naive's" in marked.partition("\n## ")[0]
    assert "‡: trained on adversarial images." in marked.partition("\n## ")[0]
    assert "(seen)" not in marked


def test_the_index_repeats_that_a_run_was_limited_and_unranked(make: Make, tmp_path: Path) -> None:
    write_track([make("naive", "clean", (9, 0, 1), limit=10)], tmp_path, "mnist")
    write_index(tmp_path, [IndexEntry("mnist", "MNIST", "done", "one job failed")])
    text = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "> **LIMITED to the first 10" in text
    assert "No row is ranked." in text
    assert "one job failed" in text


def test_a_done_track_without_tables_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"mnist\.md: cannot be read"):
        write_index(tmp_path, [IndexEntry("mnist", "MNIST", "done", "")])


def test_embedding_fills_blocks_and_leaves_the_rest(small: list[Record], tmp_path: Path) -> None:
    write_track(small, tmp_path, "mnist")
    text = embed.embedded(BLOCK, tmp_path)
    assert text.startswith("# Title\n\n<!-- table: mnist -->\n\n| rank")
    assert text.endswith("\n\n<!-- end of table -->\n\nThe end.\n")
    assert "old" not in text
    assert "##" not in text
    assert embed.embedded(text, tmp_path) == text
    assert embed.embedded("no table here\n", tmp_path) == "no table here\n"


def test_another_section_is_embedded_by_its_anchor(small: list[Record], tmp_path: Path) -> None:
    write_track(small, tmp_path, "mnist")
    filled = embed.embedded(BLOCK.replace("table: mnist", "table: mnist#worst-case"), tmp_path)
    assert "worst-case Err" in filled
    assert "| rank " not in filled
    assert "\nold\n" not in filled


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        ("Leaderboard of seeds 0, 1 alone", "leaderboard-of-seeds-0-1-alone"),
        ("Err by ε", "err-by-ε"),
        ("Café, décomposé: e\u0301", "café-décomposé-e\u0301"),
        ("+OOD & C&W (§)", "ood--cw-"),
        ("What `table1` says – or_not", "what-table1-says--or_not"),
        ("Attack-by-attack? 100%!", "attack-by-attack-100"),
    ],
)
def test_an_anchor_is_the_one_that_github_links_to(heading: str, anchor: str, tmp_path: Path) -> None:
    (tmp_path / "mnist.md").write_text(f"## {heading}\n\nwords\n\n## Next\n", encoding="utf-8")
    assert "\n\nwords\n\n" in embed.embedded(BLOCK.replace("table: mnist", f"table: mnist#{anchor}"), tmp_path)


def test_a_section_is_embedded_without_its_figures(tmp_path: Path) -> None:
    page = "## Err by ε\n\nwords\n\n![drawn](mnist.sweep.png)\n\nmore words\n\n![again](mnist.png)\n\n## Next\n"
    (tmp_path / "mnist.md").write_text(page, encoding="utf-8")
    filled = embed.embedded(BLOCK.replace("table: mnist", "table: mnist#err-by-ε"), tmp_path)
    assert "-->\n\nwords\n\nmore words\n\n<!--" in filled


def test_a_trials_table_is_embedded_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embed, "TRIALS", tmp_path)
    (tmp_path / "some.csv").write_text("attack,setting,Err\nFGS,,51.6\nC&W,steps=5,70.0\n", encoding="utf-8")
    text = embed.embedded("<!-- table: some.csv -->\n<!-- end of table -->\n")
    assert [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if "|" in line] == [
        ["attack", "setting", "Err"],
        [":---------", ":----------", "------:"],
        ["FGS", "", "51.6"],
        ["C&W", "steps=5", "70.0"],
    ]
    (tmp_path / "some.csv").write_text("attack,setting,Err\n", encoding="utf-8")
    with pytest.raises(BenchError, match=r"some\.csv: has no rows"):
        embed.embedded("<!-- table: some.csv -->\n<!-- end of table -->\n")


def test_check_names_the_file_that_is_out_of_date(
    small: list[Record], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_track(small, tmp_path, "mnist")
    file = tmp_path / "DOC.md"
    file.write_text(BLOCK, encoding="utf-8")
    assert embed.main(["--check", str(file)], tmp_path) == 1
    assert f"{file}: a table is out of date" in capsys.readouterr().err
    assert file.read_text(encoding="utf-8") == BLOCK
    assert embed.main([str(file)], tmp_path) == 0
    assert embed.main(["--check", str(file)], tmp_path) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ("<!-- table: mnist -->\n", "the table mnist has no end"),
        ("<!-- table: mnist -->\n<!-- table: mnist -->\n<!-- end of table -->\n", "the table mnist has no end"),
        ("<!-- table: nothing -->\n<!-- end of table -->\n", "nothing.md: cannot be read"),
        ("<!-- table: empty#worst -->\n<!-- end of table -->\n", "empty.md: has no section worst"),
        ("<!-- table: empty -->\n<!-- end of table -->\n", "empty.md: has no section leaderboard"),
    ],
)
def test_a_table_that_cannot_be_embedded_is_one_line(
    document: str, said: str, small: list[Record], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_track(small, tmp_path, "mnist")
    (tmp_path / "empty.md").write_text("# nothing\n", encoding="utf-8")
    file = tmp_path / "DOC.md"
    file.write_text(document, encoding="utf-8")
    assert embed.main([str(file)], tmp_path) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(f"{file}: ")
    assert said in lines[0]


def test_a_limited_run_is_not_published(make: Make, tmp_path: Path) -> None:
    write_track([make("naive", "clean", (9, 0, 1), limit=10)], tmp_path, "mnist")
    with pytest.raises(BenchError, match="is of a limited run"):
        embed.embedded(BLOCK, tmp_path)


def test_a_document_that_is_not_there_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert embed.main([str(tmp_path / "no.md")], tmp_path) == 1
    assert (
        capsys.readouterr().err == f"{tmp_path / 'no.md'}: cannot be read: No such file or directory; write it first\n"
    )
