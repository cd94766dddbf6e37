"""Every installed launcher keeps the contract."""

from __future__ import annotations

import pytest
from projects import make_project

from topoqa_train import plugins
from topoqa_train.config.load import load_config
from topoqa_train.config.plan import JobPlan
from topoqa_train.testing.datasets import quiet
from topoqa_train.testing.launchers import LauncherContract
from topoqa_train.workflows.data import DataResolver
from topoqa_train.workflows.jobs import make_job


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    return load_config(make_project(tmp_path_factory.mktemp("launchers") / "p").config)


@pytest.mark.parametrize("name", plugins.discover(plugins.LAUNCHERS))
class TestInstalledLaunchers(LauncherContract):
    @pytest.fixture(autouse=True)
    def _choose(self, name, config):
        self.name = name
        self.config = config

    def job(self, name, root):
        return make_job(JobPlan(name, self.config), DataResolver(quiet), output_root=root)
