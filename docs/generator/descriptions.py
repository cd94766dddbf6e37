"""Descriptions of metadata keys, environment variables and metrics.

The generator checks that they are complete.
"""

from __future__ import annotations

RUN_METADATA = {
    "run_name": "the directory's name",
    "created": "when it was created, UTC",
    "completed": "when it completed or failed; null before",
    "status": "see above",
    "job": "the job of the manifest, or the config's name",
    "session": "ledger of the batch or pipeline that the run belongs to, and the identity of its "
    "job there; null for a single run. Its former name is `begun_by`",
    "source_config": "the config file",
    "overrides": "dotted key to value",
    "notes": "as given",
    "trial_label": "as given",
    "command": "the command line",
    "environment": "environment variables that can change results",
    "git": "commit of the checkout that it was started in, whether it had changes, and their hash",
    "versions": "versions of Python and of the packages that affect results, plugins included",
    "code": "hash of this program's source",
    "host": "name, system, processor and cores of the machine, threads and device of the training",
    "process": "id, start time and host of the process that writes the run",
    "training_parameters": "network, batches, trainer and learning rate, for comparisons of runs",
    "config": "the effective config without the sections `mlflow` and `logging`",
    "data": "name and version of the data set, graphs per split, label files, fingerprints of "
    "labels and graphs, and the seconds that reading took",
    "started_from": "checkpoint that the weights came from, with its hash, run and epoch; "
    "null for random weights",
    "rerun_of": "with `run --from-run`, the run that this one repeats, what differs in config, "
    "environment and data, and how the metrics compare; else null. Its former name is `again_of`",
    "resumed": "each time that the run was resumed: when, after how many epochs, and what differed",
    "selection": "the config's selection settings and the ranking metric they come to",
    "runtime": "seconds over all sessions, mean seconds per epoch, epochs, whether it "
    "stopped early",
    "checkpoints": "ranking with the metrics of each checkpoint, links, and the checkpoint to "
    "resume from",
    "progress": "epochs and steps done, epochs without improvement, seconds spent in epochs",
    "test": "metrics of the best checkpoint on the test split; null without one",
    "warnings": "warnings, each once",
    "error": "why it failed or stopped",
}

ENVIRONMENT = {
    "TOPOQA_TRAIN_RUNS": "folder of the runs; `--output-root` takes precedence",
    "TOPOQA_TRAIN_KEEP_RUNS": "number of finished runs to keep when a new one starts; the "
    "oldest others move to `history/`; default 20",
    "TOPOQA_TRAIN_LAUNCHER": "how jobs become processes: `children` (default) or `in-process`",
    "TOPOQA_TRAIN_DEBUG": "1 shows the traceback of an error, as `--debug` does",
    "TOPOQA_TRAIN_CACHE": "folder where data sets of plugins are built; default: the user's cache",
    "TOPOQA_TRAIN_MLFLOW_SECONDS": "seconds that the tracker `mlflow` may take to finish after a "
    "run; default 30",
    "COLUMNS": "width of tables and progress; default: the terminal's width, 200 in a pipe",
}

METRICS = {
    "epoch": "counts from 0",
    "step": "optimizer steps so far",
    "learning_rate": "learning rate of the epoch",
    "train_mse": "mean squared error over the training graphs, computed during training",
    "val_loss": "mean squared error of predicted DockQ over all validation graphs",
    "val_pearson_corr": "Pearson's correlation over all validation graphs",
    "val_spearman_corr": "Spearman's rank correlation over all validation graphs",
    "selection_metric": "`val_loss - spearman_weight * max(0, val_spearman_corr - "
    "spearman_min_delta)`",
    "epoch_seconds": "duration of the epoch",
    "val_target_spearman": "mean over targets of Spearman's correlation within the target",
    "val_ranking_loss": "mean over targets of the best DockQ minus that of the decoy at rank 1",
}
# Columns that are neither better low nor high.
NEUTRAL_METRICS = {"epoch", "step", "learning_rate", "epoch_seconds"}
