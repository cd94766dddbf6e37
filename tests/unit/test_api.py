from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from topoqa_train import api
from topoqa_train.errors import DataError


@pytest.mark.parametrize("name", api.__all__)
def test_all_that_is_promised_is_there(name: str) -> None:
    assert getattr(api, name) is not None


def test_what_is_not_there_is_missed_as_in_any_module() -> None:
    assert not hasattr(api, "nothing_of_the_kind")
    with pytest.raises(ImportError, match="nothing_of_the_kind"):
        exec("from topoqa_train.api import nothing_of_the_kind")


def test_a_command_s_imports_bring_no_torch() -> None:
    code = (
        "import sys\nfrom topoqa_train.api import *\n"
        "from topoqa_train import api\nprint('torch' in sys.modules)"
    )
    light = code.replace("import *", "import RequestError, evaluate, notify, progress, segment_sum")
    for text, loaded in ((light, "False"), (code, "True")):
        done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True)
        assert (done.stdout.strip(), done.returncode) == (loaded, 0), done.stderr


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    path = tmp_path / "labels.csv"
    path.write_text("MODEL,dockq\n1ABC_0,0.5\n1ABC_1,\n2XYZ/3,0.25\n")
    return path


class TestLabels:
    def test_rows_with_a_dockq(self, labels: Path) -> None:
        rows = [(row.model, row.dockq, row.target) for row in api.read_labels(labels)]
        assert rows == [("1ABC_0", 0.5, "1ABC"), ("2XYZ/3", 0.25, "2XYZ")]

    def test_no_such_file(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"label file .*gone\.csv does not exist"):
            api.read_labels(tmp_path / "gone.csv")


class TestGraphs:
    def test_each_decoy_s_file_is_found_as_a_training_finds_it(self, tmp_path: Path) -> None:
        (tmp_path / "2XYZ").mkdir()
        files = [tmp_path / "1ABC_0.pt", tmp_path / "2XYZ" / "3.pt"]
        for file in files:
            file.touch()
        found = api.find_graphs(tmp_path, ["2XYZ__3", "1ABC_0"])
        assert found == {"2XYZ__3": files[1], "1ABC_0": files[0]}

    def test_decoys_without_a_graph_are_named(self, tmp_path: Path) -> None:
        (tmp_path / "1ABC_0.pt").touch()
        with pytest.raises(DataError, match="1 of 2 decoys have no graph") as caught:
            api.find_graphs(tmp_path, ["1ABC_0", "1ABC_1"])
        assert caught.value.details == ("1ABC_1",)


def test_the_metrics_are_those_of_a_training() -> None:
    from topoqa_train.training import metrics

    values = ([0.1, 0.4, 0.3], [0.2, 0.9, 0.1], ["a", "a", "b"])
    assert api.evaluate(*values) == metrics.evaluate(*values).values
    assert api.evaluate(*values)["val_loss"] == pytest.approx((0.01 + 0.25 + 0.04) / 3)
