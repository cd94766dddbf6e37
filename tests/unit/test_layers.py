"""Imports point down only: the table of the edges that are allowed, and who may load what.

Every import counts, also those inside functions; only what is below `if TYPE_CHECKING` is
never executed and does not.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
SOURCE = REPOSITORY / "src"
PACKAGE = "topoqa_train"

# From the bottom up: a layer imports layers before it, and of those only what its line names.
_BASE = frozenset(
    {"package", "errors", "clock", "log", "bounded_read", "atomic", "stopping", "suggest"}
)
_DATA = _BASE | {"config", "runs", "labels", "views"}
_WORK = _DATA | {"plugins", "datasets", "launch", "provenance", "trackers", "training"}

ALLOWED: dict[str, frozenset[str]] = {
    "package": frozenset(),
    "errors": frozenset(),
    "clock": frozenset(),
    "log": frozenset(),
    "bounded_read": frozenset(),
    "suggest": frozenset(),
    "atomic": frozenset({"errors"}),
    "stopping": frozenset({"errors"}),
    "plugins": _BASE,
    "datasets": _BASE | {"plugins"},
    "config": _BASE,
    "runs": _BASE | {"config", "plugins"},
    "labels": _BASE | {"config"},
    "views": _BASE | {"config", "runs", "labels"},
    "launch": _DATA | {"plugins", "datasets"},
    "provenance": _DATA | {"plugins", "launch"},
    "trackers": _DATA | {"plugins", "launch"},
    "training": _DATA | {"plugins"},
    "ui": _DATA,
    "workflows": _WORK,
    "inspection": _WORK,
    "maintenance": _WORK,
    "worker": _WORK | {"workflows"},
    "menu": _BASE | {"config", "plugins", "ui"},
    "commands": _WORK | {"ui", "workflows", "inspection", "maintenance"},
    "api": _DATA | {"datasets", "launch", "trackers", "training", "ui"},
    "testing": _WORK | {"api", "workflows"},
    "cli": _BASE | {"menu", "plugins", "ui"},
    "__main__": frozenset({"cli"}),
}

# Seconds to import, so never at start-up.
HEAVY = ("torch", "torch_geometric", "lightning", "pytorch_lightning", "pandas", "scipy")
# Libraries to the layers that may import them at all.
LAYERS_OF_LIBRARIES: dict[str, frozenset[str]] = {
    "click": frozenset(),  # typer vendors its own copy
    "typer": frozenset({"cli", "commands", "menu", "plugins"}),
    "rich": frozenset({"ui"}),
    "ruamel": frozenset({"config"}),
    "psutil": frozenset({"runs"}),
    "filelock": frozenset({"datasets", "runs"}),
    **dict.fromkeys(HEAVY, frozenset({"training", "testing"})),
}
# Everything else must not load torch when it is imported.
MAY_LOAD_TORCH = frozenset({"training", "worker", "testing"})
# Sub-packages count as one. A package that grows beyond about a dozen gets sub-packages.
MOST_MODULES = 15
IMPORTING = ("import_module", "__import__")
PLUGINS_MAY_IMPORT = frozenset({f"{PACKAGE}.api", f"{PACKAGE}.errors"})


@dataclass(frozen=True)
class Import:
    """One import of `module`; `top` where it is executed as soon as its file is imported."""

    module: str
    place: str
    top: bool


@dataclass(frozen=True)
class Codebase:
    """All modules of the package below a source folder, and what each imports."""

    modules: dict[str, tuple[Import, ...]]

    @classmethod
    def read(cls, source: Path) -> Codebase:
        files = {module_name(path, source): path for path in (source / PACKAGE).rglob("*.py")}
        return cls({name: tuple(imports(path, name, set(files))) for name, path in files.items()})

    def loads(self, module: str) -> dict[str, str]:
        """Libraries loaded by importing `module`, with the place that does it."""
        found: dict[str, str] = {}
        pending, seen = [module], set[str]()
        while pending:
            name = pending.pop()
            if name in seen or name not in self.modules:
                continue
            seen.add(name)
            pending += _parents(name)
            for each in self.modules[name]:
                if each.top:
                    found.setdefault(each.module.partition(".")[0], each.place)
                    pending.append(each.module)
        return found


def module_name(path: Path, source: Path) -> str:
    parts = path.relative_to(source).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path, name: str, known: set[str]) -> Iterator[Import]:
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    shown = path.relative_to(REPOSITORY) if path.is_relative_to(REPOSITORY) else path
    for node, top in _executed(ast.parse(path.read_text("utf-8"), str(path))):
        for module in _modules(node, package, known):
            yield Import(module, f"{shown}:{getattr(node, 'lineno', 0)}", top)


def _executed(tree: ast.AST) -> Iterator[tuple[ast.AST, bool]]:
    pending = [(tree, True)]
    while pending:
        node, top = pending.pop()
        yield node, top
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            pending += [(part, top) for part in node.orelse]
            continue
        top = top and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        pending += [(child, top) for child in ast.iter_child_nodes(node)]


def _modules(node: ast.AST, package: str, known: set[str]) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        above = package.split(".")[: len(package.split(".")) - node.level + 1]
        base = ".".join([*above, node.module or ""]).rstrip(".") if node.level else node.module
        for alias in node.names:
            whole = f"{base}.{alias.name}"
            inside = whole in known or (base == PACKAGE and not alias.name.startswith("__"))
            yield whole if inside or base is None else base
    elif isinstance(node, ast.Call) and _called(node.func) in IMPORTING:
        first = node.args[0] if node.args else None
        # A computed name could be any module, so it is a violation.
        yield first.value if isinstance(first, ast.Constant) else "an import that is computed"


def _called(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:length]) for length in range(1, len(parts))]


def layer(module: str) -> str:
    parts = module.split(".")
    return "package" if len(parts) == 1 else parts[1]


def edge_violations(codebase: Codebase) -> list[str]:
    violations = []
    for name, found in codebase.modules.items():
        here = layer(name)
        if here not in ALLOWED:
            violations.append(f"{name}: there is no layer '{here}'; give it a line in ALLOWED")
            continue
        for each in found:
            if each.module.partition(".")[0] != PACKAGE:
                continue
            there = layer(each.module)
            if there not in ALLOWED[here] | {here}:
                violations.append(f"{each.place}: {here} imports {there} ({each.module})")
    return sorted(violations)


def library_violations(codebase: Codebase) -> list[str]:
    violations = []
    for name, found in codebase.modules.items():
        for each in found:
            library = each.module.partition(".")[0]
            layers = LAYERS_OF_LIBRARIES.get(library)
            if layers is not None and layer(name) not in layers:
                violations.append(f"{each.place}: {layer(name)} imports {library}")
            if library == "an import that is computed":
                violations.append(f"{each.place}: an import whose name is computed")
    return sorted(violations)


def weight_violations(codebase: Codebase) -> list[str]:
    return sorted(
        f"{name} loads {library} on import, by {place}"
        for name in codebase.modules
        if layer(name) not in MAY_LOAD_TORCH
        for library, place in sorted(codebase.loads(name).items())
        if library in HEAVY
    )


def plugin_violations(source: Path) -> list[str]:
    violations = []
    for path in sorted(source.rglob("*.py")):
        for each in imports(path, module_name(path, source), set(PLUGINS_MAY_IMPORT)):
            if each.module.partition(".")[0] == "click":
                violations.append(f"{each.place}: imports click")
            if each.module.partition(".")[0] == PACKAGE and each.module not in PLUGINS_MAY_IMPORT:
                violations.append(f"{each.place}: a plugin imports {each.module}")
    return sorted(violations)


@pytest.fixture(scope="module")
def codebase() -> Codebase:
    codebase = Codebase.read(SOURCE)
    assert len(codebase.modules) > 50
    return codebase


def test_imports_point_down(codebase: Codebase) -> None:
    assert edge_violations(codebase) == []


def test_libraries_are_imported_only_by_their_layers(codebase: Codebase) -> None:
    assert library_violations(codebase) == []


def test_torch_is_loaded_only_by_what_trains(codebase: Codebase) -> None:
    assert weight_violations(codebase) == []


def test_every_layer_exists(codebase: Codebase) -> None:
    assert {layer(name) for name in codebase.modules} == set(ALLOWED)


def test_no_line_of_the_table_points_up() -> None:
    order = list(ALLOWED)
    for here, layers in ALLOWED.items():
        assert {there for there in layers if order.index(there) >= order.index(here)} == set()


def test_no_package_has_too_many_modules(codebase: Codebase) -> None:
    parents = (name.rpartition(".")[0] for name in codebase.modules)
    sizes = Counter(parent for parent in parents if parent not in ("", PACKAGE))
    assert {package: size for package, size in sizes.items() if size > MOST_MODULES} == {}


@pytest.mark.parametrize(
    "source",
    [*sorted((REPOSITORY / "plugins").glob("*/src")), REPOSITORY / "tests/example_plugin/src"],
    ids=lambda path: path.parent.name,
)
def test_plugins_import_only_the_public_modules(source: Path) -> None:
    assert plugin_violations(source) == []


class TestTheRulesThemselves:
    """Tests of the rules on modules that break them; a rule without one proves nothing."""

    @pytest.fixture
    def with_module(self, tmp_path: Path):
        def build(name: str, code: str) -> Codebase:
            path = tmp_path / PACKAGE / f"{name.replace('.', '/')}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            for folder in (tmp_path / PACKAGE, path.parent):
                (folder / "__init__.py").touch()
            path.write_text(code)
            return Codebase.read(tmp_path)

        return build

    @pytest.mark.parametrize(
        ("name", "code", "line"),
        [
            ("runs.x", "import topoqa_train.ui.formatting", 1),
            ("runs.x", "def f():\n    from topoqa_train.ui import text", 2),
            ("runs.x", "\n\nfrom topoqa_train import cli", 3),
            ("runs.x", "from ..training import engine", 1),
            ("config.x", "from topoqa_train.runs.paths import RunPaths", 1),
            ("training.x", "from topoqa_train.workflows import run", 1),
            (
                "workflows.x",
                "class A:\n    def f(self):\n        import topoqa_train.ui.formatting",
                3,
            ),
            ("ui.x", "from topoqa_train.config import load\nimport topoqa_train.launch.base", 2),
            ("ui.x", "try:\n    1\nexcept OSError:\n    import topoqa_train.cli", 4),
            ("runs.x", "import importlib\nimportlib.import_module('topoqa_train.ui')", 2),
        ],
    )
    def test_an_import_upwards_is_named(self, with_module, name, code, line, tmp_path) -> None:
        (violation,) = edge_violations(with_module(name, code))
        assert violation.startswith(f"{tmp_path / PACKAGE / name.replace('.', '/')}.py:{line}: ")

    def test_a_layer_without_a_line_is_named(self, with_module) -> None:
        assert "no layer 'attic'" in edge_violations(with_module("attic.x", ""))[0]

    def test_imports_for_type_checkers_are_free(self, with_module) -> None:
        code = """
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    import torch
    from topoqa_train.ui import text
"""
        codebase = with_module("runs.x", code)
        assert (
            edge_violations(codebase)
            == library_violations(codebase)
            == weight_violations(codebase)
            == []
        )

    @pytest.mark.parametrize(
        ("name", "code"),
        [
            ("workflows.x", "from rich.table import Table"),
            ("training.x", "def f():\n    import typer"),
            ("commands.x", "import click"),
            ("runs.x", "def f():\n    import torch"),
        ],
    )
    def test_a_library_outside_its_layer_is_named(self, with_module, name, code) -> None:
        (violation,) = library_violations(with_module(name, code))
        assert ".py:" in violation

    def test_torch_through_another_module_is_found(self, with_module) -> None:
        with_module("training.engine", "import torch")
        codebase = with_module("workflows.x", "from topoqa_train.training import engine")
        (violation,) = weight_violations(codebase)
        assert violation.startswith("topoqa_train.workflows.x loads torch on import, by ")
        assert "engine.py:1" in violation

    def test_torch_inside_a_function_is_not_start_up(self, with_module) -> None:
        with_module("training.engine", "import torch")
        code = "def f():\n    from topoqa_train.training import engine"
        assert weight_violations(with_module("workflows.x", code)) == []

    def test_torch_in_a_package_above_is_found(self, with_module) -> None:
        with_module("ui.x", "")
        codebase = with_module("ui.__init__", "import torch")
        assert any("ui.x loads torch" in violation for violation in weight_violations(codebase))

    def test_a_plugin_that_imports_another_module_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "plug.py").write_text(
            "from topoqa_train import api\n"
            "from topoqa_train.errors import DataError\n"
            "from topoqa_train.runs import store\n"
            "def f():\n    from topoqa_train.atomic import replacing\n"
        )
        violations = plugin_violations(tmp_path)
        assert [violation.partition(": ")[0].rpartition(":")[2] for violation in violations] == [
            "3",
            "5",
        ]
