"""The digest of a defense's code: what changes it makes the defense be fitted again."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import sys
from functools import cache
from importlib.machinery import SOURCE_SUFFIXES, ModuleSpec
from pathlib import Path
from types import ModuleType
from weakref import WeakKeyDictionary

from bench import canonical
from bench.errors import InvalidConfig

_as_loaded: WeakKeyDictionary[ModuleType, str] = WeakKeyDictionary()


def as_loaded(module: str) -> str:
    """Return the ``module_digest`` of an imported module as it was when it was first asked for.

    The code that runs is what was imported: files may be edited while a run goes on.
    """
    loaded = sys.modules[module]
    if loaded not in _as_loaded:
        _as_loaded[loaded] = module_digest(module)
    return _as_loaded[loaded]


def module_digest(module: str) -> str:
    """Return the sha256 of the syntax trees of ``module`` and of the modules of its own package that it imports.

    Docstrings, comments, layout and the version of Python do not count. Of a compiled module the bytes do. Raises
    ``InvalidConfig`` where a file is not found or cannot be parsed.
    """
    digests = {
        name: hashlib.sha256(part).hexdigest() if isinstance(part, bytes) else source_digest(part)
        for name, part in parts(module).items()
    }
    return canonical.digest(digests)


@cache
def asking(module: str, attribute: str) -> frozenset[str]:
    """Return which modules that ``module_digest`` reads have an expression with that attribute of something."""
    trees = {name: part for name, part in parts(module).items() if not isinstance(part, bytes)}
    return frozenset(
        name
        for name, tree in trees.items()
        if any(isinstance(node, ast.Attribute) and node.attr == attribute for node in ast.walk(tree))
    )


def parts(module: str) -> dict[str, ast.Module | bytes]:
    """Return a module and those of its own package that it imports: their syntax trees, of a compiled one the bytes."""
    found: dict[str, ast.Module | bytes] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        file = file_of(name)
        if file.suffix not in SOURCE_SUFFIXES:
            found[name] = file.read_bytes()
            continue
        found[name] = tree = parse(file)
        own = (other for other in imported(tree, name) if same_package(other, module))
        waiting += [other for other in own if (spec := find(other)) is not None and spec.has_location]
    return found


def source_digest(tree: ast.Module) -> str:
    """Return the sha256 of a syntax tree without its docstrings."""
    return hashlib.sha256(canonical.encode(skeleton(without_docstrings(tree)))).hexdigest()


def skeleton(node: object) -> object:
    """Return a syntax tree as JSON values, without empty fields: those differ between versions of Python."""
    if isinstance(node, ast.AST):
        fields = {name: skeleton(value) for name, value in ast.iter_fields(node) if value is not None and value != []}
        return [type(node).__name__, fields]
    if isinstance(node, list):
        return [skeleton(item) for item in node]
    return repr(node)


def find(module: str) -> ModuleSpec | None:
    """Return where Python finds a module, ``None`` where it finds none; the packages above it are imported."""
    try:
        return importlib.util.find_spec(module)
    except (ImportError, AttributeError, ValueError):
        return None


def file_of(module: str) -> Path:
    """Return the file of a module."""
    spec = find(module)
    if spec is None or spec.origin is None:
        raise InvalidConfig(f"module '{module}' has no source file; a defense must be a file that can be read")
    return Path(spec.origin)


def parse(file: Path) -> ast.Module:
    """Return the syntax tree of a source file."""
    try:
        return ast.parse(file.read_bytes(), filename=str(file))
    except (OSError, SyntaxError, ValueError) as error:
        raise InvalidConfig(f"{file}: {error}; mend the file") from None


def without_docstrings(tree: ast.Module) -> ast.Module:
    """Return the tree after taking the docstrings of the module, its classes and functions out of it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and (
            ast.get_docstring(node, clean=False) is not None
        ):
            node.body = node.body[1:] or [ast.Pass()]
    return tree


def imported(tree: ast.Module, module: str) -> list[str]:
    """Return the names that a tree imports, of modules or of what may be one: ``from a import b`` gives ``a.b`` too."""
    names: list[str] = []
    spec = find(module)
    package = spec.parent if spec is not None else None
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            try:
                base = importlib.util.resolve_name("." * node.level + (node.module or ""), package or None)
            except ImportError as error:
                raise InvalidConfig(f"module '{module}': {error}; mend the import") from None
            names.append(base)
            names += [f"{base}.{alias.name}" for alias in node.names]
    return names


def same_package(name: str, module: str) -> bool:
    """Return whether a module is of ``module``'s top-level package, or of the defenses."""
    return name.partition(".")[0] in {module.partition(".")[0], "defenses"}
