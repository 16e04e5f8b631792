"""Where Label Studio says that a picture is, as a file name."""

from __future__ import annotations

import base64
import binascii
import re
from urllib.parse import parse_qs, unquote, urlsplit

_UPLOAD = re.compile(r"/data/upload/(?:\d+/)?(?P<name>[0-9a-f]{8}-[^/]+)$")
_BUCKET = re.compile(r"(?:s3|gs|azure-blob)://[^/]*/(?P<key>.*)", re.DOTALL)
_RESOLVE = re.compile(r"/(?:tasks|projects)/\d+/(?:resolve|presign)/?")


def file_name(address: str) -> tuple[str, bool]:
    """The file's name, and whether Label Studio spelled it (an upload: eight digits before it, odd letters changed).

    Parts of a web address are decoded (%20); keys of buckets and plain names are as they are.
    """
    if found := _BUCKET.fullmatch(address):
        return found["key"], False
    parts = _parts(address)
    if parts is None:
        return address, False
    path, query = parts
    if path.rstrip("/").endswith("/data/local-files"):
        return (parse_qs(query).get("d") or [""])[0], False
    if found := _UPLOAD.search(path):
        return unquote(found["name"]), True
    if _RESOLVE.search(path):
        inner = _decoded((parse_qs(query).get("fileuri") or [""])[0])
        return file_name(inner) if inner and not _RESOLVE.search(inner) else (inner, False)
    if address.startswith(("http://", "https://")):
        return unquote(path), False
    return address, False


def _parts(address: str) -> tuple[str, str] | None:
    """Path and query of a web address, or of one that begins with the path; None for a plain name."""
    if not address.startswith(("http://", "https://", "/data/", "/tasks/", "/projects/")):
        return None
    try:
        found = urlsplit(address)
    except ValueError:
        return None
    return found.path, found.query


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_").decode("utf-8")
    except (binascii.Error, ValueError):
        return ""
