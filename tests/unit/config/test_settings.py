from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from topoqa_train import api
from topoqa_train.config.load import load_settings


class Wheels(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    front: int = 1


class Cart(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    name: str = "cart"
    source: str | None = None
    wheels: Wheels = Wheels()


def test_a_missing_key_has_its_default(write) -> None:
    file = write("cart.yaml", "wheels: {front: 2}\n")
    assert load_settings(file, Cart) == Cart(wheels=Wheels(front=2))
    assert api.load_settings(file, Cart).wheels.front == 2


def test_every_error_has_line_and_key(write, error_of) -> None:
    file = write("cart.yaml", "nam: x\nwheels:\n  front: two\n  rear: 1\n")
    error = error_of(lambda: load_settings(file, Cart))
    assert error.message == "cart.yaml is not a valid settings file:"
    assert list(error.details) == [
        "cart.yaml:1: nam: unknown key; did you mean 'name'?",
        "cart.yaml:3: wheels.front: should be a valid integer, not 'two'",
        "cart.yaml:4: wheels.rear: unknown key; known: front",
    ]


def test_sections_of_a_config_are_not_suggested(write, error_of) -> None:
    error = error_of(lambda: load_settings(write("cart.yaml", "num_workers: 1\n"), Cart))
    assert "dataloader" not in error.details[0]


def test_a_file_of_the_user_is_used_before_the_shipped_one(here: Path, write, error_of) -> None:
    given = Path("configs/ramdisk.yaml")
    assert api.find_config(given) == Path(__file__).resolve().parents[3] / given
    own = write("configs/ramdisk.yaml", "")
    assert api.find_config(given).resolve() == own.resolve()
    assert "did you mean" in error_of(lambda: api.find_config(Path("configs/ramdisc.yaml"))).message
