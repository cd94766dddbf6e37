"""Reading a pickle that holds plain data and tensors, without running anything that stands in it.

A pickle is a small program that may call any function by name. This is a machine for the few
instructions that `torch.save` writes of numbers, text, lists, dicts, tensors and instances of
classes that the caller names. A name leads to a word here and nothing is imported; keys are text
or whole numbers, because any others can be made to compare for hours or to end the process.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Collection
from typing import Any, Final, NamedTuple

_REBUILD: Final = "torch._utils._rebuild_tensor_v2"
_ORDERED: Final = "collections.OrderedDict"
# Longer numbers, as keys, can be chosen to all hash alike.
_LONGEST_KEY: Final = 2**64
_ARGUMENTS: Final = (6, 7)
_SHOWN: Final = 100


class FaultError(Exception):
    """What is wrong with a file, without its name."""


class RefusedError(FaultError):
    """The pickle names something that reading it would call; the text is that name."""


class Storage(NamedTuple):
    """Where the bytes of tensors are: `kind` as torch names it, `key` a part beside the pickle."""

    kind: str
    key: str


class View(NamedTuple):
    """A tensor, not made yet; what the pickle says of it is still to be checked."""

    storage: Storage
    offset: Any
    size: Any
    stride: Any


class Name:
    """A class or function that the pickle names; only the machine does anything with it."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


class Instance:
    """Stands for an instance of the class `name` and holds its state."""

    __slots__ = ("name", "state")

    def __init__(self, name: str) -> None:
        self.name = name
        self.state: Any = None


def load(content: bytes, *, classes: Collection[str], storages: Collection[str], most: int) -> Any:  # noqa: ANN401
    """What the pickle says, of at most `most` instructions.

    `classes` may have instances in it, `storages` may hold the bytes of tensors; any other name
    is refused.

    Raises:
        RefusedError: it names something else.
        FaultError: it is malformed, too long, or holds what is not plain.
    """
    machine = _Machine({*classes, *storages, *_CALLS}, storages)
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(content)):
            if count >= most:
                raise FaultError("it holds much besides tensors")
            if opcode.name == "STOP":
                break
            machine.step(opcode.name, argument)
        return machine.stack.pop()
    except (LookupError, TypeError, ValueError, OverflowError) as error:
        why = " ".join(str(error).split())[:_SHOWN]
        raise FaultError(f"its pickle is malformed ({why or type(error).__name__})") from error


class _Machine:
    """The stack, the marks on it, and what was put aside to be used again."""

    def __init__(self, known: Collection[str], storages: Collection[str]) -> None:
        self.known = known
        self.storages = storages
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}

    def step(self, instruction: str, argument: Any) -> None:  # noqa: ANN401
        """Carry out one of the instructions of `pickletools`."""
        if instruction in _NUMBERS or instruction in _WORDS:
            self.stack.append(argument)
        elif instruction in _CONSTANTS:
            self.stack.append(_CONSTANTS[instruction]())
        elif instruction in _TUPLES:
            self.stack.append(tuple(self.last(_TUPLES[instruction])))
        elif instruction in _STEPS:
            _STEPS[instruction](self)
        elif instruction in _STEPS_WITH_ARGUMENT:
            _STEPS_WITH_ARGUMENT[instruction](self, argument)
        elif instruction not in _WITHOUT_MEANING:
            raise FaultError(f"it holds what is not plain (a pickle's {instruction})")

    def mark(self) -> None:
        self.marks.append(self.stack)
        self.stack = []

    def since_mark(self) -> list[Any]:
        items, self.stack = self.stack, self.marks.pop()
        return items

    def last(self, count: int) -> list[Any]:
        if len(self.stack) < count:
            raise IndexError("an empty stack")
        items = self.stack[-count:]
        del self.stack[-count:]
        return items

    def name(self, text: str) -> None:
        full = text.replace(" ", ".", 1)
        if full not in self.known:
            raise RefusedError(ascii(full)[1:-1][:_SHOWN])
        self.stack.append(Name(full))

    def name_of_stack(self) -> None:
        module, name = self.last(2)
        if not (isinstance(name, str) and isinstance(module, str)):
            raise TypeError("a name that is no text")
        self.name(f"{module} {name}")

    def keep(self, index: int | None) -> None:
        self.memo[len(self.memo) if index is None else index] = self.stack[-1]

    def again(self, index: int) -> None:
        self.stack.append(self.memo[index])

    def tuple_since_mark(self) -> None:
        items = tuple(self.since_mark())
        self.stack.append(items)

    def extend(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) is not list:
            raise TypeError("items for what is no list")
        target.extend(items)

    def fill(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) is not dict:
            raise TypeError("entries for what is no dict")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not (isinstance(key, str) or (isinstance(key, int) and abs(key) < _LONGEST_KEY)):
                raise FaultError("it holds a dict with keys that are neither text nor numbers")
            target[key] = value

    def storage(self) -> None:
        match self.stack.pop():
            case ("storage", Name() as kind, str(key), *_) if kind.text in self.storages:
                self.stack.append(Storage(kind.text, key))
            case _:
                raise FaultError("it refers to something that is no tensor")

    def instance(self) -> None:
        name, arguments = self.last(2)
        if not isinstance(name, Name) or arguments != ():
            raise TypeError("an instance made with arguments")
        self.stack.append(Instance(name.text))

    def call(self) -> None:
        name, arguments = self.last(2)
        if not (isinstance(name, Name) and name.text in _CALLS and isinstance(arguments, tuple)):
            raise TypeError("a call of what can't be called")
        self.stack.append(_CALLS[name.text](arguments))

    def build(self) -> None:
        state = self.stack.pop()
        target = self.stack[-1]
        if isinstance(target, Instance):
            target.state = state
        elif type(target) is not dict:  # an ordered dict has attributes that nobody needs
            raise TypeError("a state for what has none")


def _view(arguments: tuple[Any, ...]) -> View:
    if len(arguments) not in _ARGUMENTS or not isinstance(arguments[0], Storage):
        raise TypeError("a tensor without its bytes")
    if len(arguments) == _ARGUMENTS[-1] and arguments[-1]:
        # Its numbers are stored with the other sign, or conjugated.
        raise FaultError("it holds a tensor whose numbers are not stored as they are")
    return View(*arguments[:4])


def _ordered(arguments: tuple[Any, ...]) -> dict[Any, Any]:
    if arguments:
        # A dict of a dict of a dict would copy each of them: a few words could fill the memory.
        raise TypeError("an ordered dict made of another")
    return {}


_CALLS: Final[dict[str, Callable[[tuple[Any, ...]], Any]]] = {_REBUILD: _view, _ORDERED: _ordered}
_WITHOUT_MEANING: Final = ("PROTO", "FRAME")
_NUMBERS: Final = ("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT")
_WORDS: Final = ("BINUNICODE", "SHORT_BINUNICODE", "BINBYTES", "SHORT_BINBYTES")
_CONSTANTS: Final[dict[str, Callable[[], Any]]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
}
_TUPLES: Final = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_STEPS: Final[dict[str, Callable[[_Machine], None]]] = {
    "MARK": _Machine.mark,
    "TUPLE": _Machine.tuple_since_mark,
    "APPEND": lambda machine: machine.extend(machine.last(1)),
    "APPENDS": lambda machine: machine.extend(machine.since_mark()),
    "SETITEM": lambda machine: machine.fill(machine.last(2)),
    "SETITEMS": lambda machine: machine.fill(machine.since_mark()),
    "STACK_GLOBAL": _Machine.name_of_stack,
    "BINPERSID": _Machine.storage,
    "NEWOBJ": _Machine.instance,
    "REDUCE": _Machine.call,
    "BUILD": _Machine.build,
}
_STEPS_WITH_ARGUMENT: Final[dict[str, Callable[[_Machine, Any], None]]] = {
    "GLOBAL": _Machine.name,
    "BINPUT": _Machine.keep,
    "LONG_BINPUT": _Machine.keep,
    "MEMOIZE": _Machine.keep,
    "BINGET": _Machine.again,
    "LONG_BINGET": _Machine.again,
}
