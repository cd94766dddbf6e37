"""What a reader says of a file that it refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from topoqa_train.errors import TopoqaTrainError


def refusal(
    read: Callable[[Path], Any], path: Path, kind: type[TopoqaTrainError], *, shorter_than: int
) -> str:
    """Message and details, which name the file and are of a length that somebody reads."""
    with pytest.raises(kind) as caught:
        read(path)
    assert str(path) in caught.value.message
    text = "\n".join([caught.value.message, *caught.value.details])
    assert len(text) < shorter_than
    return text
