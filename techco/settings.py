"""Settings from `TECHCO_*` environment variables; options of the command line go before them."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from techco.access import Access
from techco.errors import ParameterError
from techco.privacy import VARIABLE as PII
from techco.privacy import Pii
from techco.receipts import VARIABLE as REFRESH

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
    key_vault: str = ""
    secret: str = ""
    endpoint: str = ""

    @field_validator("engine")
    @classmethod
    def _known_engine(cls, value: str) -> str:
        from techco.engine import check_engine

        check_engine(value)
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
    try:
        return Settings()
    except ValidationError as error:
        faults = (
            f"{PREFIX}{str(fault['loc'][0]).upper()} is {str(fault['input'])!r}: "
            f"{fault['msg'].removeprefix('Value error, ')}"
            for fault in error.errors()
        )
        raise ParameterError("\n".join(faults)) from None


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
