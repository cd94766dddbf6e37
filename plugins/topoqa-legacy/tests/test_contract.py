from __future__ import annotations

from pathlib import Path

from legacy_runs import FLAT_CONFIG, training, write_legacy_run

from topoqa_train.testing.run_readers import RunReaderContract


class TestLegacyReader(RunReaderContract):
    name = "legacy"

    def write_run(self, folder: Path) -> None:
        write_legacy_run(folder.parent, folder.name, training(5), config=FLAT_CONFIG)
