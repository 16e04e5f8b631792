"""The key that a language model's server asks for: the user's own, or that of a server of `ezhoi llm serve`."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

from pipeline.config.language import LlmRuntime
from pipeline.machine.home import home, read_secret

HOSTS = ("127.0.0.1", "localhost")


def key_file(port: int) -> Path:
    """Where `ezhoi llm serve` keeps the key of the server on a port of this machine while it runs."""
    return home() / "llm" / f"{port}.key"


def api_key(runtime: LlmRuntime) -> str:
    """What the variable `api_key_env` holds; else the key of our own server, if the address is that server's; else empty.

    ServiceError if others can read the key's file.
    """
    if given := os.environ.get(runtime.api_key_env, ""):
        return given
    try:
        parts = urlsplit(runtime.base_url)
        host, port = parts.hostname, parts.port
    except ValueError:  # whoever asks there says what is wrong with the address
        return ""
    return read_secret(key_file(port)) if parts.scheme == "http" and host in HOSTS and port else ""
