"""The rules of the house: which way imports go, how long things are, what texts never mention."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("attacks_cfg", "bench", "defenses", "leaderboard")
TEXTS = ("*.md", "*.toml", "*.py", "*.cff", ".pre-commit-config.yaml")
FOLDERS = (*PACKAGES, "docs", "tests", ".github", ".ci")

ROSTER = ("defenses.load", "defenses.target")
"""What the engine may know of the roster: never a defense by name."""

MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "attacks_cfg": (),
    "defenses": ("defenses",),
    "leaderboard": (
        "leaderboard",
        "bench.canonical",
        "bench.detection",
        "bench.errors",
        "bench.intervals",
        "bench.metrics",
        "bench.records",
        "bench.store.write_file",
        "bench.tracks",
    ),
    "bench": ("bench", "defenses.base", *ROSTER),
    "bench.intervals": ("bench.seeding",),
    "bench.detection": ("defenses.base.REJECT", "defenses.base.threshold_at"),
    "bench.metrics": ("bench.records", "defenses.base.REJECT"),
    "bench.records": ("bench.errors", "bench.store", "defenses.base.REJECT"),
    "bench.selecting": ("bench", "defenses.load", "defenses.registered", "defenses.RosterError", "defenses.VARIANTS"),
    "bench.cli": ("bench", "defenses", "leaderboard"),
}
"""What each module, or else its package, may import of the project itself: these and what is below them."""

LONGEST_FILE = 280
LONGEST_FUNCTION = 55

NEVER = (
    r"/(work|home|root|Users)/",  # a folder of somebody's machine
    r"\b[Ii]ssue #?\d",
    r"\b(pypi|pythonhosted|anaconda)\.(org|com)\b",
    r"\b(T[O]DO|F[I]XME|X[X]X)\b",
)
ONLY_IN_CI = r"\.\./shared"


def sources(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def uses(tree: ast.Module, name: str) -> set[str]:
    """Return the attributes of the module known as ``name`` that the code takes."""
    attributes = (node for node in ast.walk(tree) if isinstance(node, ast.Attribute))
    return {node.attr for node in attributes if isinstance(node.value, ast.Name) and node.value.id == name}


def imported(source: str) -> Iterator[str]:
    """Yield the full name of all that a module imports, wherever in the file; a relative import begins with a dot.

    A package that is imported whole counts as those of its names that are used.
    """
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                used = uses(tree, alias.asname or alias.name)
                yield from (f"{alias.name}.{attribute}" for attribute in sorted(used)) if used else (alias.name,)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            yield from (f"{module}.{alias.name}" for alias in node.names)


def is_within(name: str, prefixes: tuple[str, ...]) -> bool:
    return any(f"{name}.".startswith(f"{prefix}.") for prefix in prefixes)


def owner_of(module: str) -> str:
    """Return the key of the rule that a module is under: its own, or its package's."""
    return module if module in MAY_IMPORT else module.split(".", maxsplit=1)[0]


def wrong_imports(module: str, source: str) -> list[str]:
    """Return what ``module`` imports of the project against the rules."""
    internal = [name for name in imported(source) if name.startswith(".") or is_within(name, PACKAGES)]
    return [name for name in internal if not is_within(name, MAY_IMPORT[owner_of(module)])]


def imports_foolbox(source: str) -> bool:
    return any(is_within(name, ("foolbox",)) for name in imported(source))


def functions(source: str) -> Iterator[ast.FunctionDef]:
    yield from (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef))


def too_long(source: str) -> list[str]:
    """Return the functions that are longer than the house allows, and ``file`` where the file is."""
    lengths = {node.name: (node.end_lineno or 0) - node.lineno + 1 for node in functions(source)}
    found = [name for name, length in lengths.items() if length > LONGEST_FUNCTION]
    return found + (["file"] if len(source.splitlines()) > LONGEST_FILE else [])


def lacks_docstring(source: str) -> bool:
    """Whether the file's first statement is not a docstring whose first line is a sentence."""
    docstring = ast.get_docstring(ast.parse(source))
    return docstring is None or not docstring.splitlines()[0].endswith(".")


def is_check(node: ast.AST) -> bool:
    """Whether a node can fail a test: an assertion, or a call of ``pytest.raises`` or of an ``assert...`` function."""
    if isinstance(node, ast.Call):
        name = ast.unparse(node.func).split(".")[-1]
        return name in {"raises", "warns"} or name.startswith("assert")
    return isinstance(node, ast.Assert)


def without_check(source: str) -> list[str]:
    """Return the tests that can fail only by an accident."""
    tests = [node for node in functions(source) if node.name.startswith("test_")]
    return [test.name for test in tests if not any(is_check(node) for node in ast.walk(test))]


def forbidden(text: str, patterns: tuple[str, ...] = NEVER) -> list[str]:
    return [match[0] for pattern in patterns for match in re.finditer(pattern, text)]


def texts() -> list[Path]:
    """Return the files that are, or will be, committed and are text."""
    found = [path for pattern in TEXTS for path in ROOT.glob(pattern)]
    found += [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.is_file()]
    return sorted(path for path in found if path.suffix not in {".pyc", ".safetensors", ".xz", ".png"})


def test_imports_go_one_way() -> None:
    wrong = {name_of(path): wrong_imports(name_of(path), path.read_text()) for path in sources(*PACKAGES)}
    assert {name: found for name, found in wrong.items() if found} == {}


@pytest.mark.parametrize(
    ("module", "source", "wrong"),
    [
        ("defenses.ood", "from bench.seeding import derive", "bench.seeding.derive"),
        ("defenses.ood", "def fit():\n    import leaderboard.tables", "leaderboard.tables"),
        ("bench.scoring", "from defenses.ood import Ood", "defenses.ood.Ood"),
        ("bench.scoring", "from defenses import ood", "defenses.ood"),
        ("bench.scoring", "import defenses\ndefenses.ood.fit()", "defenses.ood"),
        ("bench.executor", "from leaderboard import tables", "leaderboard.tables"),
        ("bench.records", "from bench.executor import run", "bench.executor.run"),
        ("bench.metrics", "import bench.plan", "bench.plan"),
        ("leaderboard.tables", "from bench.executor import run", "bench.executor.run"),
        ("leaderboard.tables", "from bench import recordsish", "bench.recordsish"),
        ("bench.data.digits", "from .dataset import Dataset", ".dataset.Dataset"),
    ],
)
def test_an_import_the_wrong_way_is_noticed(module: str, source: str, wrong: str) -> None:
    assert wrong_imports(module, source) == [wrong]


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("defenses.ood", "from defenses.base import Defense\nimport torch"),
        ("bench.plan", "from defenses import load, target\nfrom defenses.base import Defense"),
        ("bench.plan", "import defenses\ndefenses.load('ood')"),
        ("bench.cli", "from leaderboard import tables\nfrom bench import executor"),
        ("leaderboard.tables", "from bench import metrics\nfrom bench.records import Record\nimport pandas"),
    ],
)
def test_an_import_the_right_way_is_not(module: str, source: str) -> None:
    assert wrong_imports(module, source) == []


def test_no_permission_is_idle() -> None:
    used: dict[str, list[str]] = {owner: [] for owner in MAY_IMPORT}
    for path in sources(*PACKAGES):
        module = name_of(path)
        used[owner_of(module)] += imported(path.read_text())
    idle = {
        owner: [prefix for prefix in allowed if not any(is_within(name, (prefix,)) for name in used[owner])]
        for owner, allowed in MAY_IMPORT.items()
    }
    assert {owner: prefixes for owner, prefixes in idle.items() if prefixes} == {}


def test_the_documents_name_what_the_leaderboard_may_import() -> None:
    lines = (ROOT / "docs" / "architecture.md").read_text().splitlines()
    (row,) = (line for line in lines if line.startswith("| `leaderboard/`"))
    assert {*re.findall(r"`(bench\.[\w.]+)`", row)} == {*MAY_IMPORT["leaderboard"]} - {"leaderboard"}


def test_foolbox_has_one_import_site() -> None:
    sites = [name_of(path) for path in sources(*PACKAGES) if imports_foolbox(path.read_text())]
    assert len(sites) == 1


def test_every_way_of_importing_foolbox_is_noticed() -> None:
    assert imports_foolbox("import foolbox as fb")
    assert imports_foolbox("def make():\n    from foolbox.attacks import LinfPGD")
    assert not imports_foolbox("import foolboxes")


def test_files_and_functions_are_short() -> None:
    found = {name_of(path): too_long(path.read_text()) for path in sources(*PACKAGES)}
    assert {name: long for name, long in found.items() if long} == {}


def test_a_long_function_and_a_long_file_are_noticed() -> None:
    body = "    pass\n"
    assert too_long("def f():\n" + body * (LONGEST_FUNCTION - 1)) == []
    assert too_long("class C:\n    def f():\n" + (" " * 4 + body) * LONGEST_FUNCTION) == ["f"]
    assert too_long("x = 1\n" * (LONGEST_FILE + 1)) == ["file"]


def test_every_file_says_what_it_does() -> None:
    found = [name_of(path) for path in sources(*PACKAGES, "tests") if lacks_docstring(path.read_text())]
    assert found == []


def test_a_file_that_does_not_is_noticed() -> None:
    assert lacks_docstring("import torch\n")
    assert lacks_docstring("import torch\n'''Too late.'''\n")
    assert lacks_docstring("'''no sentence'''\n")
    assert not lacks_docstring("'''A sentence.\n\nAnd more'''\n")


def test_every_test_can_fail() -> None:
    found = {name_of(path): without_check(path.read_text()) for path in sources("tests")}
    assert {name: tests for name, tests in found.items() if tests} == {}


def test_a_test_that_cannot_is_noticed() -> None:
    assert without_check("def test_x():\n    run()\n") == ["test_x"]
    assert without_check("def test_x():\n    with pytest.raises(ValueError):\n        run()\n") == []
    assert without_check("def test_x():\n    torch.testing.assert_close(a, b)\n") == []


def test_texts_mention_nothing_of_one_machine_or_moment() -> None:
    found = {str(path.relative_to(ROOT)): forbidden(path.read_text()) for path in texts()}
    assert {name: words for name, words in found.items() if words} == {}


def test_only_the_ci_script_knows_a_folder_beside_the_clone() -> None:
    found = [str(path.relative_to(ROOT)) for path in texts() if forbidden(path.read_text(), (ONLY_IN_CI,))]
    assert found == [".ci/run"]


@pytest.mark.parametrize("folder", ["work", "home", "root", "Users"])
def test_a_folder_of_one_machine_is_noticed(folder: str) -> None:
    assert forbidden(f"see /{folder}/notes") == [f"/{folder}/"]


@pytest.mark.parametrize(("word", "rest"), [("Issue", " 7"), ("issue", " #12"), ("pypi", ".org"), ("TO", "DO")])
def test_a_passing_remark_is_noticed(word: str, rest: str) -> None:
    assert forbidden(f"x {word}{rest}") != []
