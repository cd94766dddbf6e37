"""Put first on PYTHONPATH by `killing.Fault`: kills a command's processes at a chosen write step.

Python imports a module of this name at start-up. Every process writes its pid into a file; the one
that reaches the chosen step ends all of them with SIGKILL, itself last. With an errno, the step
fails with it instead, and no process ends.
"""

import fnmatch
import json
import os
import signal
import sys
import threading

STEPS = ("replace", "rename", "fsync", "symlink", "mkdir", "unlink", "write", "truncate")
_lock = threading.Lock()


def _name(step, arguments):
    """What the step is about to change: the file that is to be there after it."""
    target = arguments[1] if step in ("replace", "rename", "symlink") else arguments[0]
    if isinstance(target, int):
        target = os.readlink(f"/proc/self/fd/{target}")  # noqa: PTH115
    return os.fspath(target)


def _final(name):
    """`.last.ckpt.12.abcd.tmp` is written to become `last.ckpt`."""
    base = os.path.basename(name)  # noqa: PTH119
    if base.startswith(".") and base.endswith(".tmp"):
        return base[1:].rsplit(".", 3)[0]
    return base


class _Fault:
    def __init__(self, wish):
        self.step = wish["step"]
        self.file = wish["file"]
        self.left = wish["nth"]
        self.ever = wish["nth"] == 0
        self.moment = wish["moment"]
        self.folder = wish["folder"]
        self.errno = wish.get("errno")

    def arm(self):
        with open(os.path.join(self.folder, "pids"), "a") as file:  # noqa: PTH118, PTH123
            file.write(f"{os.getpid()}\n")
        for step in STEPS:
            name = "ftruncate" if step == "truncate" else step
            setattr(os, name, self._wrapped(step, getattr(os, name)))

    def _wrapped(self, step, real):
        def call(*arguments, **options):
            if not self._hit(step, arguments):
                return real(*arguments, **options)
            if self.errno is not None:
                raise OSError(self.errno, os.strerror(self.errno), _name(step, arguments))
            if self.moment == "after":
                real(*arguments, **options)
            elif self.moment == "torn":
                self._tear(step, arguments)
            return self._kill(step, arguments)

        return call

    def _hit(self, step, arguments):
        if step != self.step:
            return False
        try:
            name = _name(step, arguments)
        except OSError:
            return False
        if name.startswith(self.folder) or not fnmatch.fnmatch(_final(name), self.file):
            return False
        with _lock:
            self.left -= 1
            return self.ever or self.left == 0

    def _tear(self, step, arguments):
        """Leave half of what was written, as a power cut would."""
        if step == "write":
            _REAL["write"](arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2])
        elif step == "fsync":
            path = f"/proc/self/fd/{arguments[0]}"
            if os.path.isfile(path):  # noqa: PTH113
                os.truncate(path, os.stat(path).st_size // 2)  # noqa: PTH116

    def _kill(self, step, arguments):
        report = os.path.join(self.folder, "hit")  # noqa: PTH118
        with open(report, "w") as file:  # noqa: PTH123
            json.dump([step, _final(_name(step, arguments)), self.moment], file)
        with open(os.path.join(self.folder, "pids")) as file:  # noqa: PTH118, PTH123
            others = {int(line) for line in file} - {os.getpid()}
        for pid in sorted(others):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        os.kill(os.getpid(), signal.SIGKILL)


_REAL = {"write": os.write}
_wish = os.environ.get("TOPOQA_TEST_FAULT")
if _wish:
    _Fault(json.loads(_wish)).arm()
    del sys
