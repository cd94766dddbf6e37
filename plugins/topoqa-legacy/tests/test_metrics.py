from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from legacy_runs import Measured, Order, table, training

from topoqa_legacy import metrics

TABLE = "cpu_training/version_0/metrics.csv"


def write(root: Path, **tables: str) -> Path:
    for path, content in tables.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    return root


def read(root: Path) -> tuple[list[dict[str, float]], list[str]]:
    return metrics.read(metrics.tables(root))


def rows(root: Path, text: str) -> list[dict[str, float]]:
    found, errors = read(write(root, **{TABLE: text}))
    assert errors == []
    return found


HISTORY = training(5)


class TestTwoRowsAnEpoch:
    @pytest.mark.parametrize("order", ["val first", "train first"])
    def test_they_become_one(self, tmp_path: Path, order: Order) -> None:
        found = rows(tmp_path, table(HISTORY, order=order))
        assert [row["epoch"] for row in found] == [0, 1, 2, 3, 4]
        for row, measured in zip(found, HISTORY, strict=True):
            assert row["val_loss"] == measured.val_loss
            assert row["val_spearman_corr"] == measured.rho
            assert row["train_mse"] == measured.train_mse

    @pytest.mark.parametrize("order", ["val first", "train first"])
    def test_an_epoch_in_progress_is_no_row(self, tmp_path: Path, order: Order) -> None:
        text = table([*HISTORY, Measured(None, None, 0.03)], order=order)
        assert [row["epoch"] for row in rows(tmp_path, text)] == [0, 1, 2, 3, 4]

    def test_one_whose_training_row_is_still_to_come_is(self, tmp_path: Path) -> None:
        found = rows(tmp_path, table([*HISTORY, Measured(0.06, 0.4, None)]))
        assert "train_mse" not in found[5]
        assert math.isnan(metrics.whole(found)[5]["train_mse"])

    def test_a_loss_that_was_no_number_is_measured_all_the_same(self, tmp_path: Path) -> None:
        text = table(HISTORY[:1]) + "1,13,,nan,nan,nan\n1,13,0.03,,,\n"
        found = rows(tmp_path, text)
        assert math.isnan(found[1]["val_loss"])

    def test_rows_may_be_sorted_by_kind(self, tmp_path: Path) -> None:
        header, *lines = table(HISTORY).splitlines()
        by_kind = [header, *lines[1::2], *lines[::2]]
        assert rows(tmp_path, "\n".join(by_kind)) == rows(tmp_path, table(HISTORY))

    def test_every_row_has_every_column(self, tmp_path: Path) -> None:
        text = "epoch,step,val_loss,extra\n0,1,0.5,\n1,2,0.4,7\n"
        first, second = metrics.whole(rows(tmp_path, text))
        assert list(first) == list(second)
        assert {"train_mse", "val_spearman_corr", "learning_rate", "extra"} < set(first)
        assert math.isnan(first["extra"])
        assert second["extra"] == 7
        assert "epoch_seconds" not in first


class TestLearningRate:
    def test_a_row_without_an_epoch_is_of_the_next(self, tmp_path: Path) -> None:
        rates = [0.005, 0.005, 0.001, 0.001, 0.0002]
        found = rows(tmp_path, table(HISTORY, rates=rates))
        assert [row["learning_rate"] for row in found] == rates
        assert [row["lr-Adam"] for row in found] == rates

    @pytest.mark.parametrize(
        "name", ["lr-Adam", "lr", "LR", "lr_adam", "learning rate", "lr-Adam/pg1"]
    )
    def test_its_column_is_known_by_its_name(self, tmp_path: Path, name: str) -> None:
        found = rows(tmp_path, f"epoch,{name},val_loss\n0,0.01,0.5\n")
        assert found[0]["learning_rate"] == 0.01

    @pytest.mark.parametrize("name", ["lrp", "val_lr_loss", "rate"])
    def test_and_no_other(self, tmp_path: Path, name: str) -> None:
        found = rows(tmp_path, f"epoch,{name},val_loss\n0,0.01,0.5\n")
        assert "learning_rate" not in found[0]

    def test_of_two_groups_that_differ_neither_is_taken(self, tmp_path: Path) -> None:
        text = "epoch,lr-a,lr-b,val_loss\n0,0.01,0.01,0.5\n1,0.01,0.02,0.4\n"
        first, second = rows(tmp_path, text)
        assert first["learning_rate"] == 0.01
        assert "learning_rate" not in second

    def test_a_column_learning_rate_wins(self, tmp_path: Path) -> None:
        found = rows(tmp_path, "epoch,learning_rate,lr-Adam,val_loss\n0,0.5,0.01,0.5\n")
        assert found[0]["learning_rate"] == 0.5


class TestSessions:
    def test_a_later_version_wins_by_epoch_and_ten_is_later_than_two(self, tmp_path: Path) -> None:
        second = training(8, seed=9)
        write(
            tmp_path,
            **{
                "cpu_training/version_10/metrics.csv": table(second[3:], first=3),
                "cpu_training/version_2/metrics.csv": table(HISTORY),
                "cpu_training/version_1/metrics.csv": table(training(4, seed=1)),
            },
        )
        found, _ = read(tmp_path)
        losses = [entry.val_loss for entry in [*HISTORY[:3], *second[3:]]]
        assert [row["val_loss"] for row in found] == losses

    def test_what_a_later_one_has_only_begun_it_does_not_take_away(self, tmp_path: Path) -> None:
        write(
            tmp_path,
            **{
                "metrics/cpu_training_version_0.csv": table(HISTORY),
                "metrics/cpu_training_version_1.csv": table([Measured(None, None, 9.0)], first=3),
            },
        )
        found, _ = read(tmp_path)
        assert [row["train_mse"] for row in found] == [entry.train_mse for entry in HISTORY]

    @pytest.mark.parametrize(
        "path",
        [
            "cpu_training/version_0/metrics.csv",
            "gpu_training/version_7/metrics.csv",
            "anything_training/version_0/metrics.csv",
            "lightning_logs/version_0/metrics.csv",
            "metrics/cpu_training_version_0.csv",
            "metrics/metrics.csv",
        ],
    )
    def test_wherever_they_are(self, tmp_path: Path, path: str) -> None:
        found, _ = read(write(tmp_path, **{path: table(HISTORY)}))
        assert len(found) == 5

    def test_a_link_out_of_the_run_is_not_read(self, tmp_path: Path) -> None:
        write(tmp_path, **{"other/metrics.csv": table(HISTORY)})
        folder = tmp_path / "run" / "cpu_training"
        folder.mkdir(parents=True)
        (folder / "version_0").symlink_to(tmp_path / "other", target_is_directory=True)
        assert read(tmp_path / "run") == ([], [])

    def test_one_that_can_t_be_read_spares_the_others(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write(tmp_path, **{TABLE: table(HISTORY), "metrics/x_version_1.csv": "epoch"})
        content = metrics.read_file

        def refuse(path: Path, most: int) -> bytes:
            if path.name == "x_version_1.csv":
                raise PermissionError(13, "Permission denied", str(path))
            return content(path, most)

        monkeypatch.setattr(metrics, "read_file", refuse)
        found, (fault,) = read(tmp_path)
        assert len(found) == 5
        assert "x_version_1.csv can't be read: Permission denied" in fault


class TestDamage:
    @pytest.mark.parametrize(
        "line",
        ["", "7", "garbage", "5,34,0.1", '5,34,"0.1', "nan,1,,0.5,0.5,0.5", "-1,1,,0.5,0.5,0.5"],
    )
    def test_a_damaged_line_spares_the_others(self, tmp_path: Path, line: str) -> None:
        header, *lines = table(HISTORY).splitlines()
        text = "\n".join([header, lines[0], line, *lines[1:]])
        assert rows(tmp_path, text) == rows(tmp_path, table(HISTORY))

    def test_a_table_without_a_newline_at_its_end_is_whole(self, tmp_path: Path) -> None:
        assert len(rows(tmp_path, table(HISTORY).rstrip("\n"))) == 5

    def test_windows_and_a_mark_of_order_are_no_matter(self, tmp_path: Path) -> None:
        text = "\ufeff" + table(HISTORY).replace("\n", "\r\n")
        assert rows(tmp_path, text) == rows(tmp_path, table(HISTORY))

    def test_a_second_header_is_one(self, tmp_path: Path) -> None:
        text = table(HISTORY) + "val_loss,epoch,new\n0.01,5,3\n"
        assert rows(tmp_path, text)[5] == {"epoch": 5.0, "val_loss": 0.01, "new": 3.0}

    @settings(deadline=None)
    @given(content=st.one_of(st.binary(max_size=400), st.text(max_size=400).map(str.encode)))
    def test_any_content_is_read(
        self, tmp_path_factory: pytest.TempPathFactory, content: bytes
    ) -> None:
        root = tmp_path_factory.getbasetemp() / "any_table"
        (root / "cpu_training" / "version_0").mkdir(parents=True, exist_ok=True)
        for before in (b"", b"epoch,step,train_mse,val_loss\n"):
            (root / TABLE).write_bytes(before + content)
            found, _ = read(root)
            assert [row["epoch"] for row in found] == sorted({row["epoch"] for row in found})

    @settings(deadline=None)
    @given(
        cells=st.lists(
            st.lists(
                st.sampled_from(
                    ["", "0", "1", "2", "1.5", "-3", "nan", "inf", "1e400", "x", "1e9"]
                ),
                min_size=4,
                max_size=4,
            ),
            max_size=8,
        )
    )
    def test_any_cells_are_read(
        self, tmp_path_factory: pytest.TempPathFactory, cells: list[list[str]]
    ) -> None:
        root = tmp_path_factory.getbasetemp() / "any_cells"
        (root / "cpu_training" / "version_0").mkdir(parents=True, exist_ok=True)
        lines = ["epoch,train_mse,val_loss,lr-Adam", *(",".join(line) for line in cells)]
        (root / TABLE).write_text("\n".join(lines))
        for row in metrics.whole(read(root)[0]):
            assert row["epoch"].is_integer()
            assert row["epoch"] >= 0
