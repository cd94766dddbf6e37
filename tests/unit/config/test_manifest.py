from __future__ import annotations

from pathlib import Path

import pytest

from topoqa_train.config.manifest import load_manifest
from topoqa_train.errors import RequestError

CONFIG = """\
paths: {dataset: demo}
trainer: {num_epochs: 1, threads: 1}
dataloader: {seed: 1}
"""

MANIFEST = """\
shared:
  config: ../configs/a.yaml
  notes: all of it
  trial_label: t
  output_root: ../out
  log_lr: true
  limit_val_batches: 0.5
  trainer_args: [gradient_clip_val=1, deterministic=true]
  overrides:
    trainer: {num_epochs: 2}
    paths: {graph: graphs}
jobs:
  - name: one
  - name: two
    config: ../configs/b.yaml
    run_name: second
    resume_from: ../start.ckpt
    notes: this one
    fast_dev_run: true
    limit_train_batches: 4
    trainer_args: [gradient_clip_val=2]
    overrides: {trainer.num_epochs: 3}
fine_tune:
  phase1: {config: ../configs/ft.yaml}
  phase2: {config: "../configs/ft_seed{seed}.yaml", seeds: [101, 555], start_from: sweep}
continue_on_error: true
"""


@pytest.fixture
def project(write, here: Path) -> Path:
    for name in ("a", "b", "ft", "ft_seed101", "ft_seed555"):
        seed = name.removeprefix("ft_seed") if "_seed" in name else "1"
        write(f"configs/{name}.yaml", CONFIG.replace("seed: 1", f"seed: {seed}"))
    write("start.ckpt", "")
    write("manifests/m.yaml", MANIFEST)
    return here.resolve()


def test_a_whole_manifest(project: Path) -> None:
    manifest = load_manifest(Path("manifests/m.yaml"))
    one, two = manifest.jobs
    assert manifest.name == "m"
    assert manifest.continue_on_error
    assert manifest.source_bytes == Path("manifests/m.yaml").read_bytes()
    assert one.name == "one"
    assert one.config.source == project / "configs/a.yaml"
    assert one.config.config.trainer.num_epochs == 2
    assert one.config.config.paths.graph == project / "manifests/graphs"
    assert (one.run_name, one.options.weights_from, one.options.fast_dev_run) == (None, None, False)
    options = one.options
    assert (options.notes, options.trial_label, options.log_lr) == ("all of it", "t", True)
    assert (one.options.limit_train_batches, one.options.limit_val_batches) == (None, 0.5)
    assert one.options.trainer_args == {"gradient_clip_val": 1, "deterministic": True}
    assert one.output_root == project / "out"
    assert two.config.source == project / "configs/b.yaml"
    assert two.config.config.trainer.num_epochs == 3
    assert (two.run_name, two.options.weights_from) == ("second", project / "start.ckpt")
    options = two.options
    assert (options.notes, options.fast_dev_run) == ("this one", True)
    assert options.limit_train_batches == 4
    assert two.options.trainer_args == {"gradient_clip_val": 2, "deterministic": True}


def test_fine_tune_jobs(project: Path) -> None:
    manifest = load_manifest(Path("manifests/m.yaml"))
    assert manifest.fine_tune is not None
    assert (manifest.fine_tune.seeds, manifest.fine_tune.start_from) == ((101, 555), "sweep")
    best = project / "best.ckpt"
    first = manifest.phase1_job("one_2026", best)
    assert first.name == "one_2026_finetune_phase1"
    assert (first.run_name, first.stamped) == (None, False)
    assert first.options.weights_from == best
    assert first.config.source == project / "configs/ft.yaml"
    second = manifest.phase2_jobs("one_2026", None)
    assert [job.name for job in second] == ["one_2026_phase2_seed101", "one_2026_phase2_seed555"]
    assert [job.config.config.dataloader.seed for job in second] == [101, 555]
    assert [job.options.weights_from for job in second] == [None, None]
    for job in (first, *second):  # `shared` applies to them too
        assert job.config.config.trainer.num_epochs == 2
        assert job.output_root == project / "out"
        assert job.options.trainer_args["deterministic"] is True


def test_the_seed_of_phase_two_is_stronger_than_its_config(project: Path, write) -> None:
    write("configs/ft_seed555.yaml", CONFIG)
    _, job = load_manifest(Path("manifests/m.yaml")).phase2_jobs("x", None)
    assert job.config.config.dataloader.seed == 555
    (override,) = [o for o in job.config.overrides if o.key == "dataloader.seed"]
    assert override.origin == "manifests/m.yaml:25"


def test_without_fine_tune(project: Path, write) -> None:
    path = write("manifests/n.yaml", "jobs: [{name: one, config: ../configs/a.yaml}]\n")
    manifest = load_manifest(path)
    assert manifest.fine_tune is None
    with pytest.raises(RequestError, match="has no section fine_tune"):
        manifest.phase1_job("x", None)


def test_order_of_strength(project: Path, over) -> None:
    def epochs(*overrides: str) -> list[int]:
        manifest = load_manifest(Path("manifests/m.yaml"), over(*overrides))
        jobs = [*manifest.jobs, manifest.phase1_job("x", None)]
        return [job.config.config.trainer.num_epochs for job in jobs]

    assert epochs() == [2, 3, 2]
    assert epochs("trainer.num_epochs=9") == [9, 9, 9]
    assert epochs("shared.overrides.trainer.num_epochs=7") == [7, 3, 7]
    assert epochs("jobs.one.overrides.trainer.num_epochs=7") == [7, 3, 2]
    assert epochs("jobs.two.overrides.trainer.num_epochs=7") == [2, 7, 2]
    assert epochs("jobs.two.overrides.trainer.num_epochs=7", "trainer.num_epochs=8") == [8, 8, 8]


def test_edits_of_the_manifest(project: Path, over) -> None:
    manifest = load_manifest(
        Path("manifests/m.yaml"),
        over(
            "shared.overrides.paths.graph=alt",
            "jobs.one.config=configs/b.yaml",
            "jobs.one.run_name=first",
            "shared.output_root=there",
            "fine_tune.phase2.seeds=[101]",
        ),
    )
    assert {job.config.config.paths.graph for job in manifest.jobs} == {project / "alt"}
    assert manifest.phase1_job("x", None).config.config.paths.graph == project / "alt"
    assert manifest.jobs[0].config.source == project / "configs/b.yaml"
    assert manifest.jobs[0].run_name == "first"
    assert manifest.jobs[0].output_root == project / "there"
    assert len(manifest.phase2_jobs("x", None)) == 1


def test_an_edit_creates_a_missing_section(project: Path, write, over) -> None:
    path = write("manifests/n.yaml", "jobs: [{name: a.b, config: ../configs/a.yaml}]\n")
    overrides = over(
        "shared.overrides.paths.graph=/alt/graph_data", "jobs.a.b.overrides.dataloader.seed=5"
    )
    (job,) = load_manifest(path, overrides).jobs
    assert job.config.config.paths.graph == Path("/alt/graph_data").resolve()
    assert job.config.config.dataloader.seed == 5


def test_overrides_dotted_or_nested(project: Path, write, over) -> None:
    path = write(
        "manifests/n.yaml",
        """\
        shared:
          config: ../configs/a.yaml
          overrides:
            trainer:
              accumulate_grad_batches: 2
            trainer.num_epochs: 4
            optimizer:
            mlflow: {tags: {a: 1}}
        jobs:
          - {name: x, overrides: {mlflow.tags.b: 2}}
        """,
    )
    config = load_manifest(path).jobs[0].config.config
    assert (config.trainer.num_epochs, config.trainer.accumulate_grad_batches) == (4, 2)
    assert config.trainer.threads == 1
    assert config.mlflow.tags == {"a": 1, "b": 2}
    # The command line wins over a dotted key too, although its value lands in the section above.
    (job,) = load_manifest(path, over("shared.overrides.trainer.num_epochs=5")).jobs
    assert job.config.config.trainer.num_epochs == 5


def test_every_error_of_every_file_at_once(project: Path, write, over, error_of) -> None:
    write("configs/b.yaml", "paths: {dataset: demo}\ntrainer: {threads: 0}\n")
    write("configs/ft_seed555.yaml", "paths: {dataset: demo}\nsheduler: {}\n")
    text = (
        MANIFEST.replace("ft_seed{seed}", "ft_sed{seed}")
        .replace("  log_lr: true", "  log_lr: 1")
        .replace("start.ckpt", "stop.ckpt")
        .replace("{trainer.num_epochs: 3}", "{trainer.num_epoch: 3}")
        .replace("continue_on_error", "continue_on_eror")
    )
    text += "extra: 1\n"
    nested = "    overrides: {optimizer: {learning_rate: 0}}\n"
    jobs = f"  - name: three\n    confg: x\n  - name: One\n{nested}"
    text = text.replace("fine_tune:", f"{jobs}fine_tune:")
    path = write("manifests/m.yaml", text)
    error = error_of(lambda: load_manifest(path, over("model.pooling_type=avg")))
    assert error.message == "manifests/m.yaml is not a valid manifest:"
    unknown = "unknown key; did you mean"
    missing = "fine_tune.phase2.config: the config configs"
    m = "manifests/m.yaml"
    assert list(error.details) == [
        f"{m}:6: shared.log_lr: should be a valid boolean, not 1",
        f"{m}:17: jobs[1].resume_from: stop.ckpt does not exist",
        f"{m}:22: jobs[1].overrides.trainer.num_epoch: {unknown} 'num_epochs'?",
        f"{m}:24: jobs[2].confg: {unknown} 'config'?",
        f"{m}:25: jobs[3].name: another job in line 13 has the name 'One' too",
        f"{m}:26: jobs[3].overrides.optimizer.learning_rate: should be greater than 0, not 0",
        f"{m}:29: {missing}/ft_sed101.yaml does not exist; did you mean configs/ft_seed101.yaml?",
        f"{m}:29: {missing}/ft_sed555.yaml does not exist; did you mean configs/ft_seed555.yaml?",
        f"{m}:30: continue_on_eror: {unknown} 'continue_on_error'?",
        f"{m}:31: extra: unknown key; known: continue_on_error, fine_tune, jobs, shared",
        "configs/b.yaml:2: trainer.threads: should be greater than or equal to 1, not 0",
        "-o model.pooling_type=avg: should be 'mean', 'add' or 'max', not 'avg'",
    ]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [  # JOB is the start of a valid job
        ("shared: {}\n", None, "is missing"),
        ("jobs: []\n", 1, "needs at least one entry"),
        ("jobs:\n", 1, "has no value"),
        ("jobs: 5\n", 1, "should be a list, not 5"),
        ("jobs: [5]\n", 1, "should be a mapping"),
        ("jobs: [{config: configs/a.yaml}]\n", 1, "is missing"),
        ("jobs: [{name: x}]\n", 1, "has no config, and shared has none either"),
        ("jobs: [{name: x, config: none.yaml}]\n", 1, "the config none.yaml does not exist"),
        ("jobs: [{name: x, config: configs}]\n", 1, "folder"),
        ("jobs: [{name: x, config: ''}]\n", 1, "is empty"),
        ("jobs: [{name: ../x, config: configs/a.yaml}]\n", 1, "'../x' is not a plain name"),
        ("jobs: [{name: 5, config: configs/a.yaml}]\n", 1, "should be text"),
        ("jobs:\n- {JOB, run_name: a b}\n", 2, "'a b' is not a plain"),
        ("jobs:\n- {JOB, run_name: latest}\n", 2, "reserved name"),
        ("jobs:\n- {JOB, log_lrs: true}\n", 2, "unknown key"),
        ("jobs:\n- {JOB, overrides: [a]}\n", 2, "should be a mapping"),
        ("jobs:\n- {JOB, trainer_args: [a]}\n", 2, "'a' is not KEY=VALUE"),
        ("jobs:\n- {JOB, trainer_args: a}\n", 2, "should be a list, not 'a'"),
        ("jobs:\n- {JOB, limit_train_batches: 0}\n", 2, "should be a number of batches"),
        ("jobs:\n- {JOB, limit_val_batches: 1.5}\n", 2, "should be a number of batches"),
        (
            "jobs:\n- {JOB, run_name: s}\n- {name: y, config: configs/a.yaml, run_name: S}\n",
            3,
            "another job in line 2 has the name 'S' too",
        ),
        ("jobs: &j [{name: x, config: configs/a.yaml}]\nshared: 5\n", 2, "should be a mapping"),
    ],
)
def test_invalid_manifests(
    project: Path, write, error_of, text: str, line: int | None, words: str
) -> None:
    path = write("n.yaml", text.replace("JOB", "name: x, config: configs/a.yaml"))
    (problem,) = error_of(lambda: load_manifest(path)).problems
    assert words in problem.message
    assert problem.line == line


@pytest.mark.parametrize(
    ("phases", "words"),
    [
        ("{}", "is missing"),
        ("{phase1: {PHASE1}}", "is missing"),
        ("{phase1: {config: no.yaml}, phase2: {PHASE2: [101]}}", "no.yaml does not exist"),
        ("{phase1: {PHASE1}, phase2: {PHASE2: []}}", "needs at least one entry"),
        ("{phase1: {PHASE1}, phase2: {PHASE2: [101, 101]}}", "names a seed twice"),
        ("{phase1: {PHASE1}, phase2: {PHASE2: [-1]}}", "should be greater than or equal to 0"),
        ("{phase1: {PHASE1}, phase2: {PHASE2: [1], start_from: x}}", "'phase1' or 'sweep'"),
        ("5", "should be a mapping"),
    ],
)
def test_invalid_fine_tune(project: Path, write, error_of, phases: str, words: str) -> None:
    for part, text in (
        ("PHASE1", "config: configs/ft.yaml"),
        ("PHASE2", "config: configs/ft_seed101.yaml, seeds"),
    ):
        phases = phases.replace(part, text)
    path = write("n.yaml", f"jobs: [{{name: x, config: configs/a.yaml}}]\nfine_tune: {phases}\n")
    problems = error_of(lambda: load_manifest(path)).problems
    assert any(words in problem.message for problem in problems)
    assert all(problem.line == 2 for problem in problems)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("jobs.on.overrides.trainer.num_epochs=3", "no job of that name"),
        ("jobs.one=5", "no job of that name, or no key after it"),
        ("jobs.one.overrides.trainer.num_epoch=3", "unknown key; did you mean 'num_epochs'?"),
        ("shared.fast_dev_rum=true", "unknown key; did you mean 'fast_dev_run'?"),
        ("shared.config=nowhere.yaml", "the config nowhere.yaml does not exist"),
        ("trainer.num_epoch=3", "unknown key; did you mean 'num_epochs'?"),
        ("share.overrides.x=3", "unknown section"),
        ("fine_tune.phase2.seeds=5", "should be a list, not 5"),
    ],
)
def test_an_error_names_the_override(project: Path, over, error_of, text: str, words: str) -> None:
    error = error_of(lambda: load_manifest(Path("manifests/m.yaml"), over(text)))
    assert error.message.startswith(f"-o {text}: {words}")
