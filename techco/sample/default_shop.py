"""The sample shop that is used when no storage is named: made once, in the user's cache."""

from __future__ import annotations

import os
import shutil
import tempfile
from datetime import date
from functools import partial
from pathlib import Path

import platformdirs

from techco.errors import StorageError
from techco.period import Period
from techco.system import signals

SAMPLE_PERIOD = Period(date(2023, 8, 1), date(2023, 8, 31))
"""The days of the sample shop's logs."""
_NAME = "sample-shop"
_VERSION = "1"  # changes with what the generator writes


def sample_folder() -> Path:
    """Return where the sample shop is, or will be."""
    return platformdirs.user_cache_path("techco") / _VERSION / _NAME


def sample_shop() -> Path:
    """Make the sample shop unless it is there; two processes at once make one.

    Raises
    ------
    StorageError
        When the cache folder cannot be written.
    """
    folder = sample_folder()
    if folder.is_dir():
        return folder
    from techco.sample.generate import SampleSpec, generate

    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        making = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{_NAME}-"))
        clear = partial(shutil.rmtree, making, ignore_errors=True)
        with signals.cleanup(clear):
            try:
                generate(making / "shop", SampleSpec())
                _take_place(making / "shop", folder)
            finally:
                clear()
    except OSError as error:
        raise StorageError(
            f"The sample shop cannot be made in {folder.parent}: {error.strerror}. "
            "Make one elsewhere with techco generate ./shop and name it with `storage='./shop'`."
        ) from error
    return folder


def _take_place(made: Path, folder: Path) -> None:
    try:
        os.rename(made, folder)  # noqa: PTH104 - unlike Path.replace it never replaces a folder that has files
    except OSError:
        if not folder.is_dir():
            raise
