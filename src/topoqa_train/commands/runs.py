"""`topoqa-train runs`: clean, archive."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from topoqa_train.commands.common import completion, options

app = typer.Typer(
    help="Keep the folder of runs tidy: clean, archive. (leaderboard lists the runs.)",
    no_args_is_help=True,
)


@app.command()
def clean(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="Only these runs. Runs of another program go only if they are named.",
            metavar="RUN",
            show_default=False,
            autocompletion=completion.runs,
        ),
    ] = None,
    older_than: Annotated[
        str | None,
        typer.Option(
            help="Ended longer ago than this: 12h, 30d, 8w.", metavar="AGE", show_default=False
        ),
    ] = None,
    status: Annotated[
        list[str] | None,
        typer.Option(
            help="completed, failed or interrupted; repeatable. Default: the first two.",
            metavar="STATE",
            show_default=False,
        ),
    ] = None,
    keep_best: Annotated[
        int | None,
        typer.Option(min=1, help="Spare the N best of these.", metavar="N", show_default=False),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(
            help="What best means for --keep-best. Default: as leaderboard ranks.",
            metavar="NAME",
            show_default=False,
            autocompletion=completion.metrics,
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Delete them.")] = False,
    run_root: options.RunRoot = None,
    as_json: options.AsJson = False,
) -> None:
    """List runs that can go, with sizes and reasons; with --yes, delete them.

    A run goes if every condition fits, be it in history/. None goes that is running, that latest
    points at, that another run started from (unless that one goes too), or that a batch or
    pipeline at work needs.

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
            help="These runs, however new. Without any: all but the newest.",
            metavar="RUN",
            show_default=False,
            autocompletion=completion.runs,
        ),
    ] = None,
    keep: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Finished runs that stay. Default: TOPOQA_TRAIN_KEEP_RUNS, else 20.",
            metavar="N",
            show_default=False,
        ),
    ] = None,
    undo: Annotated[
        bool, typer.Option("--undo", help="Take the named runs out of history/ again.")
    ] = False,
    run_root: options.RunRoot = None,
    as_json: options.AsJson = False,
) -> None:
    """Move finished runs to history/, where every command still finds them.

    It happens by itself whenever a run is made. A run stays that is running, was interrupted, is
    what latest points at or what another started from.

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
