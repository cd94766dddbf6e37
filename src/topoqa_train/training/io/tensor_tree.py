"""What a pickle said, as a tree that any code may walk: bounded in depth and in size.

In a pickle a list may stand in itself, or twice in a list that stands twice in a list, and so on:
a few lines that no `repr` or comparison would ever come to the end of.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from topoqa_train.training.io.unpickler import FaultError, Instance, Name, Storage, View

MOST_VALUES = 2**20
DEEPEST = 32


def filled(data: Any, tensor: Callable[[View], Tensor]) -> Any:  # noqa: ANN401
    """A copy of `data` with a tensor for each `View`.

    Raises:
        FaultError: it is too deep or too large, or holds what is neither plain nor a tensor.
    """
    return _Copy(tensor).of(data, 0)


class _Copy:
    def __init__(self, tensor: Callable[[View], Tensor]) -> None:
        self.tensor = tensor
        self.values = 0

    def of(self, value: Any, depth: int) -> Any:  # noqa: ANN401
        self.values += 1
        if self.values > MOST_VALUES:
            raise FaultError(f"it holds more than {MOST_VALUES} values")
        if depth > DEEPEST:
            raise FaultError(f"it is nested more than {DEEPEST} levels deep")
        if isinstance(value, View):
            return self.tensor(value)
        if isinstance(value, Instance | Name | Storage):
            raise FaultError("it holds what is neither plain nor a tensor")
        if isinstance(value, dict):
            return {key: self.of(item, depth + 1) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(self.of(item, depth + 1) for item in value)
        return value
