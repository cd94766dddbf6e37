"""`configs/ramdisk.yaml`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from topoqa_ramdisk.sizes import parse_size
from topoqa_train import api

FILE = Path("configs/ramdisk.yaml")
_AUTO = "auto"
# It becomes the name of a folder, and on macOS that of a volume.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")


def _fault(text: str) -> PydanticCustomError:
    return PydanticCustomError("settings", "{text}", {"text": text})


def _bytes(value: Any) -> int:  # noqa: ANN401
    try:
        return parse_size(value)
    except ValueError as error:
        raise _fault(str(error)) from None


def _bytes_or_auto(value: Any) -> int | None:  # noqa: ANN401
    if value == _AUTO:
        return None
    try:
        return parse_size(value)
    except ValueError as error:
        raise _fault(f"{error}, and so is {_AUTO}") from None


def _plain_name(value: Any) -> str:  # noqa: ANN401
    if isinstance(value, str) and _NAME.fullmatch(value):
        return value
    raise _fault(f"{value!r} is no plain name: up to 40 letters, digits, '.', '_' and '-'")


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


Workers = Annotated[int, Field(ge=0)] | None


class NumWorkers(_Strict):
    """Loader workers of each side; None: as set in the jobs."""

    baseline: Workers = None
    ramdisk: Workers = None


class Settings(_Strict):
    """The file. `size` limits the bytes of the graphs; None: no limit."""

    size: Annotated[int | None, BeforeValidator(_bytes_or_auto)] = None
    headroom: Annotated[int, BeforeValidator(_bytes)] = 2**30
    name: Annotated[str, BeforeValidator(_plain_name)] = "topoqa_ramdisk"
    graph_source: Annotated[Path, Field(strict=False)] | None = None
    num_workers: NumWorkers = NumWorkers()


@dataclass(frozen=True)
class LoadedSettings:
    """The settings and the file that they come from; `graph_source` is absolute."""

    file: Path
    settings: Settings


def load(given: Path | None) -> LoadedSettings:
    """Load the settings in `given`; without it `configs/ramdisk.yaml`, here or as shipped.

    Raises:
        RequestError: there is no such file, or what is wrong in it, with lines.
    """
    file = api.find_config(given or FILE).absolute()
    settings = api.load_settings(file, Settings)
    if settings.graph_source is not None:
        source = (file.parent / settings.graph_source.expanduser()).resolve()
        settings = settings.model_copy(update={"graph_source": source})
    return LoadedSettings(file, settings)
