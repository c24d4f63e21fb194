from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import run_command

from pc_align import read_points
from pc_align.data.io import import_open3d, sample_surface
from pc_align.errors import PointCloudReadError

CUBE_OFF = """OFF
8 6 0
0 0 0
1 0 0
1 1 0
0 1 0
0 0 1
1 0 1
1 1 1
0 1 1
4 0 3 2 1
4 4 5 6 7
4 0 1 5 4
4 1 2 6 5
4 2 3 7 6
4 3 0 4 7
"""


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def on_unit_cube(points: np.ndarray) -> bool:
    inside = (points >= -1e-6).all() and (points <= 1 + 1e-6).all()
    return inside and bool((np.minimum(np.abs(points), np.abs(points - 1)).min(axis=1) < 1e-6).all())


@pytest.mark.parametrize(
    "text",
    [
        CUBE_OFF,
        CUBE_OFF.replace("OFF\n8", "OFF8"),
        CUBE_OFF.replace("\n", "\r\n"),
        CUBE_OFF.replace("OFF\n", "OFF\n# made by hand\n\n"),
        "\t " + CUBE_OFF.replace("4 0 3 2 1", "4 0 3 2 1 0.5 0.5 0.5 1"),
        CUBE_OFF.replace("OFF", "NOFF").replace("1 1 1\n", "1 1 1 0.5 0.5 0.7\n"),
    ],
    ids=["plain", "glued header", "crlf", "comment", "white space and face colours", "normals"],
)
def test_off_in_all_its_spellings(tmp_path: Path, text: str) -> None:
    points = read_points(write(tmp_path / "cube.off", text), num_points=500)
    assert points.shape == (500, 3) and points.dtype == np.float32
    assert on_unit_cube(points)


@pytest.mark.parametrize("suffix", [".ply", ".obj", ".stl"])
def test_meshes_written_by_open3d(tmp_path: Path, suffix: str) -> None:
    open3d = import_open3d()
    mesh = open3d.geometry.TriangleMesh.create_box()
    mesh.compute_triangle_normals()
    assert open3d.io.write_triangle_mesh(str(tmp_path / f"box{suffix}"), mesh)
    assert on_unit_cube(read_points(tmp_path / f"box{suffix}", num_points=300))


def test_gltf_is_turned_from_y_up(shared_data: Path) -> None:
    path = shared_data / "readers" / "trimesh" / "models" / "Duck.glb"
    np.testing.assert_allclose(read_points(path), read_points(path, up_axis="y"))
    height, own = np.ptp(read_points(path)[:, 2]), np.ptp(read_points(path, up_axis="z")[:, 1])
    assert height == pytest.approx(own)


@pytest.mark.parametrize("suffix", [".ply", ".pcd", ".xyz", ".pts", ".npy", ".txt"])
def test_clouds(tmp_path: Path, suffix: str) -> None:
    cloud = np.random.default_rng(0).normal(size=(50, 3))
    path = tmp_path / f"cloud{suffix}"
    if suffix == ".npy":
        np.save(path, cloud)
    elif suffix == ".txt":
        np.savetxt(path, cloud, delimiter=", ", header="x y z")
    else:
        open3d = import_open3d()
        points = open3d.utility.Vector3dVector(cloud)
        assert open3d.io.write_point_cloud(str(path), open3d.geometry.PointCloud(points), write_ascii=suffix == ".pcd")
    np.testing.assert_allclose(read_points(path, num_points=1000), cloud, atol=1e-4)
    chosen = read_points(path, num_points=20)
    assert len(np.unique(chosen, axis=0)) == 20


def test_sampling_is_uniform_by_area() -> None:
    # Two squares, one with three times the area, cut into triangles of uneven size.
    vertices = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [2, 0, 0], [5, 0, 0], [5, 1, 0], [2, 1, 0]], float)
    triangles = np.array([[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7]])
    points = sample_surface(vertices, triangles, 40_000, np.random.default_rng(0))
    share = (points[:, 0] > 1.5).mean()
    assert share == pytest.approx(0.75, abs=0.01)
    cells, _, _ = np.histogram2d(points[:, 0], points[:, 1], bins=[np.linspace(2, 5, 7), np.linspace(0, 1, 5)])
    assert cells.std() / cells.mean() < 0.06


def test_same_seed_same_points(tmp_path: Path) -> None:
    path = write(tmp_path / "cube.off", CUBE_OFF)
    np.testing.assert_array_equal(read_points(path), read_points(path))
    assert not np.array_equal(read_points(path), read_points(path, seed=1))


def test_up_axis_is_turned_not_mirrored(tmp_path: Path) -> None:
    cloud = np.array([[1.0, 2, 3], [4, 5, 6], [7, 8, 10]])
    np.save(tmp_path / "c.npy", cloud)
    turned = read_points(tmp_path / "c.npy", up_axis="y").astype(float)
    np.testing.assert_allclose(turned[:, 2], cloud[:, 1])
    rotation = np.linalg.lstsq(cloud, turned, rcond=None)[0]
    assert np.linalg.det(rotation) == pytest.approx(1)


BROKEN = {
    "empty.off": "",
    "no_points.off": "OFF\n0 0 0\n",
    "other.off": "PLY\n1 2 3\n",
    "short.off": CUBE_OFF[:40],
    "short_faces.off": CUBE_OFF[:-12],
    "index.off": CUBE_OFF.replace("4 3 0 4 7", "4 3 0 4 99"),
    "huge.off": "OFF\n99999999999 99999999999 0\n",
    "nan.off": CUBE_OFF.replace("1 0 1\n", "nan 0 1\n", 1),
    "flat.off": "OFF\n3 1 0\n0 0 0\n0 0 0\n0 0 0\n3 0 1 2\n",
    "nan.xyz": "0 0 0\nnan 0 0\n",
    "inf.txt": "0 0 0\n0 inf 0\n",
    "words.xyz": "this is no cloud\n",
    "ragged.txt": "1 2 3\n1 2\n",
    "garbage.ply": "ply\nformat nonsense\n",
    "garbage.pcd": b"\x00\xff" * 100,
    "garbage.stl": b"\x01" * 50,
    "garbage.npy": b"\x93NUMPY but not really",
    "unknown.xyzw": "1 2 3\n",
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_one_clear_error(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, BROKEN[name])
    with pytest.raises(PointCloudReadError) as caught:
        read_points(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_no_file_a_folder_and_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.ply")
    for path in (tmp_path / "none.ply", tmp_path, tmp_path / "pipe.ply"):
        with pytest.raises(PointCloudReadError):
            read_points(path)


def test_a_pickled_array_runs_no_code(tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (os.system, (f"touch {tmp_path / 'ran'}",))

    np.save(tmp_path / "bad.npy", np.array([Hostile()], dtype=object), allow_pickle=True)
    with pytest.raises(PointCloudReadError):
        read_points(tmp_path / "bad.npy")
    assert not (tmp_path / "ran").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="only on Linux does open3d look for libusb so")
def test_open3d_takes_the_packaged_libusb() -> None:
    """A bare machine has no libusb-1.0.so.0; on any machine the packaged one must be the one that is loaded."""
    code = (
        "from pc_align.data.io import import_open3d; import_open3d()\n"
        "print({line.split()[-1] for line in open('/proc/self/maps') if 'libusb' in line})"
    )
    result = run_command("-c", code)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("/") and "libusb_package" in result.stdout and result.stdout.count("libusb-1.0") == 1


def test_real_modelnet_files(shared_data: Path) -> None:
    for path in sorted((shared_data / "readers" / "modelnet_off").glob("*.off")):
        assert np.isfinite(read_points(path)).all()
