"""Imports point down only: the table of the edges that are allowed, and who may load what.

Every import counts, also those inside functions; only what stands under `if TYPE_CHECKING` is
never carried out and does not.
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

# From the bottom up: a room imports rooms before it, and of those only what its line names.
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
# Libraries to the rooms that may import them at all.
ROOMS_OF_LIBRARIES: dict[str, frozenset[str]] = {
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
# Beyond about a dozen modules a package gets sub-packages.
MOST_MODULES = 16
IMPORTING = ("import_module", "__import__")
PLUGINS_MAY_IMPORT = frozenset({f"{PACKAGE}.api", f"{PACKAGE}.errors"})


@dataclass(frozen=True)
class Import:
    """One import of `module`; `top` where it is carried out as soon as its file is imported."""

    module: str
    place: str
    top: bool


@dataclass(frozen=True)
class House:
    """All modules of the package below a source folder, and what each imports."""

    modules: dict[str, tuple[Import, ...]]

    @classmethod
    def read(cls, source: Path) -> House:
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
    text = path.read_text("utf-8")
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    shown = path.relative_to(REPOSITORY) if path.is_relative_to(REPOSITORY) else path
    # Expressions matter only where a function that imports is called; they are most of a file.
    every = any(function in text for function in IMPORTING)
    for node, top in _carried_out(ast.parse(text, str(path)), expressions=every):
        for module in _modules(node, package, known):
            yield Import(module, f"{shown}:{getattr(node, 'lineno', 0)}", top)


def _carried_out(tree: ast.AST, *, expressions: bool) -> Iterator[tuple[ast.AST, bool]]:
    pending = [(tree, True)]
    while pending:
        node, top = pending.pop()
        yield node, top
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            pending += [(part, top) for part in node.orelse]
            continue
        top = top and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        pending += [(child, top) for child in _below(node, expressions=expressions)]


def _below(node: ast.AST, *, expressions: bool) -> Iterator[ast.AST]:
    if expressions:
        yield from ast.iter_child_nodes(node)
        return
    for name in ("body", "orelse", "finalbody", "handlers", "cases"):
        part = getattr(node, name, None)
        yield from part if isinstance(part, list) else ()


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
        # What can't be read here is taken for the worst.
        yield first.value if isinstance(first, ast.Constant) else "an import that is computed"


def _called(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:length]) for length in range(1, len(parts))]


def room(module: str) -> str:
    parts = module.split(".")
    return "package" if len(parts) == 1 else parts[1]


def edge_faults(house: House) -> list[str]:
    faults = []
    for name, found in house.modules.items():
        here = room(name)
        if here not in ALLOWED:
            faults.append(f"{name}: the house has no room '{here}'; give it a line in ALLOWED")
            continue
        for each in found:
            if each.module.partition(".")[0] != PACKAGE:
                continue
            there = room(each.module)
            if there not in ALLOWED[here] | {here}:
                faults.append(f"{each.place}: {here} imports {there} ({each.module})")
    return sorted(faults)


def library_faults(house: House) -> list[str]:
    faults = []
    for name, found in house.modules.items():
        for each in found:
            library = each.module.partition(".")[0]
            rooms = ROOMS_OF_LIBRARIES.get(library)
            if rooms is not None and room(name) not in rooms:
                faults.append(f"{each.place}: {room(name)} imports {library}")
            if library == "an import that is computed":
                faults.append(f"{each.place}: an import whose name is computed")
    return sorted(faults)


def weight_faults(house: House) -> list[str]:
    return sorted(
        f"{name} loads {library} on import, by {place}"
        for name in house.modules
        if room(name) not in MAY_LOAD_TORCH
        for library, place in sorted(house.loads(name).items())
        if library in HEAVY
    )


def plugin_faults(source: Path) -> list[str]:
    faults = []
    for path in sorted(source.rglob("*.py")):
        for each in imports(path, module_name(path, source), set(PLUGINS_MAY_IMPORT)):
            if each.module.partition(".")[0] == "click":
                faults.append(f"{each.place}: imports click")
            if each.module.partition(".")[0] == PACKAGE and each.module not in PLUGINS_MAY_IMPORT:
                faults.append(f"{each.place}: a plugin imports {each.module}")
    return sorted(faults)


@pytest.fixture(scope="module")
def house() -> House:
    house = House.read(SOURCE)
    assert len(house.modules) > 50
    return house


def test_imports_point_down(house: House) -> None:
    assert edge_faults(house) == []


def test_libraries_stay_in_their_rooms(house: House) -> None:
    assert library_faults(house) == []


def test_torch_is_loaded_by_what_trains_alone(house: House) -> None:
    assert weight_faults(house) == []


def test_every_room_exists(house: House) -> None:
    assert {room(name) for name in house.modules} == set(ALLOWED)


def test_no_line_of_the_table_points_up() -> None:
    order = list(ALLOWED)
    for here, rooms in ALLOWED.items():
        assert {there for there in rooms if order.index(there) >= order.index(here)} == set()


def test_no_package_is_crowded(house: House) -> None:
    parents = (name.rpartition(".")[0] for name in house.modules)
    sizes = Counter(parent for parent in parents if parent not in ("", PACKAGE))
    assert {package: size for package, size in sizes.items() if size > MOST_MODULES} == {}


@pytest.mark.parametrize(
    "source",
    [*sorted((REPOSITORY / "plugins").glob("*/src")), REPOSITORY / "tests/example_plugin/src"],
    ids=lambda path: path.parent.name,
)
def test_plugins_use_the_door(source: Path) -> None:
    assert plugin_faults(source) == []


class TestTheRulesThemselves:
    """On made-up modules: a rule that can't be broken proves nothing."""

    @pytest.fixture
    def with_module(self, tmp_path: Path):
        def build(name: str, code: str) -> House:
            path = tmp_path / PACKAGE / f"{name.replace('.', '/')}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            for folder in (tmp_path / PACKAGE, path.parent):
                (folder / "__init__.py").touch()
            path.write_text(code)
            return House.read(tmp_path)

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
            ("ui.x", "try:\n    1\nfinally:\n    import topoqa_train.cli", 4),
            ("ui.x", "for x in y:\n    1\nelse:\n    import topoqa_train.cli", 4),
            ("ui.x", "match x:\n    case 1:\n        import topoqa_train.cli", 3),
            ("ui.x", "with x:\n    if y:\n        import topoqa_train.cli", 3),
            ("runs.x", "import importlib\nimportlib.import_module('topoqa_train.ui')", 2),
        ],
    )
    def test_an_import_upwards_is_named(self, with_module, name, code, line, tmp_path) -> None:
        (fault,) = edge_faults(with_module(name, code))
        assert fault.startswith(f"{tmp_path / PACKAGE / name.replace('.', '/')}.py:{line}: ")

    def test_a_room_without_a_line_is_named(self, with_module) -> None:
        assert "no room 'attic'" in edge_faults(with_module("attic.x", ""))[0]

    def test_what_type_checkers_alone_see_is_free(self, with_module) -> None:
        code = """
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    import torch
    from topoqa_train.ui import text
"""
        house = with_module("runs.x", code)
        assert edge_faults(house) == library_faults(house) == weight_faults(house) == []

    @pytest.mark.parametrize(
        ("name", "code"),
        [
            ("workflows.x", "from rich.table import Table"),
            ("training.x", "def f():\n    import typer"),
            ("commands.x", "import click"),
            ("runs.x", "def f():\n    import torch"),
        ],
    )
    def test_a_library_out_of_its_room_is_named(self, with_module, name, code) -> None:
        (fault,) = library_faults(with_module(name, code))
        assert ".py:" in fault

    def test_torch_by_a_detour_is_found(self, with_module) -> None:
        with_module("training.engine", "import torch")
        house = with_module("workflows.x", "from topoqa_train.training import engine")
        (fault,) = weight_faults(house)
        assert fault.startswith("topoqa_train.workflows.x loads torch on import, by ")
        assert "engine.py:1" in fault

    def test_torch_inside_a_function_is_not_start_up(self, with_module) -> None:
        with_module("training.engine", "import torch")
        code = "def f():\n    from topoqa_train.training import engine"
        assert weight_faults(with_module("workflows.x", code)) == []

    def test_torch_in_a_package_above_is_found(self, with_module) -> None:
        with_module("ui.x", "")
        house = with_module("ui.__init__", "import torch")
        assert any("ui.x loads torch" in fault for fault in weight_faults(house))

    def test_a_plugin_at_the_back_door_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "plug.py").write_text(
            "from topoqa_train import api\n"
            "from topoqa_train.errors import DataError\n"
            "from topoqa_train.runs import store\n"
            "def f():\n    from topoqa_train.atomic import replacing\n"
        )
        faults = plugin_faults(tmp_path)
        assert [fault.partition(": ")[0].rpartition(":")[2] for fault in faults] == ["3", "5"]
