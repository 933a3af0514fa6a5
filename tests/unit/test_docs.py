"""The documents keep their word: the example defense works, the links lead somewhere, the commands are those of CI."""

import hashlib
import json
import re
import shlex
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import pytest
import torch
import typer
from torch import Tensor, nn

import defenses
from bench import cli
from defenses.base import (
    REJECT,
    BatchHook,
    Defense,
    Fitting,
    LabelledImages,
    Network,
    RejectingClassifier,
)
from defenses.naive import Naive
from leaderboard import embed

ROOT = Path(__file__).parents[2]
ADDING = (ROOT / "docs" / "adding-a-defense.md").read_text()
DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]


def blocks(text: str, language: str) -> list[str]:
    """Return the code blocks of that language in a Markdown text."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


def broken_links(path: Path, text: str) -> list[str]:
    """Return the relative links of a document that lead nowhere."""
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", text)
    return [target for target in targets if "://" not in target and not (path.parent / target).exists()]


def missing_files(text: str) -> list[str]:
    """Return the files and folders of the project that a document names in backticks and that do not exist."""
    named = re.findall(r"`((?:\.ci|attacks_cfg|bench|defenses|docs|leaderboard|tests)/[\w./-]*)`", text)
    return [name for name in named if not (ROOT / name).exists()]


def bench_commands(text: str) -> list[list[str]]:
    """Return the arguments of every ``python -m bench COMMAND ...`` that a document prints, comments left out."""
    return [shlex.split(line) for line in re.findall(r"python -m bench +([a-z][^`\n#]*)", text)]


def parse(arguments: list[str]) -> None:
    """Parse a command line as the program does, without running it; raise where it would be refused."""
    group = typer.main.get_command(cli.app)
    assert isinstance(group, typer.core.TyperGroup)
    group.commands[arguments[0]].make_context(arguments[0], arguments[1:])


class Linear(Network):
    """One linear layer over the pixels."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.layer = nn.Linear(16, outputs)

    def features(self, x: Tensor) -> Tensor:
        return x.flatten(1)

    def head(self, features: Tensor) -> Tensor:
        logits: Tensor = self.layer(features)
        return logits


def images(seed: int, count: int) -> LabelledImages:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 3
    return LabelledImages(torch.rand((count, 1, 4, 4), generator=generator), labels)


@dataclass
class FakeFitting:
    """A fitting on noise; the networks keep the weights that they are made with."""

    classes: int = 3
    train: LabelledImages = field(default_factory=lambda: images(0, 60))
    validation: LabelledImages = field(default_factory=lambda: images(1, 200))
    out_train: Tensor = field(default_factory=lambda: torch.zeros(10, 1, 4, 4))
    interpolated: int = 5
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    generator: torch.Generator = field(default_factory=torch.Generator)

    def train_network(
        self, images: Tensor, targets: Tensor, outputs: int, batch_hook: BatchHook | None = None
    ) -> Network:
        torch.manual_seed(2)
        return Linear(outputs).eval()

    def craft(self, classifier: RejectingClassifier, attacked: LabelledImages, kind: str, **params: Any) -> Tensor:
        return attacked.images

    def fitted(self, name: str) -> RejectingClassifier:
        assert name == "naive"
        fitting: Fitting = self
        return Naive().fit(fitting).eval()


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The document's file, imported as a user's own module."""
    (tmp_path / "maxlogit.py").write_text(blocks(ADDING, "python")[0])
    monkeypatch.syspath_prepend(str(tmp_path))
    yield __import__("maxlogit")
    sys.modules.pop("maxlogit")


def test_the_example_is_about_forty_lines() -> None:
    lines = [line for line in blocks(ADDING, "python")[0].splitlines() if line.strip()]
    assert len(lines) <= 42


def test_the_example_rejects_what_it_says(example: ModuleType) -> None:
    fitting = FakeFitting()
    assert issubclass(example.MaxLogit, Defense)
    fitted = example.MaxLogit().fit(fitting).eval()
    predicted = fitted.predict(fitting.validation.images)
    assert int((predicted == REJECT).sum()) == 10
    kept = predicted != REJECT
    twin = fitting.fitted("naive").predict(fitting.validation.images)
    assert torch.equal(predicted[kept], twin[kept])


def test_the_example_is_rebuilt_from_config_and_weights(example: ModuleType) -> None:
    fitted = example.MaxLogit().fit(FakeFitting()).eval()
    torch.manual_seed(3)
    rebuilt = example.MaxLogit.build(json.loads(json.dumps(fitted.config)), Linear).eval()
    probe = images(4, 50).images
    assert not torch.equal(rebuilt(probe)[0], fitted(probe)[0])
    rebuilt.load_state_dict(fitted.state_dict(), strict=True)
    assert torch.equal(rebuilt(probe)[0], fitted(probe)[0])
    assert torch.equal(rebuilt(probe)[1], fitted(probe)[1])


def test_the_shorter_example_is_the_same_defense(example: ModuleType) -> None:
    shorter: dict[str, Any] = {"__name__": "shorter"}
    exec(blocks(ADDING, "python")[1], shorter)  # noqa: S102  the document's own code
    one, other = (defense().fit(FakeFitting()).eval() for defense in (example.MaxLogit, shorter["MaxLogit"]))
    probe = images(4, 50).images
    assert torch.equal(one.predict(probe), other.predict(probe))


def test_the_example_of_a_trained_network_takes_that_very_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = blocks(ADDING, "python")[2].replace("nn.Linear(784, 10)", "nn.Linear(16, 3)")  # of the images here
    (tmp_path / "trained.py").write_text(code)
    torch.save(nn.Sequential(nn.Flatten(), nn.Linear(16, 3)).state_dict(), tmp_path / "trained.pt")
    monkeypatch.syspath_prepend(str(tmp_path))
    trained, fitting = __import__("trained"), FakeFitting()
    with pytest.raises(ValueError, match=r"trained\.pt: its sha256 is \w+; set SHA256"):
        trained.Trained().fit(fitting)
    monkeypatch.setattr(trained, "SHA256", hashlib.sha256((tmp_path / "trained.pt").read_bytes()).hexdigest())
    fitted = trained.Trained().fit(fitting).eval()
    assert int((fitted.predict(fitting.validation.images) == REJECT).sum()) == 10
    again = trained.Trained.build(fitted.config, Linear).eval()
    again.load_state_dict(fitted.state_dict(), strict=True)
    probe = images(4, 50).images
    assert all(torch.equal(one, other) for one, other in zip(again(probe), fitted(probe), strict=True))
    sys.modules.pop("trained")


def test_the_example_can_be_registered_by_a_line(example: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    line = re.fullmatch(r'\s*"(\w+)": "defenses\.(.+)",\s*', blocks(ADDING, "python")[3])
    assert line is not None
    monkeypatch.setitem(defenses.ROSTER, line[1], line[2])
    assert defenses.load("maxlogit") is example.MaxLogit


def test_the_example_can_be_registered_by_an_entry_point(
    example: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tomllib.loads(blocks(ADDING, "toml")[0])["project"]
    ((group, points),) = project["entry-points"].items()
    installed = tmp_path / "my_defenses-0.1.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: 0.1\n")
    lines = [f"{name} = {value}" for name, value in points.items()]
    (installed / "entry_points.txt").write_text("\n".join([f"[{group}]", *lines]))
    monkeypatch.setattr(defenses, "brought", defenses.brought.__wrapped__)  # what was found before is remembered
    assert defenses.load("maxlogit") is example.MaxLogit


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    assert broken_links(path, path.read_text()) == []


def test_a_link_that_does_not_is_noticed() -> None:
    text = "[a](docs/nowhere.md) [b](README.md#top) [c](https://example.org/x)"
    assert broken_links(ROOT / "README.md", text) == ["docs/nowhere.md"]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_the_files_it_names_exist(path: Path) -> None:
    assert missing_files(path.read_text()) == []


def test_a_file_that_does_not_exist_is_noticed() -> None:
    assert missing_files("`bench/cli.py`, `bench/clay.py`, `docs/`, `.ci/walk`") == ["bench/clay.py", ".ci/walk"]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_the_command_lines_are_those_of_the_program(path: Path) -> None:
    found = bench_commands(path.read_text())
    for arguments in found:
        parse(arguments)
    assert found or path.name not in {"README.md", "CONTRIBUTING.md", "adding-a-defense.md"}


@pytest.mark.parametrize(("line", "named"), [("runs --all", "runs"), ("run --every", "--every")])
def test_a_command_line_that_is_not_is_noticed(line: str, named: str) -> None:
    (arguments,) = bench_commands(f"`python -m bench {line}`")
    # Typer's error for an unknown option has no public name that all its versions share.
    with pytest.raises(Exception, match=named):
        parse(arguments)


def test_the_code_about_published_records_does_what_it_says(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    of_a_record, compared = blocks((ROOT / "docs" / "metrics.md").read_text(), "python")
    said = []
    for code in (of_a_record, compared):
        exec(code, {})  # noqa: S102  the document's own code
        said.append(capsys.readouterr().out)
    assert said[0].startswith("naive clean 0 tensor([")
    figures = re.findall(r"value=(-[\d.]+), low=(-[\d.]+), high=(-[\d.]+)", said[1])
    ((value, low, high),) = [[float(number) for number in found] for found in figures]
    written = pd.read_csv(embed.PUBLISHED / "digits.equal.csv", index_col="defense")["err_at_5"]
    assert value == pytest.approx(written["ood"] - written["energy"], abs=2e-6)
    assert low < value < high < 0


def test_the_tables_in_documents_are_the_published_ones() -> None:
    assert [path.name for path in DOCUMENTS if embed.main(["--check", str(path)]) != 0] == []


def test_ci_runs_the_command_of_the_readme() -> None:
    command = "pip install -e '.[test]' && pytest"
    assert command in "".join(blocks((ROOT / "README.md").read_text(), "console"))
    assert f'step "{command}"' in (ROOT / ".ci" / "run").read_text()
