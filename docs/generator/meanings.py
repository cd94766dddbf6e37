"""What the code does not say of itself in a sentence: held against the code's own names."""

from __future__ import annotations

# Keys of a config whose model has no description of them.
CONFIG: dict[str, dict[str, str]] = {
    "scheduler": {"type": "the only one there is"},
    "selection": {
        "primary_metric": "the ranking metric: what checkpoints, early stopping and runs are "
        "ranked by; `auto` is `selection_metric` if `use_val_spearman`, else `val_loss`"
    },
    "mlflow": {
        "enabled": "read and checked; this version sends nothing to MLflow yet",
        "experiment": "name of the experiment",
        "log_artifacts": "send files too",
        "tags": "names and values",
    },
    "reference": {
        "edge_schema": "what a flat config declared",
        "topology_schema": "what a flat config declared",
        "profiling": "what a flat config declared",
    },
}

MANIFEST = {
    "shared": "what holds for every job and for both fine-tune phases",
    "jobs": "the sweep, in the order in which it is started",
    "fine_tune": "both phases; without it only the sweep can be run (`--skip-fine`)",
    "continue_on_error": "the other jobs of a phase go on when one fails",
}
ENTRY = {
    "name": "name of the job, and of its run with the time behind it",
    "config": "config file; a job without one takes that of `shared`",
    "overrides": "values over the config: dotted keys, or sections as in a config",
    "run_name": "the run's directory as it stands, without a time; refused if taken",
    "resume_from": "checkpoint whose weights the job starts from",
    "notes": "kept in run_metadata.json",
    "trial_label": "kept in run_metadata.json",
    "output_root": "where runs go; `--output-root` is stronger",
    "fast_dev_run": "one batch, one epoch",
    "limit_train_batches": "batches an epoch: a number, or a share such as 0.1",
    "limit_val_batches": "validation batches: a number, or a share such as 0.5",
    "log_lr": "the learning rate in the log, each epoch",
    "trainer_args": "arguments of lightning.Trainer, each `KEY=VALUE`",
}
PHASE = {
    "config": "config file of the phase; in phase 2 `{seed}` in its name stands for the seed",
    "seeds": "a run each",
    "start_from": "the best checkpoint of phase 1, or of the sweep",
}

RUN_METADATA = {
    "run_name": "the directory's name",
    "created": "when it was made, UTC",
    "completed": "when it completed or failed; null before",
    "status": "see above",
    "job": "the job of the manifest, or the config's name",
    "source_config": "the config it was made from",
    "overrides": "dotted key to value",
    "notes": "as given",
    "trial_label": "as given",
    "command": "the command line",
    "environment": "the variables that can change numbers",
    "git": "commit of the checkout that it was started in, and whether it had changes",
    "versions": "Python and the libraries that numbers come from",
    "host": "name, system, cores and threads of the machine",
    "process": "id, start time and host of the process that writes the run",
    "training_parameters": "network, batches, trainer and learning rate, to compare runs by",
    "data": "name and version of the data set, graphs a split, label files, and a fingerprint that "
    "changes with any label or graph",
    "started_from": "checkpoint, run and epoch that the weights came from; null for a fresh start",
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
    "TOPOQA_TRAIN_LAUNCHER": "how jobs become processes: `children` (default) or `in-process`",
    "TOPOQA_TRAIN_DEBUG": "1 shows the trace of an error, as `--debug` does",
    "TOPOQA_TRAIN_CACHE": "where the demo data set is built; without it the user's cache",
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
