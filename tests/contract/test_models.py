"""Every installed network keeps the contract."""

from __future__ import annotations

import pytest

from topoqa_train.plugins import discovery
from topoqa_train.testing.models import ModelContract
from topoqa_train.training.model.build import POOLINGS, ModelOptions


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("name", discovery.discover(discovery.MODELS))
class TestInstalledModels(ModelContract):
    @pytest.fixture(autouse=True)
    def _choose(self, name, pooling):
        self.name = name
        self.options = ModelOptions(attention_head=2, pooling_type=pooling)
