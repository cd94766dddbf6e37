from __future__ import annotations

from collections.abc import Sequence

from topoqa_train.runs.events import Event, Notice
from topoqa_train.views.progress import Plan, Reporters


class Watched:
    def __init__(self, calls: list[tuple[object, ...]], name: str) -> None:
        self.calls = calls
        self.name = name

    def plan(self, plan: Plan) -> None:
        self.calls.append((self.name, "plan", plan))

    def phase(self, name: str, jobs: Sequence[str]) -> None:
        self.calls.append((self.name, "phase", name, tuple(jobs)))

    def done_before(self, job: str, run_id: str) -> None:
        self.calls.append((self.name, "done", job, run_id))

    def event(self, event: Event) -> None:
        self.calls.append((self.name, "event", event))

    def note(self, text: str) -> None:
        self.calls.append((self.name, "note", text))


def test_every_reporter_gets_every_call_in_order() -> None:
    calls: list[tuple[object, ...]] = []
    both = Reporters(Watched(calls, "a"), Watched(calls, "b"))
    plan, event = Plan("t", (), (), (), 1), Notice(job="j", text="x")
    both.plan(plan)
    both.phase("sweep", ["j", "k"])
    both.done_before("j", "j_2026")
    both.event(event)
    both.note("hello")
    expected = [
        ("plan", plan),
        ("phase", "sweep", ("j", "k")),
        ("done", "j", "j_2026"),
        ("event", event),
        ("note", "hello"),
    ]
    assert calls == [(name, *call) for call in expected for name in ("a", "b")]
