"""`topoqa-train ramdisk`. Options here, the work elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from topoqa_train.api import SystemClock, forward_unknown_options


@forward_unknown_options
def ramdisk(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(
            help="Settings. Default: configs/ramdisk.yaml, here or as shipped.",
            metavar="FILE",
            show_default=False,
        ),
    ] = None,
    skip_baseline: Annotated[
        bool,
        typer.Option("--skip-baseline", help="Train from memory alone; nothing is compared."),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Check everything; show the plan and the memory it needs; stop."
        ),
    ] = False,
    test_mode: Annotated[
        bool,
        typer.Option(
            "--test-mode",
            envvar="SAFE_RAMDISK_TEST_MODE",
            help="Make no RAM disk: stage into an ordinary temporary folder.",
        ),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON document on standard output.")
    ] = False,
) -> None:
    """Run the pipeline from disk, then with its graphs in memory, and compare the times.

    Every other option is the pipeline's own and is handed on to both: --manifest, --override,
    --jobs, --skip-fine, --graph-dir, --num-workers, --output-root and so on; see topoqa-train
    pipeline --help. --resume needs --skip-baseline.

    The graphs are taken out of memory again whatever happens. The runs from memory go where a
    pipeline's go; the baseline's runs and the measurements go to ramdisk_benchmarks/ next to them.

    Example: topoqa-train ramdisk --skip-fine
    """
    from topoqa_ramdisk import benchmark, disks, settings
    from topoqa_ramdisk.pipelines import PipelineFailedError
    from topoqa_ramdisk.plan import Request, make_plan
    from topoqa_ramdisk.report import show_plan, show_report

    request = Request(settings.load(config), tuple(context.args), skip_baseline)
    disk = disks.choose(test_mode=test_mode)
    try:
        with benchmark.guarded(results_to_stderr=as_json) as pipelines:
            if dry_run:
                plan = make_plan(request, pipelines, disk)
                show_plan(plan, as_json=as_json)
                plan.check()
                return
            report = benchmark.run(request, pipelines, disk, SystemClock())
    except PipelineFailedError as error:  # it has printed the reason
        raise typer.Exit(error.status) from None
    show_report(report, as_json=as_json)
