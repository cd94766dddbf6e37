"""`topoqa-train contacts`: rank decoys by counting."""

import json
from pathlib import Path
from typing import Annotated

import typer

from topoqa_train import api

SHOWN = ("val_spearman_corr", "val_target_spearman", "val_ranking_loss", "val_top1_medium")


def contacts(
    graphs: Annotated[Path, typer.Option(help="Folder of graphs.", metavar="DIR")],
    labels: Annotated[Path, typer.Option(help="CSV with MODEL and dockq.", metavar="FILE")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Rank decoys by their number of contacts, a baseline that a network should beat.

    Example: topoqa-train contacts --graphs mine/graph_data --labels mine/val.csv
    """
    rows = api.read_labels(labels)
    files = api.find_graphs(graphs, [row.model for row in rows])
    counts = []
    with api.progress("counting contacts", len(rows)) as advance:
        for row in rows:
            counts.append(api.read_graph(files[row.model]).num_edges / 2)
            advance(1)
    dockq, targets = [row.dockq for row in rows], [row.target for row in rows]
    measured = api.evaluate(counts, dockq, targets)
    values = {name: measured[name] for name in SHOWN}
    if as_json:
        typer.echo(json.dumps({"decoys": len(rows), **values}, indent=2))
    else:
        show(values, len(rows))


def show(values: dict[str, float], decoys: int) -> None:
    """Print the values as a table on standard output, the rest on standard error."""
    from rich.table import Table

    table = Table("by number of contacts", "")
    for name, value in values.items():
        table.add_row(name, f"{value:.3f}")
    api.output_console().print(table)
    api.notify(f"{decoys} decoys")
