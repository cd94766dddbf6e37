from __future__ import annotations

from topoqa_train.suggest import did_you_mean, nearest_names


def test_the_most_similar_names_come_first() -> None:
    known = ["trainer", "training", "model"]
    assert nearest_names("traine", known, most=2) == ["trainer", "training"]
    assert nearest_names("TRAINING", known) == ["training"]
    assert nearest_names("zzz", known) == []


def test_the_end_of_a_message() -> None:
    assert did_you_mean("modle", ["model", "paths"]) == "; did you mean 'model'?"
    assert did_you_mean("zzz", ["b", "a"]) == ""
    assert did_you_mean("zzz", ["b", "a"], list_known=True) == "; known: a, b"
    assert did_you_mean("zzz", map(str, range(20)), list_known=True) == ""
