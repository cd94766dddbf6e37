from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from topoqa_train.errors import RequestError
from topoqa_train.plugins import discovery
from topoqa_train.plugins.discovery import Plugin, PluginError

GROUP = "topoqa_train.tests_of_plugins"
Install = Callable[..., Path]


def test_what_is_installed_is_found_sorted_and_not_imported(install_plugin: Install) -> None:
    install_plugin("zoo", GROUP, {"b": "zoo_mod:f", "a": "zoo_mod:g"}, {"zoo_mod": "1 / 0"})
    found = discovery.discover(GROUP)
    assert list(found) == ["a", "b"]
    assert found["a"].distribution == "zoo"
    assert found["a"].shadowed == ()
    assert "zoo_mod" not in sys.modules


def test_a_group_without_plugins_is_empty() -> None:
    assert discovery.discover("topoqa_train.nothing_of_the_kind") == {}


def test_loading_gives_what_the_entry_point_names(install_plugin: Install) -> None:
    install_plugin("zoo", GROUP, {"a": "zoo_ok:roar"}, {"zoo_ok": "def roar(): return 42"})
    assert discovery.discover(GROUP)["a"].load()() == 42


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import no_such_library_as_this", "ModuleNotFoundError"),
        ("def broken(:", "SyntaxError"),
        ("1 / 0", "ZeroDivisionError"),
        ("other = 1", "AttributeError"),
        ("import sys; sys.exit(3)", "SystemExit"),
        ("value = 42", "int can't be called"),
    ],
)
def test_a_broken_plugin_is_named_with_its_error(
    install_plugin: Install, code: str, said: str
) -> None:
    install_plugin("zoo-parts", GROUP, {"a": "zoo_bad:value"}, {"zoo_bad": code})
    with pytest.raises(PluginError) as caught:
        discovery.discover(GROUP)["a"].load()
    error = caught.value
    assert error.exit_status == 2
    assert "'a' of zoo-parts" in error.message
    assert said in error.message
    assert error.details == (f"{GROUP}: zoo_bad:value",)
    assert error.hint is not None
    assert "pip uninstall zoo-parts" in error.hint


@pytest.mark.parametrize("value", ["a:b:c", "", "not a module", "a:"])
def test_an_entry_point_that_names_nothing(install_plugin: Install, value: str) -> None:
    install_plugin("zoo", GROUP, {"a": value})
    with pytest.raises(PluginError, match="module:object"):
        discovery.discover(GROUP)["a"].load()


def test_ours_is_not_to_be_uninstalled(install_plugin: Install) -> None:
    install_plugin(discovery.OWN_DISTRIBUTION, GROUP, {"a": "no_such_module:f"})
    with pytest.raises(PluginError) as caught:
        discovery.discover(GROUP)["a"].load()
    assert "uninstall" not in str(caught.value.hint)


class TestLine:
    def test_is_the_first_paragraph_in_the_source(self, install_plugin: Install) -> None:
        code = 'import no_such_library\ndef f():\n    """First\n    line.\n\n    Second."""\n'
        install_plugin("zoo", GROUP, {"a": "zoo_lines:f"}, {"zoo_lines": code})
        assert discovery.discover(GROUP)["a"].line == "First line."

    def test_is_else_the_distribution_s_summary(self, install_plugin: Install) -> None:
        folder = install_plugin("zoo", GROUP, {"a": "zoo_gone:f"})
        assert discovery.discover(GROUP)["a"].line == ""
        about = next(folder.glob("*.dist-info/METADATA"))
        about.write_text("Metadata-Version: 2.1\nName: zoo\nVersion: 1.0\nSummary: Animals.\n")
        assert discovery.discover(GROUP)["a"].line == "Animals."


class TestDamaged:
    def test_a_list_that_can_t_be_read_takes_its_own_plugins_alone(
        self, install_plugin: Install
    ) -> None:
        install_plugin("zoo", GROUP, {"a": "zoo:f"})
        assert discovery.unreadable_distributions() == {}
        for name, text in (("bad", f"[{GROUP}]\nnothing\n".encode()), ("odd", b"\xff\xfe[")):
            folder = install_plugin(name, GROUP, {"b": "b:b"})
            next(folder.glob("*.dist-info/entry_points.txt")).write_bytes(text)
        assert list(discovery.discover(GROUP)) == ["a"]
        faults = discovery.unreadable_distributions()
        assert list(faults) == ["odd", "bad"]
        assert faults["odd"].startswith("UnicodeDecodeError: ")


def test_ctrl_c_during_an_import_is_no_error_of_the_plugin(install_plugin: Install) -> None:
    install_plugin("zoo", GROUP, {"a": "zoo_slow:value"}, {"zoo_slow": "raise KeyboardInterrupt"})
    with pytest.raises(KeyboardInterrupt):
        discovery.discover(GROUP)["a"].load()


class TestShadowedPlugins:
    def test_the_first_distribution_by_name_wins_and_the_others_are_kept(
        self, install_plugin: Install
    ) -> None:
        for name in ("zebra", "ape", "lion"):
            install_plugin(name, GROUP, {"a": f"{name}_mod:f"})
        plugin = discovery.discover(GROUP)["a"]
        assert plugin.distribution == "ape"
        assert plugin.shadowed == ("lion", "zebra")

    def test_ours_wins_over_any_other(
        self, install_plugin: Install, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        install_plugin("aaa-first", GROUP, {"a": "aaa:f"})
        install_plugin("zoo", GROUP, {"a": "zoo:f"})
        monkeypatch.setattr(discovery, "OWN_DISTRIBUTION", "zoo")
        plugin = discovery.discover(GROUP)["a"]
        assert (plugin.distribution, plugin.shadowed) == ("zoo", ("aaa-first",))

    def test_one_distribution_found_twice_does_not_shadow_itself(
        self, install_plugin: Install
    ) -> None:
        # As with an editable install beside a leftover of an older one.
        for _ in range(2):
            install_plugin("zoo", GROUP, {"a": "zoo:f"})
        assert discovery.discover(GROUP)["a"].shadowed == ()


def test_a_distribution_without_a_name_is_still_found(install_plugin: Install) -> None:
    # What an interrupted pip leaves behind.
    for name in ("left-over", "zoo"):
        folder = install_plugin(name, GROUP, {"a": f"{name[:3]}:f"})
    next(folder.parent.glob("left-over*/left_over-1.0.dist-info/METADATA")).unlink()
    found = discovery.discover(GROUP)["a"]
    assert isinstance(found, Plugin)


def test_finding_one_by_name(install_plugin: Install) -> None:
    install_plugin("zoo", GROUP, {"tiger": "zoo:f", "lion": "zoo:g"})
    assert discovery.find(GROUP, "animal", "lion").entry_point.value == "zoo:g"
    with pytest.raises(RequestError) as caught:
        discovery.find(GROUP, "animal", "tigger", hint="Buy one.")
    assert caught.value.message == "no animal is called 'tigger'; did you mean 'tiger'?"
    assert caught.value.details == ("installed: lion, tiger",)
    assert caught.value.hint == "Buy one."


def test_finding_one_where_none_is_installed() -> None:
    with pytest.raises(RequestError) as caught:
        discovery.find("topoqa_train.nothing_of_the_kind", "animal", "tiger")
    assert caught.value.message == "no animal is called 'tiger'"
    assert caught.value.details == ("installed: none",)


@pytest.mark.parametrize(
    "group", [discovery.COMMANDS, discovery.MODELS, discovery.LAUNCHERS], ids=lambda name: name
)
def test_built_in_commands_are_plugins_too(group: str) -> None:
    ours = [plugin for plugin in discovery.discover(group).values() if plugin.distribution]
    assert discovery.OWN_DISTRIBUTION in {plugin.distribution for plugin in ours}
    # Not by type: importlib_metadata, once imported, answers with entry points of its own.
    assert {plugin.entry_point.group for plugin in ours} == {group}
    assert all(plugin.entry_point.load() is plugin.load() for plugin in ours)
