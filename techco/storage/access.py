"""How a storage account is reached: names only, never a credential."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from techco.errors import ParameterError

_VAULT_NAME = re.compile(r"[A-Za-z](?:[A-Za-z0-9]|-(?=[A-Za-z0-9])){2,23}")
_SECRET_NAME = re.compile(r"[A-Za-z0-9-]{1,127}")


@dataclass(frozen=True)
class Access:
    """Where the credential for a storage account is found; all empty means the environment or an identity.

    Attributes
    ----------
    key_vault
        Name or URL of the Key Vault that holds the credential.
    secret
        Name of the secret in it: an account key, a shared access signature (SAS) or a connection string.
    endpoint
        URL of the blob service where it is not the account's public one: a private endpoint, or an emulator.

    Raises
    ------
    ParameterError
        When a name is none, or one of vault and secret lacks the other. What was given is not repeated where it could
        be a credential.
    """

    key_vault: str = ""
    secret: str = ""
    endpoint: str = ""

    def __post_init__(self) -> None:
        if bool(self.key_vault) != bool(self.secret):
            given, missing = ("key_vault", "secret") if self.key_vault else ("secret", "key_vault")
            raise ParameterError(
                f"`{given}` is given without `{missing}`. Give both: the vault, and the name of the secret in it that "
                "holds an account key, a SAS or a connection string."
            )
        if self.secret and not _SECRET_NAME.fullmatch(self.secret):
            raise ParameterError(
                "`secret` is not the name of a secret (letters, digits and -). Give the name under which the Key Vault "
                "keeps the credential, never the credential itself."
            )
        if self.key_vault and not (_VAULT_NAME.fullmatch(self.key_vault) or _is_plain_url(self.key_vault, ("https",))):
            raise ParameterError(
                "`key_vault` is neither the name of a Key Vault nor its URL. "
                "Give for instance kv-shop or https://kv-shop.vault.azure.net."
            )
        if self.endpoint and not _is_plain_url(self.endpoint, ("https", "http")):
            raise ParameterError(
                "`endpoint` is not the URL of a blob service without credentials. "
                "Give for instance https://account.privatelink.blob.core.windows.net."
            )

    def options(self) -> list[str]:
        """Return the options of the command line that name the same."""
        named = {"--key-vault": self.key_vault, "--secret": self.secret, "--endpoint": self.endpoint}
        return [word for option, value in named.items() if value for word in (option, value)]


def _is_plain_url(text: str, schemes: tuple[str, ...]) -> bool:
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        return False
    return url.scheme in schemes and bool(url.hostname) and port != 0 and not (url.query or url.fragment or "@" in text)
