"""What is checked, and how: `nox -s tests lint types docs`; CONTRIBUTING.md lists all sessions."""

from __future__ import annotations

import hashlib
import os
import resource
import sys
import tarfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nox

nox.options.sessions = ["lint", "types", "tests", "docs"]
nox.options.error_on_external_run = True

HERE = Path(__file__).parent
PYTHONS = ["3.11", "3.12", "3.13"]
TESTED = ("-c", "constraints.txt")
PLUGINS = tuple(sorted(path.parent for path in HERE.glob("plugins/*/pyproject.toml")))
PROJECTS = (HERE, *PLUGINS)
EDITABLE = tuple(part for project in PROJECTS for part in ("-e", str(project)))
# hatchling builds the example of a plugin, which a test installs without the network.
TEST_TOOLS = ("pytest", "pytest-cov", "pytest-xdist", "hypothesis", "jsonschema", "hatchling")
# mypy reads noxfile.py, so nox is one of them.
TOOLS = (*TEST_TOOLS, "ruff", "mypy", "nox", "sphinx", "myst-parser", "furo")
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
# By file, so that what a file shares is made once.
WORKERS = ("-n", "auto", "--maxprocesses", "4", "--dist", "loadfile")

SHARED = HERE / ".nox" / "checks"


def run(session: nox.Session, program: str, *arguments: str, **variables: str) -> None:
    """Run a program of the environment that all checks share; create or update it before.

    It is one for all sessions, because torch takes minutes to install and gigabytes of disk.
    """
    prepare(session)
    path = os.pathsep.join([str(SHARED / "bin"), os.environ["PATH"]])
    # nox itself looks for programs on its own PATH only.
    command = (str(SHARED / "bin" / program), *arguments)
    session.run(*command, env={"PATH": path, "VIRTUAL_ENV": str(SHARED), **variables})


def prepare(session: nox.Session) -> None:
    """Install the shared environment, if it is missing or the requirements have changed."""
    # torch first and by its exact version: anything looser may bring gigabytes of CUDA.
    steps = [[*TESTED, "torch"], [*TESTED, *EDITABLE, *TOOLS]]
    files = [HERE / "constraints.txt", *(project / "pyproject.toml" for project in PROJECTS)]
    content = b"".join(file.read_bytes() for file in files) + repr((sys.version, steps)).encode()
    state, stamp = hashlib.sha256(content).hexdigest(), SHARED / "state"
    if not stamp.is_file() or stamp.read_text() != state:
        session.run(sys.executable, "-m", "venv", str(SHARED))
        for arguments in steps:
            session.run(str(SHARED / "bin" / "python"), "-m", "pip", "install", *arguments)
        stamp.write_text(state)


@nox.session(python=False)
def tests(session: nox.Session) -> None:
    """All tests but torture, and the branches that they cover; or what follows `--`."""
    # A part of the tests can't reach the floor of coverage.
    chosen = session.posargs or ("tests", "plugins", "--cov")
    prepare(session)
    with timed(session):
        run(session, "pytest", *WORKERS, *chosen, **ONE_THREAD)


@nox.session(name="tests-on", python=PYTHONS)
def tests_on(session: nox.Session) -> None:
    """The tests on one Python: `nox -s tests-on-3.13`."""
    session.install(*TESTED, "torch")
    session.install(*TESTED, *EDITABLE, *TEST_TOOLS)
    with timed(session):
        session.run("pytest", *WORKERS, *(session.posargs or ("tests", "plugins")), env=ONE_THREAD)


@contextmanager
def timed(session: nox.Session) -> Iterator[None]:
    """Log the CPU time of the programs that are run inside the block."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    yield
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    session.log(f"{used:.0f} CPU seconds")


@nox.session(python=False)
def lint(session: nox.Session) -> None:
    """Ruff: rules and format."""
    run(session, "ruff", "check", ".")
    run(session, "ruff", "format", "--check", ".")


@nox.session(python=False)
def types(session: nox.Session) -> None:
    """Mypy, strict, over the product and its plugins."""
    run(session, "mypy")


@nox.session(python=False)
def docs(session: nox.Session) -> None:
    """Build the documents; any warning is an error, and the generated pages must be current."""
    run(session, "python", "docs/generate.py", "--check")
    build = ("-W", "--keep-going", "-b", "html", "docs", "docs/_build/html")
    run(session, "sphinx-build", *build)


@nox.session(python=False)
def readme(session: nox.Session) -> None:
    """Every shell line of README and tutorial, typed in a fresh copy as a newcomer would."""
    tests = ("tests/torture/test_readme.py", *session.posargs)
    run(session, "pytest", *tests)


@nox.session(python=False)
def torture(session: nox.Session) -> None:
    """The full suites: hostile and cut files, kills, failing disks, many at once, README."""
    run(session, "pytest", "--durations=10", *(session.posargs or ("tests/torture",)), **ONE_THREAD)


@nox.session(python=False)
def chaos(session: nox.Session) -> None:
    """A hundred kills and more: `nox -s chaos -- --kills 100 --seed 7`."""
    run(session, "python", "-m", "tests.torture.chaos", *session.posargs, **ONE_THREAD)


@nox.session(python=False)
def bench(session: nox.Session) -> None:
    """Speed as ratios within one run; asserts nothing."""
    run(session, "python", "-m", "tests.bench", *session.posargs, **ONE_THREAD)


@nox.session(python=False)
def demo(session: nox.Session) -> None:
    """The pipeline on the demo data, then its winner and what it should beat."""
    run(session, "topoqa-train", "pipeline", *session.posargs)
    run(session, "python", "-m", "tests.bench.demo")


@nox.session(python=False)
def screenshots(session: nox.Session) -> None:
    """Redraw docs/images from a small real training in a terminal."""
    run(session, "python", "-m", "tests.screenshots")


@nox.session
def minimums(session: nox.Session) -> None:
    """The unit tests with the oldest versions that pyproject.toml allows."""
    oldest = sorted({floor for project in PROJECTS for floor in floors(project)})
    session.install(*(pin for pin in oldest if pin.startswith("torch==")))
    session.install(*oldest, *TEST_TOOLS)
    session.install("--no-deps", *EDITABLE)
    session.run("pytest", *WORKERS, "tests/unit", "tests/contract", "plugins", env=ONE_THREAD)


def floors(project: Path) -> list[str]:
    """Return `name==version` of the lower bound of each requirement that is not ours."""
    bounds = [text.split(",")[0].split(">=") for text in requirements(project) if ">=" in text]
    return [f"{name.strip()}=={floor.strip()}" for name, floor in bounds]


def requirements(project: Path) -> list[str]:
    """Return what a project depends on, less our own distributions."""
    metadata = tomllib.loads((project / "pyproject.toml").read_text())["project"]
    return [text for text in metadata["dependencies"] if not text.startswith("topoqa-")]


def with_pyenv() -> None:
    """Let nox find Pythons that pyenv has installed, behind those that are on PATH."""
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    found = [str(folder) for folder in sorted(root.glob("versions/3.*/bin"))]
    os.environ["PATH"] = os.pathsep.join([os.environ["PATH"], *found])


with_pyenv()
# The Python whose build of torch takes no GPU libraries: see constraints.txt.
COMPLETE = "3.11"
# What the program needs to show help, configs and tables. The rest is torch and its relatives.
LIGHT = ("filelock", "numpy", "platformdirs", "psutil", "pydantic", "rich", "ruamel.yaml", "typer")


@nox.session(python=[COMPLETE, "3.13"])
def wheels(session: nox.Session) -> None:
    """Build every distribution; use the wheels from another folder: `nox -s wheels-3.11`.

    On 3.11 all that they depend on is installed and a network is trained. On 3.13 torch brings
    gigabytes of CUDA, so only what needs no torch is installed and called; `-- --full` does all.
    """
    folder = Path(session.create_tmp()).resolve()
    built = build_wheels(session, folder)
    complete = session.python == COMPLETE or "--full" in session.posargs
    if complete:
        session.install(*TESTED, "torch")
        session.install(*TESTED, *map(str, built))
    else:
        session.install(*TESTED, *LIGHT)
        session.install("--no-deps", *map(str, built))
    use = ("python", str(HERE / "tests" / "support" / "installed.py"), str(folder / "project"))
    session.chdir(folder)
    session.run(*use, *(("--train",) if complete else ()), env=ONE_THREAD)


def build_wheels(session: nox.Session, folder: Path) -> list[Path]:
    """Build a source distribution of each project, and a wheel from nothing but that."""
    session.install(*TESTED, "hatchling")
    for project in PROJECTS:
        session.chdir(project)
        session.run("hatchling", "build", "-t", "sdist", "-d", str(folder / "sdists"))
    session.chdir(HERE)
    sources = sorted((folder / "sdists").glob("*.tar.gz"))
    (core,) = [source for source in sources if source.name.startswith("topoqa_train-")]
    with tarfile.open(core) as archive:
        foreign = [name for name in archive.getnames() if "/plugins/topoqa" in f"/{name}"]
    if foreign:
        session.error(f"{core.name} has files of plugins: {foreign[:3]}")
    options = ("--no-deps", "--no-build-isolation", "-q", "-w", str(folder / "wheels"))
    session.run("python", "-m", "pip", "wheel", *options, *map(str, sources))
    return sorted((folder / "wheels").glob("*.whl"))
