"""An error as people read it: what is wrong, where, what to do."""

from __future__ import annotations

from rich.text import Text

from topoqa_train.errors import TopoqaTrainError
from topoqa_train.ui import console


def show(error: TopoqaTrainError) -> None:
    """Print it on standard error; colour only where there is a terminal."""
    target = console.err()
    colon = ":" if error.details and not error.message.endswith((":", ".", "?")) else ""
    lines = [Text(f"{error.message}{colon}", style="bold red")]
    lines += [Text(f"  {line}") for line in error.details]
    if error.hint:
        lines.append(Text(error.hint))
    for line in lines:
        target.print(line, soft_wrap=True)
