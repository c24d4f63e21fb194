from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, confusion_matrix, top_k_accuracy_score

from pc_align import metrics


@pytest.fixture
def scored() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = rng.integers(7, size=200)
    return (rng.normal(size=(200, 7)) + 1.5 * np.eye(7)[labels]).astype(np.float32), labels


def test_figures_against_scikit_learn(scored: tuple[np.ndarray, np.ndarray]) -> None:
    scores, labels = scored
    figures = metrics.classification_metrics(scores, labels, np.full(200, 7))
    for k in (1, 3, 5):
        expected = top_k_accuracy_score(labels, scores, k=k, labels=np.arange(7))
        assert figures[f"top{k}"] == pytest.approx(expected, abs=1e-12)
    assert figures["class_accuracy"] == pytest.approx(balanced_accuracy_score(labels, scores.argmax(1)), abs=1e-12)
    assert figures["chance"] == pytest.approx(1 / 7)
    assert figures["top1_low"] < figures["top1"] < figures["top1_high"]


def test_ties_count_against_the_example() -> None:
    scores = np.array([[1.0, 1.0, 0.0], [2.0, 1.0, 0.0]], dtype=np.float32)
    assert metrics.ranks_of_right_class(scores, np.array([0, 0])).tolist() == [1, 0]


def test_a_class_without_examples_is_left_out_of_the_class_accuracy() -> None:
    labels = np.array([0, 0, 2])
    assert metrics.class_accuracy(np.array([True, False, True]), labels) == pytest.approx(0.75)


def test_no_examples_give_nan() -> None:
    figures = metrics.classification_metrics(np.empty((0, 3), np.float32), np.empty(0, np.int64), np.empty(0, np.int64))
    assert all(np.isnan(value) for value in figures.values())


def test_confusion_matrix(scored: tuple[np.ndarray, np.ndarray]) -> None:
    scores, labels = scored
    ours = metrics.confusion_matrix(scores.argmax(1), labels, 7)
    np.testing.assert_array_equal(ours, confusion_matrix(labels, scores.argmax(1), labels=np.arange(7)))


def test_bootstrap_interval_covers_about_95_percent() -> None:
    rng = np.random.default_rng(1)
    inside = 0
    for seed in range(300):
        low, high = metrics.bootstrap_interval(rng.random(400) < 0.7, samples=500, seed=seed)
        inside += low <= 0.7 <= high
    assert 0.91 <= inside / 300 <= 0.99
