"""Read settings from `TECHCO_*` environment variables; options of the command line go before them.

Each kernel reads them, so this module imports nothing that takes time.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Any

from techco.engines.names import parse_engine, split_token
from techco.engines.spark_conf import conf
from techco.errors import ParameterError
from techco.redact import Pii, check_pii
from techco.storage.access import Access

PREFIX = "TECHCO_"
PII = "TECHCO_PII"
REFRESH = "TECHCO_REFRESH"
COMPARE = "TECHCO_COMPARE"
_TRUTHS = dict.fromkeys(("1", "true", "t", "yes", "y", "on"), True)
_TRUTHS |= dict.fromkeys(("0", "false", "f", "no", "n", "off"), False)


@dataclass(frozen=True)
class Settings:
    """The settings of a user for all commands; empty variables count as not set.

    Attributes
    ----------
    storage
        The shop, as `--storage`; None is the sample shop.
    engine
        As `--engine`.
    out
        Folder for runs and reports, as `--out`.
    templates
        Folder with the user's own `ingest.ipynb`, `join.ipynb` and `analysis.ipynb`; None takes the package's.
    pii
        As `--pii`.
    refresh
        As `--refresh`.
    compare
        Whether a run also brings the period before into the tables; `--no-compare` leaves it.
    days_around
        Of how many days before and after a period an ingest reads the folders `date=YYYY-MM-DD`, too.
    spark_conf
        Settings of Apache Spark, as `--spark-conf`, here one JSON object, which may hold credentials.
    spark_packages
        Maven coordinates of jars for Apache Spark, with commas between: `spark.jars.packages`.
    spark_memory
        Memory of Spark's driver and of each executor, for instance `4g`.
    spark_token
        The token of a Spark Connect server. Opening a session takes it out of the environment; then it is empty here.
    key_vault, secret, endpoint
        How a storage account is reached, as `--key-vault`, `--secret` and `--endpoint`; see `Access`.
    """

    storage: str | None = None
    engine: str = "sail"
    out: Path = Path()
    templates: Path | None = None
    pii: Pii = "mask"
    refresh: bool = False
    days_around: int = 0
    compare: bool = True
    spark_conf: Mapping[str, str] | None = field(default=None, repr=False)
    spark_packages: str = ""
    spark_memory: str = ""
    spark_token: str = field(default="", repr=False)
    key_vault: str = ""
    secret: str = ""
    endpoint: str = ""

    def spark_conf_for(self, engine: str) -> dict[str, str]:
        """Return all settings of Apache Spark, also those of packages and memory; none for Sail, which takes none."""
        return {} if engine == "sail" else conf(self.spark_conf or {}, self.spark_packages, self.spark_memory)

    @property
    def access(self) -> Access:
        """How a storage account is reached.

        Raises
        ------
        ParameterError
            When these settings do not fit together, or have a wrong value.
        """
        return Access(self.key_vault, self.secret, self.endpoint)


def load_settings() -> Settings:
    """Read the settings from the environment.

    Raises
    ------
    ParameterError
        Names each variable with a value that is not allowed.
    """
    _require_home()
    values: dict[str, Any] = {}
    faults = []
    for setting in fields(Settings):
        variable = f"{PREFIX}{setting.name.upper()}"
        if text := os.environ.get(variable):
            try:
                values[setting.name] = _READERS.get(setting.name, str)(text)
            except ParameterError as error:
                faults.append(str(error))
    if faults:
        raise ParameterError("\n".join(faults))
    return Settings(**values)


def variables(access: Access, pii: Pii = "mask", refresh: bool = False, compare: bool = True) -> dict[str, str]:
    """Return the environment variables with these settings for another process."""
    values = {"KEY_VAULT": access.key_vault, "SECRET": access.secret, "ENDPOINT": access.endpoint}
    flags = {REFRESH: str(int(refresh)), COMPARE: str(int(compare))}
    return {PII: pii, **flags, **{f"{PREFIX}{name}": value for name, value in values.items()}}


def _engine(text: str) -> str:
    try:
        return parse_engine(text).text
    except ParameterError as error:
        shown = "not allowed" if split_token(text)[1] else repr(text)  # a token is not repeated
        raise ParameterError(f"{PREFIX}ENGINE is {shown}: {error}") from None


def _folder(text: str) -> Path:
    with suppress(OSError):  # of a name that is too long, for instance
        if (folder := Path(text)).is_dir():
            return folder
    raise ParameterError(
        f"{PREFIX}TEMPLATES is {text!r}: There is no such folder. Give the one that holds ingest.ipynb, join.ipynb, "
        "analysis.ipynb."
    )


def _truth(variable: str, means: str, text: str) -> bool:
    if text.lower() not in _TRUTHS:
        raise ParameterError(f"{variable} is {text!r}. Allowed: 1 to {means}, or 0.")
    return _TRUTHS[text.lower()]


def _spark_conf(text: str) -> dict[str, str]:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise ParameterError(  # the value is not repeated: it may hold a credential
            f"{PREFIX}SPARK_CONF is not one JSON object of texts. Give for instance "
            f'{PREFIX}SPARK_CONF=\'{{"spark.executor.memory": "4g"}}\'.'
        )
    return found


def _days(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 5):
        raise ParameterError(
            f"{PREFIX}DAYS_AROUND is {text!r}. Allowed: a number of days, such as 0, the default, or 1."
        )
    return int(text)


_READERS: dict[str, Callable[[str], Any]] = {
    "engine": _engine,
    "out": Path,
    "templates": _folder,
    "pii": lambda text: check_pii(text, PII),
    "refresh": partial(_truth, REFRESH, "do all work again"),
    "compare": partial(_truth, COMPARE, "bring the period before into the tables as well"),
    "days_around": _days,
    "spark_conf": _spark_conf,
}


def _require_home() -> None:
    """Refuse a user without a home, as in some containers: Jupyter's libraries keep files below it."""
    try:
        Path.home()
    except RuntimeError:
        raise ParameterError(
            f"HOME is not set, and this machine knows no user {os.getuid()}. Set HOME to a folder of this user's own; "
            "it may be empty, and need not be writable."
        ) from None
