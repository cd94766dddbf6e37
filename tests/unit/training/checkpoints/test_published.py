from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from topoqa_train.errors import RequestError
from topoqa_train.labels.graph_index import GraphIndex
from topoqa_train.labels.label_file import read_labels
from topoqa_train.training.checkpoints.published import load_published
from topoqa_train.training.data.collate import GraphBatch
from topoqa_train.training.data.datamodule import evaluation_loader
from topoqa_train.training.data.dataset import load_splits
from topoqa_train.training.model.build import ModelOptions
from topoqa_train.training.model.proteingat import build

THEIRS = {
    "node_embedding": "embed.0",
    "edge_embedding": "edge_embed.0",
    "edge_summary": "fc_edge",
    "head.0": "protein_fc_1.0",
    "head.2": "fc1",
    "head.4": "out",
    "layers.0.attention.source": "conv1.0.lin_l",
    "layers.0.attention.target": "conv1.0.lin_r",
    "layers.0.attention.edge": "conv1.0.lin_edge",
    "layers.0.edge_update.linear": "conv1.0.edge_linear",
    "layers.1.attention.source": "conv2.0.lin_l",
    "layers.1.attention.target": "conv2.0.lin_r",
    "layers.1.attention.edge": "conv2.0.lin_edge",
    "layers.1.edge_update.linear": "conv2.0.edge_linear",
}


def as_published(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Our weights under their names."""
    theirs = {}
    for name, value in weights.items():
        module, _, part = name.rpartition(".")
        if module.endswith("attention"):
            layer = f"conv{int(name.split('.')[1]) + 1}.0"
            theirs[f"{layer}.{'att' if part == 'attention' else part}"] = (
                value.unsqueeze(0) if part == "attention" else value
            )
        else:
            theirs[f"{THEIRS[module]}.{part}"] = value
    theirs["conv3.0.never.used"] = torch.ones(3)
    return theirs


@pytest.fixture
def weights() -> dict[str, Tensor]:
    torch.manual_seed(1)
    options = ModelOptions(attention_head=4, use_layer_norm=False)
    return dict(build(options, node_dim=6, edge_dim=3).state_dict())


def save(path: Path, state_dict: object, **more: object) -> Path:
    torch.save({"state_dict": state_dict, "epoch": 3, **more}, path)
    return path


@pytest.mark.peer
def test_published_scores_are_reproduced(
    peer: Path, record_property: Callable[[str, object], None]
) -> None:
    labels = read_labels(peer / "labels.csv", split="test")
    split = load_splits({"test": labels}, GraphIndex.scan(peer / "graph_data"))["test"]
    model = load_published(peer / "topoqa.ckpt")
    with torch.inference_mode():
        scores = torch.cat([model(batch) for batch in evaluation_loader(split, 16)])
    with (peer / "published_scores.csv").open(newline="") as file:
        published = {row["MODEL"]: float(row["PRED_DOCKQ"]) for row in csv.DictReader(file)}
    assert {label.model for label in split.labels} == set(published)
    expected = torch.tensor([published[label.model] for label in split.labels])
    difference = (scores - expected).abs().max().item()
    record_property("largest_difference", difference)
    assert len(scores) == 72
    assert difference < 1e-5


def test_published_names_become_ours(
    tmp_path: Path, weights: dict[str, Tensor], batch: GraphBatch
) -> None:
    path = save(tmp_path / "p.ckpt", as_published(weights))
    model = load_published(path)
    expected = build(ModelOptions(attention_head=4, use_layer_norm=False), node_dim=6, edge_dim=3)
    expected.load_state_dict(weights)
    assert not model.training
    assert torch.equal(model(batch), expected.eval()(batch))
    assert load_published(path, pooling="max").pooling == "max"


def test_names_inside_a_module_and_with_a_layer_norm(tmp_path: Path, batch: GraphBatch) -> None:
    torch.manual_seed(2)
    expected = build(ModelOptions(attention_head=4, use_layer_norm=True), node_dim=6, edge_dim=3)
    weights = dict(expected.state_dict())
    plain = {name: value for name, value in weights.items() if "edge_embedding" not in name}
    theirs = as_published(plain)
    for name, value in weights.items():
        if "edge_embedding" in name:
            theirs[name.replace("edge_embedding", "edge_embed")] = value
    inside = {f"model.{name}": value for name, value in theirs.items()}
    model = load_published(save(tmp_path / "p.ckpt", inside))
    assert torch.equal(model(batch), expected.eval()(batch))


def test_missing_and_unknown_weights_are_named(tmp_path: Path, weights: dict[str, Tensor]) -> None:
    theirs = as_published(weights)
    del theirs["conv2.0.att"]
    theirs["conv7.weight"] = torch.ones(1)
    theirs["out.bias"] = "text"  # type: ignore[assignment]
    with pytest.raises(RequestError, match="does not hold the published network") as caught:
        load_published(save(tmp_path / "p.ckpt", theirs))
    assert caught.value.details == (
        "missing: conv2.0.att",
        "unknown: conv7.weight",
        "not a tensor: out.bias",
    )


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("conv1.0.att", (3,)),
        ("conv1.0.att", ()),
        ("conv1.0.att", (1, 5, 32)),
        ("embed.0.weight", (32,)),
        ("embed.0.weight", (31, 6)),
        ("fc1.bias", (2, 2)),
    ],
)
def test_wrong_shapes_are_refused(
    tmp_path: Path, weights: dict[str, Tensor], name: str, shape: tuple[int, ...]
) -> None:
    theirs = {**as_published(weights), name: torch.ones(shape)}
    with pytest.raises(RequestError, match="not of the published shapes"):
        load_published(save(tmp_path / "p.ckpt", theirs))
