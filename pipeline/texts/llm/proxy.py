"""Which of the environment's proxies a server is reached through: none for a server on this machine."""

from __future__ import annotations

import ipaddress
import re
import urllib.request
from urllib.parse import urlsplit


def proxy_of(url: str) -> str | None:
    """The proxy that http_proxy, https_proxy, all_proxy and no_proxy name for an address."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if is_loopback(host) or urllib.request.proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    found = urllib.request.getproxies()
    proxy = found.get(parts.scheme) or found.get("all")
    return proxy if not proxy or "://" in proxy else f"http://{proxy}"


def is_loopback(host: str) -> bool:
    """Whether a host's name or number means this machine."""
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost") or re.fullmatch(r"127(\.\d+){0,3}", name):
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None) or address
    return mapped.is_loopback or mapped.is_unspecified
