"""The help text of a plugin, read from its source without importing it.

The list of commands must not wait for the imports of third-party code, nor fail with them.
"""

from __future__ import annotations

import ast
import sys
from importlib.metadata import EntryPoint
from pathlib import Path


def written_help(entry_point: EntryPoint) -> str | None:
    """Return the docstring of the named function or class, or the help of the named Typer app.

    None if the source has no such text: no such file, not Python, computed at run time.
    """
    parts = EntryPoint.pattern.match(entry_point.value)
    file = _source_file(parts["module"]) if parts is not None else None
    if parts is None or file is None:
        return None
    try:
        body = ast.parse(file.read_bytes()).body
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return None  # reported when the plugin is called
    texts = (_help_in(statement, parts["attr"]) for statement in body)
    return next((text for text in texts if text), None)


def _source_file(module: str) -> Path | None:
    # `importlib.util.find_spec` would import the packages that contain the module.
    path = Path(*module.split("."))
    names = (path.with_suffix(".py"), path / "__init__.py")
    files = (Path(folder, name) for folder in sys.path for name in names)
    return next((file for file in files if file.is_file()), None)


def _help_in(statement: ast.stmt, name: str | None) -> str | None:
    match statement:
        case ast.FunctionDef() | ast.ClassDef():
            matches = statement.name == name or _is_callback(statement, name)
            return ast.get_docstring(statement) if matches else None
        case (
            ast.Assign(targets=[ast.Name(id=target)], value=ast.Call(keywords=keywords))
            | ast.AnnAssign(target=ast.Name(id=target), value=ast.Call(keywords=keywords))
        ) if target == name:
            given = {keyword.arg: keyword.value for keyword in keywords}
            text = given.get("help")
            return (
                text.value
                if isinstance(text, ast.Constant) and isinstance(text.value, str)
                else None
            )
    return None


def _is_callback(statement: ast.FunctionDef | ast.ClassDef, name: str | None) -> bool:
    """Return whether `@name.callback()` decorates `statement`; Typer uses its help for the app."""
    functions = [each.func for each in statement.decorator_list if isinstance(each, ast.Call)]
    return any(ast.unparse(function) == f"{name}.callback" for function in functions)
