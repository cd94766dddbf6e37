"""The texts of a new project's configs and manifests, with comments that explain them."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

from topoqa_train.config.schema import CONFIG_FILE, MANIFEST_FILE, MODELINE
from topoqa_train.config.writer import dump_yaml

CONFIG = "configs/train.yaml"
FINE_TUNE = "configs/fine_tune.yaml"
CORE = "manifests/run_core.yaml"
EXTENDED = "manifests/run_extended.yaml"
BATCH_SIZE = 16
SEEDS = (222, 777, 1337)
FINE_SEEDS = (101, 555, 888)
# Batches per step in the recipes, tuned on about 9,000 graphs: some 35 steps an epoch.
_RECIPE_BATCHES = 16
_STEPS = 32
_RECIPES: dict[str, dict[str, float]] = {
    "sched_boost": {},
    "sched_boost_lr035": {"optimizer.learning_rate": 0.0035},
    "large_batch_sched_boost": {"dataloader.batch_size": 24},
}
_COLUMN = 29


def batches_per_step(graphs: int | None) -> tuple[int, str]:
    """Return how many batches make an optimizer step, and why.

    With fewer graphs a step takes fewer batches, so that an epoch keeps about as many steps as the
    recipes were tuned for. `graphs` is the number of training graphs, None if unknown.
    """
    fits = f"{_RECIPE_BATCHES} fits about 9,000 graphs"
    if graphs is None:
        return 1, f"batches an optimizer step; {fits}, some 35 steps an epoch"
    batches = -(-graphs // BATCH_SIZE)
    per_step = min(_RECIPE_BATCHES, max(1, batches // _STEPS))
    steps = -(-batches // per_step)
    return (
        per_step,
        f"batches an optimizer step: {graphs} graphs are {batches} batches, so {steps} "
        f"step{'s' if steps > 1 else ''} an epoch; {fits}",
    )


def config_file(paths: Mapping[str, str], graphs: int | None) -> str:
    """Return the sweep's config."""
    head = f"""\
{MODELINE}{CONFIG_FILE}
# The sweep's config. The jobs in ../manifests change single values of it.
#   topoqa-train run -c configs/train.yaml         one training with it
#   topoqa-train config show configs/train.yaml    every value, defaults included
"""
    return head + _config(paths, graphs, epochs=260, rate=0.005, patience=6, stopping=45)


def fine_tune_file(paths: Mapping[str, str], graphs: int | None) -> str:
    """Return the config of both fine-tune phases."""
    head = f"""\
{MODELINE}{CONFIG_FILE}
# Both fine-tune phases start from the best checkpoint with this config, phase 2 once a seed.
# They load weights only, so all values here apply from the first epoch.
# Network and paths must be those of train.yaml.
"""
    return head + _config(paths, graphs, epochs=320, rate=0.001, patience=4, stopping=20)


def _config(
    paths: Mapping[str, str],
    graphs: int | None,
    *,
    epochs: int,
    rate: float,
    patience: int,
    stopping: int,
) -> str:
    batches, why = batches_per_step(graphs)
    return f"""\
{_paths(paths)}
model:
  architecture: proteingat   # TopoQA's network
  attention_head: 8
  pooling_type: mean         # nodes to graph: mean, add or max

dataloader:
  batch_size: {BATCH_SIZE}             # graphs
  seed: {SEEDS[0]}                  # weights, order and dropout

trainer:
  accelerator: cpu           # or cuda, mps, auto
  num_epochs: {epochs}            # at most: see early_stopping
{_with_comment(f"  accumulate_grad_batches: {batches}", why)}

optimizer:
  learning_rate: {rate}

scheduler:                   # times factor after patience epochs without a better val_loss
  type: reduce_on_plateau
  factor: 0.2
  patience: {patience}

early_stopping:
  patience: {stopping}               # epochs without a better ranking metric

selection:                   # best is lowest: val_loss - spearman_weight * val_spearman_corr
  primary_metric: auto
  use_val_spearman: true
  spearman_weight: 1.0

coverage:                    # every label needs a graph
  minimum_percent: 100
  fail_on_missing: true

edge_schema:
  use_layer_norm: true
"""


def _paths(paths: Mapping[str, str]) -> str:
    first, *rest = dump_yaml({"paths": dict(paths)}).splitlines()
    lines = [f"{first}                       # relative to this file", *rest]
    if "dataset" in paths:
        lines[1] = _with_comment(lines[1], "a data set of a plugin; for your own data")
        lines += [
            "                             # replace it with these:",
            "  # graph: ../graph_data     # one graph a decoy: <MODEL>.pt",
            "  # train_labels: ../labels/train.csv",
            "  # val_labels: ../labels/val.csv",
        ]
    if "test_labels" not in paths:
        lines.append("  # test_labels: ../labels/test.csv   # scored once, when a run is done")
    return "\n".join([*lines, ""])


def _with_comment(line: str, comment: str) -> str:
    """Return `line` with a comment in the comment column, wrapped to further lines."""
    first, *rest = textwrap.wrap(comment, 68)
    lines = [f"{line.ljust(_COLUMN - 1)} # {first}"]
    return "\n".join([*lines, *(f"{' ' * _COLUMN}# {text}" for text in rest)])


def manifest_file(*, extended: bool) -> str:
    """Return a manifest of three recipes, with one seed or with three, then fine-tuning."""
    name = "run_extended" if extended else "run_core"
    title = "three recipes, three seeds each" if extended else "three recipes, one seed"
    call = "topoqa-train pipeline" + (f" -m {EXTENDED}" if extended else "")
    jobs = "\n".join(_jobs(SEEDS if extended else SEEDS[:1]))
    return f"""\
{MODELINE}{MANIFEST_FILE}
# {title.capitalize()}; the best of them is fine-tuned, once and then once a seed.
#   {call} --dry-run    check every path and label
#   {call}              sweep, choose the best, fine-tune twice, rank
# Later ones win: config, shared, job, -o on the command line. Paths start from this folder.
shared:
  config: ../{CONFIG}
  notes: {name}

jobs:
{jobs}

fine_tune:
  phase1: {{config: ../{FINE_TUNE}}}
  phase2:
    config: ../{FINE_TUNE}
    seeds: [{", ".join(map(str, FINE_SEEDS))}]   # a run each
    start_from: phase1       # or sweep

continue_on_error: false     # true: the other jobs run when one fails
"""


def _jobs(seeds: tuple[int, ...]) -> list[str]:
    lines = []
    for recipe, changes in _RECIPES.items():
        for seed in seeds:
            overrides = {**changes, **({} if seed == SEEDS[0] else {"dataloader.seed": seed})}
            lines.append(f"  - name: {recipe}_seed{seed}")
            values = ", ".join(f"{key}: {value}" for key, value in overrides.items())
            lines += [f"    overrides: {{{values}}}"] if values else []
    return lines
