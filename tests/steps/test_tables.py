"""The one writer of tables: what it replaces, what it refuses, what a reader sees."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import date, datetime

import pyarrow.parquet as pq
import pytest
from deltalake import CommitProperties, DeltaTable, Schema
from deltalake.exceptions import CommitFailedError
from pyspark.sql import DataFrame, SparkSession

from techco.contract import PRODUCTS, QUARANTINE, WEB_LOGS
from techco.engines.dialects import delta_path, dialect
from techco.errors import CommitRefused, RowsOutsidePeriod, StorageError, TableError
from techco.period import Period
from techco.storage.folder import Folder
from techco.tables import checkpoints
from techco.tables import tables as tables_module
from techco.tables.tables import Tables

AUGUST = Period.parse("2023-08")


@pytest.fixture(scope="session", params=["sail", "on_cluster"])
def spark(request: pytest.FixtureRequest) -> SparkSession:
    """Every engine in turn; Apache Spark as a cluster, whose executors write the files, which is the harder case."""
    session: SparkSession = request.getfixturevalue(request.param)
    return session


@pytest.fixture
def tables(spark: SparkSession, storage: Folder) -> Tables:
    """The tables of an empty storage, by every engine in turn."""
    return Tables(spark, storage)


def logs(spark: SparkSession, *days_and_ids: tuple[str, int]) -> DataFrame:
    rows = [
        (log_id, datetime.fromisoformat(day), date.fromisoformat(day), 1, None, "view", None)
        for day, log_id in days_and_ids
    ]
    return spark.createDataFrame(rows, WEB_LOGS.schema)


def ids(tables: Tables) -> list[tuple[str, int]]:
    rows = tables.read("web_logs").select("event_date", "log_id").collect()
    return sorted((str(row.event_date), row.log_id) for row in rows)


def test_a_new_table_holds_what_was_written(tables: Tables, spark: SparkSession) -> None:
    tables.replace_period("web_logs", logs(spark, ("2023-08-01", 1), ("2023-08-31", 2)), AUGUST, "run")
    assert ids(tables) == [("2023-08-01", 1), ("2023-08-31", 2)]
    assert tables.read("web_logs").schema.simpleString() == WEB_LOGS.schema.simpleString()


def test_a_period_is_replaced_and_its_neighbours_stay(tables: Tables, spark: SparkSession) -> None:
    whole = logs(spark, ("2023-08-01", 1), ("2023-08-02", 2), ("2023-08-03", 3), ("2023-08-04", 4))
    tables.replace_period("web_logs", whole, AUGUST, "run")
    tables.replace_period("web_logs", logs(spark, ("2023-08-02", 20)), Period.parse("2023-08-02..2023-08-03"), "run")
    assert ids(tables) == [("2023-08-01", 1), ("2023-08-02", 20), ("2023-08-04", 4)]


def test_what_has_been_read_stays_as_it_was_when_others_write(tables: Tables, spark: SparkSession) -> None:
    tables.replace_period("web_logs", logs(spark, ("2023-08-01", 1)), AUGUST, "run")
    before = tables.read("web_logs")
    tables.replace_period("web_logs", logs(spark, ("2023-08-02", 2), ("2023-08-03", 3)), AUGUST, "other")
    assert [row.log_id for row in before.collect()] == [1]
    assert ids(tables) == [("2023-08-02", 2), ("2023-08-03", 3)]


def test_an_empty_frame_empties_the_period(tables: Tables, spark: SparkSession) -> None:
    tables.replace_period("web_logs", logs(spark, ("2023-08-01", 1), ("2023-08-02", 2)), AUGUST, "run")
    tables.replace_period("web_logs", logs(spark), Period.parse("2023-08-02"), "run")
    assert ids(tables) == [("2023-08-01", 1)]


def test_an_empty_frame_makes_an_empty_table(tables: Tables, spark: SparkSession) -> None:
    tables.replace_period("web_logs", logs(spark), AUGUST, "run")
    assert tables.read("web_logs").count() == 0


def test_writing_the_same_twice_changes_nothing(tables: Tables, spark: SparkSession) -> None:
    for _ in range(2):
        tables.replace_period("web_logs", logs(spark, ("2023-08-01", 1)), AUGUST, "run")
    assert ids(tables) == [("2023-08-01", 1)]


def test_a_table_can_be_rewritten_from_itself(tables: Tables, spark: SparkSession) -> None:
    tables.replace_period("web_logs", logs(spark, ("2023-08-01", 1), ("2023-08-02", 2)), AUGUST, "run")
    tables.replace_period("web_logs", tables.read("web_logs").where("log_id = 2"), AUGUST, "run")
    assert ids(tables) == [("2023-08-02", 2)]


@pytest.mark.parametrize("day", ["2023-07-31", "2023-09-01"])
def test_a_row_outside_the_period_is_refused_and_nothing_is_written(
    tables: Tables, spark: SparkSession, day: str
) -> None:
    tables.replace_period("web_logs", logs(spark, ("2023-08-05", 1)), AUGUST, "run")
    with pytest.raises(RowsOutsidePeriod, match=day):
        tables.replace_period("web_logs", logs(spark, ("2023-08-05", 2), (day, 3)), AUGUST, "run")
    assert ids(tables) == [("2023-08-05", 1)]


def test_a_row_without_a_day_is_refused_where_days_are_needed(tables: Tables, spark: SparkSession) -> None:
    undated = spark.createDataFrame([(1, None, None, 1, None, "view", None)], WEB_LOGS.schema)
    for period in (AUGUST, Period.parse("1970-01-01")):  # where the engine itself would put NULL
        with pytest.raises(RowsOutsidePeriod, match="None"):
            tables.replace_period("web_logs", undated, period, "run")
    assert ids(tables) == []


def test_rows_outside_are_refused_even_when_the_given_counts_do_not_know_them(
    tables: Tables, spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialect(spark), "rows_per_chunk", 1)
    frame = logs(spark, ("2023-07-01", 1), ("2023-08-01", 2), ("2023-08-02", 3), ("2023-12-01", 4))
    with pytest.raises(RowsOutsidePeriod, match="2023-07-01, 2023-12-01"):
        tables.replace_period("web_logs", frame, AUGUST, "run", {date(2023, 8, 1): 1, date(2023, 8, 2): 1})


def test_other_columns_are_refused(tables: Tables, spark: SparkSession) -> None:
    frame = logs(spark, ("2023-08-01", 1))
    for wrong in (
        frame.withColumn("extra", frame.log_id),
        frame.drop("action"),
        frame.drop("event_date"),
        frame.withColumn("quantity", frame.quantity.cast("string")),
        frame.select("event_time", "log_id", "event_date", "customer_id", "product_id", "action", "quantity"),
    ):
        with pytest.raises(TableError, match="Expected exactly: log_id LONG"):
            tables.replace_period("web_logs", wrong, AUGUST, "run")


def test_other_columns_of_a_snapshot_are_refused(tables: Tables, spark: SparkSession) -> None:
    ddl = "product_id LONG, product_name STRING, category STRING, price DOUBLE"
    with pytest.raises(TableError, match=r"price double\. Expected exactly: product_id LONG"):
        tables.replace_all("products", spark.createDataFrame([(1, "Lamp", "Home", 10.1)], ddl), "run")
    assert not tables.exists("products")


def test_both_ends_of_a_period_are_read(tables: Tables, spark: SparkSession) -> None:
    tables.replace_period("web_logs", logs(spark, *[(f"2023-08-0{day}", day) for day in range(1, 6)]), AUGUST, "run")
    found = tables.read("web_logs", Period.parse("2023-08-02..2023-08-04")).collect()
    assert sorted(row.log_id for row in found) == [2, 3, 4]


def test_a_table_of_another_make_is_left_alone(sail: SparkSession, storage: Folder) -> None:
    tables = Tables(sail, storage)
    foreign = storage.path("tables") / "web_logs"
    foreign.parent.mkdir()
    logs(sail, ("2023-08-01", 1)).select("log_id").write.format("delta").save(delta_path(storage, "web_logs"))
    with pytest.raises(TableError, match="other columns"):
        tables.replace_period("web_logs", logs(sail, ("2023-08-01", 2)), AUGUST, "run")
    assert tables.read("web_logs").collect() == [(1,)]


def test_rows_without_a_day_are_replaced_where_they_are_allowed(tables: Tables, spark: SparkSession) -> None:
    def quarantine(*rows: tuple[date | None, str]) -> DataFrame:
        return spark.createDataFrame([(day, "web_logs", "r", raw, "run") for day, raw in rows], QUARANTINE.schema)

    july, august = date(2023, 7, 1), date(2023, 8, 1)
    tables.replace_period("quarantine", quarantine((july, "a"), (None, "b")), Period.parse("2023-07"), "run")
    tables.replace_period("quarantine", quarantine((august, "c"), (None, "d")), AUGUST, "run")
    rows = tables.read("quarantine").select("event_date", "raw").collect()
    assert sorted((str(row[0]), row[1]) for row in rows) == [("2023-07-01", "a"), ("2023-08-01", "c"), ("None", "d")]
    assert tables.read("quarantine").where("event_date IS NULL").count() == 1
    assert sorted(row.raw for row in tables.read("quarantine", AUGUST).collect()) == ["c", "d"]


def test_rows_without_a_day_are_written_once_when_days_are_cut_into_chunks(
    tables: Tables, spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialect(spark), "rows_per_chunk", 1)
    days = [None, date(2023, 8, 1), date(2023, 8, 2), date(2023, 8, 3)]
    frame = spark.createDataFrame([(day, "web_logs", "r", str(day), "run") for day in days], QUARANTINE.schema)
    tables.replace_period("quarantine", frame, AUGUST, "run")
    assert sorted(row.raw for row in tables.read("quarantine").collect()) == sorted(map(str, days))


def test_a_commit_names_its_run(tables: Tables, spark: SparkSession, storage: Folder) -> None:
    tables.replace_period("web_logs", logs(spark, ("2023-08-01", 1)), AUGUST, "run-7")
    assert DeltaTable(str(storage.path("tables/web_logs"))).history(1)[0]["run_id"] == "run-7"


def test_a_snapshot_is_replaced_as_a_whole(tables: Tables, spark: SparkSession) -> None:
    for name in ("old", "new"):
        frame = spark.createDataFrame([(1, name, None, None)], PRODUCTS.schema)
        tables.replace_all("products", frame, "run")
    assert [row.product_name for row in tables.read("products").collect()] == ["new"]


def test_chunks_of_days_make_one_commit(
    tables: Tables, spark: SparkSession, storage: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialect(spark), "rows_per_chunk", 2)
    frame = logs(spark, *[(f"2023-08-{day:02d}", day * 10 + n) for day in range(1, 8) for n in range(day % 3 + 1)])
    tables.replace_period("web_logs", frame, AUGUST, "run")
    assert tables.read("web_logs").count() == frame.count()
    assert DeltaTable(str(storage.path("tables/web_logs"))).version() == 1
    rows: Counter[str] = Counter()
    for path in storage.path("tables/web_logs").rglob("*.parquet"):
        rows[path.parent.parent.name] += pq.read_metadata(path).num_rows
    assert len(rows) > 1
    assert max(rows.values()) == 3  # one day alone has that many


def test_a_failing_query_leaves_the_table_and_no_files(tables: Tables, spark: SparkSession, storage: Folder) -> None:
    tables.replace_period("web_logs", logs(spark, ("2023-08-01", 1)), AUGUST, "run")
    before = sorted(storage.path("tables/web_logs").rglob("*"))
    failing = logs(spark, ("2023-08-01", 2)).selectExpr(
        "log_id", "event_time", "event_date", "customer_id", "product_id",
        "CASE WHEN log_id = 2 THEN raise_error('boom') ELSE action END AS action", "quantity",
    )  # fmt: skip
    with pytest.raises(Exception, match="boom"):
        tables.replace_period("web_logs", failing, AUGUST, "run", {date(2023, 8, 1): 1})
    assert ids(tables) == [("2023-08-01", 1)]
    assert sorted(storage.path("tables/web_logs").rglob("*")) == before


def test_writers_at_once_on_one_empty_period_leave_one_of_them_whole(spark: SparkSession, storage: Folder) -> None:
    def write(number: int) -> None:
        frame = logs(spark, ("2023-08-01", number), ("2023-08-02", number))
        Tables(spark, storage).replace_period("web_logs", frame, AUGUST, f"run {number}")

    threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    left = ids(Tables(spark, storage))
    assert len(left) == 2
    assert left[0][1] == left[1][1]


def test_a_commit_that_another_writer_overtook_is_made_again(
    tables: Tables, spark: SparkSession, storage: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables.replace_period("web_logs", logs(spark, ("2023-08-01", 1)), AUGUST, "run")
    real, overtaken = DeltaTable.create_write_transaction, []

    def overtake(self: DeltaTable, *args: object, **options: object) -> None:
        if not overtaken:
            overtaken.append(True)
            tables.replace_period("web_logs", logs(spark, ("2023-08-09", 9)), Period.parse("2023-08-09"), "other")
        real(self, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(DeltaTable, "create_write_transaction", overtake)
    tables.replace_period("web_logs", logs(spark, ("2023-08-01", 2)), Period.parse("2023-08-01"), "run")
    assert ids(tables) == [("2023-08-01", 2), ("2023-08-09", 9)]


@pytest.mark.parametrize("overtaken", [False, True])
def test_a_commit_that_was_made_but_whose_answer_was_lost_is_not_made_again(
    tables: Tables, spark: SparkSession, monkeypatch: pytest.MonkeyPatch, overtaken: bool
) -> None:
    tables.replace_period("web_logs", logs(spark, ("2023-08-01", 1)), AUGUST, "run")
    real = DeltaTable.create_write_transaction

    def lose_the_answer(self: DeltaTable, *args: object, **options: object) -> None:
        real(self, *args, **options)  # type: ignore[arg-type]
        monkeypatch.setattr(DeltaTable, "create_write_transaction", real)
        if overtaken:
            tables.replace_period("web_logs", logs(spark, ("2023-08-01", 3)), AUGUST, "other")
        raise CommitFailedError("The version is there already")

    monkeypatch.setattr(DeltaTable, "create_write_transaction", lose_the_answer)
    tables.replace_period("web_logs", logs(spark, ("2023-08-01", 2), ("2023-08-02", 2)), AUGUST, "run")
    assert ids(tables) == ([("2023-08-01", 3)] if overtaken else [("2023-08-01", 2), ("2023-08-02", 2)])


def test_a_table_of_many_commits_can_be_read_as_it_was_at_each_of_them(
    tables: Tables, spark: SparkSession, storage: Folder
) -> None:
    log = storage.path("tables/web_logs/_delta_log")
    frames = []
    for number in range(12):
        if number == 5:  # another program makes one, with its hint
            DeltaTable(str(log.parent)).create_checkpoint()
        tables.replace_period("web_logs", logs(spark, ("2023-08-01", number)), AUGUST, "run")
        frames.append(tables.read("web_logs"))
    assert [row.log_id for frame in frames[8:] for row in frame.collect()] == [8, 9, 10, 11]
    for path in sorted(log.glob("*.json"))[:9]:
        path.unlink()  # what is in a checkpoint
    assert ids(tables) == [("2023-08-01", 11)]
    assert [path.name for path in log.glob("*9.checkpoint*")] == ["00000000000000000009.checkpoint.parquet"]
    assert not log.joinpath("_last_checkpoint").exists()


def test_a_checkpoint_that_cannot_be_made_costs_nothing(
    tables: Tables, spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "EVERY", 1)
    write = Folder.write
    monkeypatch.setattr(Folder, "write", lambda *given: refuse() if "checkpoint" in given[1] else write(*given))
    tables.replace_period("web_logs", logs(spark, ("2023-08-01", 1)), AUGUST, "run")
    assert ids(tables) == [("2023-08-01", 1)]


def refuse(*_: object) -> None:
    """As a storage that is full."""
    raise StorageError("There is no room.")


def test_a_writer_that_never_wins_says_so_and_leaves_nothing(
    tables: Tables, spark: SparkSession, storage: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables.replace_period("web_logs", logs(spark, ("2023-08-01", 1)), AUGUST, "run")
    before = sorted(storage.path("tables/web_logs").rglob("*.parquet"))
    monkeypatch.setattr(tables_module, "COMMIT_ATTEMPTS", 2)
    real = DeltaTable.create_write_transaction

    def overtake(self: DeltaTable, *args: object, **options: object) -> None:
        other = DeltaTable(str(storage.path("tables/web_logs")))
        real(other, [], mode="append", schema=other.schema(), commit_properties=CommitProperties())
        real(self, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(DeltaTable, "create_write_transaction", overtake)
    with pytest.raises(CommitRefused, match="Run it again"):
        tables.replace_period("web_logs", logs(spark, ("2023-08-01", 2)), AUGUST, "run")
    assert ids(tables) == [("2023-08-01", 1)]
    assert sorted(storage.path("tables/web_logs").rglob("*.parquet")) == before


def test_an_interrupt_right_after_the_commit_leaves_the_new_rows(
    tables: Tables, spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables.replace_period("web_logs", logs(spark, ("2023-08-01", 1)), AUGUST, "run")
    real = DeltaTable.create_write_transaction

    def interrupted(self: DeltaTable, *args: object, **options: object) -> None:
        real(self, *args, **options)  # type: ignore[arg-type]
        raise KeyboardInterrupt  # Python handles a signal when the call returns

    monkeypatch.setattr(DeltaTable, "create_write_transaction", interrupted)
    with pytest.raises(KeyboardInterrupt):
        tables.replace_period("web_logs", logs(spark, ("2023-08-01", 2)), AUGUST, "run")
    assert ids(tables) == [("2023-08-01", 2)]


def test_a_table_that_another_writer_makes_at_the_same_moment_is_used(
    tables: Tables, spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = DeltaTable.create

    def overtaken(*args: object, **options: object) -> None:
        real(*args, **options)  # type: ignore[arg-type]
        raise CommitFailedError("Protocol changed since last commit")

    monkeypatch.setattr(DeltaTable, "create", overtaken)
    tables.replace_period("web_logs", logs(spark, ("2023-08-01", 1)), AUGUST, "run")
    assert ids(tables) == [("2023-08-01", 1)]


def test_a_table_whose_maker_died_before_its_first_commit_is_made_again(
    tables: Tables, spark: SparkSession, storage: Folder
) -> None:
    storage.path("tables/web_logs/_delta_log").mkdir(parents=True)
    assert not tables.exists("web_logs")
    tables.replace_period("web_logs", logs(spark, ("2023-08-01", 1)), AUGUST, "run")
    assert ids(tables) == [("2023-08-01", 1)]


def test_a_table_that_is_not_kept_by_day_is_left_alone(sail: SparkSession, storage: Folder) -> None:
    tables = Tables(sail, storage)
    folder = storage.path("tables/web_logs")
    folder.mkdir(parents=True)
    DeltaTable.create(str(folder), Schema.from_json(WEB_LOGS.schema.json()))
    with pytest.raises(TableError, match="Move the table away"):
        tables.replace_period("web_logs", logs(sail, ("2023-08-01", 1)), AUGUST, "run")
    assert tables.read("web_logs").count() == 0
