"""Checkpoints, also hostile and damaged ones: read, or refused with a RequestError."""

from __future__ import annotations

import copy
import io
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoints import NETWORK, PLAIN, RANKED, after_an_epoch
from hypothesis import given, settings
from hypothesis import strategies as st
from limits import within
from refusals import refusal

from topoqa_train.errors import RequestError
from topoqa_train.training import engine, safe_load
from topoqa_train.training.checkpoints import checkpoint_file, restore, weights
from topoqa_train.training.checkpoints.checkpoint_file import Progress
from topoqa_train.training.determinism import random_states
from topoqa_train.training.lit_module import DockQModule


@pytest.fixture(scope="module")
def whole() -> bytes:
    return checkpoint_file.serialise(PLAIN)


@pytest.fixture(scope="module")
def full() -> dict[str, Any]:
    return after_an_epoch()


def save(path: Path, document: dict[str, Any]) -> Path:
    path.write_bytes(checkpoint_file.serialise(document))
    return path


def check_resumable(path: Path) -> None:
    """Do what resuming does with a checkpoint before it changes any file."""
    document = checkpoint_file.read(path)
    assert not checkpoint_file.identity(document).differences(NETWORK)
    module = DockQModule(engine.build_network(NETWORK), 0.01)
    weights.fill(module.network, document["state_dict"], NETWORK, NETWORK, path)
    before = random_states()
    try:
        restore.rehearse(document, module, path)
    finally:
        assert repr(random_states()) == repr(before)
    Progress.from_json(document["progress"])


def test_a_rehearsal_leaves_the_states_as_they_were() -> None:
    document = after_an_epoch()
    before = copy.deepcopy(document["optimizer_states"])
    restore.rehearse(document, DockQModule(engine.build_network(NETWORK), 0.01), Path("a.chkpt"))
    torch.testing.assert_close(document["optimizer_states"], before, rtol=0, atol=0)


def refused(path: Path) -> str:
    return refusal(check_resumable, path, RequestError, shorter_than=1000)


def test_what_is_written_is_read(whole: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.ckpt").write_bytes(whole)
    document = checkpoint_file.read(tmp_path / "a.ckpt")
    assert document["epoch"] == 3
    assert torch.equal(document["state_dict"]["weight"], torch.arange(6.0))


def test_a_run_can_resume_from_what_a_training_writes(full: dict[str, Any], tmp_path: Path) -> None:
    check_resumable(save(tmp_path / "a.ckpt", full))


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04", pickle.dumps({"epoch": 3})])
def test_other_files_are_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.ckpt").write_bytes(content)
    with pytest.raises(RequestError, match=r"a\.ckpt"):
        checkpoint_file.read(tmp_path / "a.ckpt")


def test_pipes_and_folders_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.ckpt")
    assert "it is a pipe" in refused(tmp_path / "pipe.ckpt")
    assert "it is a folder" in refused(tmp_path)
    assert "there is no checkpoint" in refused(tmp_path / "none.ckpt")


def test_code_is_not_run(tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "was here"),)

    torch.save({"state_dict": {}, "x": Hostile()}, tmp_path / "a.ckpt")
    with pytest.raises(RequestError, match=r"refused: it holds 'posix\.mkdir'"):
        checkpoint_file.read(tmp_path / "a.ckpt")
    assert not (tmp_path / "was here").exists()


def rezip(whole: bytes, path: Path, name: str, content: bytes, **how: Any) -> Path:
    with zipfile.ZipFile(io.BytesIO(whole)) as old, zipfile.ZipFile(path, "w", **how) as new:
        for each in old.namelist():
            new.writestr(each, content if each.endswith(f"/{name}") else old.read(each))
    return path


def test_compressed_members_are_refused(whole: bytes, tmp_path: Path) -> None:
    how = {"compression": zipfile.ZIP_DEFLATED}
    path = rezip(whole, tmp_path / "a.ckpt", "data/0", bytes(50_000_000), **how)
    assert path.stat().st_size < 100_000
    assert "compressed" in within(lambda: refused(path), mebibytes=32)


STATE = b"}X\x0a\x00\x00\x00state_dict}s"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"cbuiltins\nbytearray\n\x8a\x05\x00\x00\x00\x00\x10\x85R.",
            "refused: it holds 'builtins.bytearray'",
        ),
        (b"c_codecs\nencode\n.", "refused: it holds '_codecs.encode'"),
        (b"}N" + b"\x85" * 200_000 + b"Ns.", "keys that are neither"),
        (STATE + b"X\x01\x00\x00\x00a" + b"]" * 100 + b"a" * 99 + b"s.", "levels deep"),
        (b"}q\x00X\x0a\x00\x00\x00state_dicth\x00s.", "levels deep"),
    ],
    ids=["bytearray", "encode", "keys", "nested", "itself"],
)
def test_hostile_pickles_are_refused(
    whole: bytes, tmp_path: Path, content: bytes, message: str
) -> None:
    path = rezip(whole, tmp_path / "a.ckpt", "data.pkl", b"\x80\x02" + content)
    assert message in within(lambda: refused(path), mebibytes=256)


def test_nested_lists_that_share_items_are_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(safe_load, "MAX_VALUES", 2**10)
    twice: list[Any] = []
    for _ in range(20):
        twice = [twice, twice]
    document = copy.deepcopy(PLAIN)
    document["hyper_parameters"]["options"]["extra"] = twice
    assert "more than 1024 values" in refused(save(tmp_path / "a.ckpt", document))


@pytest.mark.parametrize(
    "tensor",
    [torch.zeros(1).expand(2**20, 2**18), torch.eye(3).to_sparse()],
    ids=["expanded", "sparse"],
)
def test_tensors_that_repeat_their_bytes_are_refused(tmp_path: Path, tensor: torch.Tensor) -> None:
    document = {**PLAIN, "state_dict": {"weight": tensor}}
    assert refused(save(tmp_path / "a.ckpt", document))


GONE = object()


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("state_dict", 3), torch.ones(1)),
        (("state_dict", "node_embedding.weight"), "text"),
        (("state_dict", "node_embedding.weight"), torch.ones(3, 3)),
        (("hyper_parameters",), GONE),
        (("hyper_parameters", "options"), []),
        (("hyper_parameters", "node_dim"), 10**12),
        (("hyper_parameters", "architecture"), None),
        (("progress",), GONE),
        (("progress", "epochs_done"), -5),
        (("progress", "epochs_done"), 2**70),
        (("progress", "stopping_wait"), "x"),
        (("progress", "seconds"), float("nan")),
        (("progress", "ranking", "metric"), "val_mse"),
        (("progress", "ranking", "best"), [RANKED] * 4),
        (("progress", "ranking", "best", 0, "file"), "../../../etc/passwd"),
        (("progress", "ranking", "best", 0, "file"), "last.ckpt"),
        (("progress", "ranking", "best", 0, "val_loss"), None),
        (("optimizer_states",), []),
        (("optimizer_states", 0, "param_groups"), []),
        (("optimizer_states", 0, "param_groups", 0, "lr"), GONE),
        (("optimizer_states", 0, "param_groups", 0, "lr"), "fast"),
        (("optimizer_states", 0, "param_groups", 0, "lr"), float("nan")),
        (("optimizer_states", 0, "param_groups", 0, "betas"), (0.9,)),
        (("optimizer_states", 0, "param_groups", 0, "capturable"), True),
        (("optimizer_states", 0, "param_groups", 0, "params"), [0] * 10),
        (("optimizer_states", 0, "state", 0, "exp_avg"), torch.ones(5)),
        (("lr_schedulers", 0, "step"), 1),
        (("lr_schedulers", 0, "patience"), "long"),
        (("random_states", "python"), GONE),
        (("random_states", "python", "numbers"), [2**32] * 625),
        (("random_states", "torch"), torch.ones(3)),
        (("random_states", "numpy", "keys"), torch.ones(3, dtype=torch.int64)),
        (("random_states", "numpy", "position"), 10**9),
        (("random_states", "numpy", "has_gauss"), float("inf")),
        (("hyper_parameters", "options", "attention_head"), torch.ones(2)),
    ],
    ids=lambda part: ".".join(map(str, part)) if isinstance(part, tuple) else "",
)
def test_invalid_parts_are_refused(
    full: dict[str, Any], tmp_path: Path, place: tuple[Any, ...], value: object
) -> None:
    document = copy.deepcopy(full)
    holder: Any = document
    for key in place[:-1]:
        holder = holder[key]
    if value is GONE:
        del holder[place[-1]]
    else:
        holder[place[-1]] = value
    refused(save(tmp_path / "a.ckpt", document))


def test_states_of_an_older_torch_are_accepted(full: dict[str, Any], tmp_path: Path) -> None:
    document = copy.deepcopy(full)
    del document["optimizer_states"][0]["param_groups"][0]["decoupled_weight_decay"]
    del document["lr_schedulers"][0]["_last_lr"]
    check_resumable(save(tmp_path / "a.ckpt", document))


def test_a_file_cut_anywhere_is_refused(whole: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.ckpt"
    path.write_bytes(whole)
    size = len(whole)
    for length in sorted({*range(0, size, 7), *range(size - 60, size)}, reverse=True):
        os.truncate(path, length)
        with pytest.raises(RequestError, match=r"a\.ckpt"):
            checkpoint_file.read(path)


@settings(max_examples=100)
@given(st.data())
def test_a_damaged_file_is_refused_or_read_unchanged(whole: bytes, tmp_path_factory, data) -> None:
    content = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)))
    path = tmp_path_factory.mktemp("damaged") / "a.ckpt"
    path.write_bytes(bytes(content[:cut] if data.draw(st.booleans()) else content))
    try:
        document = checkpoint_file.read(path)
    except RequestError:
        return
    # Each part has a checksum: what is read nevertheless is unchanged.
    assert torch.equal(document["state_dict"]["weight"], torch.arange(6.0))
    assert repr(document["progress"]) == repr(PLAIN["progress"])
