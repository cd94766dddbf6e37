"""`topoqa-train runs`: clean, archive."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from topoqa_train.commands.common import completion, options

app = typer.Typer(
    help="Delete or archive runs. (leaderboard lists them.)",
    no_args_is_help=True,
)


@app.command()
def clean(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="Only these runs. Runs of another program are deleted only if named.",
            metavar="RUN",
            show_default=False,
            autocompletion=completion.runs,
        ),
    ] = None,
    older_than: Annotated[
        str | None,
        typer.Option(
            help="Only runs that ended longer ago than this: 12h, 30d, 8w.", metavar="AGE"
        ),
    ] = None,
    status: Annotated[
        list[str] | None,
        typer.Option(
            help="completed, failed or interrupted; repeatable. Default: completed, failed.",
            metavar="STATE",
        ),
    ] = None,
    keep_best: Annotated[
        int | None,
        typer.Option(min=1, help="Keep the N best of these.", metavar="N"),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(
            help="Metric for --keep-best. Default: as leaderboard ranks.",
            metavar="NAME",
            autocompletion=completion.metrics,
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Delete the listed runs.")] = False,
    run_root: options.RunRoot = None,
    as_json: options.AsJson = False,
) -> None:
    """List runs that can be deleted, with sizes and reasons; with --yes, delete them.

    Selected are runs that meet every condition, those in history/ included. Kept are running runs
    and those that latest points at, that another kept run started from, or that a running batch or
    pipeline needs.

    Example: topoqa-train runs clean --older-than 30d --keep-best 10
    """
    from topoqa_train.clock import SystemClock
    from topoqa_train.errors import RequestError
    from topoqa_train.maintenance import clean as workflow
    from topoqa_train.runs.store import RunStore, root_of_runs
    from topoqa_train.ui.console import notify, out
    from topoqa_train.ui.live.progress import progress
    from topoqa_train.ui.tables.cleanup import clean_line, clean_table

    if metric is not None and keep_best is None:
        raise RequestError("--metric goes with --keep-best")
    store, clock = RunStore(root_of_runs(run_root)), SystemClock()
    request = workflow.CleanRequest(
        names=tuple(names or ()),
        older_than=None if older_than is None else workflow.parse_age(older_than),
        statuses=tuple(map(workflow.parse_status, status or ())),
        keep_best=keep_best,
        metric=metric,
    )
    planned = workflow.plan(store, request, clock, progress)
    if not as_json:
        console = out()
        console.print(clean_table(planned, console.width))
        for note in planned.notes:
            notify(note)
    deleted = workflow.execute(store, planned, clock, progress) if yes else None
    if as_json:
        typer.echo(json.dumps(workflow.to_document(planned, deleted), indent=2))
    else:
        notify(clean_line(planned, None if deleted is None else len(deleted)))


@app.command()
def archive(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="Archive these runs, however new. Default: all but the newest.",
            metavar="RUN",
            show_default=False,
            autocompletion=completion.runs,
        ),
    ] = None,
    keep: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Finished runs to keep. Default: TOPOQA_TRAIN_KEEP_RUNS, else 20.",
            metavar="N",
        ),
    ] = None,
    undo: Annotated[
        bool, typer.Option("--undo", help="Move the named runs back from history/.")
    ] = False,
    run_root: options.RunRoot = None,
    as_json: options.AsJson = False,
) -> None:
    """Move finished runs to history/, where every command still finds them.

    This also happens whenever a run is created. Runs stay that are running or interrupted, that
    latest points at, or that another run started from.

    Example: topoqa-train runs archive --keep 5
    """
    from topoqa_train.clock import SystemClock
    from topoqa_train.errors import RequestError
    from topoqa_train.maintenance import archive as workflow
    from topoqa_train.runs.store import RunStore, root_of_runs
    from topoqa_train.ui.console import out

    store, clock = RunStore(root_of_runs(run_root)), SystemClock()
    if keep is not None and (names or undo):
        raise RequestError("--keep goes without names and without --undo")
    if undo and not names:
        raise RequestError("--undo needs the names of runs in history/")
    if undo:
        moved = workflow.restore(store, names or [])
    elif names:
        moved = workflow.archive(store, names, clock)
    else:
        moved = workflow.archive_old(store, keep, clock)
    if as_json:
        document = [{"run_id": run.run_id, "run_dir": str(run.root)} for run in moved]
        typer.echo(json.dumps({"root": str(store.root), "moved": document}, indent=2))
        return
    for run in moved:
        out().print(str(run.root), soft_wrap=True)
    if not moved:
        out().print("nothing to move")
