"""What is checked, and how: `nox -s tests lint types docs`; speed: `nox -s bench`."""

from __future__ import annotations

import tomllib
from pathlib import Path

import nox

nox.options.sessions = ["lint", "types", "tests", "docs"]
nox.options.error_on_external_run = True

PYTHONS = ["3.11", "3.12", "3.13"]
TESTED = ("-c", "constraints.txt")
# hatchling builds the example of a plugin, which a test installs without the network.
TEST_TOOLS = ("pytest", "pytest-xdist", "hypothesis", "jsonschema", "hatchling")
# requirements.txt leaves it out: MLflow is large, and off by default.
TRACKERS = ("-e", "plugins/topoqa-trackers")
PROJECTS = (
    Path(),
    *(Path(f"plugins/topoqa-{name}") for name in ("graphs", "legacy", "ramdisk", "trackers")),
)


def install(session: nox.Session, *tools: str) -> None:
    """The project as the README installs it, and `tools`, all in the tested versions."""
    # torch first and by its exact version: anything looser may bring gigabytes of CUDA.
    session.install(*TESTED, "torch")
    session.install("-r", "requirements.txt", *TESTED, *tools)


@nox.session
def tests(session: nox.Session) -> None:
    """All tests: unit, contract, plugins, and end to end with the real executable."""
    install(session, *TEST_TOOLS, *TRACKERS)
    run_pytest(session, *(session.posargs or ("tests", "plugins")))


@nox.session(name="tests-on", python=PYTHONS)
def tests_on(session: nox.Session) -> None:
    """The tests on one Python: `nox -s tests-on-3.13`."""
    install(session, *TEST_TOOLS, *TRACKERS)
    run_pytest(session, *(session.posargs or ("tests", "plugins")))


def run_pytest(session: nox.Session, *arguments: str) -> None:
    """Run pytest with threads that don't fight each other."""
    # By file, so that what a file shares is made once.
    workers = ("-n", "auto", "--maxprocesses", "4", "--dist", "loadfile")
    session.run(
        "pytest", *workers, *arguments, env={"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    )


@nox.session
def lint(session: nox.Session) -> None:
    """Ruff: rules and format."""
    session.install(*TESTED, "ruff")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Mypy, strict, over the product and its plugins."""
    # The contract suites that the product ships are tests: they import pytest.
    install(session, "mypy", "nox", "pytest")
    session.run("mypy")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documents; any warning is an error, and the generated pages must be current."""
    install(session, "sphinx", "myst-parser", "furo")
    session.run("python", "docs/generate.py", "--check")
    session.run("sphinx-build", "-W", "--keep-going", "-b", "html", "docs", "docs/_build/html")


@nox.session
def readme(session: nox.Session) -> None:
    """Every shell line of README and tutorial, typed in a fresh copy as a newcomer would."""
    session.install(*TESTED, "pytest", "hypothesis")
    session.run("pytest", "-m", "readme", *(session.posargs or ("tests/readme",)))


@nox.session
def chaos(session: nox.Session) -> None:
    """A hundred kills and more: `nox -s chaos -- --kills 100 --seed 7`."""
    install(session, "pytest")
    session.run("python", "-m", "tests.chaos", *session.posargs, env={"OMP_NUM_THREADS": "1"})


@nox.session
def bench(session: nox.Session) -> None:
    """Speed as ratios within one run; asserts nothing."""
    install(session, "pytest")
    session.run("python", "-m", "tests.bench", *session.posargs, env={"OMP_NUM_THREADS": "1"})


@nox.session
def demo(session: nox.Session) -> None:
    """The pipeline on the demo data, then its winner beside what it should beat."""
    install(session)
    session.run("topoqa-train", "pipeline", *session.posargs)
    session.run("python", "-m", "tests.bench.demo")


@nox.session
def screenshots(session: nox.Session) -> None:
    """Redraw docs/images from a small real training in a terminal."""
    install(session)
    session.run("python", "-m", "tests.screenshots")


@nox.session
def minimums(session: nox.Session) -> None:
    """The unit tests with the oldest versions that pyproject.toml allows."""
    oldest = sorted({floor for project in PROJECTS for floor in floors(project)})
    session.install(*(pin for pin in oldest if pin.startswith("torch==")))
    session.install(*oldest, *TEST_TOOLS)
    session.install("--no-deps", *(part for path in PROJECTS for part in ("-e", f"./{path}")))
    run_pytest(session, "tests/unit", "tests/contract", "plugins")


def floors(project: Path) -> list[str]:
    """`name==version` of the lower bound of each requirement of a project, our own left out."""
    metadata = tomllib.loads((project / "pyproject.toml").read_text())["project"]
    bounds = [text.split(",")[0].split(">=") for text in metadata["dependencies"] if ">=" in text]
    own = {"topoqa-train"}
    return [f"{name.strip()}=={floor.strip()}" for name, floor in bounds if name.strip() not in own]
