"""`topoqa-train graphs`: build, decoys, validate, demo. Options here, the work elsewhere."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from topoqa_graphs.build import BuildReport
    from topoqa_graphs.validate import Validation

app = typer.Typer(
    help="Interface graphs of protein complexes: build, decoys, validate, demo.",
    no_args_is_help=True,
)

_SHOWN = 20
_WORTH_A_PROCESS = 8
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]


@app.command()
def build(
    structures: Annotated[
        Path,
        typer.Option(
            help="Folder of decoys, looked through with its sub-folders: PDB or mmCIF, .gz too.",
            metavar="DIR",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            help="Gets graph_data/, graph_metadata.json and graph_builder_summary.json.",
            metavar="DIR",
        ),
    ],
    native_dir: Annotated[
        Path | None,
        typer.Option(
            help="Folder of natives, TARGET.* or TARGET_native.*: also write labels.csv with "
            "the DockQ of each decoy.",
            metavar="DIR",
            show_default=False,
        ),
    ] = None,
    compat: Annotated[
        str | None,
        typer.Option(
            help="'published': edge histograms over (x, y, y), as the published graphs have.",
            metavar="published",
            show_default=False,
        ),
    ] = None,
    partners: Annotated[
        str | None,
        typer.Option(
            help="The two partners, as AB:C (chains A and B against C; longer names with "
            "commas, A1,A2:B1), or a CSV file with PARTNERS and MODEL or TARGET. Default: the "
            "interface of every pair of chains.",
            metavar="AB:C|CSV",
            show_default=False,
        ),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs", "-j", min=1, help="Processes. Default: one a core.", show_default=False
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Build again what is there from the same structure.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Build the graph of each decoy's interface.

    MODEL is the path below the folder without the endings; its target is the part before the first
    _ or /. Existing graphs of unchanged structures are kept, so a stopped build is resumed by the
    same command. A structure that can't be built is reported at the end and stops nothing.

    Example: topoqa-train graphs build --structures decoys --native-dir natives --out data
    """
    from topoqa_graphs.build import BuildReport, build_graphs, find_sources
    from topoqa_graphs.partners import read_partners
    from topoqa_train.api import RequestError

    if compat not in (None, "published"):
        raise RequestError(f"--compat {compat} is not known", hint="There is: --compat published.")
    sources, failures = find_sources(structures, read_partners(partners), native_dir)
    # A process takes longer to start than a few graphs to build.
    count = jobs or max(1, min(_cores(), len(sources) // _WORTH_A_PROCESS))
    report = build_graphs(sources, out, compat=compat is not None, jobs=count, force=force)
    failed = tuple(sorted({*failures, *report.failed}, key=lambda f: (f.file, f.reason)))
    _show_build(BuildReport(report.built, report.kept, failed, report.dockq), out, as_json)


@app.command()
def validate(
    folder: Annotated[
        Path,
        typer.Argument(help="Folder of graphs, or one with graph_data/ in it.", metavar="DIR"),
    ],
    as_json: AsJson = False,
) -> None:
    """Report graphs that are broken, empty, mis-shaped, contain NaN or differ in their schema.

    Exit status 2 if there is any.

    Example: topoqa-train graphs validate data
    """
    from topoqa_graphs.validate import validate as look

    validation = look(folder)
    if as_json:
        typer.echo(json.dumps(validation.to_document(), indent=2))
    else:
        _show_validation(validation)
    if validation.errors:
        raise typer.Exit(2)


@app.command()
def decoys(
    native: Annotated[
        list[Path],
        typer.Option(
            help="Native complex, PDB or mmCIF, or a folder of them; repeatable.", metavar="FILE"
        ),
    ],
    out: Annotated[
        Path, typer.Option(help="Gets TARGET_000.pdb.gz and so on, and labels.csv.", metavar="DIR")
    ],
    count: Annotated[int, typer.Option(min=1, help="Decoys of each native.")] = 24,
    seed: Annotated[int, typer.Option(help="The same seed gives the same decoys.")] = 222,
    partners: Annotated[
        str | None,
        typer.Option(
            help="The two partners, as AB:C, or a CSV file with PARTNERS and TARGET. Default: "
            "the two chains there are.",
            metavar="AB:C|CSV",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Make rigid-body decoys of native complexes, with their DockQ.

    Example: topoqa-train graphs decoys --native 1AK4.pdb.gz --out decoys
    """
    from topoqa_graphs.decoys import write_decoys
    from topoqa_graphs.partners import read_partners
    from topoqa_graphs.sources import structure_files
    from topoqa_train.api import RequestError, progress

    files = [file for path in native for file in structure_files(path)]
    if not files:
        raise RequestError(f"{', '.join(map(str, native))}: no structures in it")
    typer.echo(str(write_decoys(files, out, count, seed, read_partners(partners), progress)))


@app.command()
def demo(
    out: Annotated[
        Path | None,
        typer.Option(
            help="Build into this folder. Default: the user's cache, as training does.",
            metavar="DIR",
            show_default=False,
        ),
    ] = None,
    keep_structures: Annotated[
        bool,
        typer.Option("--keep-structures", help="Write the decoys to structures/ too; with --out."),
    ] = False,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs", "-j", min=1, help="Processes. Default: one a core.", show_default=False
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Build the data set `demo`: decoys of shipped natives, split by family; print its folder.

    Example: topoqa-train graphs demo
    """
    from topoqa_graphs.demo import NAME, Plan, build_demo, ensure
    from topoqa_train.api import RequestError, cache_folder, progress

    if keep_structures and out is None:
        raise RequestError("--keep-structures needs --out", hint="The cache keeps graphs alone.")
    if out is None:
        found = ensure(Plan(), cache_folder() / NAME, progress, jobs)
    else:
        found = build_demo(out, progress, jobs=jobs, keep_structures=keep_structures)
    if as_json:
        document = {name: value and str(value) for name, value in vars(found).items()}
        typer.echo(json.dumps(document, indent=2))
    else:
        typer.echo(str(found.graph.parent))


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _show_build(report: BuildReport, out: Path, as_json: bool) -> None:
    from topoqa_train.api import DataError, notify

    labels = f", {len(report.dockq)} labels" if report.dockq else ""
    notify(f"{out}: {len(report.built)} graphs built, {len(report.kept)} kept{labels}")
    if as_json:
        document = {
            "out": str(out),
            "built": list(report.built),
            "kept": list(report.kept),
            "dockq": report.dockq,
            "failed": [{"file": f.file, "reason": f.reason} for f in report.failed],
        }
        typer.echo(json.dumps(document, indent=2))
    if report.failed:
        lines = [f"{failure.file}: {failure.reason}" for failure in report.failed[:_SHOWN]]
        if len(report.failed) > _SHOWN:
            lines.append(f"and {len(report.failed) - _SHOWN} more (--json names them all)")
        raise DataError(
            f"{len(report.failed)} of the structures failed",
            details=lines,
            hint="All graphs that could be built are in place.",
        )


def _show_validation(validation: Validation) -> None:
    from rich.table import Table

    from topoqa_train.api import notify, output_console

    if validation.errors:
        table = Table("graph", "kind", "error")
        for error in validation.errors:
            table.add_row(error.graph or "(the folder)", error.kind, error.text)
        output_console().print(table)
    widths = "; ".join(
        f"{count} with {node} columns per node, {edge} per edge"
        for (node, edge), count in sorted(validation.widths.items())
    )
    bad = len({error.graph for error in validation.errors if error.graph})
    shapes = f" ({widths})" if widths else ""
    notify(f"{validation.folder}: {validation.graphs} graphs{shapes}, {bad} with errors")
