"""Every installed launcher keeps the contract."""

from __future__ import annotations

import pytest

from topoqa_train.plugins import discovery
from topoqa_train.testing.launchers import LauncherContract


@pytest.mark.parametrize("name", discovery.discover(discovery.LAUNCHERS))
class TestInstalledLaunchers(LauncherContract):
    @pytest.fixture(autouse=True)
    def _choose(self, name):
        self.name = name
