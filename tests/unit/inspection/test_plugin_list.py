from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from topoqa_train.inspection import plugin_list
from topoqa_train.plugins import discovery
from topoqa_train.testing.datasets import quiet
from topoqa_train.views.plugins import Installed

MODULES = {
    "good_plugin": "def greet(name: str = 'you') -> None:\n    'Say hello.'\n",
    "noisy_plugin": "print('{}', flush=True)\nimport os\nos.write(1, b'{}\\n')\n"
    "def greet() -> None:\n    pass\n",
    "absent_plugin": "import no_such_module_at_all\n",
    "leaving_plugin": "import sys\nsys.exit('goodbye')\n",
    "unreadable_plugin": "def greet(what: int | str) -> None:\n    pass\n",
    "dying_plugin": "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n",
    "quitting_plugin": "import os\nos._exit(7)\n",
    "hanging_plugin": "import time\ntime.sleep(3600)\n",
    "lingering_plugin": "import threading, time\n"
    "threading.Thread(target=time.sleep, args=(3600,)).start()\ndef greet() -> None:\n    pass\n",
    "plain_plugin": "greet = 3\n",
}


@pytest.fixture
def only_third_parties(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out what is really installed: importing it all takes seconds."""
    real = discovery.claims

    def fewer(group: str) -> dict[str, list[discovery.Plugin]]:
        found = {
            name: [each for each in claimed if not each.distribution.startswith("topoqa-")]
            for name, claimed in real(group).items()
        }
        return {name: claimed for name, claimed in found.items() if claimed}

    monkeypatch.setattr(discovery, "claims", fewer)


def listed(seconds: float = 60) -> dict[str, Installed]:
    report = plugin_list.list_plugins(quiet, seconds=seconds)
    return {each.name: each for each in report.plugins}


@pytest.fixture
def third_party(install_plugin: Any, only_third_parties: None) -> Callable[..., Path]:
    def install(*names: str, group: str = discovery.COMMANDS) -> Path:
        return install_plugin(
            "third-party",
            group,
            {name: f"{name}_plugin:greet" for name in names},
            {f"{name}_plugin": MODULES[f"{name}_plugin"] for name in names},
        )

    return install


def test_one_that_works(third_party: Any) -> None:
    third_party("good")
    found = listed()["good"]
    assert (found.state, found.error, found.kind) == ("ok", None, "command")
    assert (found.distribution, found.version) == ("third-party", "1.0")
    assert (found.value, found.line) == ("good_plugin:greet", "Say hello.")
    assert found.seconds is not None


def test_each_error_is_reported_and_spares_the_others(third_party: Any) -> None:
    third_party("absent", "dying", "good", "leaving", "plain", "quitting", "unreadable")
    found = listed()
    errors = {name: each.error for name, each in found.items()}
    assert errors["good"] is None
    assert errors["absent"] == "ModuleNotFoundError: No module named 'no_such_module_at_all'"
    assert errors["leaving"] == "SystemExit: goodbye"
    assert errors["plain"] == "int can't be called"
    assert errors["dying"] == "importing it ends the process: SIGKILL"
    assert errors["quitting"] == "importing it ends the process with status 7"
    assert "Union" in (errors["unreadable"] or "")
    assert [name for name, each in found.items() if each.state == "ok"] == ["good"]


def test_a_time_limit_ends_one_that_hangs_alone(third_party: Any) -> None:
    third_party("good", "hanging", "lingering")
    found = listed(seconds=2)
    assert found["hanging"].error == "it takes longer than 2 s to import"
    assert found["hanging"].seconds is None
    assert (found["good"].state, found["lingering"].state) == ("ok", "ok")


def test_what_a_plugin_prints_is_no_answer(third_party: Any, capfd: Any) -> None:
    third_party("good", "noisy")
    found = listed()
    assert {each.state for each in found.values()} == {"ok"}
    assert capfd.readouterr() == ("", "")


def test_other_groups_need_something_that_can_be_called(third_party: Any) -> None:
    third_party("good", "plain", "unreadable", group=discovery.MODELS)
    found = listed()
    # Typer's rules are for commands alone.
    assert {name: each.state for name, each in found.items()} == {
        "good": "ok",
        "plain": "broken",
        "unreadable": "ok",
    }
    assert found["good"].kind == "network"


def test_a_rival_hides_another(install_plugin: Any, only_third_parties: None) -> None:
    module = {"good_plugin": MODULES["good_plugin"]}
    for owner in ("a-first", "b-second"):
        install_plugin(owner, discovery.DATASETS, {"same": "good_plugin:greet"}, module)
    report = plugin_list.list_plugins(quiet, seconds=60)
    assert [(each.distribution, each.state, each.hidden_by) for each in report.plugins] == [
        ("a-first", "ok", None),
        ("b-second", "hidden", "a-first"),
    ]


def test_a_distribution_that_cannot_be_read(third_party: Any) -> None:
    folder = third_party("good")
    (folder / "third_party-1.0.dist-info" / "entry_points.txt").write_text("[a]\nnothing\n")
    report = plugin_list.list_plugins(quiet, seconds=60)
    assert "third-party" in report.damaged
    assert "Fix or remove it: pip uninstall third-party" in report.hints
