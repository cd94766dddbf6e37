"""Options that several commands share, spelled and explained once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from topoqa_train.commands.common import completion

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
        autocompletion=completion.keys,
        metavar="KEY=VALUE",
        show_default=False,
    ),
]
Manifest = Annotated[
    Path | None,
    typer.Option(
        "--manifest",
        "-m",
        envvar="PIPELINE_MANIFEST",
        help="Manifest: a file, or the name of a shipped one. Default: manifests/run_core.yaml, "
        "here or as shipped.",
        autocompletion=completion.manifests,
        metavar="FILE",
        show_default=False,
    ),
]
GraphDir = Annotated[
    Path | None,
    typer.Option(
        "--graph-dir",
        envvar="GRAPH_DIR",
        help="Take the graphs of every job from here (paths.graph).",
        metavar="DIR",
        show_default=False,
    ),
]
NumWorkers = Annotated[
    int | None,
    typer.Option(
        "--num-workers",
        envvar="NUM_WORKERS_OVERRIDE",
        min=0,
        help="Loader workers of every job (dataloader.num_workers).",
        metavar="N",
        show_default=False,
    ),
]
PickMetric = Annotated[
    str | None,
    typer.Option(
        "--metric",
        help="Pick by this column of metrics.csv. Default: what ranked the checkpoints of a "
        "sweep; val_loss of runs of before.",
        autocompletion=completion.metrics,
        metavar="NAME",
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
    typer.Option(
        "--dry-run",
        help="Check all (configs, labels, graphs, networks), show the plan, and train nothing.",
    ),
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
        autocompletion=completion.runs,
        metavar="NAME",
        show_default=False,
    ),
]
