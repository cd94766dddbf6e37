"""One training, from data in memory to the files of its run."""

from __future__ import annotations

import inspect
import logging
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.exceptions import SIGTERMException
from torch import nn

from topoqa_train.clock import Clock
from topoqa_train.config.models import TrainingConfig
from topoqa_train.config.run_options import RunOptions
from topoqa_train.errors import RequestError, TerminatedRunError
from topoqa_train.runs.events import Event
from topoqa_train.runs.metadata import MetadataFile
from topoqa_train.runs.paths import RunPaths
from topoqa_train.stopping import StopRequest
from topoqa_train.training import evaluation, resume
from topoqa_train.training.callbacks import BatchWatch, EpochKeeper
from topoqa_train.training.checkpoints import checkpoint_file, weights
from topoqa_train.training.checkpoints.checkpoint_file import NetworkIdentity, Progress
from topoqa_train.training.data.datamodule import GraphDataModule
from topoqa_train.training.data.load import LoadedData
from topoqa_train.training.determinism import seed_everything
from topoqa_train.training.lit_module import DockQModule
from topoqa_train.training.model.build import ModelOptions, build_model

log = logging.getLogger(__name__)

# The run sets these; --trainer-arg may set any other argument of lightning.Trainer.
OWNED_ARGUMENTS = frozenset(
    {
        "accelerator",
        "accumulate_grad_batches",
        "barebones",
        "benchmark",
        "callbacks",
        "default_root_dir",
        "deterministic",
        "devices",
        "enable_checkpointing",
        "enable_model_summary",
        "enable_progress_bar",
        "fast_dev_run",
        "limit_train_batches",
        "limit_val_batches",
        "log_every_n_steps",
        "logger",
        "max_epochs",
        "num_sanity_val_steps",
        "overfit_batches",
        "precision",
        "val_check_interval",
        "check_val_every_n_epoch",
        "reload_dataloaders_every_n_epochs",
        "use_distributed_sampler",
    }
)


@dataclass(frozen=True)
class FitResult:
    """Outcome of a training."""

    progress: Progress
    stopped_early: bool


def fit(
    *,
    job: str,
    config: TrainingConfig,
    options: RunOptions,
    data: LoadedData,
    paths: RunPaths,
    record: MetadataFile,
    emit: Callable[[Event], None],
    stop: StopRequest,
    clock: Clock,
    resume_run: bool = False,
    resume_checkpoint: Path | None = None,
) -> FitResult:
    """Train until all epochs are completed or early stopping ends the training.

    A new training takes only the weights from `options.weights_from`. With
    `resume_run` the run resumes after the last whole epoch of `resume_checkpoint` (default:
    `paths.last`) with everything; without any checkpoint it starts again, with the same numbers.

    Raises:
        RequestError: checkpoint, arguments or accelerator are unusable.
        TrainingError: the weights became NaN, or Lightning failed.
        InterruptedRunError, TerminatedRunError: `stop` requested it; completed epochs are saved.
    """
    expected_graphs = _check_limits(config, options, data)
    # Before the network is created, because its first weights are drawn at random.
    seed_everything(config.dataloader.seed, config.trainer.threads)
    identity = network_identity(config, data)
    module = DockQModule(build_network(identity), config.optimizer.learning_rate)
    keeper = EpochKeeper(
        job=job,
        config=config,
        paths=paths,
        record=record,
        network=identity,
        validation=data.val,
        expected_graphs=expected_graphs,
        emit=emit,
        clock=clock,
        log_lr=options.log_lr,
    )
    resumed = resume_run and resume.resume(module, keeper, resume_checkpoint, identity)
    # Fine-tuning takes the weights alone. Lightning's `fit(ckpt_path=...)` would also restore the
    # old learning rate and the epochs done, so that fine-tuning could end before its first epoch.
    if not resumed and options.weights_from is not None:
        weights.load(module.network, options.weights_from, identity)
    watch = BatchWatch(job, config, stop, emit, clock)
    # A run that early stopping ended must not train another epoch when it is resumed.
    if not keeper.wants_to_stop:
        _run_trainer(config, options, data, module, keeper, watch)
    return FitResult(keeper.progress, stopped_early=keeper.wants_to_stop)


def rehearse(config: TrainingConfig, options: RunOptions, data: LoadedData) -> None:
    """Do what a new `fit` does before its first batch, without lasting effects.

    Raises:
        RequestError: as `fit` for checkpoint, arguments or accelerator.
    """
    _check_limits(config, options, data)
    identity = network_identity(config, data)
    module = DockQModule(build_network(identity), config.optimizer.learning_rate)
    if options.weights_from is not None:
        weights.load(module.network, options.weights_from, identity)
    _trainer(config, options, [])


def build_network(identity: NetworkIdentity) -> nn.Module:
    """Return the network that `identity` describes, with new weights; raise `RequestError`."""
    return build_model(
        identity.architecture,
        ModelOptions(**identity.options),
        node_dim=identity.node_dim,
        edge_dim=identity.edge_dim,
    )


def network_identity(config: TrainingConfig, data: LoadedData) -> NetworkIdentity:
    """Return the identity of the network of `config` for the widths of `data`."""
    options: dict[str, Any] = {
        "attention_head": config.model.attention_head,
        "pooling_type": config.model.pooling_type,
        "use_layer_norm": config.edge_schema.use_layer_norm,
        "extra": dict(config.model.options),
    }
    return NetworkIdentity(
        config.model.architecture, options, data.schema.node_dim, data.schema.edge_dim
    )


def check_trainer_args(arguments: dict[str, Any]) -> None:
    """Refuse arguments that `lightning.Trainer` does not have or that the run sets itself."""
    known = set(inspect.signature(lightning.Trainer).parameters)
    unknown = sorted(set(arguments) - known)
    if unknown:
        raise RequestError(
            f"--trainer-arg {unknown[0]}: lightning.Trainer has no such argument",
            hint=f"It has: {', '.join(sorted(known - OWNED_ARGUMENTS))}",
        )
    owned = sorted(set(arguments) & OWNED_ARGUMENTS)
    if owned:
        raise RequestError(
            f"--trainer-arg {owned[0]}: the run sets this argument itself",
            hint="If the config has it, override it there: -o trainer.<key>=<value>",
        )


def _check_limits(config: TrainingConfig, options: RunOptions, data: LoadedData) -> int:
    """Check the limits on batches; return how many graphs a validation covers."""
    batch = config.dataloader.batch_size
    _batches("limit_train_batches", options.train_batches, len(data.train), batch)
    batches = _batches("limit_val_batches", options.val_batches, len(data.val), batch)
    return min(len(data.val), batches * batch)


def _batches(name: str, limit: int | float | None, graphs: int, batch: int) -> int:
    """Return the batches of an epoch as Lightning counts them; raise `RequestError` for 0."""
    every = -(-graphs // batch)
    if limit is None:
        return every
    left = min(limit, every) if isinstance(limit, int) else int(limit * every)
    if left < 1:
        raise RequestError(
            f"{name}: {limit} of {every} batches is none",
            hint="Give a larger share, or a number of batches such as 1.",
        )
    return left


def _run_trainer(
    config: TrainingConfig,
    options: RunOptions,
    data: LoadedData,
    module: DockQModule,
    keeper: EpochKeeper,
    watch: BatchWatch,
) -> None:
    trainer = _trainer(config, options, [watch, keeper])
    done = keeper.progress.epochs_done
    if done >= config.trainer.num_epochs:
        return
    _set_progress(trainer, keeper.progress)
    datamodule = GraphDataModule(
        train=data.train,
        val=data.val,
        batch_size=config.dataloader.batch_size,
        num_workers=config.dataloader.num_workers,
        seed=config.dataloader.seed,
        first_epoch=done,
    )
    with warnings.catch_warnings():
        # Lightning recommends more workers; on graphs this small they cost more than they save.
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        try:
            trainer.fit(module, datamodule=datamodule)
        except SIGTERMException as error:
            # Lightning handles the signal too, and may stop first. Its exception is a SystemExit:
            # the process would end with status 0 and the run would still count as running.
            raise TerminatedRunError("terminated") from error


def _trainer(
    config: TrainingConfig, options: RunOptions, callbacks: list[lightning.Callback]
) -> lightning.Trainer:
    check_trainer_args(options.trainer_args)
    arguments: dict[str, Any] = {
        "accelerator": config.trainer.accelerator,
        "devices": config.trainer.devices,
        "precision": config.trainer.precision,
        "max_epochs": config.trainer.num_epochs,
        "accumulate_grad_batches": config.trainer.accumulate_grad_batches,
        "limit_train_batches": options.train_batches,
        "limit_val_batches": options.val_batches,
        "callbacks": callbacks,
        "deterministic": True,
        # `EpochKeeper` writes metrics and checkpoints; see there for the reason.
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        # The predictions of a sanity check would be counted as those of the first epoch.
        "num_sanity_val_steps": 0,
        # Lightning must not replace the sampler, whose order depends on seed and epoch alone.
        "use_distributed_sampler": False,
        **options.trainer_args,
    }
    try:
        trainer = lightning.Trainer(**arguments)
    except (MisconfigurationException, ValueError, TypeError, RuntimeError) as error:
        raise RequestError(
            f"Lightning refuses these trainer settings: {str(error).strip().splitlines()[0]}",
            hint="See trainer.accelerator, trainer.devices, trainer.precision and --trainer-arg.",
        ) from error
    if trainer.world_size > 1:
        # A second process would train on the same graphs and write to the same files.
        raise RequestError(
            f"a training runs on one device, but these settings request {trainer.world_size}",
            hint="Set trainer.devices to 1, or to the number of one device in brackets: [0].",
        )
    return trainer


def _set_progress(trainer: lightning.Trainer, progress: Progress) -> None:
    """Set Lightning's counters to `progress.epochs_done` completed epochs.

    `fit(ckpt_path=...)` is not used because it restores no random states; `EpochKeeper` does.
    """
    loop = trainer.fit_loop
    names = ("ready", "started", "processed", "completed")
    epochs = dict.fromkeys(names, progress.epochs_done)
    loop.epoch_progress.load_state_dict({"total": dict(epochs), "current": dict(epochs)})
    # Lightning derives `global_step` from the optimizer's steps.
    steps = loop.epoch_loop.automatic_optimization.optim_progress.optimizer.step
    steps.total.ready = steps.total.completed = progress.global_step


def evaluate_best(
    config: TrainingConfig, data: LoadedData, paths: RunPaths
) -> dict[str, float] | None:
    """Score the test split with the checkpoint behind `best.ckpt`; write scores, return metrics.

    Return None without a test split or a ranked checkpoint.
    """
    if data.test is None or not paths.best.exists():
        return None
    network = network_of(paths.best, network_identity(config, data))
    scores = evaluation.predict(network, data.test, config.dataloader.batch_size)
    evaluation.write_predictions(paths.test_predictions, data.test, scores)
    return evaluation.split_metrics(data.test, scores)


def network_of(path: Path, expected: NetworkIdentity | None = None) -> nn.Module:
    """Return the network in a checkpoint of topoqa-train, with its weights.

    Raises:
        RequestError: the checkpoint is unusable, or its network is not the `expected` one.
    """
    document = checkpoint_file.read_weights(path)
    if not checkpoint_file.is_ours(document):
        raise RequestError(f"{path} is not a checkpoint of topoqa-train")
    theirs = checkpoint_file.identity(document)
    network = build_network(expected or theirs)
    weights.fill(network, document["state_dict"], theirs, expected or theirs, path)
    return network
