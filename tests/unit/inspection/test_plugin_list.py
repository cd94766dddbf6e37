from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from topoqa_train.inspection import plugin_list
from topoqa_train.plugins import discovery
from topoqa_train.views.plugins import Installed, PluginReport

MODULES = {
    "good_plugin": "def greet(name: str = 'you') -> None:\n    'Say hello.'\n",
    "noisy_plugin": "print('{}', flush=True)\nimport os\nos.write(1, b'{}\\n')\n"
    "def greet() -> None:\n    pass\n",
    "absent_plugin": "import no_such_module_at_all\n",
    "leaving_plugin": "import sys\nsys.exit('goodbye')\n",
    "odd_plugin": "def greet(what: int | str) -> None:\n    pass\n",
    "dying_plugin": "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n",
    "quitting_plugin": "import os\nos._exit(7)\n",
    "hanging_plugin": "import time\ntime.sleep(3600)\n",
    "plain_plugin": "greet = 3\n",
}


@pytest.fixture
def only_strangers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out what is really installed: importing it all takes seconds."""
    real = discovery.claims

    def fewer(group: str) -> dict[str, list[discovery.Plugin]]:
        found = {
            name: [each for each in claimed if not each.distribution.startswith("topoqa-")]
            for name, claimed in real(group).items()
        }
        return {name: claimed for name, claimed in found.items() if claimed}

    monkeypatch.setattr(discovery, "claims", fewer)


@contextmanager
def quiet(description: str, total: int | None) -> Iterator[Callable[[int], None]]:
    yield lambda steps: None


def listed(seconds: float = 60) -> dict[str, Installed]:
    report = plugin_list.list_plugins(quiet, seconds=seconds)
    return {each.name: each for each in report.plugins}


@pytest.fixture
def strangers(install_plugin: Any, only_strangers: None) -> Callable[..., Path]:
    def install(*names: str, group: str = discovery.COMMANDS) -> Path:
        return install_plugin(
            "strange-things",
            group,
            {name: f"{name}_plugin:greet" for name in names},
            {f"{name}_plugin": MODULES[f"{name}_plugin"] for name in names},
        )

    return install


def test_one_that_works(strangers: Any) -> None:
    strangers("good")
    found = listed()["good"]
    assert (found.state, found.fault, found.kind) == ("ok", None, "command")
    assert (found.distribution, found.version) == ("strange-things", "1.0")
    assert (found.value, found.line) == ("good_plugin:greet", "Say hello.")
    assert found.seconds is not None


def test_each_fault_is_told_and_spares_the_others(strangers: Any) -> None:
    strangers("absent", "dying", "good", "leaving", "odd", "plain", "quitting")
    found = listed()
    faults = {name: each.fault for name, each in found.items()}
    assert faults["good"] is None
    assert faults["absent"] == "ModuleNotFoundError: No module named 'no_such_module_at_all'"
    assert faults["leaving"] == "SystemExit: goodbye"
    assert faults["plain"] == "int can't be called"
    assert faults["dying"] == "importing it ends the process: SIGKILL"
    assert faults["quitting"] == "importing it ends the process with status 7"
    assert "Union" in (faults["odd"] or "")
    assert [name for name, each in found.items() if each.state == "ok"] == ["good"]


def test_one_that_hangs_is_given_up(strangers: Any) -> None:
    strangers("good", "hanging", "odd")
    found = listed(seconds=2)
    assert found["hanging"].fault == "it takes longer than 2 s to import"
    assert found["hanging"].seconds is None
    assert (found["good"].state, found["odd"].state) == ("ok", "broken")


def test_what_a_plugin_prints_is_no_answer(strangers: Any, capfd: Any) -> None:
    strangers("good", "noisy")
    found = listed()
    assert {each.state for each in found.values()} == {"ok"}
    assert capfd.readouterr() == ("", "")


def test_other_groups_need_something_that_can_be_called(strangers: Any) -> None:
    strangers("good", "odd", "plain", group=discovery.MODELS)
    found = listed()
    # Typer's rules are for commands alone.
    assert {name: each.state for name, each in found.items()} == {
        "good": "ok",
        "odd": "ok",
        "plain": "broken",
    }
    assert found["good"].kind == "network"


def test_a_rival_hides_another(install_plugin: Any, only_strangers: None) -> None:
    module = {"good_plugin": MODULES["good_plugin"]}
    for owner in ("a-first", "b-second"):
        install_plugin(owner, discovery.DATASETS, {"same": "good_plugin:greet"}, module)
    report = plugin_list.list_plugins(quiet, seconds=60)
    assert [(each.distribution, each.state, each.hidden_by) for each in report.plugins] == [
        ("a-first", "ok", None),
        ("b-second", "hidden", "a-first"),
    ]


def test_ours_are_never_hidden(install_plugin: Any) -> None:
    install_plugin("aaa", discovery.COMMANDS, {"leaderboard": "x:y"}, {})
    (ours, other) = discovery.claims(discovery.COMMANDS)["leaderboard"]
    assert (ours.distribution, ours.shadowed) == ("topoqa-train", ("aaa",))
    assert other.distribution == "aaa"
    assert discovery.discover(discovery.COMMANDS)["leaderboard"] == ours


def test_a_distribution_that_cannot_be_read(strangers: Any) -> None:
    folder = strangers("good")
    (folder / "strange_things-1.0.dist-info" / "entry_points.txt").write_text("[a]\nnothing\n")
    report = plugin_list.list_plugins(quiet, seconds=60)
    assert "strange-things" in report.damaged
    assert "Mend or remove it: pip uninstall strange-things" in report.hints


def test_the_document_is_json(strangers: Any) -> None:
    strangers("absent", "good")
    report: PluginReport = plugin_list.list_plugins(quiet, seconds=60)
    document = plugin_list.to_document(report)
    assert json.loads(json.dumps(document)) == document
    assert [each["state"] for each in document["plugins"]] == ["broken", "ok"]
    assert document["hints"] == ["Mend or remove it: pip uninstall strange-things"]
