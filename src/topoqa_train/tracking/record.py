"""`mlflow.json`: which run of MLflow a run is, and how far that one has come."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from topoqa_train import atomic, bounded_read

MAXIMUM_BYTES = 2**20


class TrackingRecord(BaseModel):
    """The document; the tracker writes it, and a run that goes on is tracked further by it.

    `tracking_uri` stands as the config has it, `folder` is what a relative one was taken from,
    `store` what both come to; none holds a password. `pid` is the tracker's.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    tracking_uri: str
    folder: str
    store: str
    experiment: str
    run_id: str | None = None
    epochs: int = 0
    state: Literal["following", "done", "given up"] = "following"
    problem: str | None = None
    pid: int = 0

    def write(self, path: Path) -> None:
        """Replace the file atomically."""
        atomic.write_json(path, self.model_dump(mode="json"))


def read(path: Path) -> TrackingRecord | None:
    """The record; None where there is none, or none that can be read: it can be made anew."""
    try:
        return TrackingRecord.model_validate(json.loads(bounded_read.content(path, MAXIMUM_BYTES)))
    except (OSError, ValueError, RecursionError, ValidationError):
        return None
