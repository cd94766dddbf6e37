"""Options that several commands share, spelled and explained once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from topoqa_train.commands import _complete

OutputRoot = Annotated[
    Path | None,
    typer.Option(
        "--output-root",
        help="Where runs go. Default: TOPOQA_TRAIN_RUNS, the config's paths.save_dir, "
        "training_runs.",
        metavar="DIR",
        show_default=False,
    ),
]
RunRoot = Annotated[
    Path | None,
    typer.Option(
        "--run-root",
        "--output-root",
        help="Where the runs are. Default: TOPOQA_TRAIN_RUNS, else training_runs.",
        metavar="DIR",
        show_default=False,
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--override",
        "-o",
        help="Set one value of the config, e.g. trainer.num_epochs=10; repeatable.",
        autocompletion=_complete.keys,
        metavar="KEY=VALUE",
        show_default=False,
    ),
]
Jobs = Annotated[
    int | None,
    typer.Option(
        "--jobs",
        "-j",
        min=1,
        help="Jobs side by side. Default: one a core; one on an accelerator.",
        metavar="N",
        show_default=False,
    ),
]
FastDevRun = Annotated[
    bool,
    typer.Option("--fast-dev-run", help="One batch, one epoch: does it all work?"),
]
DryRun = Annotated[
    bool,
    typer.Option("--dry-run", help="Check every config, path and label; show the plan; stop."),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
RunDir = Annotated[
    Path | None,
    typer.Option(help="The run's directory.", metavar="DIR", show_default=False),
]
RunId = Annotated[
    str | None,
    typer.Option(
        help="The run's name, looked for under the runs' folder and its history; latest is the "
        "newest. Default: latest.",
        autocompletion=_complete.runs,
        metavar="NAME",
        show_default=False,
    ),
]
