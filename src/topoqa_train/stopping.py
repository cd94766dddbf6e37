"""Request to stop: a flag that a signal handler sets and the training checks."""

from __future__ import annotations

import threading

from topoqa_train.errors import InterruptedRunError, TerminatedRunError


class StopRequest:
    """Flag that may be set in a signal handler; nothing is saved there."""

    def __init__(self) -> None:
        self._reason: str | None = None
        self._set = threading.Event()

    def interrupt(self) -> None:
        """Request a stop on behalf of the user."""
        self._request("interrupted")

    def terminate(self) -> None:
        """Request a stop on behalf of the machine or of a parent process that died."""
        self._request("terminated")

    def _request(self, reason: str) -> None:
        if self._reason is None:
            self._reason = reason
        self._set.set()

    @property
    def asked(self) -> bool:
        """Whether a stop was requested."""
        return self._set.is_set()

    def check(self) -> None:
        """Raise `InterruptedRunError` or `TerminatedRunError` if a stop was requested."""
        if not self.asked:
            return
        if self._reason == "terminated":
            raise TerminatedRunError("terminated")
        raise InterruptedRunError("interrupted")
