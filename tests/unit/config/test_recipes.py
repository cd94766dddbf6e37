from __future__ import annotations

from pathlib import Path

import pytest

import topoqa_train
from topoqa_train.config.load import load_config
from topoqa_train.config.manifest import load_manifest
from topoqa_train.config.models import TrainingConfig
from topoqa_train.config.recipes import (
    OF_PLUGINS,
    default_manifest,
    find_recipe,
    locate,
    shipped_names,
)

SWEEP = ["sched_boost", "sched_boost_lr035", "large_batch_sched_boost"]
SEEDS = [222, 777, 1337]
TOP = Path(__file__).resolve().parents[3]


def recipe(name: str) -> TrainingConfig:
    return load_config(find_recipe("configs", name)).config


def schedule(config: TrainingConfig) -> tuple[float, ...]:
    return (
        config.optimizer.learning_rate,
        config.dataloader.batch_size,
        config.trainer.accumulate_grad_batches,
        config.scheduler.factor,
        config.scheduler.patience,
        config.trainer.num_epochs,
        config.early_stopping.patience,
    )


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("sched_boost", (0.005, 16, 16, 0.2, 6, 260, 45)),
        ("sched_boost_lr035", (0.0035, 16, 16, 0.2, 6, 260, 45)),
        ("large_batch_sched_boost", (0.005, 24, 16, 0.2, 6, 260, 45)),
    ],
)
def test_sweep_recipes(name: str, expected: tuple[float, ...], seed: int) -> None:
    config = recipe(f"{name}_seed{seed}")
    assert schedule(config) == expected
    assert config.dataloader.seed == seed
    assert config.edge_schema.use_layer_norm
    assert config.paths.dataset == "demo"


@pytest.mark.parametrize(
    ("suffix", "seed"), [("", 222), *((f"_seed{s}", s) for s in (101, 555, 888))]
)
def test_fine_tune_recipes(suffix: str, seed: int) -> None:
    config = recipe(f"sched_boost_finetune{suffix}")
    assert schedule(config) == (0.001, 16, 16, 0.2, 4, 320, 20)
    assert config.dataloader.seed == seed
    assert config.paths.dataset == "demo"


@pytest.mark.parametrize(("name", "seeds"), [("run_core", [222]), ("run_extended", SEEDS)])
def test_manifests(name: str, seeds: list[int]) -> None:
    manifest = load_manifest(find_recipe("manifests", name))
    assert {job.name for job in manifest.jobs} == {f"{s}_seed{n}" for s in SWEEP for n in seeds}
    assert len(manifest.jobs) == len(SWEEP) * len(seeds)
    assert manifest.fine_tune is not None
    assert (manifest.fine_tune.seeds, manifest.fine_tune.start_from) == ((101, 555, 888), "phase1")
    for job in (*manifest.jobs, manifest.phase1_job("x", None), *manifest.phase2_jobs("x", None)):
        assert job.config.config.trainer.accumulate_grad_batches == 1
    for job in manifest.phase2_jobs("x", None):
        assert [*job.config.applied_overrides()] == ["trainer.accumulate_grad_batches"]


def test_every_yaml_file_at_the_top_is_a_recipe() -> None:
    configs = {f.stem for f in (TOP / "configs").glob("*.y*ml")}
    assert configs == set(shipped_names("configs")) | OF_PLUGINS
    assert {f.stem for f in (TOP / "manifests").glob("*.y*ml")} == set(shipped_names("manifests"))
    assert len(shipped_names("configs")) == 13
    for name in shipped_names("manifests"):
        load_manifest(find_recipe("manifests", name))


@pytest.mark.parametrize("name", shipped_names("configs"))
def test_recipes_read_back(name: str, write) -> None:
    loaded = load_config(find_recipe("configs", name))
    text = loaded.to_yaml()
    assert "yaml-language-server" not in text  # there is no schema next to a run's config
    assert load_config(write("run/config.yaml", text)).config == loaded.config


def test_shipped_files_are_found_from_any_folder(here: Path, error_of) -> None:
    for given in ("run_core", "run_core.yaml", "manifests/run_core.yaml"):
        assert load_manifest(Path(given)).name == "run_core"
    for given in ("sched_boost_seed222", "configs/sched_boost_seed222.yaml"):
        assert load_config(Path(given)).config.dataloader.seed == 222
    assert locate("configs", Path("sched_boost_finetune")).is_file()
    error = error_of(lambda: load_manifest(Path("other/run_core.yaml")))
    assert error.message.startswith("the manifest other/run_core.yaml does not exist")
    error = error_of(lambda: find_recipe("manifests", "run_cor"))
    assert error.message == "the manifest run_cor does not exist; did you mean run_core?"
    assert "sched_boost" in (error_of(lambda: find_recipe("configs", "../zzz")).hint or "")


@pytest.mark.parametrize("target", ["loop.yaml", "gone.yaml"])
def test_a_dangling_link_is_reported_as_one(here: Path, error_of, target: str) -> None:
    (here / "loop.yaml").symlink_to(target)
    error = error_of(lambda: load_config(here / "loop.yaml"))
    assert error.message == "the config loop.yaml is a dangling link"


def test_a_file_of_the_user_is_used_before_the_shipped_one(write) -> None:
    own = write("configs/sched_boost_seed222.yaml", "paths: {dataset: mine}\n")
    write("manifests/run_core.yaml", f"jobs: [{{name: own, config: ../{own}}}]\n")
    assert load_config(own).config.paths.dataset == "mine"
    assert load_config(Path("sched_boost_seed222")).config.paths.dataset == "mine"
    assert locate("manifests", Path("run_core")) == Path("manifests/run_core.yaml")
    assert locate("manifests", Path("run_extended")) == find_recipe("manifests", "run_extended")
    assert [job.name for job in load_manifest(Path("manifests/run_core.yaml")).jobs] == ["own"]


def test_default_manifest(here: Path, write, error_of) -> None:
    shipped = default_manifest(here)
    assert shipped == find_recipe("manifests", "run_core")
    (here / "manifests").mkdir()
    error = error_of(lambda: default_manifest(here))
    assert error.message == "the default manifest manifests/run_core.yaml does not exist"
    write("manifests/run_core.yaml", "")
    assert default_manifest(here) == here / "manifests/run_core.yaml"


def test_recipes_inside_an_installed_package(
    here: Path, write, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("site/topoqa_train/__init__.py", "")
    write("site/topoqa_train/_recipes/configs/inside.yaml", "paths: {dataset: demo}\n")
    init = here / "site" / "topoqa_train" / "__init__.py"
    monkeypatch.setattr(topoqa_train, "__file__", str(init))
    assert shipped_names("configs") == ["inside"]
    assert shipped_names("manifests") == []
    assert find_recipe("configs", "inside").is_file()
