"""How a server's replies come in: whole, no larger than a bound, and through a proxy if there is one."""

from __future__ import annotations

import zlib

import httpx2

from pipeline.errors import ServiceError
from pipeline.outside.addresses import shown_address
from pipeline.texts.llm.completion import MalformedAnswer

LARGEST_REPLY = 1 << 20
"""Most bytes of a reply, unpacked; an answer of 1,000 tokens has some 5,000."""


def connection(proxy: str | None) -> Bounded:
    """A transport through the proxy, or without one; ServiceError if that proxy cannot be used."""
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=None)  # `Pace` bounds them
    try:
        return Bounded(httpx2.AsyncHTTPTransport(proxy=proxy, limits=limits))
    except ImportError:
        need = "it is a SOCKS proxy, for which the package socksio is needed (pip install socksio)"
    except ValueError:
        need = "its address is none of a proxy"
    raise ServiceError(
        f"the proxy {shown_address(proxy or '')} that the environment names cannot be used: {need}. "
        "Or leave it out: unset its variable, or name the server's host in NO_PROXY."
    )


class Bounded(httpx2.AsyncBaseTransport):
    """A transport that reads every reply whole, and stops at the bound."""

    def __init__(self, inner: httpx2.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request; raises MalformedAnswer for a larger reply, and what the inner transport raises."""
        request.headers["Accept-Encoding"] = "gzip"
        response = await self._inner.handle_async_request(request)
        try:
            content = await _content(response)
        finally:
            await response.aclose()
        dropped = ("content-encoding", "content-length", "transfer-encoding")
        headers = [(name, value) for name, value in response.headers.multi_items() if name.lower() not in dropped]
        return httpx2.Response(
            response.status_code, headers=headers, content=content, extensions=response.extensions, request=request
        )

    async def aclose(self) -> None:
        """Close all connections."""
        await self._inner.aclose()


async def _content(response: httpx2.Response) -> bytes:
    packed = response.headers.get("content-encoding", "").strip().lower() in ("gzip", "x-gzip")
    unpack = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS) if packed else None
    content = bytearray()
    assert isinstance(response.stream, httpx2.AsyncByteStream)
    async for chunk in response.stream:
        try:
            content += unpack.decompress(chunk, LARGEST_REPLY + 1 - len(content)) if unpack else chunk
        except zlib.error as error:
            raise httpx2.DecodingError(f"broken gzip: {error}") from None
        if len(content) > LARGEST_REPLY:
            raise MalformedAnswer(f"an answer of more than {LARGEST_REPLY:,} bytes, the most that is read")
    if unpack is not None and not unpack.eof and content:
        raise httpx2.DecodingError("broken gzip: it ends too early")
    return bytes(content)
