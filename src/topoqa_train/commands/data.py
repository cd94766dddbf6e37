"""`topoqa-train data`: filter, stats."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from topoqa_train.commands.common import completion, options

app = typer.Typer(
    help="Labels and graphs: filter out what can't be trained on, stats of what is there.",
    no_args_is_help=True,
)


@app.command("filter")
def filter_(
    labels: Annotated[Path, typer.Argument(help="CSV with MODEL and dockq.", metavar="LABELS")],
    graphs: Annotated[
        Path,
        typer.Option(help="Folder of graphs, or one with graph_data/ in it.", metavar="DIR"),
    ],
    out: Annotated[Path, typer.Option(help="Gets the labels that are kept.", metavar="NEW.csv")],
    rejects: Annotated[
        Path | None,
        typer.Option(
            help="Gets the rows left out, with their line and the reason.",
            metavar="CSV",
            show_default=False,
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Overwrite what is there; never LABELS itself.")
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """Write the labels that can be trained on to a new file; say which were left out and why.

    Every graph is read. Left out are labels without a graph, or with one that is broken or of other
    widths than most, or without a dockq. Columns and order are kept.

    Example: topoqa-train data filter mine/labels.csv --graphs mine --out mine/sound.csv
    """
    from topoqa_train.maintenance import filter_labels as workflow
    from topoqa_train.ui.console import out as output
    from topoqa_train.ui.live.progress import progress
    from topoqa_train.ui.tables.data import filter_lines

    report = workflow.filter_labels(labels, graphs, out, progress, rejects=rejects, force=force)
    if as_json:
        typer.echo(json.dumps(workflow.to_document(report), indent=2))
        return
    for line in filter_lines(report, Path.cwd()):
        output().print(line, soft_wrap=True)


@app.command()
def stats(
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            "-c",
            help="The data of this config, or of the shipped one of that name.",
            metavar="FILE",
            show_default=False,
            autocompletion=completion.configs,
        ),
    ] = None,
    override: options.Overrides = None,
    graphs: Annotated[
        Path | None,
        typer.Option(
            help="Folder of graphs, or one with graph_data/ in it; with --labels.",
            metavar="DIR",
            show_default=False,
        ),
    ] = None,
    labels: Annotated[
        list[Path] | None,
        typer.Option(
            help="CSV with MODEL and dockq; repeatable, each file is a split.",
            metavar="CSV",
            show_default=False,
        ),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Graphs a batch. Default: the config's, else 16.",
            metavar="N",
            show_default=False,
        ),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Count targets, decoys, nodes and edges, and DockQ by CAPRI class, split by split.

    And measure the memory of a batch and of a training step with it: of the config's network, or
    of the default one. What can't be used is counted by reason.

    Example: topoqa-train data stats --config sched_boost_seed222 --batch-size 24
    """
    from topoqa_train.config.load import load_config
    from topoqa_train.config.overrides import parse_override
    from topoqa_train.errors import RequestError
    from topoqa_train.inspection import data_stats as workflow
    from topoqa_train.ui.console import out
    from topoqa_train.ui.live.progress import progress
    from topoqa_train.ui.tables.data import stats_tables
    from topoqa_train.workflows.data_resolver import DataResolver

    if (config is None) == (graphs is None):
        raise RequestError("give --config, or --graphs with --labels", hint=_HINT)
    if config is not None:
        if labels:
            raise RequestError("--labels goes with --graphs, not with --config")
        overrides = [parse_override(text, base=Path.cwd()) for text in override or ()]
        loaded = load_config(config, overrides).config
        request = workflow.of_config(DataResolver(progress).files(loaded), loaded, batch_size)
    else:
        if override:
            raise RequestError("-o goes with --config, not with --graphs")
        request = workflow.of_files(graphs or Path(), labels or [], batch_size)
    found = workflow.stats(request, progress)
    if as_json:
        typer.echo(json.dumps(workflow.to_document(found), indent=2))
    else:
        out().print(stats_tables(found))


_HINT = (
    "topoqa-train data stats --config sched_boost_seed222\n"
    "topoqa-train data stats --graphs mine --labels mine/train.csv --labels mine/val.csv"
)
