"""How an engine is named and set up: what is refused, and that no credential is repeated."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from techco import open_shop
from techco.cli.app import app
from techco.engines.connect import check_version
from techco.engines.names import parse_engine, split_token
from techco.engines.spark_conf import conf, parse_pairs
from techco.errors import EngineError, ParameterError
from techco.settings import load_settings
from tests.support.whole_runs import QUICK


@pytest.mark.parametrize("name", ["spark:/a", "sc://", "sc://host:99999", "sc://host/a", "yarn", "", "spark://host"])
def test_an_unknown_engine_is_refused_with_those_that_are_known(name: str) -> None:
    with pytest.raises(ParameterError, match="Allowed: sail, spark, spark://HOST:PORT or sc://"):
        parse_engine(name)


def test_a_token_in_an_engines_name_is_refused_where_a_notebook_would_keep_it(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="TECHCO_SPARK_TOKEN") as refused:
        open_shop(str(tmp_path), "2023-08", engine="sc://host:1/;token=my-secret-token")
    assert "my-secret-token" not in str(refused.value)


@pytest.mark.parametrize(
    ("given", "name", "token"),
    [
        ("sc://h:1/;token=a%20b", "sc://h:1", "a b"),
        ("sc://h:1/;use_ssl=true;token=ab", "sc://h:1/;use_ssl=true", "ab"),
        ("sc://h:1/;token=ab;use_ssl=true", "sc://h:1/;use_ssl=true", "ab"),
        ("sail", "sail", ""),
    ],
)
def test_a_token_is_taken_out_of_an_engines_name(given: str, name: str, token: str) -> None:
    assert split_token(given) == (name, token)


@pytest.mark.parametrize("version", ["3.5.1", "4.1.0", "5.0.0", "unknown"])
def test_a_server_of_another_version_is_refused(version: str) -> None:
    with pytest.raises(EngineError, match=f"is Spark {version}, and this is a client of PySpark 4.2"):
        check_version("sc://host", version)


@pytest.mark.parametrize("version", ["4.2.1", "4.3.0", "4.10.0-preview"])
def test_a_server_may_be_newer_within_its_major_version(version: str) -> None:
    check_version("sc://host", version)


def test_settings_of_spark_are_refused_for_sail(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["run", "--storage", str(tmp_path), "--period", "2023", *QUICK])
    assert result.exit_code == 2
    assert "is for Apache Spark, and the engine is sail" in result.stderr


def test_a_setting_is_a_key_and_a_value() -> None:
    assert parse_pairs(["spark.a=1", "spark.b=x=y"]) == {"spark.a": "1", "spark.b": "x=y"}
    with pytest.raises(ParameterError, match="Give KEY=VALUE"):
        parse_pairs(["spark.a"])


@pytest.mark.parametrize("key", ["fs.azure.account.key.shop", "spark.my.password", "fs.azure.sas.fixed.token.shop"])
def test_a_credential_is_no_option(key: str) -> None:
    with pytest.raises(ParameterError, match="TECHCO_SPARK_CONF") as refused:
        parse_pairs([f"{key}=hush-hush"])
    assert "hush-hush" not in str(refused.value)


def test_settings_of_spark_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TECHCO_SPARK_CONF", '{"spark.executor.memory": "2g"}')
    monkeypatch.setenv("TECHCO_SPARK_PACKAGES", "org.apache.hadoop:hadoop-azure:3.5.0")
    monkeypatch.setenv("TECHCO_SPARK_MEMORY", "4g")
    assert load_settings().spark_conf_for("spark") == {
        "spark.jars.packages": "org.apache.hadoop:hadoop-azure:3.5.0",
        "spark.driver.memory": "4g",
        "spark.executor.memory": "2g",
    }
    assert conf({}) == {}


@pytest.mark.parametrize("text", ["{", "[1]", '{"a": {"token": "hush-hush"}}', "hush-hush"])
def test_settings_that_are_no_json_object_are_refused_without_repeating_them(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("TECHCO_SPARK_CONF", text)
    with pytest.raises(ParameterError, match="TECHCO_SPARK_CONF") as refused:
        load_settings()
    assert "hush-hush" not in str(refused.value)
