"""What makes a defense be fitted again."""

import ast
import importlib
import sys
from collections.abc import Callable, Iterator
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

from bench import codedigest
from bench.errors import InvalidConfig

SOURCE = '''"""A defense."""
import math
from mine import helper


class Mine:
    """Words."""

    def fit(self) -> float:
        """More words."""
        return math.tau * helper.FACTOR
'''

Write = Callable[[str, str], str]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Write a module of the package ``mine`` and return the digest of its module ``defense``."""
    monkeypatch.syspath_prepend(tmp_path)
    package = tmp_path / "mine"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "defense.py").write_text(SOURCE)
    (package / "helper.py").write_text("FACTOR = 1\n")

    def write_and_digest(name: str, source: str) -> str:
        (package / f"{name}.py").write_text(source)
        return codedigest.module_digest("mine.defense")

    yield write_and_digest
    sys.modules.pop("mine", None)


def test_words_and_layout_do_not_count(write: Write) -> None:
    before = write("defense", SOURCE)
    after = SOURCE.replace("Words.", "Other words.").replace('        """More words."""\n', "")
    after = after.replace("math.tau * helper.FACTOR", "(  # because\n            math.tau * helper.FACTOR\n        )")
    assert after != SOURCE
    assert write("defense", after) == before


def test_code_counts(write: Write) -> None:
    assert write("defense", SOURCE) != write("defense", SOURCE.replace("tau", "pi"))


def test_the_code_of_a_module_of_the_same_package_counts(write: Write) -> None:
    assert write("defense", SOURCE) != write("helper", "FACTOR = 2\n")


def test_relative_imports_are_followed(write: Write) -> None:
    relative = SOURCE.replace("from mine import helper", "from . import helper")
    before = write("defense", relative)
    assert write("helper", "FACTOR = 3\n") != before


def test_a_package_is_read_with_its_relative_imports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    inner = tmp_path / "yours" / "inner"
    inner.mkdir(parents=True)
    (tmp_path / "yours/__init__.py").write_text("")
    (inner / "__init__.py").write_text("from .impl import D\n")
    (inner / "impl.py").write_text("D = 1\n")
    before = codedigest.module_digest("yours.inner")
    (inner / "impl.py").write_text("D = 2\n")
    assert codedigest.module_digest("yours.inner") != before
    (inner / "__init__.py").write_text("from ....far import D\n")
    with pytest.raises(InvalidConfig, match="mend the import"):
        codedigest.module_digest("yours.inner")


def test_the_digest_of_a_source_is_the_same_in_every_python() -> None:
    source = 'def f(x: int = 1, *, y: str = f"{2!r:>3}") -> None:\n    """Words."""\n    return (x, y, None, [], 1.5)\n'
    golden = "cbeea0ff634145b3b9473761a927cc08cc2808b87deec3345f64f3b4eba054ea"
    assert codedigest.source_digest(ast.parse(source)) == golden


def test_the_paper_s_defenses_depend_on_their_common_parts() -> None:
    names = ["defenses.naive", "defenses.ood", "defenses.ood_interp"]
    assert len({codedigest.module_digest(name) for name in names}) == len(names)
    tree = codedigest.parse(codedigest.file_of("defenses.ood_interp"))
    assert {"defenses.base", "defenses.dustbin"} <= set(codedigest.imported(tree, "defenses.ood_interp"))


def test_the_code_of_ours_that_another_package_s_defense_imports_counts(write: Write) -> None:
    write("helper", "from defenses import naive\n\nFACTOR = 1\n")
    read = codedigest.parts("mine.defense").keys()
    assert {"mine.defense", "mine.helper", "defenses.naive", "defenses.base"} <= read
    assert not any(name.partition(".")[0] in {"math", "bench", "torch"} for name in read)


def test_a_package_without_init_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "defense.py").write_text("from bare import helper\nfrom . import helper as same\n")
    helper = tmp_path / "bare" / "helper.py"
    digests = []
    for text in ("FACTOR = 1\n", "FACTOR = 2\n"):
        helper.write_text(text)
        digests.append(codedigest.module_digest("bare.defense"))
    assert digests[0] != digests[1]


def test_of_a_compiled_module_the_bytes_count(write: Write, tmp_path: Path) -> None:
    compiled = tmp_path / "mine" / f"fast{EXTENSION_SUFFIXES[0]}"
    digests = []
    for content in (b"\x7fELF one", b"\x7fELF two", b"\x7fELF one"):
        compiled.write_bytes(content)
        importlib.invalidate_caches()
        digests.append(write("helper", "from mine import fast\n"))
    assert digests[0] == digests[2] != digests[1]


def test_a_module_that_cannot_be_read_is_named(write: Write) -> None:
    with pytest.raises(InvalidConfig, match=r"nowhere\.at\.all"):
        codedigest.module_digest("nowhere.at.all")
    with pytest.raises(InvalidConfig, match=r"defense\.py.*mend the file"):
        write("defense", "def broken(:\n")


def test_the_code_of_a_module_is_that_which_was_imported(write: Write) -> None:
    before = write("defense", SOURCE)
    importlib.import_module("mine.defense")
    try:
        assert codedigest.as_loaded("mine.defense") == before
        edited = write("defense", SOURCE.replace("tau", "pi"))
        assert codedigest.as_loaded("mine.defense") == before
        importlib.reload(importlib.import_module("mine.defense"))
        assert codedigest.module_digest("mine.defense") == edited
    finally:
        sys.modules.pop("mine.defense")
        sys.modules.pop("mine.helper", None)
    importlib.import_module("mine.defense")
    assert codedigest.as_loaded("mine.defense") == edited
    sys.modules.pop("mine.defense")
    sys.modules.pop("mine.helper", None)
