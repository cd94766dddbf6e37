from __future__ import annotations

from pathlib import Path

import pytest

from topoqa_ramdisk import settings
from topoqa_ramdisk.settings import NumWorkers, Settings
from topoqa_train.errors import RequestError

SHIPPED = Path(__file__).parents[3] / "configs" / "ramdisk.yaml"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "configs").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(here: Path, text: str) -> Path:
    file = here / "configs" / "ramdisk.yaml"
    file.write_text(text)
    return file


def error_of(here: Path, text: str) -> RequestError:
    write(here, text)
    with pytest.raises(RequestError) as caught:
        settings.load(None)
    return caught.value


def test_the_shipped_file_has_the_defaults(here: Path) -> None:
    loaded = settings.load(None)
    assert loaded.file == SHIPPED
    assert loaded.settings == Settings()
    # It names every key there is.
    text = SHIPPED.read_text()
    assert all(f"\n{name}:" in text for name in Settings.model_fields)
    assert all(f"\n  {name}:" in text for name in NumWorkers.model_fields)


def test_ones_own_file_goes_first_and_a_given_one_before_it(here: Path) -> None:
    write(here, "headroom: 2GiB\nnum_workers: {ramdisk: 0}\n")
    assert settings.load(None).settings.headroom == 2**31
    assert settings.load(None).settings.num_workers == NumWorkers(ramdisk=0)
    other = here / "other.yaml"
    other.write_text("size: 512MiB\n")
    assert settings.load(other).settings.size == 512 * 2**20


def test_a_source_starts_from_the_folder_of_its_file(here: Path) -> None:
    write(here, "graph_source: ../graphs\n")
    assert settings.load(None).settings.graph_source == here.resolve() / "graphs"


def test_every_mistake_is_reported_with_its_line(here: Path) -> None:
    error = error_of(
        here,
        "sise: 2GiB\nheadroom: lots\nname: ../up\nnum_workers:\n  baseline: -1\n  ram: 2\n",
    )
    assert error.exit_status == 2
    assert error.message == "configs/ramdisk.yaml is not a valid settings file:"
    assert [line.partition("ramdisk.yaml:")[2] for line in error.details] == [
        "1: sise: unknown key; did you mean 'size'?",
        "2: headroom: 'lots' is no size; 2GiB and 512MiB are",
        "3: name: '../up' is no plain name: up to 40 letters, digits, '.', '_' and '-'",
        "5: num_workers.baseline: should be greater than or equal to 0, not -1",
        "6: num_workers.ram: unknown key; did you mean 'ramdisk'?",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("size: -2\n", "-2 is no size; 2GiB and 512MiB are, and so is auto"),
        ("headroom: auto\n", "'auto' is no size; 2GiB and 512MiB are"),
        ("size:\n", "has no value"),
        ("num_workers: 3\n", "should be a mapping"),
        ("num_workers: {baseline: 1.5}\n", "should be a valid integer"),
        ("graph_source: 3\n", "should be a path"),
    ],
)
def test_what_is_no_value(here: Path, text: str, expected: str) -> None:
    assert expected in error_of(here, text).details[0]
