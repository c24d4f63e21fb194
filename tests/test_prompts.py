from __future__ import annotations

import pytest

from pc_align.data.prompts import POINT_CLOUD_TEMPLATES, class_name, fill, fill_all, with_article


@pytest.mark.parametrize(
    ("noun", "expected"),
    [
        ("airplane", "an airplane"),
        ("night stand", "a night stand"),
        ("stairs", "stairs"),
        ("unicycle", "a unicycle"),
        ("umbrella", "an umbrella"),
        ("hourglass", "an hourglass"),
        ("xbox", "an xbox"),
    ],
)
def test_articles(noun: str, expected: str) -> None:
    assert with_article(noun) == expected


def test_filling() -> None:
    assert fill("a point cloud of a {}.", "airplane") == "a point cloud of an airplane."
    assert fill("A {} on a floor", "oak_tree") == "An oak tree on a floor"
    assert fill("a {}.", "stairs") == "stairs."
    assert fill("a single {} standing", "airplane") == "a single airplane standing"
    assert fill("{}", "a slab on four legs") == "a slab on four legs"
    assert class_name("  night_stand ") == "night stand"


def test_a_template_without_a_place_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"\{\}"):
        fill("a chair", "table")


def test_the_builtin_templates() -> None:
    assert len(POINT_CLOUD_TEMPLATES) >= 16 and len(set(POINT_CLOUD_TEMPLATES)) == len(POINT_CLOUD_TEMPLATES)
    for prompt in fill_all(POINT_CLOUD_TEMPLATES, "airplane"):
        assert "airplane" in prompt and " a airplane" not in prompt and "{}" not in prompt
