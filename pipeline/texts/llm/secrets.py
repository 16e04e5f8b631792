"""What must never be printed: the key, and passwords in addresses."""

from __future__ import annotations

import os
import re
from base64 import b64encode
from dataclasses import dataclass
from typing import Self
from urllib.parse import quote, unquote, urlsplit

from pipeline.config.language import Llm
from pipeline.errors import ServiceError
from pipeline.outside.addresses import HIDDEN, shown_address
from pipeline.texts.llm.keys import api_key

LEAST = 4
"""Fewest characters of a secret that is hidden in texts; a shorter one would hide half of every message."""
_NAME = re.compile(r"[A-Z]+(_[A-Z0-9]+)*")


@dataclass(frozen=True)
class Secrets:
    """The secrets of a configuration."""

    values: tuple[str, ...]

    @classmethod
    def of(cls, llm: Llm) -> Self:
        """The key as it is set and as it is sent, a key that stands where its variable's name belongs, and passwords."""
        name = llm.runtime.api_key_env
        known = [api_key(llm.runtime), "" if shown_name(name) == name else name]
        proxies = [value for key, value in os.environ.items() if key.lower().endswith("_proxy")]
        for address in (llm.runtime.base_url, *proxies):
            user, separator, _ = address.partition("://")[2].partition("/")[0].rpartition("@")
            known += [user, user.partition(":")[2]] if separator else []
        forms = {
            form
            for secret in known
            for whole in (secret, secret.strip(), unquote(secret))
            for form in (whole, quote(whole, safe=""), repr(whole)[1:-1], repr(whole.encode())[2:-1])
        }
        return cls(tuple(sorted((form for form in forms if len(form.strip()) >= LEAST), key=len, reverse=True)))

    def hide(self, text: str) -> str:
        """The text without the secrets, and without what looks like a password in an address."""
        for secret in self.values:
            text = text.replace(secret, HIDDEN)
        return shown_address(text)


def key_of(llm: Llm) -> str:
    """The key in the variable `llm.runtime.api_key_env`, without white space around it; '' if there is none.

    Raises ServiceError if what it holds cannot be a key.
    """
    key = api_key(llm.runtime).strip()
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ServiceError(
            f"the environment variable {shown_name(llm.runtime.api_key_env)} (llm.runtime.api_key_env) holds something "
            "that cannot be a key: it has white space or other than ASCII characters inside. Set it to the key alone."
        )
    return key


def without_user(url: str) -> tuple[str, dict[str, str]]:
    """An address without user and password, which HTTP libraries write into their logs, and the header that carries them."""
    scheme, _, rest = url.partition("://")
    place, slash, path = rest.partition("/")
    user, at, host = place.rpartition("@")
    if not at:
        return url, {}
    return f"{scheme}://{host}{slash}{path}", {"Authorization": f"Basic {b64encode(unquote(user).encode()).decode()}"}


def shown_name(name: str) -> str:
    """The name of the key's variable; hidden where it looks like a key in the wrong place."""
    return name if name in os.environ or (_NAME.fullmatch(name) and len(name) <= 64) else HIDDEN


def is_address(url: str) -> bool:
    """Whether a text is an address at which a server may be asked."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return False
