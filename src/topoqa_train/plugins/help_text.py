"""What a plugin says of itself, read from its source: no code of it is carried out.

A list of commands must not wait for the imports of strangers, nor fail with them.
"""

from __future__ import annotations

import ast
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import EntryPoint
from pathlib import Path

# Nobody writes a longer one by hand; reading a source must stay cheap.
_LONGEST_SOURCE = 500_000


def written_help(entry_point: EntryPoint) -> str | None:
    """The docstring of the function or class, or the help of the app, that is named.

    None where it can't be read there: no such file, not Python, put together at run time.
    """
    parts = EntryPoint.pattern.match(entry_point.value)
    source = _source(parts["module"]) if parts is not None else None
    if parts is None or source is None:
        return None
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None  # whoever calls it is told
    texts = (_help_in(statement, parts["attr"]) for statement in body)
    return next((text for text in texts if text), None)


def _help_in(statement: ast.stmt, name: str | None) -> str | None:
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        says = statement.name == name or _is_callback(statement, name)
        return ast.get_docstring(statement) if says else None
    if not isinstance(statement, ast.Assign | ast.AnnAssign):
        return None
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    named = any(isinstance(target, ast.Name) and target.id == name for target in targets)
    if not named or not isinstance(statement.value, ast.Call):
        return None
    given = {each.arg: each.value for each in statement.value.keywords}
    text = given.get("help")
    return text.value if isinstance(text, ast.Constant) and isinstance(text.value, str) else None


def _is_callback(statement: ast.FunctionDef | ast.ClassDef, name: str | None) -> bool:
    """Whether it stands under `@name.callback()`: Typer takes the help of a group from there."""
    functions = [each.func for each in statement.decorator_list if isinstance(each, ast.Call)]
    return any(ast.unparse(function) == f"{name}.callback" for function in functions)


def _source(module: str) -> bytes | None:
    spec = _spec(module)
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return None
    path = Path(spec.origin)
    try:
        return path.read_bytes() if path.stat().st_size <= _LONGEST_SOURCE else None
    except OSError:
        return None


def _spec(module: str) -> ModuleSpec | None:
    """Where an import would find `module`, without importing the packages it lies in."""
    names = module.split(".")
    spec, folders = None, None
    for depth in range(1, len(names) + 1):
        try:
            spec = PathFinder.find_spec(".".join(names[:depth]), folders)
            folders = list(spec.submodule_search_locations or ()) if spec is not None else []
        except (ImportError, KeyError, OSError, ValueError):  # such as a namespace in a namespace
            return None
    return spec
