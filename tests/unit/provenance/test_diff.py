from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from topoqa_train.provenance import diff
from topoqa_train.provenance.diff import Difference
from topoqa_train.provenance.environment import Environment
from topoqa_train.runs.metadata import RunMetadata

NOW = Environment(
    versions={"python": "3.12.1", "numpy": "2.1.0"},
    host={"name": "here", "system": "Linux-6", "machine": "x86_64", "cores": 8, "threads": 1},
    git={"commit": "a" * 40, "dirty": False, "changes": None},
    code="c" * 32,
    environment={"OMP_NUM_THREADS": "1", "TOPOQA_TRAIN_RUNS": "/r", "SLURM_JOB_ID": "7"},
)


def then(**changes: Any) -> RunMetadata:
    """A run that was recorded in the environment `NOW`, but for `changes`."""
    known = {
        "versions": dict(NOW.versions),
        "host": dict(NOW.host),
        "git": dict(NOW.git or {}),
        "code": NOW.code,
        "environment": dict(NOW.environment),
    }
    return RunMetadata(run_name="r", created="", **{**known, **changes})


def lines(document: RunMetadata, now: Environment = NOW) -> list[str]:
    return [str(each) for each in diff.of_environment(document, now)]


class TestEnvironment:
    def test_the_same(self) -> None:
        assert lines(then()) == []

    @pytest.mark.parametrize(
        ("changes", "line", "kind"),
        [
            ({"versions": {**NOW.versions, "numpy": "1.9"}}, "numpy: 1.9 then, 2.1.0 now", 1),
            ({"versions": {**NOW.versions, "x": "1"}}, "x: 1 then, none now", 1),
            ({"versions": {"python": "3.12.1"}}, "numpy: none then, 2.1.0 now", 1),
            ({"host": {**NOW.host, "name": "there"}}, "host: there then, here now", 0),
            ({"host": {**NOW.host, "cores": 4}}, "cores: 4 then, 8 now", 0),
            ({"host": {**NOW.host, "threads": 4}}, "threads: 4 then, 1 now", 1),
            ({"host": {**NOW.host, "machine": "arm64"}}, "machine: arm64 then, x86_64 now", 1),
            ({"git": None}, "git: none then, aaaaaaaaaaaa now", 1),
            (
                {"git": {"commit": "a" * 40, "dirty": True, "changes": "1234567890abcdef"}},
                "git: aaaaaaaaaaaa with changes 1234567890ab then, aaaaaaaaaaaa now",
                1,
            ),
            ({"code": "d" * 32}, "the program's own code: dddddddddddd then, cccccccccccc now", 1),
            (
                {"environment": {**NOW.environment, "OMP_NUM_THREADS": "2"}},
                "OMP_NUM_THREADS: 2 then, 1 now",
                1,
            ),
            (
                {"environment": {**NOW.environment, "MKL_CBWR": "AVX2"}},
                "MKL_CBWR: AVX2 then, none now",
                1,
            ),
        ],
    )
    def test_each_is_named(self, changes: dict[str, Any], line: str, kind: int) -> None:
        (found,) = diff.of_environment(then(**changes), NOW)
        assert (str(found), found.kind) == (line, ("place", "numbers")[kind])

    def test_where_runs_go_and_the_number_of_a_job_are_not(self) -> None:
        environment = {**NOW.environment, "TOPOQA_TRAIN_RUNS": "/other", "SLURM_JOB_ID": "8"}
        assert lines(then(environment=environment)) == []

    def test_what_was_not_recorded_is_not_compared(self) -> None:
        assert lines(then(versions={}, host={}, code=None, environment={})) == []

    def test_a_device_that_is_not_known_yet_is_not_either(self) -> None:
        host = {**NOW.host, "device": {"kind": "cuda", "name": "A"}}
        assert lines(then(host=host)) == []
        now = replace(NOW, host={**NOW.host, "device": {"kind": "cpu", "name": "B"}})
        assert lines(then(host=host), now) == [
            "device: kind cuda, name A then, kind cpu, name B now"
        ]

    def test_on_resume_neither_commit_nor_host_name_warn(self) -> None:
        changed = then(git=None, host={**NOW.host, "name": "there"})
        assert [each.warns_on_resume for each in diff.of_environment(changed, NOW)] == [False] * 2


class TestConfig:
    def test_by_dotted_keys_and_whether_they_affect_results(self) -> None:
        one = {"trainer": {"num_epochs": 4, "threads": 1}, "paths": {"graph": "a"}, "model": {}}
        other = {"trainer": {"num_epochs": 9, "threads": 2}, "paths": {"graph": "b"}, "model": {}}
        found = {each.what: each.kind for each in diff.of_config(one, other)}
        assert found == {
            "trainer.num_epochs": "place",
            "trainer.threads": "asked",
            "paths.graph": "place",
        }
        assert diff.of_config(one, one) == []

    def test_a_document_of_other_types_is_compared_too(self) -> None:
        (found,) = diff.of_config({"a": 3, "b": {"c": [1]}}, {"b": {"c": [2]}})
        assert str(found) == "b.c: [1] then, [2] now"


THEN = {"fingerprint": "w" * 32, "fingerprints": {"labels": "l" * 32, "graphs": "g" * 32}}


class TestData:
    def test_the_same_or_not_recorded(self) -> None:
        assert diff.of_data(THEN, THEN) == []
        assert diff.of_data({}, THEN) == []

    def test_labels_and_graphs_are_compared_separately(self) -> None:
        now = {"fingerprint": "v" * 32, "fingerprints": {"labels": "m" * 32, "graphs": "g" * 32}}
        (found,) = diff.of_data(THEN, now)
        assert str(found) == "hash of the labels: llllllllllll then, mmmmmmmmmmmm now"

    def test_an_older_run_has_one_hash_for_both(self) -> None:
        then = {"fingerprint": "v", "graphs": {"train": 2}}
        now = {**THEN, "graphs": {"train": 2}}
        assert [each.what for each in diff.of_data(then, now)] == ["hash of the data"]
        now = {**now, "graphs": {"train": 3}}
        (found,) = diff.of_data(then, now)
        assert str(found) == "graphs in each split: train 2 then, train 3 now"


class TestWords:
    @pytest.mark.parametrize(
        ("kinds", "word"),
        [
            ([], "should be equal"),
            (["place"], "None of these affects results"),
            (["place", "numbers"], "may differ"),
            (["numbers", "asked"], "not expected to be equal"),
        ],
    )
    def test_what_to_expect(self, kinds: list[Any], word: str) -> None:
        found = [Difference("x", 1, 2, kind) for kind in kinds]
        assert word in diff.verdict(found)

    @pytest.mark.parametrize(
        ("value", "text"),
        [
            (None, "none"),
            ("a\x1b[31mb\n", '"a\\u001b[31mb\\n"'),
            ({"a": "b\x1b"}, '"a b\\u001b"'),
            ("x" * 100, "x" * 57 + "..."),
            (0.5, "0.5"),
        ],
    )
    def test_a_value_is_one_short_line_whatever_it_is(self, value: Any, text: str) -> None:
        assert diff.shown(value) == text
