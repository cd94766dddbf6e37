"""Every installed tracker keeps the contract."""

from __future__ import annotations

import pytest

from topoqa_train.plugins import discovery
from topoqa_train.testing.trackers import TrackerContract


@pytest.mark.parametrize("name", discovery.discover(discovery.TRACKERS))
class TestInstalledTrackers(TrackerContract):
    @pytest.fixture(autouse=True)
    def _choose(self, name):
        self.name = name
