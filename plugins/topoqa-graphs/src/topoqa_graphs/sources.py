"""Which decoys there are to build: structures, their targets, natives and partners."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from topoqa_graphs.partners import Partners, PartnerTable
from topoqa_graphs.structures import ENDINGS, Structure, is_structure_file, model_name
from topoqa_train.api import RequestError, target_of


@dataclass(frozen=True, eq=False)
class Source:
    """One decoy to build: its structure, or the file that holds it."""

    model: str
    structure: Structure | Path
    partners: Partners | None = None
    native: Path | None = None

    @property
    def file(self) -> str:
        """What a person looks for."""
        return str(self.structure) if isinstance(self.structure, Path) else self.model


@dataclass(frozen=True)
class Failure:
    """A decoy that could not be built or scored, and why."""

    file: str
    reason: str


def find_sources(
    structures: Path, partners: PartnerTable, native_dir: Path | None
) -> tuple[list[Source], list[Failure]]:
    """Every structure below a folder (or one file), by MODEL: its path without the endings.

    Natives that lie among the decoys are no decoys. A second file for one MODEL, and a decoy
    without a native where `native_dir` is given, are failures.

    Raises:
        RequestError: no such folder, or no structures in it.
    """
    models = [(path, _model_of(path, structures)) for path in structure_files(structures)]
    wanted = {target_of(model) for _, model in models}
    natives = find_natives(native_dir, wanted) if native_dir else {}
    their_paths = {path.resolve() for path in natives.values()}
    found: dict[str, Source] = {}
    failures: list[Failure] = []
    for path, model in models:
        if path.resolve() in their_paths:
            continue
        if not model.isprintable():
            reason = "its name holds characters that can't be printed, and would be a decoy's"
            failures.append(Failure(ascii(str(path))[1:-1], reason))
            continue
        if model in found:
            failures.append(Failure(str(path), f"{model} is taken by {found[model].file}"))
            continue
        target = target_of(model)
        found[model] = Source(model, path, partners.of(model, target), natives.get(target))
        if native_dir and target not in natives:
            reason = f"no DockQ: no native {target}.* or {target}_native.* in {native_dir}"
            failures.append(Failure(str(path), reason))
    if not found:
        what = "natives alone" if models else "no structures"
        raise RequestError(
            f"{structures}: {what} in it", hint=f"Known endings: {', '.join(ENDINGS)}"
        )
    return list(found.values()), failures


def _model_of(path: Path, structures: Path) -> str:
    below = path.relative_to(structures) if path != structures else Path(path.name)
    return below.with_name(model_name(path)).as_posix()


def find_natives(folder: Path, wanted: Collection[str] | None = None) -> dict[str, Path]:
    """Natives of a folder by target: files named `TARGET_native.*`, else `TARGET.*`.

    Of the `wanted` targets alone, if given: `T1/best.pdb` is then a decoy of T1, no native.

    Raises:
        RequestError: no such folder, or two files for one target.
    """
    marked: dict[str, Path] = {}
    plain: dict[str, Path] = {}
    for path in structure_files(folder):
        name = model_name(path)
        target = name.removesuffix("_native")
        if target != target_of(target) or (wanted is not None and target not in wanted):
            continue
        known = plain if name == target else marked
        if target in known:
            raise RequestError(f"two natives of {target}", details=[str(known[target]), str(path)])
        known[target] = path
    return {**plain, **marked}


def structure_files(folder: Path) -> Iterator[Path]:
    """Return the structures below a folder, sorted, or the given file. Hidden files are ignored.

    Raises:
        RequestError: nothing is there.
    """
    if folder.is_file():
        yield folder
        return
    if not folder.is_dir():
        raise RequestError(f"{folder}: no such file or folder")
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if not hidden and is_structure_file(path) and path.is_file():
            yield path
