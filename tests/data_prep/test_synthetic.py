"""Procedural shapes: the same from a seed, true in their captions, and held out where they say so."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from data_prep.synthetic.families import FAMILIES
from data_prep.synthetic.generate import (
    SPLITS,
    generate,
    make_parse,
    sample_points,
    split_info,
    with_combinations,
    with_synonyms,
    write_sample_meshes,
)
from data_prep.synthetic.grammar import (
    article,
    contains_word,
    describe_combination,
    expand,
    fix_articles,
    make_captions,
    plural,
)
from data_prep.synthetic.parse import Parse
from data_prep.synthetic.parts import Part, part_triangles, rotation_matrix, sample_triangles
from data_prep.synthetic.sketch import Family
from pc_align.data.io import import_open3d
from pc_align.data.transforms import normalize

SHAPES = 20  # of each family


@pytest.fixture(scope="module")
def parses() -> list[Parse]:
    """The first training shapes: SHAPES of each family."""
    return [make_parse("train", 0, index)[0] for index in range(SHAPES * len(FAMILIES))]


@pytest.fixture(scope="module")
def captions(parses: list[Parse]) -> list[list[str]]:
    return [make_captions(parse, random.Random(index)) for index, parse in enumerate(parses)]


def first_hits(faces: np.ndarray, origins: np.ndarray, axis: int) -> np.ndarray:
    """Where lines along `axis` through origins [N, 3] meet triangles [F, 3, 3] last, seen from -inf: [N], or -inf."""
    flat = [i for i in range(3) if i != axis]
    a, b, c = (faces[:, i][:, flat] for i in range(3))
    best = np.full(len(origins), -np.inf)
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    solid = np.abs(area) > 1e-9
    for i, point in enumerate(origins[:, flat]):
        u = ((point[0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (point[1] - a[:, 1]) * (c[:, 0] - a[:, 0]))[solid] / area[
            solid
        ]
        v = ((b[:, 0] - a[:, 0]) * (point[1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (point[0] - a[:, 0]))[solid] / area[
            solid
        ]
        hit = (u >= 0) & (v >= 0) & (u + v <= 1)
        if hit.any():
            levels = faces[solid][:, :, axis]
            best[i] = (levels[:, 0] + u * (levels[:, 1] - levels[:, 0]) + v * (levels[:, 2] - levels[:, 0]))[hit].max()
    return best


# ---- parts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["box", "cylinder", "cone", "sphere"])
def test_primitive_fills_its_size(kind: str) -> None:
    faces = part_triangles(Part(kind, "x", (2.0, 4.0, 6.0), (1.0, 0.0, -1.0)))
    low, high = faces.reshape(-1, 3).min(axis=0), faces.reshape(-1, 3).max(axis=0)
    np.testing.assert_allclose(high - low, (2, 4, 6), rtol=0.03)
    np.testing.assert_allclose((high + low) / 2, (1, 0, -1), atol=0.02)


def test_rotation_is_about_x_then_y_then_z() -> None:
    np.testing.assert_allclose(rotation_matrix((90, 0, 0)) @ [0, 1, 0], [0, 0, 1], atol=1e-6)
    np.testing.assert_allclose(rotation_matrix((0, 90, 0)) @ [0, 0, 1], [1, 0, 0], atol=1e-6)
    np.testing.assert_allclose(rotation_matrix((90, 0, 90)) @ [0, 1, 0], [0, 0, 1], atol=1e-6)
    np.testing.assert_allclose(rotation_matrix((90, 90, 0)) @ [0, 1, 0], [1, 0, 0], atol=1e-6)


def test_sampling_is_by_area() -> None:
    small = part_triangles(Part("box", "small", (1, 1, 1), (0, 0, 0)))
    large = part_triangles(Part("box", "large", (3, 3, 3), (10, 0, 0)))
    points = sample_triangles(np.concatenate([small, large]), 20000, np.random.default_rng(0))
    assert (points[:, 0] < 5).mean() == pytest.approx(0.1, abs=0.01)
    on_surface = np.abs(np.abs(points[points[:, 0] < 5]).max(axis=1) - 0.5)
    assert on_surface.max() < 1e-5


def test_unknown_part_kind_is_an_error() -> None:
    with pytest.raises(ValueError, match="unknown kind of part"):
        part_triangles(Part("blob", "x", (1, 1, 1), (0, 0, 0)))


# ---- words ---------------------------------------------------------------------------------------------------------


def test_plurals() -> None:
    pairs = {
        "thin leg": "thin legs",
        "shelf": "shelves",
        "bench": "benches",
        "body": "bodies",
        "row of keys": "rows of keys",
    }
    assert {word: plural(word) for word in pairs} == pairs


def test_articles() -> None:
    assert [article(word) for word in ("airplane", "chair", "u-shaped", "l-shaped", "one", "upright", "hour")] == [
        "an", "a", "a", "an", "a", "an", "an",
    ]  # fmt: skip
    assert fix_articles("a airplane on an round foot") == "an airplane on a round foot"


def test_expansion_offers_every_wording() -> None:
    rng = random.Random(0)
    assert {expand("{thin|slender|} leg", rng) for _ in range(50)} == {"thin leg", "slender leg", "leg"}
    assert expand("{thin|slender} leg", None) == "thin leg"


def test_contains_word_means_whole_words_and_plurals() -> None:
    assert contains_word("two benches", ["bench"]) and contains_word("a dining chair.", ["chair"])
    assert not contains_word("a carpet", ["car"])


# ---- families ------------------------------------------------------------------------------------------------------


def test_enough_families_with_distinct_names() -> None:
    assert len(FAMILIES) >= 36
    assert len({family.name for family in FAMILIES}) == len(FAMILIES)
    assert len(with_synonyms()) >= 20
    assert len(with_combinations()) >= 10


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_at_least_three_attributes_show_in_the_mesh(family: Family) -> None:
    visible: set[str] = set()
    for seed in range(40):
        rng = np.random.default_rng(seed)
        first = family.draw_attributes(rng)
        other = family.draw_attributes(rng)
        before = family.parse(first).faces
        for name in set(family.attributes) - visible:
            after = family.parse({**first, name: other[name]}).faces
            if before.shape != after.shape or not np.allclose(before, after, atol=1e-3):
                visible.add(name)
    # Every attribute is there to be seen, not only three: an unused one would be a slip.
    varying = {name for name, options in family.attributes.items() if len(set(options)) > 1}
    assert len(visible) >= 3
    assert visible >= varying


def test_parse_survives_json(parses: list[Parse]) -> None:
    for parse in parses[:: SHAPES // 2]:
        again = Parse.from_json(json.loads(json.dumps(parse.to_json())))
        assert again == parse
        np.testing.assert_array_equal(again.posed_faces, parse.posed_faces)
        assert make_captions(again, random.Random(1)) == make_captions(parse, random.Random(1))


# ---- captions are true ---------------------------------------------------------------------------------------------


def test_counts_in_facts_are_counts_of_parts(parses: list[Parse]) -> None:
    checked = Counter()
    for parse in parses:
        for fact in parse.facts:
            if fact.role is not None and fact.count is not None:
                assert parse.count(fact.role) == fact.count, (parse.family, fact)
                checked[parse.family] += 1
    assert len(checked) > 0.9 * len(FAMILIES)


def test_heads_name_parts_that_exist(parses: list[Parse]) -> None:
    for parse in parses:
        assert parse.head, parse.family
        assert parse.head_role is None or parse.count(parse.head_role) >= 1, parse.family


@pytest.mark.parametrize("name", ["chair", "stool", "table", "bench", "cabinet"])
def test_legs_said_are_legs_seen(name: str) -> None:
    """Cuts the cloud just above the floor, and counts the pieces."""
    open3d, rng = import_open3d(), np.random.default_rng(0)
    family = next(family for family in FAMILIES if family.name == name)
    seen = Counter()
    for seed in range(12):
        parse = family.parse(family.draw_attributes(np.random.default_rng(seed)))
        points = sample_triangles(parse.faces, 40000, rng)
        height = parse.extents[2]
        cut = points[(points[:, 2] > 0.02 * height) & (points[:, 2] < 0.08 * height)]
        cloud = open3d.geometry.PointCloud(open3d.utility.Vector3dVector(cut.astype(np.float64)))
        pieces = np.asarray(cloud.cluster_dbscan(eps=0.05, min_points=3)).max() + 1
        legs = [fact.count for fact in parse.facts if fact.frame == "on" and fact.role in ("leg", "side panel")]
        if legs:
            assert pieces == legs[0], (name, parse.attributes)
            seen[pieces] += 1
    assert seen


def _claim_holds(claim: str, parse: Parse) -> bool:
    """Measures a claim on the triangles. Handles and hoops may pass over an opening."""
    keep = [part for part in parse.parts if part.role not in ("hoop", "handle", "base", "tap", "tap spout")]
    faces = np.concatenate([part_triangles(part) for part in keep])
    low, high = faces.reshape(-1, 3).min(axis=0), faces.reshape(-1, 3).max(axis=0)
    middle, x, z = (low + high) / 2, (high - low)[0], (high - low)[2]
    body = np.concatenate(
        [part_triangles(part) for part in keep if part.role in ("body", "cup", "side", "wall")] or [faces]
    )
    axis = np.array([[dx, dy, 0.0] for dx in (-0.007, 0.003, 0.008) for dy in (-0.007, 0.002, 0.009)])
    if claim in ("open top", "closed top"):
        rim = body[..., 2].max()
        depth = rim - first_hits(faces, axis, axis=2)
        return bool((depth > 0.3 * (rim - low[2])).all() if claim == "open top" else (depth < 0.02).all())
    if claim == "open middle":
        return bool(np.isinf(first_hits(faces, np.array([[0.0, 0.0, low[2] + 0.4 * z]]), axis=1)).all())
    if claim == "see-through":
        grid = np.array(
            [[low[0] + x * u, 0.0, low[2] + z * v] for u in np.linspace(0.1, 0.9, 9) for v in np.linspace(0.1, 0.9, 9)]
        )
        return bool(np.isinf(first_hits(faces, grid, axis=1)).mean() > 0.2)
    if claim == "hole":
        inside = sample_triangles(faces, 4000, np.random.default_rng(0)) - middle
        return bool(np.linalg.norm(inside, axis=1).min() > 0.1)
    raise AssertionError(f"no measurement for the claim {claim!r}: add one")


def test_claims_hold_in_the_mesh(parses: list[Parse]) -> None:
    checked = Counter()
    for parse in parses:
        for fact in parse.facts:
            if fact.claim is not None:
                assert _claim_holds(fact.claim, parse), (parse.family, fact.claim, parse.attributes)
                checked[fact.claim] += 1
    assert set(checked) == {"open top", "closed top", "open middle", "see-through", "hole"}


_PROPORTIONS = {
    r"much taller than wide|tall and narrow|tall and slim": lambda x, y, z: z > 1.9 * max(x, y),
    r"taller than (it is )?wide": lambda x, y, z: z > 1.1 * max(x, y),
    r"much wider than tall|low and wide|low for its width": lambda x, y, z: z < 0.45 * max(x, y),
    r"wider than (it is )?tall": lambda x, y, z: z < 0.9 * max(x, y),
    r"as tall as it is wide|as wide as it is tall": lambda x, y, z: 0.8 < z / max(x, y) < 1.25,
    r"long and narrow|elongated|stretched lengthwise": lambda x, y, z: max(x, y) > 1.9 * min(x, y),
    r"flat from front to back|thin from front to back|thin in depth": lambda x, y, z: y < 0.45 * x,
}


def test_proportions_said_are_proportions_of_the_cloud(parses: list[Parse], captions: list[list[str]]) -> None:
    """Read from the caption's text, and measured on the sampled points in their tilted pose."""
    checked = Counter()
    for index, (parse, texts) in enumerate(zip(parses, captions, strict=True)):
        x, y, z = np.ptp(sample_points(parse, 3000, np.random.default_rng(index)), axis=0).tolist()
        for text in texts:
            for pattern, holds in _PROPORTIONS.items():
                if re.search(rf"\b(?:{pattern})\b", text):
                    assert holds(x, y, z), (text, (x, y, z))
                    checked[pattern] += 1
    assert len(checked) == len(_PROPORTIONS)


# ---- captions as language ------------------------------------------------------------------------------------------


def test_half_of_the_captions_say_the_name(parses: list[Parse], captions: list[list[str]]) -> None:
    for parse, texts in zip(parses, captions, strict=True):
        assert len(texts) == len(set(texts)) == 8, (parse.family, texts)
        assert sum(contains_word(text, [parse.family]) for text in texts) == 4, (parse.family, texts)


def test_articles_are_right_and_no_markup_is_left(captions: list[list[str]]) -> None:
    for text in (text for texts in captions for text in texts):
        assert not re.search(r"\ban [^aeiouh]", text.replace("an l-shaped", "")), text
        assert not re.search(r"\ba [aeio]", text.replace("a one-", "")), text
        assert not re.search(r"[{}|]|  | [,.;]|\b(\w+) \1\b", text), text


def test_wordings_are_many(captions: list[list[str]]) -> None:
    texts = [text for group in captions for text in group]
    assert len(set(texts)) > 0.9 * len(texts)


def test_excluded_words_are_absent(parses: list[Parse]) -> None:
    banned = ["chair", "table", "sofa", "bed", "desk", "leg"]
    for index, parse in enumerate(parses):
        texts = make_captions(parse, random.Random(index), exclude_words=banned)
        assert texts, parse.family
        assert not any(contains_word(text, banned) for text in texts)
    with_legs = [text for index, parse in enumerate(parses) for text in make_captions(parse, random.Random(index))]
    assert any(contains_word(text, banned) for text in with_legs)


# ---- held-out material ---------------------------------------------------------------------------------------------


def _words(text: str) -> set[str]:
    return set(re.findall(r"[a-z]+", text.lower()))


def test_synonyms_are_in_no_training_caption(parses: list[Parse], captions: list[list[str]]) -> None:
    # The captions said, and beyond them every wording that the parses could have said.
    said = {word for texts in captions for text in texts for word in _words(text)}
    for parse in parses:
        for text in (parse.head, *parse.overall, *(f"{fact.text} {fact.tail}" for fact in parse.facts)):
            said |= _words(text)
    for family in with_synonyms():
        synonym = str(family.synonym)
        assert synonym != family.name
        for word in _words(synonym):
            assert not {word, plural(word)} & said, synonym
    names = split_info("test_synonyms").class_names
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("split", SPLITS)
def test_held_out_combinations_stay_held_out(split: str) -> None:
    by_name = {family.name: family for family in FAMILIES}
    info, seen = split_info(split), Counter()
    for index in range(800):
        parse, label = make_parse(split, 3, index)
        family = by_name[parse.family]
        if split == "test_synonyms":
            assert info.class_names[label] == family.synonym
        elif not split.endswith("combinations"):
            assert info.class_names[label] == family.name
        if family.pair is None:
            continue
        pair = (parse.attributes[family.pair[0]], parse.attributes[family.pair[1]])
        assert (pair in family.unseen) == (split == "test_combinations")
        if split.endswith("combinations"):
            assert info.class_names[label] == describe_combination(family, pair)
            assert info.groups is not None and FAMILIES[info.groups[label]] is family
        seen[family.name, pair] += 1
    families = with_combinations()
    if split == "test_combinations":
        assert len(seen) == sum(len(family.unseen) for family in families)
    # Each value of an unseen combination is seen with others, or the question would be unfair.
    for family in families:
        for first, second in family.unseen:
            others = [pair for pair in family.combinations() if pair not in family.unseen]
            assert any(pair[0] == first for pair in others) and any(pair[1] == second for pair in others)


def test_combination_sentences_are_distinct() -> None:
    info = split_info("test_combinations")
    assert info.groups is not None and len(info.groups) == len(info.class_names)
    assert len(set(info.class_names)) == len(info.class_names)
    assert info.templates == ["{}"]
    for name in info.class_names:
        assert fix_articles(name) == name and "{" not in name


# ---- the whole -----------------------------------------------------------------------------------------------------


def test_generation_does_not_depend_on_workers() -> None:
    sizes = {"train": 150, "validation": 70, "test": 30, "num_points": 64, "progress": False}
    one, two = generate(seed=5, workers=1, **sizes), generate(seed=5, workers=2, **sizes)
    other = generate(seed=6, workers=1, **sizes)
    assert list(one) == list(SPLITS)
    for split in SPLITS:
        (info, examples), (info_two, examples_two) = one[split], two[split]
        assert info == info_two
        for a, b in zip(examples, examples_two, strict=True):
            assert (a.id, a.label, a.captions) == (b.id, b.label, b.captions)
            np.testing.assert_array_equal(a.points, b.points)
        different = other[split][1]
        assert any(not np.array_equal(a.points, c.points) for a, c in zip(examples, different, strict=True))
    clouds = {example.points.tobytes() for split in SPLITS for example in one[split][1]}
    assert len(clouds) == sum(len(one[split][1]) for split in SPLITS)


def test_clouds_are_finite_centred_and_unit(parses: list[Parse]) -> None:
    for index, parse in enumerate(parses[:200]):
        points = normalize(sample_points(parse, 256, np.random.default_rng(index)))
        assert points.shape == (256, 3) and points.dtype == np.float32
        assert np.isfinite(points).all()
        assert np.abs(points.mean(axis=0)).max() < 1e-4
        assert np.linalg.norm(points, axis=1).max() == pytest.approx(1.0, abs=1e-5)


def test_families_are_balanced() -> None:
    labels = Counter(make_parse("train", 0, index)[1] for index in range(3 * len(FAMILIES)))
    assert set(labels.values()) == {3} and len(labels) == len(FAMILIES)


def test_sample_meshes_can_be_read(tmp_path: Path) -> None:
    paths = write_sample_meshes(tmp_path, seed=1, families=("chair", "airplane", "mug", "house"))
    assert [path.suffix for path in paths] == [".off", ".ply", ".obj", ".stl"]
    for path in paths:
        assert len(import_open3d().io.read_triangle_mesh(str(path)).triangles) > 50
