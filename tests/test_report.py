"""report.py: both files, what is inside the page, and names that try to break out of it."""

from __future__ import annotations

import base64
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pc_align.metrics import Evaluation
from pc_align.report import MAX_POINTS, MAX_ROWS, GalleryItem, write_report

HOSTILE = [
    "</script><script>window.broken=1</script>",
    '"><img src=x onerror="window.broken=1">',
    "<!-- {{data}} {{title}}",
    "$\\frac{ $x 'y' & \u2028 \n",
    "name of bytes \udcff",
]


class Page(HTMLParser):
    """Checks that every element is closed, and keeps elements, addresses and the embedded JSON."""

    VOID = frozenset({"meta", "link", "img", "input", "br"})

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.titles: list[str] = []
        self.document = ""
        self.reading_data = False
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        self.reading_data = ("id", "data") in attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        self.reading_data = False

    def handle_data(self, data: str) -> None:
        if self.reading_data:
            self.document += data
        if self.open and self.open[-1] in ("title", "h1"):
            self.titles.append(data)

    @property
    def data(self) -> Any:
        return json.loads(self.document)


def evaluation(names: list[str], n: int = 60, seed: int = 0, **changes: Any) -> Evaluation:
    """Random scores that are right about half of the time; the last class has no example."""
    random = np.random.default_rng(seed)
    k = len(names)
    labels = random.integers(0, max(k - 1, 1), n)
    scores = random.random((n, k)) + 0.6 * np.eye(k)[labels]
    similarity = random.uniform(-1, 1, (k, k))
    similarity[-1] = np.nan
    values: dict[str, Any] = {
        "name": "test",
        "description": "New shapes of seen families.",
        "class_names": names,
        "ids": [f"shape_{i}" for i in range(n)],
        "labels": labels,
        "scores": (scores / scores.sum(axis=1, keepdims=True)).astype(np.float32),
        "similarity": similarity.astype(np.float32),
        "metrics": {"top1": 0.5123, "top3": 0.8, "chance": 1 / k, "top1_low": 0.45, "top1_high": 0.57},
        "protocol": {"split": "test", "hash": "9a1f0c4b"},
    }
    return Evaluation(**{**values, **changes})


def item(label: str, names: list[str], n: int = 100, seed: int = 0, name: str = "cloud") -> GalleryItem:
    random = np.random.default_rng(seed)
    points = random.uniform(-0.5, 0.5, (n, 3)).astype(np.float32)
    return GalleryItem(name, points, label, [(other, 1 / len(names)) for other in names])


def decode(entry: dict[str, Any]) -> np.ndarray:
    """[M, 3] points of an item of the page."""
    whole = np.frombuffer(base64.b64decode(entry["points"]), "<i2").reshape(-1, 3)
    return whole.astype(np.float64) * entry["scale"] / 32767


def report(folder: Path, evaluations: list[Evaluation], gallery: dict[str, list[GalleryItem]], **changes: Any) -> Page:
    values: dict[str, Any] = {"title": "Shapes", "history": [], **changes}
    picture, page = write_report(folder, evaluations=evaluations, gallery=gallery, **values)
    assert (picture, page) == (folder / "report.png", folder / "report.html")
    assert sorted(path.name for path in folder.iterdir()) == ["report.html", "report.png"]  # no drafts left
    return Page(page.read_text(encoding="utf-8"))


def size_of_png(path: Path) -> tuple[int, int]:
    from matplotlib.image import imread

    height, width = imread(path).shape[:2]
    return width, height


NAMES = ["chair", "night stand", "vase", "lamp"]


def test_page_holds_names_figures_and_curves(tmp_path: Path) -> None:
    history: list[dict[str, float]] = [{"step": 20 * i, "loss": 4 / i, "epoch": i / 10} for i in range(1, 2001)]
    history.append({"step": 40000, "epoch": 8, "validation/top1": 0.83})
    page = report(tmp_path / "new", [evaluation(NAMES)], {"test": [item("vase", NAMES)]}, history=history)
    (one,) = page.data["evaluations"]
    assert one["classes"] == NAMES and one["count"] == 60
    assert one["metrics"] == {"top1": 0.5123, "top3": 0.8, "chance": 0.25, "top1_low": 0.45, "top1_high": 0.57}
    assert one["protocol"] == {"split": "test", "hash": "9a1f0c4b"}
    assert page.data["series"]["validation/top1"] == [[40000, 0.83]]
    loss = np.array(page.data["series"]["loss"])
    assert len(loss) == MAX_ROWS and "epoch" not in page.data["series"]
    assert loss[0] == pytest.approx([50, np.mean([4, 2, 4 / 3, 1])], rel=1e-5)  # 2000 rows in 600 bins: 4 in the first


def test_counts_equal_an_independent_count(tmp_path: Path) -> None:
    given = evaluation(NAMES, n=200, seed=3)
    one = report(tmp_path, [given], {}).data["evaluations"][0]
    expected: dict[tuple[int, int], int] = {}
    for row, label in zip(given.scores.tolist(), given.labels.tolist(), strict=True):
        pair = (label, row.index(max(row)))
        expected[pair] = expected.get(pair, 0) + 1
    assert {(row, column): count for row, column, count in one["confusion"]} == expected


def test_similarity_decodes_and_keeps_nan(tmp_path: Path) -> None:
    given = evaluation(NAMES)
    one = report(tmp_path, [given], {}).data["evaluations"][0]
    whole = np.frombuffer(base64.b64decode(one["similarity"]), "<i2").reshape(4, 4)
    cosines = np.where(whole == -32768, np.nan, whole / 32767)
    np.testing.assert_allclose(cosines, given.similarity, atol=0.51 / 32767, equal_nan=True)


def test_clouds_decode_to_within_quantisation(tmp_path: Path) -> None:
    far = GalleryItem("scan.ply", item("", NAMES).points * 300 + 1000, "", [])
    broken = item("chair", NAMES, seed=2)
    broken.points[::10] = np.nan
    large = item("vase", NAMES, n=MAX_POINTS + 500, seed=1)
    page = report(tmp_path, [evaluation(NAMES)], {"test": [item("chair", NAMES), broken, large], "your files": [far]})
    groups = {group["name"]: group["items"] for group in page.data["gallery"]}
    kept = broken.points[np.isfinite(broken.points).all(axis=1)]
    for entry, points in [
        (groups["test"][0], item("chair", NAMES).points),
        (groups["test"][1], kept),
        (groups["your files"][0], far.points),
    ]:
        np.testing.assert_allclose(decode(entry), points, atol=0.51 * entry["scale"] / 32767)
    sampled = decode(groups["test"][2])
    assert sampled.shape == (MAX_POINTS, 3)
    nearest = np.abs(sampled[:50, None] - large.points[None]).max(axis=2).min(axis=1)
    assert nearest.max() <= 0.51 * groups["test"][2]["scale"] / 32767


def test_right_answer_is_kept_however_far_down(tmp_path: Path) -> None:
    names = [f"class {i}" for i in range(30)]
    page = report(tmp_path, [], {"your files": [item("class 20", names)]})
    ranked = page.data["gallery"][0]["items"][0]["ranked"]
    assert [(name, rank) for name, _, rank in ranked] == [
        *[(f"class {i}", i + 1) for i in range(5)],
        ("class 20", 21),
    ]


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    given = evaluation(HOSTILE, name=HOSTILE[0], description=HOSTILE[1], protocol={HOSTILE[0]: HOSTILE[1]})
    gallery = {HOSTILE[0]: [item(name, HOSTILE, name=name) for name in HOSTILE]}
    plain = report(tmp_path, [evaluation(NAMES)], {"test": [item("vase", NAMES)]})
    page = report(
        tmp_path, [given], gallery, title="".join(HOSTILE[:3]), history=[{"step": 1, HOSTILE[0]: 1.0, "loss": np.nan}]
    )
    assert page.tags == plain.tags and not any(name.startswith("on") for name, _ in page.attributes)
    assert page.titles.count("".join(HOSTILE[:3])) == 2
    assert page.data["evaluations"][0]["classes"] == HOSTILE
    assert page.data["evaluations"][0]["protocol"] == {HOSTILE[0]: HOSTILE[1]}
    assert [entry["id"] for entry in page.data["gallery"][0]["items"]] == HOSTILE
    assert page.data["series"] == {HOSTILE[0]: [[1.0, 1.0]], "loss": [[1.0, None]]}


def test_page_loads_nothing(tmp_path: Path) -> None:
    page = report(tmp_path, [evaluation(NAMES)], {"test": [item("vase", NAMES)]})
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert set(re.findall(r"https?://[^\s\"'<]+", text)) == {
        "http://www.w3.org/2000/svg"
    }  # a namespace, not an address
    assert [value for name, value in page.attributes if name in ("src", "href")] == ["data:,"]
    assert not re.search(r"@import|url\(|fetch\(|XMLHttpRequest|WebSocket|sendBeacon|\beval\(|innerHTML", text)
    policy = [value for name, value in page.attributes if name == "content" and value and "default-src" in value]
    assert len(policy) == 1 and policy[0] is not None and policy[0].startswith("default-src 'none'")


@pytest.mark.parametrize(
    ("evaluations", "gallery", "history"),
    [
        ([], {}, []),
        ([], {"your files": [GalleryItem("empty.ply", np.zeros((0, 3), np.float32), "", [])]}, []),
        ([evaluation(["chair"], n=5)], {"test": [item("chair", ["chair"], n=1)]}, [{"step": 1.0, "loss": 0.5}]),
        ([evaluation(NAMES, n=0, metrics={"top1": float("nan")})], {"test": []}, [{"loss": 1.0}]),
        ([evaluation(NAMES), evaluation(NAMES, name="synonyms")], {}, []),
    ],
    ids=["nothing", "empty cloud", "one class", "no examples", "two without clouds"],
)
def test_odd_inputs(
    tmp_path: Path,
    evaluations: list[Evaluation],
    gallery: dict[str, list[GalleryItem]],
    history: list[dict[str, float]],
) -> None:
    page = report(tmp_path, evaluations, gallery, history=history)
    assert len(page.data["evaluations"]) == len(evaluations)
    assert size_of_png(tmp_path / "report.png")[0] == 1600


def test_picture_grows_with_its_content(tmp_path: Path) -> None:
    report(tmp_path, [], {"your files": [item("", NAMES, n=20)]})
    short = size_of_png(tmp_path / "report.png")
    report(tmp_path, [evaluation(NAMES)], {"your files": [item("", NAMES, n=20)]}, history=[{"step": 1, "loss": 1.0}])
    tall = size_of_png(tmp_path / "report.png")
    assert short == (1600, 425) and tall == (1600, 1700)


def test_a_failure_leaves_the_old_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report(tmp_path, [evaluation(NAMES)], {})
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def fail(*_: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_report(tmp_path, title="Other", evaluations=[evaluation(NAMES)], gallery={}, history=[])
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    monkeypatch.undo()
    assert "Other" in report(tmp_path, [evaluation(NAMES)], {}, title="Other").titles


def test_four_evaluations_stay_small(tmp_path: Path) -> None:
    names = [f"class {i}" for i in range(40)]
    evaluations = [evaluation(names, n=500, name=f"test {i}") for i in range(4)]
    cloud = item("class 3", names, n=MAX_POINTS)
    report(tmp_path, evaluations, {one.name: [cloud] * 24 for one in evaluations})
    assert (tmp_path / "report.html").stat().st_size < 3_000_000
