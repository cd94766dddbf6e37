"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from topoqa_train.commands.common import completion

_DEFAULT_MANIFEST = "Default: manifests/run_core.yaml, here or as shipped."

OutputRoot = Annotated[
    Path | None,
    typer.Option(
        help="Folder for the runs. Default: TOPOQA_TRAIN_RUNS, the config's paths.save_dir, "
        "training_runs.",
        metavar="DIR",
    ),
]
RunRoot = Annotated[
    Path | None,
    typer.Option(
        "--run-root",
        "--output-root",
        help="Folder of the runs. Default: TOPOQA_TRAIN_RUNS, else training_runs.",
        metavar="DIR",
    ),
]
Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        help="YAML config, or the name of a shipped one.",
        autocompletion=completion.configs,
        metavar="CONFIG",
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
    ),
]


def _manifest(envvar: str | None = None) -> Any:  # noqa: ANN401 - as `typer.Option` returns
    return typer.Option(
        "--manifest",
        "-m",
        envvar=envvar,
        help=f"Manifest, or the name of a shipped one. {_DEFAULT_MANIFEST}",
        autocompletion=completion.manifests,
        metavar="FILE",
    )


Manifest = Annotated[Path | None, _manifest()]
# The commands that replace the old scripts read their variable too.
PipelineManifest = Annotated[Path | None, _manifest("PIPELINE_MANIFEST")]
GraphDir = Annotated[
    Path | None,
    typer.Option(
        envvar="GRAPH_DIR", help="Folder of the graphs of every job (paths.graph).", metavar="DIR"
    ),
]
NumWorkers = Annotated[
    int | None,
    typer.Option(
        envvar="NUM_WORKERS_OVERRIDE",
        min=0,
        help="Loader workers of every job (dataloader.num_workers).",
        metavar="N",
    ),
]
SelectionMetric = Annotated[
    str | None,
    typer.Option(
        "--metric",
        help="Select by this column of metrics.csv. Default: the metric that ranked the "
        "checkpoints of the sweep; val_loss among finished runs.",
        autocompletion=completion.metrics,
        metavar="NAME",
    ),
]
Jobs = Annotated[
    int | None,
    typer.Option(
        "--jobs",
        "-j",
        min=1,
        help="Jobs in parallel. Default: one per core; one on an accelerator.",
        metavar="N",
    ),
]
FastDevRun = Annotated[
    bool, typer.Option("--fast-dev-run", help="Train one batch of one epoch, as a test.")
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        help="Check configs, labels, graphs and networks, show the plan, train nothing.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
RunDir = Annotated[Path | None, typer.Option(help="Directory of the run.", metavar="DIR")]
RunId = Annotated[
    str | None,
    typer.Option(
        help="Name of the run, in the folder of runs or its history; latest is the newest one. "
        "Default: latest.",
        autocompletion=completion.runs,
        metavar="NAME",
    ),
]
