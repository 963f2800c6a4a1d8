"""What the package was built around in its libraries. Where one fails after an upgrade, code can be simpler."""

from __future__ import annotations

import gzip
import json
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import CommitProperties, DeltaTable, Schema, write_deltalake
from deltalake.exceptions import CommitFailedError
from deltalake.transaction import AddAction
from pyspark.errors import AnalysisException
from pyspark.sql import SparkSession
from pyspark.sql import functions as F


def test_sail_reads_a_missing_path_as_empty(sail: SparkSession, tmp_path: Path) -> None:
    assert sail.read.text(str(tmp_path / "missing.json")).count() == 0


def test_sail_takes_brackets_in_a_plain_path_for_a_pattern(sail: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "[1].txt").write_text("x\n")
    assert sail.read.text(str(tmp_path / "[1].txt")).count() == 0


def test_sail_writes_a_null_day_to_1970(sail: SparkSession, tmp_path: Path) -> None:
    frame = sail.sql("SELECT 1 AS n, CAST(NULL AS DATE) AS event_date")
    frame.write.partitionBy("event_date").parquet(str(tmp_path / "out"))
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["event_date=1970-01-01"]


def test_sail_finds_no_delta_table_below_a_blank(sail: SparkSession, tmp_path: Path) -> None:
    folder = tmp_path / "a b"
    folder.mkdir()
    DeltaTable.create(str(folder), Schema.from_arrow(pa.schema([("n", pa.int64())])))
    with pytest.raises(Exception, match="No commit files found"):
        sail.read.format("delta").load(str(folder)).collect()


def test_sail_does_not_read_compressed_and_plain_files_together(sail: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x\n")
    (tmp_path / "b.txt.gz").write_bytes(gzip.compress(b"y\n"))
    with pytest.raises(Exception, match="mixed compression"):
        sail.read.text([str(tmp_path / "a.txt"), str(tmp_path / "b.txt.gz")]).collect()


def test_sail_loses_digits_of_integers_over_64_bits(sail: SparkSession) -> None:
    value = sail.sql("""SELECT from_json('{"a": 12345678901234567890123}', 'a STRING').a""").collect()[0][0]
    assert value == "1.2345678901234568e+22"


def test_apache_spark_reads_text_after_an_object_and_single_quotes(apache_spark: SparkSession) -> None:
    for text in ('{"a": 1} x', "{'a': 1}"):
        row = apache_spark.createDataFrame([(text,)], "t STRING").select(F.from_json("t", "a STRING").a).collect()[0]
        assert row[0] == "1"


def test_sail_refuses_bytes_that_are_not_utf_8_and_apache_spark_keeps_them(
    sail: SparkSession, apache_spark: SparkSession, tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_bytes(b"caf\xe9\n")
    with pytest.raises(Exception, match="invalid UTF-8"):
        sail.read.text(str(tmp_path / "a.txt")).collect()
    text = apache_spark.read.text(str(tmp_path / "a.txt"))
    row = text.select(F.is_valid_utf8("value"), F.contains("value", F.lit("\ufffd")), F.octet_length("value")).collect()
    assert tuple(row[0]) == (False, False, 4)


def test_apache_spark_takes_braces_in_a_path_for_a_pattern_unless_escaped(
    apache_spark: SparkSession, tmp_path: Path
) -> None:
    (tmp_path / "{a,b}.txt").write_text("x\n")
    with pytest.raises(Exception, match="PATH_NOT_FOUND"):
        apache_spark.read.text(str(tmp_path / "{a,b}.txt")).collect()
    assert apache_spark.read.text(str(tmp_path / r"\{a,b\}.txt")).count() == 1


@pytest.mark.parametrize(("retries", "files"), [(0, 1), (None, 2)])
def test_only_without_its_own_retries_delta_refuses_the_second_writer(
    tmp_path: Path, retries: int | None, files: int
) -> None:
    schema = Schema.from_arrow(pa.schema([("n", pa.int64())]))
    DeltaTable.create(str(tmp_path), schema)
    writers = [DeltaTable(str(tmp_path)), DeltaTable(str(tmp_path))]
    for number, writer in enumerate(writers):
        path = tmp_path / f"{number}.parquet"
        pq.write_table(pa.table({"n": [number]}), path)
        added = AddAction(
            path.name, path.stat().st_size, {}, int(time.time() * 1000), True, json.dumps({"numRecords": 1})
        )
        try:
            writer.create_write_transaction(
                [added], "append", schema, commit_properties=CommitProperties(max_commit_retries=retries)
            )
        except CommitFailedError:
            assert (number, retries) == (1, 0)
    assert len(DeltaTable(str(tmp_path)).file_uris()) == files


def test_sail_reads_no_version_from_before_the_checkpoint_that_the_hint_names(
    sail: SparkSession, tmp_path: Path
) -> None:
    where = str(tmp_path / "table")
    for number in range(4):
        write_deltalake(where, pa.table({"n": [number]}), mode="overwrite")
    DeltaTable(where).create_checkpoint()
    write_deltalake(where, pa.table({"n": [4]}), mode="overwrite")

    def version_2() -> list[int]:
        return [row.n for row in sail.read.format("delta").option("versionAsOf", 2).load(where).collect()]

    with pytest.raises(AnalysisException, match="Missing commit file"):
        version_2()
    (tmp_path / "table" / "_delta_log" / "_last_checkpoint").unlink()
    assert version_2() == [2]
