"""Settings from `TECHCO_*` environment variables; options of the command line go before them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from techco.access import Access
from techco.engine_name import parse_engine
from techco.errors import ParameterError
from techco.privacy import VARIABLE as PII
from techco.privacy import Pii
from techco.refresh import VARIABLE as REFRESH
from techco.spark_conf import VARIABLE as SPARK_CONF

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

PREFIX = "TECHCO_"


class Settings(BaseSettings):
    """What a user may set once instead of giving it with each command; empty variables count as not set.

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
    spark_conf
        Settings of Apache Spark, as `--spark-conf`, here one JSON object, which may hold credentials.
    spark_packages
        Maven coordinates of jars for Apache Spark, with commas between: `spark.jars.packages`.
    spark_memory
        Memory of Spark's driver and of each executor, for instance `4g`.
    spark_token
        The token of a Spark Connect server.
    key_vault, secret, endpoint
        How a storage account is reached, as `--key-vault`, `--secret` and `--endpoint`; see `Access`.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, frozen=True)

    storage: str | None = None
    engine: str = "sail"
    out: Path = Path()
    templates: Path | None = None
    pii: Pii = "mask"
    refresh: bool = False
    spark_conf: dict[str, str] = {}
    spark_packages: str = ""
    spark_memory: str = ""
    spark_token: SecretStr = SecretStr("")
    key_vault: str = ""
    secret: str = ""
    endpoint: str = ""

    @property
    def all_spark_conf(self) -> dict[str, str]:
        """All settings of Apache Spark, those of packages and memory among them."""
        from techco.spark_conf import conf

        return conf(self.spark_conf, self.spark_packages, self.spark_memory)

    @field_validator("engine")
    @classmethod
    def _known_engine(cls, value: str) -> str:
        parse_engine(value)
        return value

    @field_validator("templates")
    @classmethod
    def _folder(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_dir():
            raise ValueError(
                "There is no such folder. Give the one that holds ingest.ipynb, join.ipynb, analysis.ipynb."
            )
        return value


def load_settings() -> Settings:
    """Read the settings from the environment.

    Raises
    ------
    ParameterError
        Names each variable with a value that is not allowed.
    """
    _require_home()
    try:
        return Settings()
    except ValidationError as error:
        faults = (
            f"{PREFIX}{str(fault['loc'][0]).upper()} is {_shown(fault)}: {fault['msg'].removeprefix('Value error, ')}"
            for fault in error.errors()
        )
        raise ParameterError("\n".join(faults)) from None
    except SettingsError:  # the value is not repeated: it may hold a credential
        raise ParameterError(
            f"{SPARK_CONF} is not one JSON object of texts. Give for instance "
            f'{SPARK_CONF}=\'{{"spark.executor.memory": "4g"}}\'.'
        ) from None


def _require_home() -> None:
    """Jupyter's libraries and caches lie below it; a container's user may have none, and no name either."""
    try:
        Path.home()
    except RuntimeError:
        raise ParameterError(
            f"HOME is not set, and this machine knows no user {os.getuid()}. Set HOME to a folder of this user's own; "
            "it may be empty, and need not be writable."
        ) from None


def _shown(fault: ErrorDetails) -> str:
    return "not allowed" if str(fault["loc"][0]).startswith("spark_") else repr(str(fault["input"]))


def load_access() -> Access:
    """How a storage account is reached, by the settings.

    Raises
    ------
    ParameterError
        When they do not fit together, or name what cannot be.
    """
    settings = load_settings()
    return Access(settings.key_vault, settings.secret, settings.endpoint)


def variables(access: Access, pii: Pii = "mask", refresh: bool = False) -> dict[str, str]:
    """The environment variables by which another process has the same access and settings."""
    values = {"KEY_VAULT": access.key_vault, "SECRET": access.secret, "ENDPOINT": access.endpoint}
    return {PII: pii, REFRESH: str(int(refresh)), **{f"{PREFIX}{name}": value for name, value in values.items()}}
