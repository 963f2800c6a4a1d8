"""A storage in a storage account: every credential opens it, and it behaves as a folder does."""

from __future__ import annotations

import os
from pathlib import Path

import azurite
import pytest
from azurite import KEY, Azurite
from shops import log, write_shop
from stand_ins import StandIn, identity_variables

from techco import Access, open_shop
from techco.folder import Folder
from techco.ingest import ingest
from techco.join import join
from techco.period import Period

AUGUST = Period.parse("2023-08")
LOGS = [log(1), log(2, "2023-08-31", "purchase"), log(3, "2023-09-01")]


@pytest.fixture
def credential(
    request: pytest.FixtureRequest, https_account: Azurite, identity_service: StandIn, monkeypatch: pytest.MonkeyPatch
) -> str:
    """One kind of credential in the environment; its name."""
    kinds = {
        "key": {"AZURE_STORAGE_KEY": KEY},
        "sas": {"AZURE_STORAGE_SAS_TOKEN": azurite.make_sas()},
        "connection_string": {"AZURE_STORAGE_CONNECTION_STRING": https_account.connection_string},
        "identity": identity_variables(identity_service.url),
    }
    for name, value in kinds[request.param].items():
        monkeypatch.setenv(name, value)
    return str(request.param)


@pytest.mark.parametrize("credential", ["key", "sas", "connection_string", "identity"], indirect=True)
def test_every_credential_opens_it_for_reading_and_writing(
    credential: str, https_account: Azurite, tmp_path: Path
) -> None:
    write_shop(Folder(str(tmp_path)), LOGS)
    url = https_account.upload(tmp_path, "every-credential", credential)
    before = _azure_variables()
    shop = open_shop(url, AUGUST, access=Access(endpoint=https_account.endpoint))
    for _ in range(2):
        records = ingest(shop).records.values
        joined = join(shop).values
    assert (records["read"], records["accepted"], records["outside_period"]) == (3, 2, 1)
    assert (joined["logs"], joined["total_sales"]) == (2, "10.10")
    assert sorted(row.log_id for row in shop.web_logs.collect()) == [1, 2]
    assert _azure_variables() == before


def _azure_variables() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith(("AZURE_", "AZURITE_"))}
