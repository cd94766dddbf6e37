from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from topoqa_train.errors import RequestError
from topoqa_train.runs import lock
from topoqa_train.runs.paths import RunPaths

HOLDER = """
import sys
from pathlib import Path
from topoqa_train.runs import lock
from topoqa_train.runs.paths import RunPaths
with lock.writing(RunPaths(Path(sys.argv[1]))):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def paths(tmp_path: Path) -> RunPaths:
    return RunPaths(tmp_path)


def test_a_second_writer_is_refused_while_the_first_writes(paths: RunPaths) -> None:
    with lock.writing(paths), pytest.raises(RequestError) as caught, lock.writing(paths):
        pass
    assert paths.run_id in caught.value.message
    assert "Wait" in (caught.value.hint or "")
    # Both a normal end and an exception release the lock.
    with pytest.raises(KeyError), lock.writing(paths):
        raise KeyError
    with lock.writing(paths):
        pass


def test_a_killed_process_releases_the_lock(paths: RunPaths) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(paths.root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(RequestError), lock.writing(paths):
            pass
        process.send_signal(signal.SIGKILL)
        process.wait()
        with lock.writing(paths):
            pass
