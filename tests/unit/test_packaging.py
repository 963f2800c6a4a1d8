"""What is in the wheel and the source archive, and that two builds of one source are the same bytes."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import techco

ROOT = Path(__file__).parents[2]
_NOT_SOURCE = shutil.ignore_patterns(".git", ".venv*", "node_modules", "__pycache__", ".*_cache", ".hypothesis")
_MADE_HERE = {"runs", "reports", "dist", "build"}
"""Folders of the checkout itself; `techco/runs` is source."""
_LEFT_LYING = (
    "techco/__pycache__/cli.cpython-311.pyc",
    "techco/.ipynb_checkpoints/analysis-checkpoint.ipynb",
    "templates/.ipynb_checkpoints/analysis-checkpoint.ipynb",
    "templates/mine.ipynb",
    "runs/20230801/analysis.ipynb",
    "reports/20230801/index.html",
    "tests/node_modules/x/index.js",
    "customer_data.csv",
    ".env",
)
"""What lies about where somebody works, and may show customers or keys."""


def _without_what_is_made(folder: str, names: list[str]) -> set[str]:
    made = _MADE_HERE if Path(folder) == ROOT else set()
    return _NOT_SOURCE(folder, names) | made


def build(source: Path, target: Path, kind: str) -> Path:
    """Build a wheel or an sdist from a folder."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", kind, "--directory", str(target)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (made,) = target.glob("*.whl" if kind == "wheel" else "*.tar.gz")
    return made


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A fresh copy of the source, and that of somebody at work: other times, other permissions, things left lying."""
    folder = tmp_path_factory.mktemp("sources")
    targets = (folder / "fresh", folder / "used")
    fresh, used = (Path(shutil.copytree(ROOT, target, ignore=_without_what_is_made)) for target in targets)
    for path in used.rglob("*"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
        path.chmod(0o700 if path.is_dir() else 0o600)
    for name in _LEFT_LYING:
        (used / name).parent.mkdir(parents=True, exist_ok=True)
        (used / name).write_text("private")
    return fresh, used


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_two_builds_are_the_same_bytes(sources: tuple[Path, Path], tmp_path: Path, kind: str) -> None:
    made = [build(source, tmp_path / source.name, kind) for source in sources]
    assert made[0].name == made[1].name
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in made]
    assert digests[0] == digests[1]


def test_the_wheel_has_the_package_and_the_templates_and_nothing_else(
    sources: tuple[Path, Path], tmp_path: Path
) -> None:
    with zipfile.ZipFile(build(sources[0], tmp_path, "wheel")) as wheel:
        shipped = {name: wheel.read(name) for name in wheel.namelist()}
    info = f"techco-{techco.__version__}.dist-info/"
    wanted = {path.relative_to(ROOT).as_posix() for path in (ROOT / "techco").rglob("*") if path.is_file()}
    wanted = {name for name in wanted if "__pycache__" not in name}
    wanted |= {f"techco/templates/{step}.ipynb" for step in ("ingest", "join", "analysis")}
    assert {name for name in shipped if not name.startswith(info)} == wanted
    parts = ("METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE")
    assert {name.removeprefix(info) for name in shipped if name.startswith(info)} == set(parts)
    for name, content in shipped.items():
        source = ROOT / name.replace("techco/templates/", "templates/")
        if not name.startswith(info):
            assert content == source.read_bytes(), name


def test_the_source_archive_has_all_that_tests_need_and_no_more(sources: tuple[Path, Path], tmp_path: Path) -> None:
    with tarfile.open(build(sources[1], tmp_path, "sdist")) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "README.md", "environment.yml", "tests/conftest.py", "tests/package.json"} <= names
    assert {path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").glob("*.md")} <= names
    assert names & set(_LEFT_LYING) == set()
