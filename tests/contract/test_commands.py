"""Every installed command keeps the contract."""

from __future__ import annotations

import pytest

from topoqa_train.plugins import discovery
from topoqa_train.testing.commands import CommandContract


@pytest.mark.parametrize("name", discovery.discover(discovery.COMMANDS))
class TestInstalledCommands(CommandContract):
    @pytest.fixture(autouse=True)
    def _choose(self, name):
        self.name = name
