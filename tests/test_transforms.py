from __future__ import annotations

import numpy as np
import pytest

from pc_align.config import AugmentConfig, CloudFormat
from pc_align.data import transforms
from pc_align.data.dataset import augment_cloud


@pytest.fixture
def cloud() -> np.ndarray:
    """[200, 6] float32: xyz and a channel group that must move with its points."""
    rng = np.random.default_rng(0)
    xyz = rng.normal(size=(200, 3)) * (1, 2, 3) + 5
    return np.concatenate([xyz, rng.random((200, 3))], axis=1).astype(np.float32)


def test_normalize_fills_the_unit_sphere(cloud: np.ndarray) -> None:
    out = transforms.normalize(cloud)
    np.testing.assert_allclose(out[:, :3].mean(axis=0), 0, atol=1e-6)
    assert np.linalg.norm(out[:, :3], axis=1).max() == pytest.approx(1, abs=1e-6)
    np.testing.assert_array_equal(out[:, 3:], cloud[:, 3:])
    np.testing.assert_allclose(transforms.normalize(out), out, atol=1e-6)


def test_normalize_of_coinciding_points_is_zero() -> None:
    assert not transforms.normalize(np.full((5, 3), 7.0)).any()


@pytest.mark.parametrize("axis", ["x", "y", "z"])
def test_turning_the_up_axis_there_and_back(cloud: np.ndarray, axis: str) -> None:
    turned = transforms.turn_up_axis(cloud, axis, "z")  # type: ignore[arg-type]
    np.testing.assert_array_equal(turned[:, 2], cloud[:, "xyz".index(axis)])
    np.testing.assert_array_equal(transforms.turn_up_axis(turned, "z", axis), cloud)  # type: ignore[arg-type]


def test_an_unknown_axis_is_an_error(cloud: np.ndarray) -> None:
    with pytest.raises(ValueError, match="up axis"):
        transforms.turn_up_axis(cloud, "w", "z")  # type: ignore[arg-type]


def test_rotations_keep_distances_and_turning_keeps_height(cloud: np.ndarray) -> None:
    rng = np.random.default_rng(1)
    turned = transforms.turn(cloud, 180, rng)
    np.testing.assert_allclose(turned[:, 2], cloud[:, 2], atol=1e-5)
    tilted = transforms.tilt(cloud, 0.06, 0.18, rng)
    for out in (turned, tilted):
        before = np.linalg.norm(cloud[:1, :3] - cloud[:, :3], axis=1)
        np.testing.assert_allclose(np.linalg.norm(out[:1, :3] - out[:, :3], axis=1), before, atol=1e-4)
        assert not np.allclose(out[:, :3], cloud[:, :3])


def test_ranges_of_scale_shift_jitter_and_drop(cloud: np.ndarray) -> None:
    rng = np.random.default_rng(2)
    factors = [float(transforms.scale(cloud, 0.8, 1.25, rng)[0, 0] / cloud[0, 0]) for _ in range(200)]
    assert 0.8 <= min(factors) < 0.83 and 1.2 < max(factors) <= 1.2501
    moves = np.array([transforms.shift(cloud, 0.1, rng)[0, :3] - cloud[0, :3] for _ in range(200)])
    assert np.abs(moves).max() <= 0.1001 and np.abs(moves).max() > 0.09
    noise = transforms.jitter(cloud, 0.01, rng)[:, :3] - cloud[:, :3]
    assert np.abs(noise).max() <= 0.0251 and noise.std() == pytest.approx(0.01, rel=0.15)
    dropped = transforms.drop_points(cloud, 0.875, np.random.default_rng(5))
    share = (dropped == cloud[0]).all(axis=1).mean()
    assert 0 < share < 0.9 and dropped.shape == cloud.shape


def test_choosing_points_takes_each_at_most_once_and_fills_up_small_clouds(cloud: np.ndarray) -> None:
    rng = np.random.default_rng(3)
    assert len(np.unique(transforms.choose_points(cloud, 150, rng), axis=0)) == 150
    filled = transforms.choose_points(cloud[:10], 25, rng)
    assert filled.shape == (25, 6) and len(np.unique(filled, axis=0)) == 10


def test_other_channels_move_with_their_points(cloud: np.ndarray) -> None:
    form = CloudFormat(channels=("xyz", "rgb"))
    everything = AugmentConfig(turn_degrees=180, tilt=0.06, scale=1.25, shift=0.1, jitter=0.01)
    out = augment_cloud(cloud, everything, np.random.default_rng(0), form)
    np.testing.assert_array_equal(out[:, 3:], cloud[:, 3:])
    assert out.dtype == np.float32 and not np.allclose(out[:, :3], cloud[:, :3])
    nothing = AugmentConfig(scale=1, shift=0)
    np.testing.assert_array_equal(augment_cloud(cloud, nothing, np.random.default_rng(0), form), cloud)
