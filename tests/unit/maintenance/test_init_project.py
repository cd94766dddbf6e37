from __future__ import annotations

from pathlib import Path

import pytest

from topoqa_train import atomic
from topoqa_train.config.load import load_config
from topoqa_train.config.manifest import load_manifest
from topoqa_train.config.recipes import default_manifest
from topoqa_train.errors import DataError, MachineError, RequestError
from topoqa_train.labels.label_file import read_labels
from topoqa_train.labels.split import Wish
from topoqa_train.maintenance.init_project import InitRequest, Project, create

WISHES = {"val": Wish(0.25), "test": Wish()}
TARGETS = ("1ABC", "2XYZ", "3KLM", "4PQR")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with graphs that nobody opens, in the folder that a build makes."""
    graphs = tmp_path / "built" / "graph_data"
    graphs.mkdir(parents=True)
    rows = ["MODEL,dockq,TARGET"]
    for target in TARGETS:
        for number in range(3):
            (graphs / f"{target}_{number}.pt").touch()
            rows.append(f"{target}_{number},0.{number},{target}")
    (tmp_path / "built" / "labels.csv").write_text("\n".join(rows) + "\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_split(here: Path, name: str, models: list[str]) -> Path:
    path = here / name
    path.write_text("\n".join(["MODEL,dockq", *(f"{model},0.5" for model in models)]) + "\n")
    return path


def make(folder: str = "mine", **fields: object) -> Project:
    return create(InitRequest(Path(folder), **{"wishes": WISHES, **fields}))  # type: ignore[arg-type]


def files_of(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


CONFIGS = {
    "configs/train.yaml",
    "configs/fine_tune.yaml",
    "configs/config.schema.json",
    "manifests/run_core.yaml",
    "manifests/run_extended.yaml",
    "manifests/manifest.schema.json",
}


def test_without_data_it_is_the_demo(here: Path) -> None:
    made = make()
    assert files_of(here / "mine") == CONFIGS
    assert load_config(here / "mine/configs/train.yaml").config.paths.dataset == "demo"
    assert not made.own
    assert {name for name, _ in made.files} == {name for name in CONFIGS if ".schema." not in name}


def test_the_pipeline_finds_its_manifest(here: Path) -> None:
    make()
    manifest = load_manifest(default_manifest(here / "mine"))
    assert manifest.source == here / "mine" / "manifests" / "run_core.yaml"
    assert manifest.jobs[0].name == "sched_boost_seed222"


def test_one_label_file_is_split_by_target(here: Path) -> None:
    made = make(graphs=Path("built"), labels=Path("built/labels.csv"))
    assert files_of(here / "mine") == {*CONFIGS, "labels/train.csv", "labels/val.csv"}
    train, val = (
        read_labels(here / f"mine/labels/{name}.csv", split=name) for name in ("train", "val")
    )
    assert (len(train.rows), len(val.rows)) == (9, 3)
    assert not {row.target for row in train.rows} & {row.target for row in val.rows}
    header = (here / "mine/labels/val.csv").read_text().splitlines()[0]
    assert header == "MODEL,dockq,TARGET"
    paths = load_config(here / "mine/configs/fine_tune.yaml").config.paths
    assert paths.graph == (here / "built/graph_data").resolve()
    assert paths.val_labels == (here / "mine/labels/val.csv").resolve()
    assert made.own
    assert any("relatives" in note for note in made.notes)


def test_named_targets_and_a_test_split(here: Path) -> None:
    wishes = {"val": Wish(0.2, ("2XYZ",)), "test": Wish(0.0, ("3KLM", "4PQR"))}
    made = make(graphs=Path("built"), labels=Path("built/labels.csv"), wishes=wishes)
    rows = {
        name: {row.target for row in read_labels(here / f"mine/labels/{name}.csv", split=name).rows}
        for name in ("train", "val", "test")
    }
    assert rows == {"train": {"1ABC"}, "val": {"2XYZ"}, "test": {"3KLM", "4PQR"}}
    # Whoever names targets knows which are related.
    assert not [note for note in made.notes if "relatives" in note]
    words = dict(made.files)
    assert words["labels/val.csv"] == "3 decoys of 1 target: 2XYZ"
    assert words["labels/test.csv"] == "6 decoys of 2 targets: 3KLM 4PQR"
    paths = load_config(here / "mine/configs/train.yaml").config.paths
    assert paths.test_labels == (here / "mine/labels/test.csv").resolve()


def test_split_labels_are_used_where_they_are(here: Path) -> None:
    train = write_split(here, "t.csv", ["1ABC_0", "1ABC_1"])
    val = write_split(here, "v.csv", ["2XYZ_0"])
    made = make(graphs=Path("built/graph_data"), train_labels=train, val_labels=Path("v.csv"))
    assert files_of(here / "mine") == CONFIGS
    paths = load_config(here / "mine/configs/train.yaml").config.paths
    assert (paths.train_labels, paths.val_labels) == (train.resolve(), val.resolve())
    assert made.notes == ()


def test_a_target_in_two_label_files_is_reported(here: Path) -> None:
    train = write_split(here, "t.csv", ["1ABC_0"])
    val = write_split(here, "v.csv", ["1ABC_1"])
    made = make(graphs=Path("built"), train_labels=train, val_labels=val)
    assert "1 targets are in more than one label file (1ABC)" in made.notes[0]


def test_graphs_and_labels_of_a_build_are_used(here: Path) -> None:
    made = make("built")
    assert made.notes[0] == "found built/graph_data and built/labels.csv"
    text = (here / "built/configs/train.yaml").read_text()
    assert "graph: ../graph_data\n" in text
    assert "train_labels: ../labels/train.csv\n" in text


def test_paths_stay_true_when_all_is_moved(here: Path) -> None:
    (here / "project").mkdir()
    (here / "built").rename(here / "project" / "built")
    make("project/mine", graphs=Path("project/built"), labels=Path("project/built/labels.csv"))
    (here / "project").rename(here / "elsewhere")
    paths = load_config(here / "elsewhere/mine/configs/train.yaml").config.paths
    assert paths.graph == (here / "elsewhere/built/graph_data").resolve()


def test_paths_far_away_are_absolute(here: Path) -> None:
    make("a/b/mine", graphs=Path("built"), labels=Path("built/labels.csv"))
    text = (here / "a/b/mine/configs/train.yaml").read_text()
    assert f"graph: {here.resolve()}/built/graph_data\n" in text
    assert "train_labels: ../labels/train.csv\n" in text


def test_it_works_in_a_folder_that_is_a_link(here: Path) -> None:
    (here / "deep/down/real").mkdir(parents=True)
    (here / "mine").symlink_to("deep/down/real")
    make(graphs=Path("built"), labels=Path("built/labels.csv"))
    paths = load_config(here / "mine/configs/train.yaml").config.paths
    assert paths.graph == (here / "built/graph_data").resolve()


def test_the_number_of_graphs_decides_on_the_steps(here: Path) -> None:
    models = [f"1ABC_{number:04d}" for number in range(1100)]
    for model in models:
        (here / "built/graph_data" / f"{model}.pt").touch()
    train = write_split(here, "t.csv", models)
    val = write_split(here, "v.csv", ["2XYZ_0"])
    make(graphs=Path("built"), train_labels=train, val_labels=val)
    config = load_config(here / "mine/configs/train.yaml").config
    assert config.trainer.accumulate_grad_batches == 2


def test_nothing_is_overwritten(here: Path) -> None:
    (here / "mine/configs").mkdir(parents=True)
    (here / "mine/notes.txt").write_text("keep")
    (here / "mine/configs/train.yaml").write_text("mine")
    with pytest.raises(RequestError, match="would be overwritten") as caught:
        make()
    assert caught.value.details == ("configs/train.yaml",)
    assert files_of(here / "mine") == {"notes.txt", "configs/train.yaml"}
    (here / "mine/configs/train.yaml").unlink()
    make()
    assert files_of(here / "mine") == {*CONFIGS, "notes.txt"}


def test_a_failure_in_the_middle_leaves_nothing(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, written = atomic.write_text, []

    def full(path: Path, text: str) -> None:
        if len(written) == 4:
            raise MachineError("no space left")
        written.append(path)
        write(path, text)

    monkeypatch.setattr(atomic, "write_text", full)
    (here / "mine").mkdir()
    with pytest.raises(MachineError):
        make()
    assert len(written) == 4
    assert list((here / "mine").iterdir()) == []


def test_labels_without_graphs_stop_it_before_anything_is_written(here: Path) -> None:
    (here / "built/graph_data/3KLM_1.pt").unlink()
    with pytest.raises(
        DataError, match=r"1 of 12 labels in built/labels\.csv have no graph"
    ) as caught:
        make(graphs=Path("built"), labels=Path("built/labels.csv"))
    assert caught.value.details == ("3KLM_1",)
    assert (
        "topoqa-train data filter built/labels.csv --graphs built/graph_data "
        "--out built/valid_labels.csv"
    ) in (caught.value.hint or "")
    assert not (here / "mine").exists()


def test_decoys_that_are_all_targets_are_reported(here: Path) -> None:
    labels = here / "labels.csv"
    names = [path.stem for path in sorted((here / "built/graph_data").iterdir())]
    labels.write_text("\n".join(["MODEL,dockq,TARGET", *(f"{name},0.5,{name}" for name in names)]))
    made = make(graphs=Path("built"), labels=labels)
    assert any("a target of its own" in note for note in made.notes)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"graphs": "built"}, "which labels belong to the graphs"),
        ({"graphs": "built", "train_labels": "built/labels.csv"}, "which labels"),
        ({"labels": "built/labels.csv"}, "labels need their graphs"),
        ({"train_labels": "built/labels.csv"}, "labels need their graphs"),
        ({"dataset": "demo", "graphs": "built"}, "brings its own graphs"),
        ({"dataset": "dmeo"}, "no data set is called 'dmeo'; did you mean 'demo'"),
        ({"graphs": "built", "labels": "built/labels.csv", "val_labels": "x"}, "not both"),
        ({"graphs": "nowhere", "labels": "built/labels.csv"}, "there is no folder of graphs"),
        ({"graphs": "built", "labels": "nowhere.csv"}, "there is no label file nowhere.csv"),
        ({"wishes": {"val": Wish(0.2, ("1ABC",))}}, "targets are named, but no labels"),
    ],
)
def test_wrong_requests(here: Path, fields: dict[str, object], words: str) -> None:
    paths = {
        name: Path(value) if isinstance(value, str) and name != "dataset" else value
        for name, value in fields.items()
    }
    with pytest.raises(RequestError, match=words):
        make(**paths)
    assert not (here / "mine").exists()


def test_the_folder_may_not_be_a_file(here: Path) -> None:
    (here / "mine").write_text("")
    with pytest.raises(RequestError, match="mine is a file"):
        make()
