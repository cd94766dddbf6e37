"""What the code does not say of itself in a sentence: held against the code's own names."""

from __future__ import annotations

RUN_METADATA = {
    "run_name": "the directory's name",
    "created": "when it was made, UTC",
    "completed": "when it completed or failed; null before",
    "status": "see above",
    "job": "the job of the manifest, or the config's name",
    "session": "the ledger of the batch or pipeline that it belongs to and the identity of the "
    "job there; null for one by itself. Its former name is `begun_by`",
    "source_config": "the config it was made from",
    "overrides": "dotted key to value",
    "notes": "as given",
    "trial_label": "as given",
    "command": "the command line",
    "environment": "the variables that can change numbers",
    "git": "commit of the checkout that it was started in, whether it had changes, and a hash of "
    "those",
    "versions": "Python and the packages that numbers come from, those of plugins too",
    "code": "hash of this program's own source",
    "host": "name, system, processor and cores of the machine, threads and device of the training",
    "process": "id, start time and host of the process that writes the run",
    "training_parameters": "network, batches, trainer and learning rate, to compare runs by",
    "config": "the config that it came to, sections `mlflow` and `logging` apart",
    "data": "name and version of the data set, graphs a split, label files, a fingerprint that "
    "changes with any label or graph, one for each of the two, and the seconds that its process "
    "took to read it",
    "started_from": "checkpoint, its hash, run and epoch that the weights came from; null for a "
    "fresh start",
    "rerun_of": "with `run --from-run`, the run that this one repeats, what differs in config, "
    "environment and data, and how the metrics compare; else null. Its former name is `again_of`",
    "resumed": "each time that the run was resumed: when, after how many epochs, and what differed",
    "selection": "the config's selection settings and the ranking metric they come to",
    "runtime": "seconds over all sittings, mean seconds an epoch, epochs, whether it stopped early",
    "checkpoints": "ranking with the figures of each checkpoint, links, and where to go on",
    "progress": "epochs and steps done, epochs without gain, seconds in epochs",
    "test": "metrics of the best checkpoint on the test split; null without one",
    "warnings": "lines worth knowing, each once",
    "error": "why it failed or stopped",
}

ENVIRONMENT = {
    "TOPOQA_TRAIN_RUNS": "where runs go and are looked for; `--output-root` is stronger",
    "TOPOQA_TRAIN_KEEP_RUNS": "how many finished runs stay when a new one starts, the newest; the "
    "others go to `history/`; 20 without it",
    "TOPOQA_TRAIN_LAUNCHER": "how jobs become processes: `children` (default) or `in-process`",
    "TOPOQA_TRAIN_DEBUG": "1 shows the trace of an error, as `--debug` does",
    "TOPOQA_TRAIN_CACHE": "where data sets of plugins are built; without it the user's cache",
    "TOPOQA_TRAIN_MLFLOW_SECONDS": "seconds that the tracker `mlflow` may take to finish after a "
    "run; 30 without it",
    "COLUMNS": "width of tables and progress; without it the terminal's, and 200 in a pipe",
}

METRICS = {
    "epoch": "counts from 0",
    "step": "optimizer steps so far",
    "learning_rate": "that the epoch was trained with",
    "train_mse": "mean squared error over the training graphs, as they were trained on",
    "val_loss": "mean squared error of predicted DockQ over all validation graphs",
    "val_pearson_corr": "Pearson's correlation over all validation graphs",
    "val_spearman_corr": "Spearman's rank correlation over all validation graphs",
    "selection_metric": "`val_loss - spearman_weight * max(0, val_spearman_corr - "
    "spearman_min_delta)`",
    "epoch_seconds": "how long the epoch took",
    "val_target_spearman": "mean over targets of Spearman's correlation within the target",
    "val_ranking_loss": "mean over targets of the best DockQ minus that of the decoy on top",
}
NO_MERIT = {"epoch", "step", "learning_rate", "epoch_seconds"}
