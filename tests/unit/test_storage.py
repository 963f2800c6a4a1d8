"""Storages: found, refused in words, and reachable for the engine under any name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from techco.errors import ParameterError, StorageError
from techco.storage.folder import Folder
from techco.storage.open import open_storage


def test_a_folder_is_a_storage_under_its_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shop").mkdir()
    assert open_storage("shop").url == str(tmp_path / "shop")


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"nowhere does not exist\. Give the folder that holds customer_data\.csv"):
        open_storage(str(tmp_path / "nowhere"))


def test_a_file_is_no_storage(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="is a file, not a folder"):
        open_storage(str(tmp_path / "file"))


@pytest.mark.parametrize("text", ["", "  ", "ftp://host/shop", "https://a:hunter2@host/x?sig=hunter2"])
def test_another_text_is_refused_without_repeating_secrets(text: str) -> None:
    with pytest.raises(ParameterError) as caught:
        open_storage(text)
    assert "hunter2" not in str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StorageError, match=r"cannot be written: Permission denied\. .* grant write permission"):
        Folder(str(tmp_path)).check_writable()


def test_tables_that_cannot_be_written_say_so(tmp_path: Path) -> None:
    (tmp_path / "tables").touch()  # root may write anywhere, but not into a file
    with pytest.raises(StorageError, match="cannot be written"):
        Folder(str(tmp_path)).check_writable()


def test_the_engine_gets_a_link_where_it_would_misread_the_path(storage: Folder, tmp_path: Path) -> None:
    assert Path(storage.delta_root()).samefile(storage.url)
    assert storage.delta_root().isascii()
    plain = tmp_path / "plain-1.0_x"
    assert Folder(str(plain)).delta_root() == str(plain)


def test_a_folder_of_links_that_others_may_write_is_not_trusted(
    storage: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    links = tmp_path / "techco" / "links"
    links.mkdir(parents=True)
    links.chmod(0o777)
    with pytest.raises(StorageError, match="can be written by others"):
        storage.delta_root()


def test_the_sample_shop_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first = open_storage("sample")
    made = first.path("web_logs.json").stat().st_mtime_ns
    assert open_storage("sample") == first
    assert first.is_sample
    assert first.path("web_logs.json").stat().st_mtime_ns == made
    assert open_storage(first.url).is_sample


def test_a_cache_that_cannot_be_written_names_another_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "techco").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(StorageError, match=r"techco generate \./shop"):
        open_storage("sample")
