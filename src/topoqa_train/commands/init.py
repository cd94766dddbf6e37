"""`topoqa-train init`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_DATA = "Data"
_SPLIT = "Split of --labels"


def init(
    folder: Annotated[
        Path, typer.Argument(help="The folder; it may hold other things.", metavar="DIR")
    ],
    graphs: Annotated[
        Path | None,
        typer.Option(
            help="Folder of graphs, or one with graph_data/ in it.",
            metavar="DIR",
            show_default=False,
            rich_help_panel=_DATA,
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            help="CSV with MODEL and dockq: split by target, whole targets, into labels/.",
            metavar="CSV",
            show_default=False,
            rich_help_panel=_DATA,
        ),
    ] = None,
    train_labels: Annotated[
        Path | None,
        typer.Option(
            help="Labels that are split already.",
            metavar="CSV",
            show_default=False,
            rich_help_panel=_DATA,
        ),
    ] = None,
    val_labels: Annotated[
        Path | None,
        typer.Option(
            help="With --train-labels.", metavar="CSV", show_default=False, rich_help_panel=_DATA
        ),
    ] = None,
    test_labels: Annotated[
        Path | None,
        typer.Option(
            help="Scored once, when a run is done.",
            metavar="CSV",
            show_default=False,
            rich_help_panel=_DATA,
        ),
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(
            help="A data set that a plugin brings, in place of graphs and labels.",
            metavar="NAME",
            show_default=False,
            rich_help_panel=_DATA,
        ),
    ] = None,
    val_targets: Annotated[
        str | None,
        typer.Option(
            help="Targets for validation, as 1ABC,2XYZ. Default: drawn by --seed.",
            metavar="NAMES",
            show_default=False,
            rich_help_panel=_SPLIT,
        ),
    ] = None,
    test_targets: Annotated[
        str | None,
        typer.Option(
            help="Targets for the test at the end. Default: none.",
            metavar="NAMES",
            show_default=False,
            rich_help_panel=_SPLIT,
        ),
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
        typer.Option(
            help="The same seed draws the same targets.", metavar="N", rich_help_panel=_SPLIT
        ),
    ] = 222,
) -> None:
    """Make a folder of your own: configs and manifests that the pipeline runs as they are.

    Where DIR is what graphs build --out made, its graphs and labels are taken; else name them.
    Without any data it is the demo. Nothing is ever overwritten.

    Example: topoqa-train init mine --graphs mine/graph_data --labels mine/labels.csv
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
    lines = folder_lines(made.folder, made.data, made.files, Path.cwd(), own=made.own)
    for line in lines:
        out().print(line, soft_wrap=True)
