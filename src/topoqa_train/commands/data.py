"""`topoqa-train data`: filter, stats."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from topoqa_train.commands.common import options

app = typer.Typer(
    help="Filter labels that can't be trained on; show statistics of labels and graphs.",
    no_args_is_help=True,
)
_GRAPHS = "Folder of graphs, or a folder with graph_data/ in it"
_HINT = (
    "topoqa-train data stats --config sched_boost_seed222\n"
    "topoqa-train data stats --graphs mine --labels mine/train.csv --labels mine/val.csv"
)


@app.command("filter")
def filter_(
    labels: Annotated[Path, typer.Argument(help="CSV with MODEL and dockq.", metavar="LABELS")],
    graphs: Annotated[Path, typer.Option(help=f"{_GRAPHS}.", metavar="DIR")],
    out: Annotated[Path, typer.Option(help="New file for the valid labels.", metavar="NEW.csv")],
    rejects: Annotated[
        Path | None,
        typer.Option(
            help="New file for the rejected rows, with line and reason.", metavar="REJECTS.csv"
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Overwrite existing files, but never LABELS itself.")
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """Write the labels that can be trained on to a new file; report the others with reasons.

    Every graph is read. Rejected are labels without a graph, with a broken graph or one of other
    widths than most, and without a dockq. Columns and order are kept.

    Example: topoqa-train data filter mine/labels.csv --graphs mine --out mine/valid.csv
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
    config: options.Config = None,
    override: options.Overrides = None,
    graphs: Annotated[
        Path | None, typer.Option(help=f"{_GRAPHS}; with --labels.", metavar="DIR")
    ] = None,
    labels: Annotated[
        list[Path] | None,
        typer.Option(help="CSV with MODEL and dockq; repeatable, one per split.", metavar="CSV"),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(min=1, help="Graphs per batch. Default: the config's, else 16.", metavar="N"),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Count targets, decoys, nodes and edges, and DockQ by CAPRI class, for each split.

    Also measure the memory of a batch and of a training step with the config's network or the
    default one. Unusable rows are counted by reason.

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
