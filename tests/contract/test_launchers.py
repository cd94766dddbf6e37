"""Every installed launcher keeps the contract."""

from __future__ import annotations

from contextlib import ExitStack, nullcontext

import pytest

from topoqa_train.launch import base
from topoqa_train.plugins import discovery
from topoqa_train.testing.launchers import LauncherContract


@pytest.fixture(scope="module")
def opened():
    """Open each launcher once for all tests: a process of its own takes seconds to load torch."""
    known = {}
    with ExitStack() as stack:

        def open_once(name, at_once):
            key = (name, at_once)
            if key not in known:
                known[key] = stack.enter_context(base.make(*key))
            return known[key]

        yield open_once


@pytest.mark.parametrize("name", discovery.discover(discovery.LAUNCHERS))
class TestInstalledLaunchers(LauncherContract):
    @pytest.fixture(autouse=True)
    def _choose(self, name, opened):
        self.name = name
        self.opened = opened

    def launcher(self, at_once=1):
        return nullcontext(self.opened(self.name, at_once))
