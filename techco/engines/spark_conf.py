"""Read the settings of Apache Spark that the user gives: by option for a run, by environment for all."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping

from techco.errors import ParameterError

VARIABLE = "TECHCO_SPARK_CONF"
"""The variable that holds settings of Spark, as one JSON object."""

_KEY = re.compile(r"[A-Za-z][\w.-]*")
# As Spark itself decides what to hide (spark.redaction.regex), and what the Azure driver calls its credentials.
_SECRET = re.compile(r"(?i)secret|password|token|access[.]?key|account[.]key|sas[.]")


def parse_pairs(pairs: Iterable[str]) -> dict[str, str]:
    """Parse `KEY=VALUE` of each setting, as `spark-submit --conf` takes them.

    Raises
    ------
    ParameterError
        When one is no such pair, or is a credential, which the command in the report would repeat.
    """
    settings = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not _KEY.fullmatch(key):
            raise ParameterError(
                f"`spark_conf` is {pair!r}. Give KEY=VALUE, for instance `spark_conf='spark.executor.memory=4g'`."
            )
        if _SECRET.search(key):
            raise ParameterError(
                f"`spark_conf` {key} is a credential, which the report's command to repeat the run would show. "
                f'Set it in the environment instead: {VARIABLE}=\'{{"{key}": "…"}}\'.'
            )
        settings[key] = value
    return settings


def conf(settings: Mapping[str, str], packages: str = "", memory: str = "") -> dict[str, str]:
    """Return all settings of Spark; those given one by one go before the short forms.

    Parameters
    ----------
    packages
        Maven coordinates of jars, with commas between.
    memory
        Of the driver, and of each executor, as Spark writes it: `4g`.
    """
    short = {"spark.jars.packages": packages, "spark.driver.memory": memory, "spark.executor.memory": memory}
    return {key: value for key, value in short.items() if value} | dict(settings)


def to_text(settings: Mapping[str, str]) -> str:
    """Return settings as their variable holds them."""
    return json.dumps(dict(settings))


def check_fits(settings: Mapping[str, str], engine: str) -> None:
    """Refuse settings of Spark for Sail.

    Raises
    ------
    ParameterError
        Names the engines that take them.
    """
    if settings and engine == "sail":
        raise ParameterError(
            f"`spark_conf` {next(iter(settings))} is for Apache Spark, and the engine is sail. "
            "Give an engine that takes it with `engine`: spark, spark://HOST:PORT or sc://HOST:PORT."
        )
