from __future__ import annotations

import importlib.metadata
import platform
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import topoqa_train
from topoqa_train.provenance import environment


def git(folder: Path, *arguments: str) -> None:
    who = ("-c", "user.name=n", "-c", "user.email=n@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", "-C", str(folder), *who, *arguments], check=True, capture_output=True)


class TestGit:
    @pytest.fixture
    def checkout(self, tmp_path: Path) -> Path:
        folder = tmp_path / "checkout"
        folder.mkdir()
        git(folder, "init", "-q")
        (folder / "file").write_text("one\n")
        git(folder, "add", "file")
        git(folder, "commit", "-q", "-m", "first")
        return folder

    def test_outside_a_checkout_there_is_none(self, tmp_path: Path) -> None:
        assert environment.git_state(tmp_path) is None

    def test_a_clean_one(self, checkout: Path) -> None:
        (checkout / "new").write_text("git does not know it")
        found = environment.git_state(checkout)
        assert found is not None
        assert (len(found["commit"]), found["dirty"], found["changes"]) == (40, False, None)

    def test_uncommitted_changes_have_a_hash(self, checkout: Path) -> None:
        seen = []
        for text in ("two\n", "three\n", "two\n"):
            (checkout / "file").write_text(text)
            found = environment.git_state(checkout)
            assert found is not None
            assert found["dirty"] is True
            seen.append(found["changes"])
        assert seen[0] == seen[2] != seen[1]

    def test_where_there_is_no_git(self, checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", "")
        assert environment.git_state(checkout) is None


class TestVersions:
    def test_python_and_what_numbers_come_from(self) -> None:
        found = environment.versions()
        assert found["python"] == platform.python_version()
        for name in ("topoqa-train", "numpy", "torch", "torch-geometric", "lightning", "scipy"):
            assert found[name] == importlib.metadata.version(name)
        assert all(found.values())

    def test_plugins_that_bring_networks_or_data(self, install_plugin: Callable[..., Path]) -> None:
        install_plugin("of-networks", "topoqa_train.models", {"x": "no_such:Network"})
        install_plugin("of-commands", "topoqa_train.commands", {"x": "no_such:command"})
        found = environment.versions()
        assert found["of-networks"] == "1.0"
        assert "of-commands" not in found

    def test_torch_s_libraries_are_known_by_what_it_requires(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        required = ["nvidia-cudnn-cu12==9.1; platform_system == 'Linux'", "triton>=3", "sympy"]
        monkeypatch.setattr(importlib.metadata, "requires", lambda name: required)
        monkeypatch.setattr(importlib.metadata, "version", lambda name: f"of {name}")
        found = environment.versions()
        assert found["nvidia-cudnn-cu12"] == "of nvidia-cudnn-cu12"
        assert found["triton"] == "of triton"
        assert "sympy" not in found


class TestCode:
    @pytest.fixture
    def package(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        (tmp_path / "inner").mkdir()
        (tmp_path / "__init__.py").write_text("")
        (tmp_path / "inner" / "x.py").write_text("a = 1\n")
        monkeypatch.setattr(topoqa_train, "__file__", str(tmp_path / "__init__.py"))
        return tmp_path

    def test_it_changes_with_the_source_alone(self, package: Path) -> None:
        code = environment.code.__wrapped__
        before = code()
        (package / "inner" / "x.pyc").write_bytes(b"compiled")
        assert code() == before
        (package / "inner" / "x.py").write_text("a = 2\n")
        changed = code()
        assert changed != before
        (package / "inner" / "x.py").rename(package / "inner" / "y.py")
        assert code() not in (before, changed)


def test_the_environment_of_a_child_is_known_before_it_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "16")
    assert environment.of_child(2).environment["OMP_NUM_THREADS"] == "1"
    here = environment.current(2)
    assert here.environment["OMP_NUM_THREADS"] == "16"
    assert here.host["threads"] == 2
    assert here.host["machine"] == platform.machine()
