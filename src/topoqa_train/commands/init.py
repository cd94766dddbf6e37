"""`topoqa-train init`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_DATA = "Data"
_SPLIT = "Split of --labels"


def init(
    folder: Annotated[
        Path, typer.Argument(help="Project folder; other files in it are kept.", metavar="DIR")
    ],
    graphs: Annotated[
        Path | None,
        typer.Option(
            help="Folder of graphs, or a folder with graph_data/ in it.",
            metavar="DIR",
            rich_help_panel=_DATA,
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            help="CSV with MODEL and dockq; split by whole targets into labels/.",
            metavar="CSV",
            rich_help_panel=_DATA,
        ),
    ] = None,
    train_labels: Annotated[
        Path | None,
        typer.Option(
            help="Training labels, if they are split already.", metavar="CSV", rich_help_panel=_DATA
        ),
    ] = None,
    val_labels: Annotated[
        Path | None,
        typer.Option(
            help="Validation labels; with --train-labels.", metavar="CSV", rich_help_panel=_DATA
        ),
    ] = None,
    test_labels: Annotated[
        Path | None,
        typer.Option(
            help="Test labels, scored once at the end of a run.",
            metavar="CSV",
            rich_help_panel=_DATA,
        ),
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(
            help="Data set of a plugin, instead of graphs and labels.",
            metavar="NAME",
            rich_help_panel=_DATA,
        ),
    ] = None,
    val_targets: Annotated[
        str | None,
        typer.Option(
            help="Validation targets, e.g. 1ABC,2XYZ. Default: drawn by --seed.",
            metavar="NAMES",
            rich_help_panel=_SPLIT,
        ),
    ] = None,
    test_targets: Annotated[
        str | None,
        typer.Option(help="Test targets. Default: none.", metavar="NAMES", rich_help_panel=_SPLIT),
    ] = None,
    val_share: Annotated[
        float,
        typer.Option(
            min=0.01,
            max=0.9,
            help="Share of the targets for validation.",
            metavar="X",
            rich_help_panel=_SPLIT,
        ),
    ] = 0.2,
    test_share: Annotated[
        float,
        typer.Option(
            min=0,
            max=0.9,
            help="Share of the targets for the test.",
            metavar="X",
            rich_help_panel=_SPLIT,
        ),
    ] = 0.0,
    seed: Annotated[
        int,
        typer.Option(help="Seed that draws the targets.", metavar="N", rich_help_panel=_SPLIT),
    ] = 222,
) -> None:
    """Create a project folder with configs and manifests that the pipeline runs unchanged.

    If DIR was written by graphs build --out, its graphs and labels are used; otherwise name them.
    Without data the project trains on the demo. No file is ever overwritten.

    Example: topoqa-train init mine --graphs graphs --labels labels.csv
    """
    from topoqa_train.labels.split import Wish
    from topoqa_train.maintenance import init_project as workflow
    from topoqa_train.ui.console import notify, out
    from topoqa_train.ui.tables.project import folder_lines

    def names(text: str | None) -> tuple[str, ...]:
        return tuple(name.strip() for name in (text or "").split(",") if name.strip())

    made = workflow.create(
        workflow.InitRequest(
            folder=folder,
            dataset=dataset,
            graphs=graphs,
            labels=labels,
            train_labels=train_labels,
            val_labels=val_labels,
            test_labels=test_labels,
            wishes={
                "val": Wish(val_share, names(val_targets)),
                "test": Wish(test_share, names(test_targets)),
            },
            seed=seed,
        )
    )
    for note in made.notes:
        notify(note)
    for line in folder_lines(made.folder, made.data, made.files, Path.cwd(), own=made.own):
        out().print(line, soft_wrap=True)
