"""A few files from third parties; `nox -s torture` has all of them, and measures their memory."""

from __future__ import annotations

import pytest
from hostile import CASES, MARK, OPTIONAL, command, copy_run
from limits import within

# One for each way in: code in a pickle, code in YAML, growth, recursion, a path that leads out,
# a pipe that nobody writes to.
CHOSEN = (
    ("graph", "pickled code"),
    ("checkpoint", "code in a checkpoint"),
    ("config", "code"),
    ("manifest", "laughs"),
    ("labels", "leads out"),
    ("graph_metadata", "deep"),
    ("run_metadata", "fifo"),
)


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if (case.kind, case.how) in CHOSEN],
    ids=lambda case: f"{case.kind}: {case.how}",
)
def test_a_hostile_file_runs_no_code_and_is_named(case, trained, project, cli, tmp_path):
    copy_run(trained.run("first"), project)
    file, arguments = command(case.kind, project)
    case.spoil(file, project.root)
    done = within(lambda: cli(*arguments, cwd=project.root), mebibytes=600, cpu_seconds=60)
    assert done.status == 2 or (done.status == 0 and case.kind in OPTIONAL), done.err
    if done.status == 2:
        assert file.stem in done.err.replace("\n", "")
        assert len(done.err.splitlines()) <= 60
    assert not list(tmp_path.rglob(MARK))


def test_all_of_the_chosen_exist():
    assert set(CHOSEN) <= {(case.kind, case.how) for case in CASES}
