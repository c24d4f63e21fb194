"""The import rules of the project: imports point downward only, heavy packages load where they are used."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from conftest import ROOT, run_command

# Lower number = lower layer. A module may import its own package and anything of a lower layer.
LAYERS = {
    "errors": 0,
    "batch": 0,
    "memory": 0,
    "distributed": 1,  # it raises errors of the project
    "config": 1,
    "metrics": 1,
    "checkpoint": 1,
    "data": 2,
    "encoders": 2,
    "objectives": 2,
    "model": 3,
    "alignment": 4,
    "zeroshot": 4,
    "report": 4,
    "gradient_cache": 5,
    "build": 5,
    "run_log": 5,
    "trainer": 6,
    "cli": 7,
}
# The package that each heavy dependency may be imported in.
ONLY_IN = {
    "transformers": ("pc_align/encoders/text.py",),
    "accelerate": ("pc_align/trainer.py", "pc_align/run_log.py", "scripts/"),
    "open3d": ("pc_align/data/io.py", "data_prep/"),
    "matplotlib": ("pc_align/report.py", "data_prep/", "scripts/"),
}


def imported_modules(path: Path) -> list[str]:
    modules = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            modules += [f"{node.module}.{alias.name}" for alias in node.names]
    return modules


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def room(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def violations(path: Path, modules: list[str]) -> list[str]:
    """Imports of a file under pc_align that point sideways or up."""
    own = path.relative_to(ROOT / "pc_align").parts[0].removesuffix(".py")
    if own == "__init__":
        return []
    found = []
    for module in modules:
        target = room(module)
        if module.split(".")[0] in ("data_prep", "scripts"):
            found.append(f"{own} imports {module}")
        elif module.startswith("pc_align") and target != own and LAYERS[target] >= LAYERS[own]:
            found.append(f"{own} imports {target}")
    return found


@pytest.mark.parametrize("path", sources("pc_align"), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_downward(path: Path) -> None:
    assert violations(path, imported_modules(path)) == []


def test_a_wrong_import_is_seen() -> None:
    trainer_from_data = violations(ROOT / "pc_align" / "data" / "dataset.py", ["pc_align.trainer.train"])
    sibling = violations(ROOT / "pc_align" / "encoders" / "pointnet.py", ["pc_align.objectives.infonce.InfoNCE"])
    offline = violations(ROOT / "pc_align" / "cli.py", ["data_prep.synthetic"])
    assert trainer_from_data and sibling and offline


@pytest.mark.parametrize(
    "path", sources("pc_align", "data_prep", "scripts"), ids=lambda path: str(path.relative_to(ROOT))
)
def test_heavy_packages_stay_in_their_rooms(path: Path) -> None:
    name = str(path.relative_to(ROOT))
    for module in imported_modules(path):
        allowed = ONLY_IN.get(module.split(".")[0])
        assert allowed is None or name.startswith(allowed), f"{name} imports {module}"


def test_data_prep_uses_only_data_and_basics() -> None:
    for path in sources("data_prep"):
        rooms = {room(module) for module in imported_modules(path) if module.startswith("pc_align")}
        assert rooms <= {"data", "errors", "config"}, path


@pytest.mark.parametrize(
    ("statement", "forbidden"),
    [
        ("from pc_align.encoders import PointNet", {"transformers", "open3d", "accelerate", "datasets"}),
        ("from pc_align.objectives import InfoNCE", {"transformers", "open3d", "accelerate", "datasets"}),
        ("import pc_align", {"transformers", "open3d", "accelerate", "datasets", "matplotlib"}),
        ("import pc_align.cli", {"torch", "transformers", "open3d"}),
    ],
)
def test_importing_loads_nothing_heavy(statement: str, forbidden: set[str]) -> None:
    result = run_command("-c", f"import sys\n{statement}\nprint(*{{name.split('.')[0] for name in sys.modules}})")
    assert result.returncode == 0, result.stderr
    assert not forbidden & set(result.stdout.split())
