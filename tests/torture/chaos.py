"""Kill pipelines and batches at random points, resume them, compare with undisturbed ones.

`nox -s chaos -- --kills 100 --seed 7` says what it kills and ends with status 1 at the first
difference; the same seed makes the same choices again, `--story N` only those of one story.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from killing import any_kill, difference, outcomes, until_done
from projects import Project, make_project

MOST_KILLS = 8


@dataclass(frozen=True)
class Variant:
    """One way to use the program; `seconds` is about what it takes undisturbed."""

    name: str
    options: tuple[str, ...]

    def command(self, project: Project) -> list[object]:
        what = self.name.split()[0]
        return [what, "-m", project.manifest, "--output-root", project.runs, *self.options]


VARIANTS = (
    Variant("pipeline one at a time", ("--jobs", "1")),
    Variant("pipeline two at once", ("--jobs", "2")),
    Variant("pipeline with loader workers", ("--jobs", "1", "--num-workers", "2")),
    Variant("batch", ("--jobs", "1")),
)


@dataclass(frozen=True)
class Undisturbed:
    """What a variant comes to when nobody disturbs it, and how long it takes here."""

    outcomes: dict[str, dict[str, object]]
    seconds: float


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100, help="go on until so many were survived")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    parser.add_argument("--story", type=int, help="only this one")
    chosen = parser.parse_args()
    say(f"seed {chosen.seed}")
    with tempfile.TemporaryDirectory() as folder:
        return _stories(chosen, Path(folder))


def _stories(chosen: argparse.Namespace, folder: Path) -> int:
    known: dict[str, Undisturbed] = {}
    survived, story = 0, chosen.story or 0
    while survived < chosen.kills:
        rng = random.Random(f"{chosen.seed} {story}")
        variant = VARIANTS[story % len(VARIANTS)]
        if variant.name not in known:
            known[variant.name] = _undisturbed(variant, folder / f"{len(known)}")
        killed, differences = _story(rng, variant, known[variant.name], folder / f"story{story}")
        survived += killed
        say(f"story {story}, {variant.name}: {killed} kills, {survived} in all")
        if differences:
            say("\n".join([f"DIFFERENT (--seed {chosen.seed} --story {story}):", *differences]))
            return 1
        if chosen.story is not None:
            break
        story += 1
    say(f"survived {survived} kills with seed {chosen.seed}; every number and weight is the same")
    return 0


def _undisturbed(variant: Variant, folder: Path) -> Undisturbed:
    project = make_project(folder / "p")
    began = time.monotonic()
    until_done(variant.command(project), [], folder / "scratch")
    return Undisturbed(outcomes(project.runs), time.monotonic() - began)


def _story(
    rng: random.Random, variant: Variant, undisturbed: Undisturbed, folder: Path
) -> tuple[int, list[str]]:
    project = make_project(folder / "p")
    kills = [any_kill(rng, undisturbed.seconds) for _ in range(rng.randint(1, MOST_KILLS))]
    try:
        story = until_done(variant.command(project), kills, folder / "scratch")
    except AssertionError as error:
        return 0, [str(error)]
    say("\n".join(f"  {line}" for line in story.tried))
    return story.killed, difference(undisturbed.outcomes, outcomes(project.runs))


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
