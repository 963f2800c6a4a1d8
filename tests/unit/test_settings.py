"""Settings from the environment: what counts as not set, what is refused in which words, and what is never shown."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from techco.errors import ParameterError
from techco.settings import PREFIX, Settings, load_settings, variables
from techco.storage.access import Access

NAMES = [f"{PREFIX}{name.upper()}" for name in Settings.__dataclass_fields__]


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


def test_without_variables_there_are_defaults() -> None:
    assert load_settings() == Settings()
    assert load_settings().spark_conf_for("spark") == {}


def test_an_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.setenv(name, "")
    assert load_settings() == Settings()


def test_each_setting_has_a_variable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    given = {"STORAGE": "./shop", "ENGINE": "spark", "OUT": "out", "TEMPLATES": str(tmp_path), "PII": "show"}
    given |= {
        "REFRESH": "1",
        "DAYS_AROUND": "1",
        "COMPARE": "0",
        "SPARK_CONF": '{"spark.a": "1"}',
        "SPARK_PACKAGES": "a:b:1",
        "SPARK_MEMORY": "4g",
    }
    given |= {"SPARK_TOKEN": "hush-hush", "KEY_VAULT": "kv-one", "SECRET": "key", "ENDPOINT": "https://10.0.0.4"}
    assert [f"{PREFIX}{name}" for name in given] == NAMES
    for name, text in given.items():
        monkeypatch.setenv(f"{PREFIX}{name}", text)
    found = load_settings()
    assert (found.out, found.templates, found.refresh, found.spark_conf) == (
        Path("out"),
        tmp_path,
        True,
        {"spark.a": "1"},
    )
    assert (found.storage, found.engine, found.pii, found.spark_token) == ("./shop", "spark", "show", "hush-hush")
    assert (found.compare, found.days_around) == (False, 1)
    assert found.access == Access("kv-one", "key", "https://10.0.0.4")


@pytest.mark.parametrize("text", ["1", "true", "True", "YES", "on", "t", "y"])
def test_refresh_is_on_by_each_word_for_yes(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("TECHCO_REFRESH", text)
    assert load_settings().refresh is True


@pytest.mark.parametrize("text", ["0", "false", "No", "off", "f", "n"])
def test_refresh_is_off_by_each_word_for_no(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("TECHCO_REFRESH", text)
    assert load_settings().refresh is False


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("ENGINE", "yarn", "TECHCO_ENGINE is 'yarn': engine is 'yarn'. Allowed: sail, spark"),
        ("TEMPLATES", "/nowhere", "TECHCO_TEMPLATES is '/nowhere': There is no such folder. Give the one that holds"),
        ("TEMPLATES", "x" * 300, "There is no such folder"),
        ("PII", "hide", "TECHCO_PII is 'hide'. Allowed: mask"),
        ("REFRESH", "maybe", "TECHCO_REFRESH is 'maybe'. Allowed: 1 to do all work again, or 0."),
        ("SPARK_CONF", "[]", "TECHCO_SPARK_CONF is not one JSON object of texts. Give for instance"),
        ("SPARK_CONF", '{"spark.a": 1}', "TECHCO_SPARK_CONF is not one JSON object of texts. Give for instance"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str, words: str
) -> None:
    monkeypatch.setenv(f"{PREFIX}{name}", text)
    with pytest.raises(ParameterError) as refused:
        load_settings()
    assert words in str(refused.value)


def test_all_wrong_values_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TECHCO_PII", "hide")
    monkeypatch.setenv("TECHCO_ENGINE", "yarn")
    with pytest.raises(ParameterError) as refused:
        load_settings()
    assert [line.split()[0] for line in str(refused.value).splitlines()] == ["TECHCO_ENGINE", "TECHCO_PII"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ENGINE", "sc://host/;token=hush-hush"),
        ("ENGINE", "sc://no host/;token=hush-hush"),
        ("SPARK_CONF", '{"spark.password": "hush-hush"'),
        ("SPARK_CONF", '{"spark.password": ["hush-hush"]}'),
    ],
)
def test_a_credential_in_a_wrong_value_is_not_repeated(monkeypatch: pytest.MonkeyPatch, name: str, text: str) -> None:
    monkeypatch.setenv(f"{PREFIX}{name}", text)
    with pytest.raises(ParameterError, match=f"{PREFIX}{name}") as refused:
        load_settings()
    assert "hush-hush" not in str(refused.value)


def test_credentials_are_not_shown_with_the_settings() -> None:
    assert "hush-hush" not in repr(Settings(spark_token="hush-hush", spark_conf={"spark.password": "hush-hush"}))


def test_settings_of_spark_are_none_for_sail() -> None:
    settings = Settings(spark_conf={"spark.a": "1"}, spark_memory="4g")
    assert settings.spark_conf_for("sail") == {}
    assert settings.spark_conf_for("spark")["spark.executor.memory"] == "4g"


def test_another_process_finds_the_same_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    access = Access("kv-one", "key", "https://10.0.0.4")
    for name, text in variables(access, "show", refresh=True).items():
        monkeypatch.setenv(name, text)
    found = load_settings()
    assert (found.access, found.pii, found.refresh) == (access, "show", True)


def test_a_user_without_a_home_is_told_to_set_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(_: int) -> None:
        raise KeyError

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    with pytest.raises(ParameterError, match=f"HOME is not set, and this machine knows no user {os.getuid()}"):
        load_settings()


def test_reading_settings_imports_nothing_that_takes_time() -> None:
    code = "import sys, techco.settings; techco.settings.load_settings(); "
    code += (
        "print({name.partition('.')[0] for name in sys.modules} & {'pydantic', 'pyspark', 'azure', 'pandas', 'rich'})"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"
