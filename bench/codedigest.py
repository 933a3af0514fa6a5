"""The digest of a defense's code: what changes it makes the defense be fitted again."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
from pathlib import Path

from bench.errors import InvalidConfig


def module_digest(module: str) -> str:
    """Return the sha256 of the syntax trees of ``module`` and of the modules of its own package that it imports.

    Docstrings, comments and layout do not count. Raises ``InvalidConfig`` where the source cannot be found or parsed.
    """
    found: dict[str, str] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in found:
            tree = parse(name)
            found[name] = ast.dump(without_docstrings(tree))
            waiting += [other for other in imported(tree, name) if same_package(other, module)]
    joined = "\n".join(f"{name}\n{found[name]}" for name in sorted(found))
    return hashlib.sha256(joined.encode()).hexdigest()


def parse(module: str) -> ast.Module:
    """Return the syntax tree of a module that Python can find, without importing it."""
    try:
        spec = importlib.util.find_spec(module)
    except ModuleNotFoundError:
        spec = None
    if spec is None or spec.origin is None:
        raise InvalidConfig(f"module '{module}' has no source file; a defense must be a file that can be read")
    try:
        return ast.parse(Path(spec.origin).read_bytes(), filename=spec.origin)
    except (OSError, SyntaxError) as error:
        raise InvalidConfig(f"{spec.origin}: {error}; mend the file") from None


def without_docstrings(tree: ast.Module) -> ast.Module:
    """Return the tree after taking the docstrings of the module, its classes and functions out of it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and (
            ast.get_docstring(node, clean=False) is not None
        ):
            node.body = node.body[1:] or [ast.Pass()]
    return tree


def imported(tree: ast.Module, module: str) -> list[str]:
    """Return the names of the modules that a tree imports; ``from a import b`` gives ``a.b`` where that is one."""
    names: list[str] = []
    package = module.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = importlib.util.resolve_name("." * node.level + (node.module or ""), package or None)
            names.append(base)
            names += [f"{base}.{alias.name}" for alias in node.names]
    return [name for name in names if is_module(name)]


def is_module(name: str) -> bool:
    """Return whether Python can find a module of that name."""
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def same_package(name: str, module: str) -> bool:
    """Return whether a module is of ``module``'s top-level package, or of the defenses."""
    return name.partition(".")[0] in {module.partition(".")[0], "defenses"}
