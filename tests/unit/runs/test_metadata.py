from __future__ import annotations

import json
import math
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from topoqa_train.errors import RequestError
from topoqa_train.runs import metadata
from topoqa_train.runs.metadata import MetadataFile, RunMetadata, finite

# What readers of a run rely on.
PROMISED = {
    *("run_name", "created", "completed", "status", "source_config", "overrides", "notes"),
    *("trial_label", "command", "environment", "git", "versions", "host", "training_parameters"),
    *("selection", "runtime", "checkpoints", "progress"),
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "run" / "run_metadata.json"


@pytest.fixture
def written(file: Path) -> MetadataFile:
    file.parent.mkdir()
    record = MetadataFile(file, RunMetadata(run_name="run", created="2026-01-31T12:00:00.000"))
    record.update()
    return record


def test_every_promised_field_is_written(written: MetadataFile) -> None:
    assert set(json.loads(written.path.read_text())) >= PROMISED


def test_what_is_written_is_read(written: MetadataFile) -> None:
    written.update(status="running", overrides={"a.b": [1, None]}, notes="ü")
    document = metadata.read(written.path)
    assert document == written.document
    assert (document.status, document.notes) == ("running", "ü")
    assert document.overrides == {"a.b": [1, None]}


def test_nan_and_infinity_are_null(written: MetadataFile) -> None:
    written.update(progress={"best": math.nan, "list": [1.0, -math.inf], "deep": {"x": math.inf}})
    progress = json.loads(written.path.read_text())["progress"]
    assert progress == {"best": None, "list": [1.0, None], "deep": {"x": None}}


def test_an_unknown_field_raises_and_changes_nothing(written: MetadataFile) -> None:
    before = written.path.read_bytes()
    with pytest.raises(AttributeError, match="stattus"):
        written.update(stattus="running", notes="x")
    assert written.path.read_bytes() == before
    assert written.document.notes is None


def test_fields_of_a_later_version_survive_an_update(written: MetadataFile) -> None:
    document = json.loads(written.path.read_text())
    written.path.write_text(json.dumps({**document, "from_tomorrow": {"a": 1}}))
    MetadataFile(written.path, metadata.read(written.path)).update(status="completed")
    assert json.loads(written.path.read_text())["from_tomorrow"] == {"a": 1}


def test_without_the_file_it_is_not_a_run(file: Path) -> None:
    def reason() -> str:
        with pytest.raises(RequestError) as caught:
            metadata.read(file)
        return caught.value.message.removeprefix(f"{file.parent} is not a run of topoqa-train: ")

    assert reason() == "there is no such folder"
    file.parent.mkdir()
    assert reason() == "it has no run_metadata.json"
    file.parent.rmdir()
    file.parent.write_text("notes")
    assert reason() == "it is a file"


def test_a_pipe_in_its_place_is_refused(file: Path) -> None:
    file.parent.mkdir()
    os.mkfifo(file)
    with pytest.raises(RequestError, match="it is a pipe, not a file"):
        metadata.read(file)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "Expecting value"),
        (b'{"run_name": "x"', "delimiter"),
        (b"[]", ""),
        (b"null", ""),
        (b'{"run_name": "x"}', "created"),
        (b'{"run_name": 5, "created": "x"}', "run_name"),
        (b"\xff\xfe\x00", ""),
        (b"[" * 100_000, ""),
    ],
    ids=range(8),
)
def test_an_invalid_file_is_named(file: Path, content: bytes, reason: str) -> None:
    file.parent.mkdir()
    file.write_bytes(content)
    with pytest.raises(RequestError) as caught:
        metadata.read(file)
    assert str(file) in caught.value.message
    assert reason in caught.value.message
    assert "\n" not in caught.value.message


def test_a_file_of_absurd_size_is_not_read(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.parent.mkdir()
    file.write_text('{"run_name": "x", "created": "y"}')
    assert metadata.read(file).run_name == "x"
    monkeypatch.setattr(metadata, "MAXIMUM_BYTES", 10)
    with pytest.raises(RequestError, match="the limit is 10 bytes"):
        metadata.read(file)


@given(cut=st.integers(0, 10_000))
def test_a_file_cut_anywhere_is_refused(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    file = tmp_path_factory.getbasetemp() / "cut.json"
    RunMetadata(run_name="run", created="x", overrides={"a": 1}).write(file)
    content = file.read_bytes()
    file.write_bytes(content[: cut % (len(content) - 2)])
    with pytest.raises(RequestError):
        metadata.read(file)


@given(
    st.recursive(
        st.one_of(st.floats(), st.integers(), st.text(), st.none(), st.booleans()),
        lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
        max_leaves=12,
    )
)
def test_finite_leaves_what_json_can_hold(value: object) -> None:
    cleaned = finite(value)
    text = json.dumps(cleaned, allow_nan=False)
    assert json.loads(text) == cleaned
    assert finite(cleaned) == cleaned


def test_keys_of_earlier_versions_are_read(tmp_path: Path) -> None:
    path = tmp_path / "run_metadata.json"
    old = {"begun_by": {"ledger": "x.json", "identity": "id"}, "again_of": {"run_id": "r"}}
    path.write_text(json.dumps({"run_name": "a", "created": "2026-01-31", **old}))
    document = metadata.read(path)
    assert (document.session, document.rerun_of) == (old["begun_by"], old["again_of"])
    document.write(path)
    assert not json.loads(path.read_text()).keys() & old.keys()
