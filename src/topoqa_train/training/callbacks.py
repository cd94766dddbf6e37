"""What a training does at the end of each batch and each epoch, in a fixed order."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, cast

import lightning
import numpy as np
import torch

from topoqa_train import atomic
from topoqa_train.clock import Clock
from topoqa_train.config.models import TrainingConfig
from topoqa_train.errors import TrainingError
from topoqa_train.runs.events import EpochEnded, Event, Notice, StepsDone
from topoqa_train.runs.metadata import MetadataFile
from topoqa_train.runs.metrics_file import MetricsFile
from topoqa_train.runs.paths import RunPaths
from topoqa_train.runs.ranking import SELECTION, Ranked, file_name
from topoqa_train.stopping import StopRequest
from topoqa_train.training.checkpoints import checkpoint_file, restore
from topoqa_train.training.checkpoints.checkpoint_file import NetworkIdentity, Progress
from topoqa_train.training.data.dataset import GraphDataset
from topoqa_train.training.determinism import random_states
from topoqa_train.training.lit_module import DockQModule
from topoqa_train.training.metrics import evaluate, selection_metric

log = logging.getLogger(__name__)
_STEP_EVENT_SECONDS = 1.0
_MAX_SHOWN = 6


class BatchWatch(lightning.Callback):
    """Stops at the end of a batch when requested, and periodically reports progress."""

    def __init__(
        self,
        job: str,
        config: TrainingConfig,
        stop: StopRequest,
        emit: Callable[[Event], None],
        clock: Clock,
    ) -> None:
        self.job = job
        self.logging = config.logging
        self.stop = stop
        self.emit = emit
        self.clock = clock
        self._last_event = clock.monotonic()

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,  # noqa: ANN401 - Lightning's type
        batch: Any,  # noqa: ANN401
        batch_idx: int,
    ) -> None:
        """Raise what `StopRequest.check` raises: it ends the epoch, whose batches are lost."""
        del pl_module, batch
        self.stop.check()
        done, total = batch_idx + 1, int(trainer.num_training_batches)
        self._log(trainer, done, total, outputs)
        now = self.clock.monotonic()
        if now - self._last_event >= _STEP_EVENT_SECONDS and done < total:
            self._last_event = now
            self.emit(
                StepsDone(
                    job=self.job,
                    epoch=trainer.current_epoch + 1,
                    batches_done=done,
                    batches=total,
                )
            )

    def _log(self, trainer: lightning.Trainer, done: int, total: int, outputs: Any) -> None:  # noqa: ANN401
        every = self.logging.progress_bar_refresh_rate
        if every and done % every == 0:
            log.info("epoch %d  batch %d of %d", trainer.current_epoch, done, total)
        stepped = done % trainer.accumulate_grad_batches == 0 or done == total
        if stepped and trainer.global_step % self.logging.log_every_n_steps == 0:
            # Lightning reports the loss that it accumulates: divided by the batches of a step.
            loss = float(outputs["loss"]) * trainer.accumulate_grad_batches
            log.info("step %d  train loss %.5f", trainer.global_step, loss)

    def on_validation_batch_end(self, *_: Any) -> None:  # noqa: ANN401
        """Stop here too: a large validation split takes long."""
        self.stop.check()


class EpochKeeper(lightning.Callback):
    """Keeper of what must survive: metrics, ranking, checkpoints, scheduler, early stopping.

    Lightning only runs the loop. Its own checkpointing, logging and early stopping are not used,
    because none of them resumes exactly (docs/explanation/durability.md).
    """

    def __init__(
        self,
        *,
        job: str,
        config: TrainingConfig,
        paths: RunPaths,
        record: MetadataFile,
        network: NetworkIdentity,
        validation: GraphDataset,
        expected_graphs: int,
        emit: Callable[[Event], None],
        clock: Clock,
        log_lr: bool,
    ) -> None:
        self.job = job
        self.config = config
        self.paths = paths
        self.record = record
        self.network = network
        self.validation = validation
        self.expected_graphs = expected_graphs
        self.emit = emit
        self.clock = clock
        self.log_lr = log_lr
        self.metrics = MetricsFile(paths.metrics)
        self.history: list[dict[str, float]] = []
        self.progress = Progress()
        self.progress.ranking.metric = config.selection.ranking_metric
        self._resumed: dict[str, Any] | None = None
        self._started = 0.0
        self._undefined: set[str] = set()
        # `on_train_start` creates it, because Lightning creates the optimizer.
        self._scheduler: torch.optim.lr_scheduler.ReduceLROnPlateau

    @property
    def run(self) -> dict[str, str]:
        """The run's identity, independent of where its folder is."""
        document = self.record.document
        return {"name": document.run_name, "created": document.created}

    def resume_from(self, document: dict[str, Any]) -> None:
        """Take the progress from a checkpoint; `on_train_start` restores the rest."""
        self._resumed = document
        self.progress = Progress.from_json(document["progress"])

    def restore_metrics(self, history: Sequence[Mapping[str, float]]) -> None:
        """Cut the metrics to the completed epochs; fill damaged rows from the checkpoint's."""
        lost = self.metrics.cut(self.progress.epochs_done, history)
        self.history = self.metrics.rows()
        if lost:
            named = ", ".join(map(str, lost[:_MAX_SHOWN])) + (
                ", ..." if len(lost) > _MAX_SHOWN else ""
            )
            self.warn(f"metrics.csv was damaged; the metrics of these epochs are lost: {named}")

    def warn(self, text: str) -> None:
        """Log a warning and emit it as an event."""
        log.warning(text)
        self.emit(Notice(job=self.job, text=text))

    @property
    def wants_to_stop(self) -> bool:
        """Whether early stopping ends the training."""
        return self.progress.stopping_wait >= max(1, self.config.early_stopping.patience)

    def on_train_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Create the scheduler; on resume, restore optimizer, scheduler and random states.

        Lightning has created the optimizer by now and starts the first epoch next, so its setup
        can't use up restored random numbers.
        """
        del pl_module
        optimizer = trainer.optimizers[0]
        self._scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(
            optimizer,
            factor=self.config.scheduler.factor,
            patience=self.config.scheduler.patience,
        )
        if self._resumed is None:
            return
        restore.restore(self._resumed, optimizer, self._scheduler)
        self._resumed = None

    def on_train_epoch_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Record when the epoch started."""
        del trainer, pl_module
        self._started = self.clock.monotonic()

    def on_train_epoch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Measure, decide, write and report, in this order; each file is written atomically."""
        module = cast("DockQModule", pl_module)
        row = self._measure(trainer, module)
        # The learning rate follows val_loss, whatever ranks the checkpoints.
        self._scheduler.step(row["val_loss"])
        self._note_stopping(row)
        candidate = self._candidate(row)
        keep = self.progress.ranking.would_keep(candidate)
        self.progress.ranking.add(candidate)
        self.progress.epochs_done = trainer.current_epoch + 1
        self.progress.global_step = trainer.global_step
        self.progress.seconds += row["epoch_seconds"]
        self._write(trainer, module, row, candidate.file if keep else None)
        self._report(row)
        # Lightning's EarlyStopping is not used: its saved state can be one epoch late.
        trainer.should_stop = self.wants_to_stop

    def _measure(self, trainer: lightning.Trainer, module: DockQModule) -> dict[str, float]:
        index, predicted = module.take_predictions()
        # A graph that is missing or validated twice would change the metrics without any error.
        if len(np.unique(index)) != self.expected_graphs or len(index) != self.expected_graphs:
            raise TrainingError(
                f"validation covered {len(index)} graphs, not {self.expected_graphs}"
            )
        train_mse = module.take_train_mse()
        epoch = trainer.current_epoch
        # A loss may overflow once while the weights stay finite; only NaN weights are final.
        if not math.isfinite(train_mse) and not _all_finite(module):
            raise TrainingError(
                f"the weights became NaN in epoch {epoch}",
                hint="Lower optimizer.learning_rate, or read training_console.log.",
            )
        # Floating-point sums depend on their order. In the order of the split the metrics do not
        # depend on the batch size or on the workers.
        order = np.argsort(index)
        metrics = evaluate(
            predicted[order],
            self.validation.dockq[np.sort(index)],
            self.validation.target_ids[np.sort(index)],
        )
        self._warn_undefined(metrics.undefined, epoch)
        selection = self.config.selection
        return {
            "epoch": float(epoch),
            "step": float(trainer.global_step),
            "learning_rate": float(trainer.optimizers[0].param_groups[0]["lr"]),
            "train_mse": train_mse,
            **metrics.values,
            "selection_metric": selection_metric(
                metrics.values["val_loss"],
                metrics.values["val_spearman_corr"],
                weight=selection.spearman_weight if selection.use_val_spearman else 0.0,
                min_delta=selection.spearman_min_delta,
            ),
            "epoch_seconds": self.clock.monotonic() - self._started,
        }

    def _warn_undefined(self, names: frozenset[str], epoch: int) -> None:
        fresh = set(names) - self._undefined
        if fresh:
            self._undefined |= fresh
            self.warn(
                f"epoch {epoch}: {', '.join(sorted(fresh))} undefined "
                "(constant predictions or labels), counted as 0"
            )

    def _note_stopping(self, row: dict[str, float]) -> None:
        # A NaN counts as an epoch without a gain, and never becomes the best value.
        value = row[self.config.selection.ranking_metric]
        best = self.progress.stopping_best
        if math.isfinite(value) and (best is None or value < best):
            self.progress.stopping_best = value
            self.progress.stopping_wait = 0
        else:
            self.progress.stopping_wait += 1

    def _candidate(self, row: dict[str, float]) -> Ranked:
        epoch = int(row["epoch"])
        name = file_name(self.progress.ranking.metric, epoch, row["val_loss"], row[SELECTION])
        return Ranked(name, epoch, row["val_loss"], row[SELECTION], row["val_spearman_corr"])

    def _write(
        self,
        trainer: lightning.Trainer,
        module: DockQModule,
        row: dict[str, float],
        ranked_file: str | None,
    ) -> None:
        # The metrics come first: after a kill in between, resuming cuts the surplus row off.
        self.metrics.append(row)
        self.history.append({name: float(value) for name, value in row.items()})
        content = checkpoint_file.serialise(self._document(trainer, module, row))
        if ranked_file is not None:
            atomic.write_bytes(self.paths.checkpoints / ranked_file, content)
        # A kill before this write repeats the epoch on resuming; a kill after it does not. So it
        # comes after the ranked file: the ranking in it must not name a file that is missing.
        atomic.write_bytes(self.paths.last, content)
        if ranked_file is not None:
            checkpoint_file.settle(self.paths, self.progress.ranking)
        self.record.update(
            checkpoints=checkpoints_document(self.paths, self.progress),
            progress=progress_document(self.progress, self.config),
        )

    def _document(
        self, trainer: lightning.Trainer, module: DockQModule, row: dict[str, float]
    ) -> dict[str, Any]:
        return {
            "pytorch-lightning_version": lightning.__version__,
            # A folder can be renamed, and files copied from one run to another.
            "run": self.run,
            "epoch": int(row["epoch"]),
            "global_step": trainer.global_step,
            "state_dict": module.network.state_dict(),
            "hyper_parameters": asdict(self.network),
            "optimizer_states": [trainer.optimizers[0].state_dict()],
            "lr_schedulers": [self._scheduler.state_dict()],
            # Taken after the validation, so that the next epoch draws the same numbers as it
            # would have without an interruption.
            "random_states": random_states(),
            "progress": self.progress.to_json(),
            "metrics": {name: value for name, value in row.items() if name != "epoch_seconds"},
            # All rows, so that a resumed run can repair a damaged metrics.csv.
            "history": self.history,
        }

    def _report(self, row: dict[str, float]) -> None:
        ranking = self.progress.ranking
        best = ranking.best[0] if ranking.best else None
        shown = (
            f"epoch {int(row['epoch'])}  train_mse {row['train_mse']:.5f}  "
            f"val_loss {row['val_loss']:.5f}  rho {row['val_spearman_corr']:.3f}  "
            f"{SELECTION} {row[SELECTION]:.5f}"
        )
        log.info("%s%s", shown, f"  lr {row['learning_rate']:g}" if self.log_lr else "")
        self.emit(
            EpochEnded(
                job=self.job,
                epoch=int(row["epoch"]) + 1,
                num_epochs=self.config.trainer.num_epochs,
                seconds=row["epoch_seconds"],
                metrics=row,
                ranking_metric=ranking.metric,
                best_value=None if best is None else best.value(ranking.metric),
                best_epoch=None if best is None else best.epoch,
            )
        )


def checkpoints_document(paths: RunPaths, progress: Progress) -> dict[str, Any]:
    """Return `checkpoints` of run_metadata.json: paths relative to the run, best first."""
    folder = paths.relative(paths.checkpoints)
    ranking = progress.ranking
    return {
        "ranking_metric": ranking.metric,
        "ranking": [
            {
                "path": f"{folder}/{entry.file}",
                "epoch": entry.epoch,
                "val_loss": entry.val_loss,
                SELECTION: entry.selection_metric,
                "val_spearman_corr": entry.val_spearman_corr,
            }
            for entry in ranking.best
        ],
        "links": {f"{folder}/{link}": file for link, file in ranking.links().items()},
        "last": paths.relative(paths.last),
    }


def progress_document(progress: Progress, config: TrainingConfig) -> dict[str, Any]:
    """Return `progress` of run_metadata.json."""
    return {
        "epochs_done": progress.epochs_done,
        "num_epochs": config.trainer.num_epochs,
        "global_step": progress.global_step,
        "epochs_without_gain": progress.stopping_wait,
        "early_stopping_patience": config.early_stopping.patience,
        "training_seconds": progress.seconds,
    }


def _all_finite(module: torch.nn.Module) -> bool:
    return all(bool(torch.isfinite(parameter).all()) for parameter in module.parameters())
