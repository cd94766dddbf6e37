from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from topoqa_train.config.schema import config_schema, manifest_schema


def test_json_is_one_document(typed: Any) -> None:
    status, out, err = typed(
        "config", "show", "sched_boost_seed222", "-o", "trainer.num_epochs=9", "--json"
    )
    assert (status, err) == (0, "")
    values = {value["key"]: value["value"] for value in json.loads(out)["values"]}
    assert values["trainer.num_epochs"] == 9


def test_the_default_is_a_table(typed: Any) -> None:
    status, out, err = typed("config", "show", "-c", "sched_boost_seed222")
    assert (status, err) == (0, "")
    assert "epochs and checkpoints are ranked by selection_metric" in out
    assert re.search(r"^optimizer.learning_rate +0.005 +line ", out, re.MULTILINE)


def test_a_job_with_what_its_manifest_sets(typed: Any) -> None:
    status, out, _ = typed("config", "show", "-m", "run_core", "--job", "phase2_seed555")
    assert status == 0
    assert "job phase2_seed555 of " in out
    assert re.search(r"^trainer.accumulate_grad_batches +1 +manifest, ", out, re.MULTILINE)


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("sched_boost_seed222", "--job", "x"),
        ("sched_boost_seed222", "-c", "sched_boost_seed777"),
        ("no_such",),
        ("sched_boost_seed222", "-o", "trainer.epochs=1"),
    ],
)
def test_wrong_requests(typed: Any, arguments: tuple[str, ...]) -> None:
    status, out, err = typed("config", "show", *arguments)
    assert (status, out) == (2, "")
    assert err
    assert max(map(len, err.splitlines())) <= 80


def test_schemas(typed: Any) -> None:
    for option, schema in (((), config_schema()), (("--manifest",), manifest_schema())):
        status, out, err = typed("config", "schema", *option)
        assert (status, err) == (0, "")
        assert json.loads(out) == schema
    top = Path(__file__).resolve().parents[3]
    assert typed("config", "schema")[1] == (top / "configs/config.schema.json").read_text("utf-8")
