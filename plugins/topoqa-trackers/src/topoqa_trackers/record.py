"""`NAME.json` in a run directory: where a tracker sends the run and how far it is."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from topoqa_train import api

_MAXIMUM_BYTES = 2**20


class Record(BaseModel):
    """Written by the tracker, read by the training and by the tracker of a resumed run.

    `tracking_uri` is as in the config, relative to `folder`; `store` is what both come to, and none
    holds a password. `run_id` is the run in that store, `pid` the tracker's process.
    """

    model_config = ConfigDict(extra="ignore")

    tracking_uri: str = ""
    folder: str = ""
    store: str = ""
    experiment: str = ""
    run_id: str | None = None
    epochs: int = 0
    state: Literal["following", "done", "given up"] = "following"
    problem: str | None = None
    pid: int = 0

    def write(self, path: Path) -> None:
        """Replace the file atomically."""
        api.write_json(path, self.model_dump(mode="json"))


def read_record(path: Path) -> Record:
    """Return the record in `path`, or an empty one if none can be read."""
    try:
        return Record.model_validate_json(api.read_file(path, _MAXIMUM_BYTES))
    except (OSError, ValueError):
        return Record()
