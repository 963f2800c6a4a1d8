"""The folder of one run: the raw files, what the run writes, and what it says."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.shops import Sample

Files = dict[Path, tuple[int, int]]
"""Size in bytes and time of the last change of each file."""


@dataclass(frozen=True)
class Place:
    """The folders of one run; `shop` holds the raw files, `out` is where commands start."""

    root: Path
    sample: Sample

    @property
    def shop(self) -> Path:
        """The storage: the raw files, and the tables that a run puts beside them."""
        return self.root / "shop"

    @property
    def out(self) -> Path:
        """Everything else that a run keeps."""
        return self.root / "out"

    @property
    def stdout(self) -> Path:
        """What the last commands printed."""
        return self.root / "stdout"

    @property
    def stderr(self) -> Path:
        """What the last commands said besides."""
        return self.root / "stderr"

    @property
    def scratch(self) -> Path:
        """Temporary files that a run may leave behind."""
        return self.root / "scratch"

    def files(self) -> Files:
        """All files in `shop` and `out` as they are now."""
        paths = [path for folder in (self.shop, self.out) for path in folder.rglob("*") if path.is_file()]
        return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in paths}

    def bytes_written(self, before: Files) -> int:
        """Sum the sizes of the files that are new or changed; those made and removed in between do not count."""
        return sum(state[0] for path, state in self.files().items() if before.get(path) != state)


@contextmanager
def fresh_place(work: Path, sample: Sample) -> Iterator[Place]:
    """Make a place without tables, reports and caches of an earlier run; it is removed in the end.

    Its name is new, so that nothing kept elsewhere can know it; the raw files are links, so that their size costs
    nothing, and are read once, so that nobody is the first to read them from the disk.
    """
    runs = work / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    place = Place(Path(tempfile.mkdtemp(dir=runs)).resolve(), sample)
    try:
        for folder in (place.shop, place.out, place.scratch):
            folder.mkdir()
        for raw in sample.raw_files():
            new = place.shop / raw.relative_to(sample.folder)
            new.parent.mkdir(parents=True, exist_ok=True)
            link(raw, new)
            _read_through(new)
        yield place
    finally:
        shutil.rmtree(place.root, ignore_errors=True)


def link(old: Path, new: Path) -> None:
    """Give a file a second name, or copy it where that is not possible."""
    try:
        new.hardlink_to(old)
    except OSError:
        shutil.copy2(old, new)


def _read_through(path: Path) -> None:
    with path.open("rb", buffering=0) as file:
        while file.read(1 << 22):
            pass
