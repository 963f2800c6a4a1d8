"""The kinds of credentials that open a storage account."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Protocol
from urllib.parse import parse_qs

from techco.storage.azure.identity import ROLE, STORAGE_SCOPE, identity, token
from techco.storage.azure.urls import Place

if TYPE_CHECKING:
    from azure.core.credentials import AzureNamedKeyCredential, AzureSasCredential, TokenCredential


class Credential(Protocol):
    """What opens a storage account."""

    @property
    def source(self) -> str:
        """Where it was found, in words, without the credential."""

    def check(self) -> None:
        """Find out what can be known of it before it is used.

        Raises
        ------
        CredentialError
            When it cannot be had.
        """

    def not_accepted(self) -> str:
        """Return what to say, and to do, where an account does not accept it; begins with a verb."""

    def to_permit(self, place: Place) -> str:
        """Return what to do where an account accepts it, but does not permit what was tried."""

    def for_client(self, account: str) -> AzureNamedKeyCredential | AzureSasCredential | TokenCredential:
        """Return it as azure-storage-blob takes it."""

    def for_engine(self) -> dict[str, str]:
        """Return the environment variables by which the engine and Delta Lake take it."""


@dataclass(frozen=True)
class AccountKey:
    """One of the two keys of an account."""

    source: str
    key: str = field(repr=False)

    def check(self) -> None:
        """Do nothing: only the account knows its keys."""

    def not_accepted(self) -> str:
        """Return that the key is wrong."""
        return (
            f"does not accept the account key in {self.source}. It is another account's, or has been replaced. "
            "Copy it anew: az storage account keys list --account-name ACCOUNT."
        )

    def to_permit(self, place: Place) -> str:
        """Return where to look: a key may do everything, unless the account forbids that."""
        return f"Look in Azure's portal for locks and policies of the account {place.account}."

    def for_client(self, account: str) -> AzureNamedKeyCredential:
        """Return a named key."""
        from azure.core.credentials import AzureNamedKeyCredential

        return AzureNamedKeyCredential(account, self.key)

    def for_engine(self) -> dict[str, str]:
        """Return the key."""
        return {"AZURE_STORAGE_ACCOUNT_KEY": self.key}


@dataclass(frozen=True)
class Signature:
    """A shared access signature (SAS)."""

    source: str
    query: str = field(repr=False)

    def check(self) -> None:
        """Do nothing: its form and its end were checked when it was found."""

    def not_accepted(self) -> str:
        """Return that the signature is wrong or has expired."""
        return (
            f"does not accept the SAS in {self.source}. It was changed, has expired, or its key has been replaced. "
            "Make a new one: az storage container generate-sas --permissions racwdl."
        )

    def to_permit(self, place: Place) -> str:
        """Return the letters that it needs."""
        given = f"it permits {self.permissions!r} and " if self.permissions else "it "
        return f"The SAS is too narrow: {given}needs racwdl on the container: read, add, create, write, delete, list."

    def for_client(self, account: str) -> AzureSasCredential:
        """Return a signature."""
        from azure.core.credentials import AzureSasCredential

        return AzureSasCredential(self.query)

    def for_engine(self) -> dict[str, str]:
        """Return the signature."""
        return {"AZURE_STORAGE_SAS_KEY": self.query}

    @cached_property
    def permissions(self) -> str:
        """The letters of what it permits, as in its `sp`; empty where a policy on the container says so."""
        return parse_qs(self.query).get("sp", [""])[0]

    @cached_property
    def expires(self) -> str:
        """When it expires, as in its `se`; empty where a policy on the container says so."""
        return parse_qs(self.query).get("se", [""])[0]


@dataclass(frozen=True)
class Identity:
    """Whatever identity azure-identity finds; tokens are made anew when they are asked for and have grown old."""

    suffix: str
    source: str = "DefaultAzureCredential"

    def check(self) -> None:
        """Get a token; azure-storage-blob would ask for it again and again."""
        token(self.suffix, STORAGE_SCOPE)

    def not_accepted(self) -> str:
        """Return that the token is wrong or has expired."""
        return (
            f"does not accept the token of {self.source}. It is for another cloud or tenant, or has expired. "
            "Sign in again: az login."
        )

    def to_permit(self, place: Place) -> str:
        """Return the role that it needs."""
        return (
            f"Grant it the role {ROLE}: az role assignment create --role '{ROLE}' --assignee WHO --scope SCOPE, where "
            f"SCOPE is the id of the account {place.account} or of its container. It takes up to ten minutes to work."
        )

    def for_client(self, account: str) -> TokenCredential:
        """Return the credential itself, which renews its tokens."""
        return identity(self.suffix)

    def for_engine(self) -> dict[str, str]:
        """Return a token that is valid now; the engine does not renew it."""
        return {"AZURE_STORAGE_TOKEN": token(self.suffix, STORAGE_SCOPE)}

    def kind(self) -> str:
        """Return the class in azure-identity that gives its tokens, such as `AzureCliCredential`; empty if unknown.

        Raises
        ------
        CredentialError
            When it gets no token.
        """
        self.check()
        # The chain has no public name for the one of its members that answered.
        answered = getattr(identity(self.suffix), "_successful_credential", None)
        return type(answered).__name__ if answered else ""
