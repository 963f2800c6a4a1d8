"""Check what a report needs of a storage: a credential, permissions, raw files and tables as they must be."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from datetime import date
from functools import partial
from typing import TYPE_CHECKING

from techco import contract
from techco.display.wording import duration, listed, plural, size
from techco.doctor.checks import Examination, Skip
from techco.engines.dialects import dialect
from techco.errors import CredentialError, RawFileError, StorageError
from techco.period import Period
from techco.raw.files import log_files, raw_file
from techco.storage.access import Access
from techco.storage.base import CUSTOMERS, LOGS_FOLDER, PRODUCTS, TABLES_FOLDER, Storage
from techco.storage.open import is_url, open_storage

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from techco.storage.azure.urls import Place

PROBE = "techco doctor"
_FIRST_RECORDS = 20
_ALL_DAYS = Period(date.min, date.max)
_NO_CREDENTIAL = "a folder needs none"


class StorageChecks:
    """The checks of one storage, named as for `open_storage`; each may use what those before it have found."""

    def __init__(self, text: str, engine: str, access: Access) -> None:
        self._text, self._engine, self._access = text, engine, access
        self._place = _place(text) if is_url(text) else None
        # Neither . nor _ before it: Spark passes over files of such names, even if it is told to read one.
        self._probe = f"{TABLES_FOLDER}/doctor-probe-{uuid.uuid4().hex[:8]}.txt"
        self._has_probe = False
        self._storage: Storage | None = None
        self._spark: SparkSession | None = None

    def examinations(self) -> list[Examination]:
        """Return all checks, in order; they need one named `engine` before them."""
        readable = ("list", "read")
        return [
            Examination("credential", self.credential),
            Examination("key vault", self.key_vault, ("credential",)),
            Examination("storage", self.open, ("credential", "key vault")),
            Examination("list", self.list_names, ("storage",)),
            Examination("write", self.write, ("storage",)),
            Examination("read", self.read, ("storage",)),
            Examination("engine reads", self.engine_reads, ("engine", *readable)),
            Examination("delete", self.delete, ("write",)),
            Examination(CUSTOMERS, partial(self.csv, CUSTOMERS, contract.CUSTOMERS.column_names), readable),
            Examination(PRODUCTS, partial(self.csv, PRODUCTS, contract.PRODUCTS.column_names), readable),
            Examination("web logs", self.web_logs, readable),
            Examination("tables", self.tables, ("engine reads",)),
        ]

    def credential(self) -> str:
        """Return what opens the storage account or, if that is in a Key Vault, who asks for it there."""
        if not self._place:
            raise Skip(_NO_CREDENTIAL)
        from techco.storage.azure.description import describe, describe_identity
        from techco.storage.azure.find_credential import find_credential
        from techco.storage.azure.vault import vault_scope

        if self._access.secret:
            return describe_identity(self._place.suffix, vault_scope(self._place.suffix))
        return describe(find_credential(self._place, self._access))

    def key_vault(self) -> str:
        """Return what the secret in the Key Vault holds."""
        if not self._place:
            raise Skip(_NO_CREDENTIAL)
        if not self._access.secret:
            raise Skip("none is named with `key_vault` and `secret`")
        from techco.storage.azure.description import describe
        from techco.storage.azure.find_credential import find_credential

        return describe(find_credential(self._place, self._access))

    def open(self) -> str:
        """Open the storage; one that may not be listed may be opened by looking for a file."""
        if not self._place:
            self._storage = open_storage(self._text)
            return f"{self._storage.url} is there"
        from techco.storage.azure.container import connect_container, open_container

        try:
            self._storage = open_container(self._place, self._access)
        except CredentialError as refused:
            container = connect_container(self._place, self._access)
            try:
                container.find(self._probe)
            except StorageError:
                raise refused from None
            self._storage = container
        return f"{self._storage.url} is there"

    def list_names(self) -> str:
        """Return the names at the root."""
        names = self._opened.names()
        return f"found {listed(names, most=8)}" if names else "it is empty"

    def write(self) -> str:
        """Write a small file among the tables."""
        self._opened.write(self._probe, PROBE.encode())
        self._has_probe = True
        return f"wrote {self._probe}"

    def read(self) -> str:
        """Read that file, or where it could not be written, a raw file."""
        name = self._some_file()
        file = self._opened.find(name)
        if file is None:
            raise StorageError(f"{name} is not there any more. Is anyone else writing there?")
        with self._opened.open(file) as stream:
            content = stream.read(len(PROBE))
        if self._has_probe and content != PROBE.encode():
            raise StorageError(f"{name} has not what was written to it. Is anyone else writing there?")
        return "read it back" if self._has_probe else f"read the beginning of {name}"

    def engine_reads(self) -> str:
        """Let the engine read the same by itself."""
        from techco.engines.session import open_session
        from techco.settings import load_settings

        started = time.monotonic()
        self._spark = open_session(self._engine, self._opened, load_settings().spark_conf_for(self._engine))
        name = self._some_file()
        row = self._spark.read.text(dialect(self._spark).path_to_read(self._opened, name)).first()
        if not row or (self._has_probe and row.value != PROBE):
            raise StorageError(f"{self._engine} does not find in {name} what is in it. Is anyone else writing there?")
        what = "it" if self._has_probe else f"the first line of {name}"
        return f"{self._engine} read {what} in {duration(time.monotonic() - started)}"

    def delete(self) -> str:
        """Delete the file that was written."""
        self._has_probe = False
        try:
            self._opened.delete(self._probe)
        except StorageError as error:
            raise type(error)(f"{error} The file {self._probe} stays there; delete it when you may.") from None
        return "deleted it"

    def csv(self, name: str, columns: Sequence[str]) -> str:
        """Return the size of a CSV file, which must have its columns."""
        from techco.raw.csv_rows import check_columns

        file = raw_file(self._opened, name)
        check_columns(self._opened, file, columns)
        return f"{size(file.size)}, has its {len(columns)} columns"

    def web_logs(self) -> str:
        """Return form, number and size of the files with web logs, whose first records must be such."""
        from techco.raw.json_stream import FIELDS
        from techco.raw.logs import first_records, form_of

        files = log_files(self._opened, _ALL_DAYS)
        first = files[0]
        records = first_records(self._opened, first, _FIRST_RECORDS)
        if records and not any(r.values and r.values["log_id"] and r.values["timestamp"] for r in records):
            raise RawFileError(
                f"{first.name} has no log_id with a timestamp in its first {plural(len(records), 'record')}. "
                f"Expected objects with the keys {', '.join(FIELDS)}."
            )
        form = f"JSON {form_of(self._opened, first)}"
        where = f"{plural(len(files), 'file')} in {LOGS_FOLDER}/" if "/" in first.name else first.name
        return f"{where}, {form}, {size(sum(file.size for file in files))}"

    def tables(self) -> str:
        """Return which tables there are; they must have the columns of this version."""
        from techco.tables.tables import Tables

        assert self._spark
        tables = Tables(self._spark, self._opened)
        found = [name for name in contract.TABLES if tables.exists(name)]
        for name in found:
            tables.check_columns(name)
        return f"{', '.join(found)}" if found else "none yet"

    def clean_up(self) -> None:
        """Delete the file that was written, if the checks were interrupted."""
        if self._has_probe:
            with suppress(StorageError):
                self._opened.delete(self._probe)

    @property
    def _opened(self) -> Storage:
        assert self._storage, "checks that use it need the check that opens it"
        return self._storage

    def _some_file(self) -> str:
        """Return the name of the file that was written, or where that was not possible, of a raw file."""
        if self._has_probe:
            return self._probe
        found = map(self._opened.find, (CUSTOMERS, PRODUCTS))
        if name := next((file.name for file in found if file and file.size), None):
            return name
        raise Skip("nothing to read: no file could be written, and there is no raw file yet")


def _place(text: str) -> Place:
    from techco.storage.azure.urls import parse_url

    return parse_url(text)
