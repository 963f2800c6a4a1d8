"""A name that is almost right is named with what to do, and a storage that is no shop stays as it is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from techco.contract import PRODUCTS as PRODUCT_TABLE
from techco.errors import RawFileError, StorageError
from techco.period import Period
from techco.raw.csv_rows import check_columns
from techco.raw.files import check_present, raw_file
from techco.runs.request import RunRequest
from techco.runs.run import run
from techco.storage.folder import Folder, open_folder
from tests.support.shops import PRODUCTS, log, write_shop

SAMPLE = "Make a sample to compare: techco generate ./shop"


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A folder with the three raw files."""
    (tmp_path / "shop").mkdir()
    return write_shop(Folder(str(tmp_path / "shop")), [log(1)])


@pytest.mark.parametrize(
    ("name", "near", "remedy"),
    [
        ("customer_data.csv", "customers.csv", "Is it customers.csv? Then rename that to customer_data.csv."),
        ("customer_data.csv", "Customer-Data.CSV", "Is it Customer-Data.CSV? Then rename that to customer_data.csv."),
        ("customer_data.csv", "cust.csv", "Is it cust.csv? Then rename that to customer_data.csv."),
        ("customer_data.csv", "customer_data.csv.gz", "Is it customer_data.csv.gz? Then save what is in it as cust"),
        ("product_data.csv", "products.xlsx", "Is it products.xlsx? Then save what is in it as product_data.csv."),
        ("product_data.csv", "price_list.csv", SAMPLE),
        ("web_logs.json", "weblogs.json", "Is it weblogs.json? Then rename that to web_logs.json."),
        ("web_logs.json", "logs.json", "Is it logs.json? Then rename that to web_logs.json."),
        ("web_logs.json", "weblog.json.gz", "Is it weblog.json.gz? Then rename that to web_logs.json.gz."),
        ("web_logs.json", "web_logs.csv", "Is it web_logs.csv? Then save what is in it as web_logs.json."),
        ("web_logs.json", "events.json", SAMPLE),
        ("web_logs.json", "north/web_logs.json", "The folder north has it."),
    ],
)
def test_a_raw_file_of_another_name_is_named(folder: Folder, name: str, near: str, remedy: str) -> None:
    folder.path(near).parent.mkdir(exist_ok=True)
    folder.path(name).rename(folder.path(near))
    with pytest.raises(RawFileError) as raised:
        check_present(folder)
    assert f"No {name} in {folder.url}." in str(raised.value)
    assert remedy in str(raised.value)


def test_a_shop_with_all_raw_files_is_present(folder: Folder) -> None:
    check_present(folder)
    folder.path("web_logs.json").rename(folder.path("web_logs.json.gz"))
    check_present(folder)


@pytest.mark.parametrize(
    ("header", "remedy"),
    [
        ("product_id;product_name;category;price", "The columns are separated by ';': save the file with commas."),
        ("product_id\tproduct_name\tcategory\tprice", "The columns are separated by tabs: save the file with commas."),
        ("product_id|product_name|category|price", "The columns are separated by '|': save the file with commas."),
        ("Product ID,product_name,category,price", "Rename product id to product_id, if that is what is meant."),
        ("product_id,product_name,catgory,price", "Rename catgory to category, if that is what is meant."),
        ("product_id,product_name,category,cost", "Expected, in any order: product_id, product_name, category, price."),
    ],
)
def test_columns_that_are_almost_right_are_named(folder: Folder, header: str, remedy: str) -> None:
    write_shop(folder, [log(1)], products=PRODUCTS.replace(PRODUCTS.splitlines()[0], header))
    with pytest.raises(RawFileError) as raised:
        check_columns(folder, raw_file(folder, "product_data.csv"), PRODUCT_TABLE.column_names)
    assert str(raised.value).endswith(remedy)


def test_a_folder_of_almost_that_name_is_named(folder: Folder) -> None:
    mistaken = Path(folder.url).with_name("shpo")
    with pytest.raises(StorageError, match=f"{mistaken} does not exist. Is it {folder.url}[?] Give the folder"):
        open_folder(mistaken)
    with pytest.raises(StorageError, match=r"other does not exist\. Give the folder"):
        open_folder(Path(folder.url).with_name("other"))


def test_a_run_in_a_folder_that_is_no_shop_starts_nothing_and_leaves_nothing(tmp_path: Path) -> None:
    place, out = tmp_path / "photos", tmp_path / "out"
    place.mkdir()
    (place / "holiday.jpg").write_text("a picture")
    with pytest.raises(RawFileError, match=r"No customer_data\.csv in .*Found: holiday\.jpg\."):
        run(RunRequest(Period.parse("2023-08"), storage=str(place), out=out))
    assert [path.name for path in place.iterdir()] == ["holiday.jpg"]
    assert not out.exists()


def test_a_current_folder_that_was_removed_is_told_in_a_sentence(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    words = [sys.executable, "-c", f"import os; os.rmdir({str(gone)!r}); import techco.cli.app as a; a.main()", "list"]
    path = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(words, cwd=gone, capture_output=True, text=True, env=path, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stderr == "Error: The current folder has been removed. Change into one that is there: cd ~\n"
