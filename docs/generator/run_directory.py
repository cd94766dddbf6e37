"""`run-directory.md`: the files of a run, from the class that names them."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import numpy as np

from generator import descriptions
from generator.markdown import code, page, paragraphs, prose, table
from topoqa_train.labels.coverage import SplitCoverage, coverage_document
from topoqa_train.runs import ledger, ranking
from topoqa_train.runs.metadata import RunMetadata
from topoqa_train.runs.paths import HISTORY, LATEST, RunPaths
from topoqa_train.runs.status import Status
from topoqa_train.training import evaluation

if TYPE_CHECKING:
    from topoqa_train.training.data.dataset import GraphDataset

_ROOT = Path("run")
_NO_FILES = {"run_id"}
_TRACKER_FILES = [
    ["`mlflow.json`", "The run in MLflow and how far it is; the plugin topoqa-trackers writes it."],
    ["`mlflow.log`", "What the tracker printed."],
]


def render() -> str:
    """Return the page."""
    return page(
        "The run directory",
        "Each training has its own directory, `<job>_<YYYY-MM-DD_HH-MM-SS>`, under "
        "`training_runs/`. It can be moved or copied: no file in it contains the absolute path "
        "of the directory.",
        "## Files",
        table(["path", "content"], [*_files(), *_TRACKER_FILES]),
        "## Checkpoints",
        "\n".join(f"- {line}" for line in _checkpoints()),
        "## run_metadata.json",
        f"`status` is {', '.join(code(status.value) for status in Status)}, "
        "as the run's process last wrote it. If it is `running` but the process is dead, the "
        "run counts as `interrupted`; see "
        "[how status is derived](../explanation/durability.md#status).",
        table(["key", "content"], _metadata()),
        "## dataset_coverage.json",
        "For each split: all labels, labels with a graph, percent, and the names of the others:",
        f"```json\n{json.dumps(_coverage(), indent=2)}\n```",
        "## test_predictions.csv",
        f"One row per decoy of the test split: {', '.join(map(code, _prediction_columns()))}.",
        "## Next to the runs",
        table(["path", "content"], _beside()),
    )


def _files() -> list[list[str]]:
    paths = RunPaths(_ROOT)
    return [
        [code(paths.relative(getattr(paths, name))), prose(paragraphs(inspect.getdoc(member))[0])]
        for name, member in vars(RunPaths).items()
        if isinstance(member, property) and name not in _NO_FILES
    ]


def _checkpoints() -> list[str]:
    by_loss = ranking.file_name(ranking.VAL_LOSS, 127, 0.05307, -0.65)
    by_selection = ranking.file_name(ranking.SELECTION, 104, 0.0502, -0.671)
    links = ", ".join(code(link) for link in ranking.LINKS)
    return [
        f"The {ranking.KEPT} best by the ranking metric are kept, named by their metrics: "
        f"{code(by_loss)}; where the selection metric ranks, {code(by_selection)}. Epochs count "
        "from 0.",
        f"{links}: relative links to them, best first.",
        f"{code(f'best_{ranking.VAL_LOSS}.ckpt')} or {code(f'best_{ranking.SELECTION}.ckpt')}: the "
        "best one by the other of the two metrics.",
        f"{code('last.ckpt')}: the last complete epoch with optimizer, scheduler, random "
        "states and ranking.",
        "On file systems without links, `best.ckpt` and the others are copies.",
    ]


def _metadata() -> list[list[str]]:
    known, described = set(RunMetadata.model_fields), set(descriptions.RUN_METADATA)
    if known != described:
        raise RuntimeError(f"descriptions.RUN_METADATA differs in {sorted(known ^ described)}")
    return [[code(name), descriptions.RUN_METADATA[name]] for name in RunMetadata.model_fields]


def _coverage() -> dict[str, object]:
    return coverage_document([SplitCoverage("val", 64, ("1ABC_004", "1ABC_007", "2XYZ_011"))])


def _prediction_columns() -> list[str]:
    """Return the header, which is all that is written for a split without graphs."""
    empty = cast("GraphDataset", SimpleNamespace(labels=()))
    with TemporaryDirectory() as folder:
        file = Path(folder) / "predictions.csv"
        evaluation.write_predictions(file, empty, np.empty(0))
        return file.read_text("utf-8").strip().split(",")


def _beside() -> list[list[str]]:
    return [
        [code(f"training_runs/{LATEST}"), "relative link to the newest run"],
        [
            code(f"training_runs/{HISTORY}/"),
            "archived runs; all commands find them here too",
        ],
        [
            code("training_runs/full_pipeline_<manifest>_<time>.log"),
            "what a pipeline reported, with the time of each line",
        ],
        [
            code(f"training_runs/{ledger.FOLDER}/"),
            "which run belongs to which job of a pipeline, for `--resume`",
        ],
    ]
