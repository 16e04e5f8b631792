"""Finished pieces of unfinished work, handed over between machines that share an object store and nothing else.

    <root>/.work/<fingerprint>/<piece>~<digest>          a finished piece
    <root>/.work/<fingerprint>/<piece>~<step>-<digest>   a checkpoint's file

They lie there as long as the work is unfinished. Nobody has to ask before making a piece: if two machines make the same one,
the first that is published counts, and the other is not put there. (If both are published at the same moment, the one with the
smaller digest counts for everybody.) Only the work as a whole has one writer, who holds a lease
(pipeline/store/remote/lease.py).
"""

from __future__ import annotations

import logging
import re
import time
from pathlib import Path

from pipeline.store import digest
from pipeline.store.exchange import Exchange
from pipeline.store.names import is_piece
from pipeline.store.remote.lease import Watch
from pipeline.store.remote.objects import DamagedError, ObjectFolder

log = logging.getLogger("ezhoi.store")
DIGITS = 24
"""How many digits of a digest an object's name has."""
PIECE = re.compile(rf"(?P<name>[^/]+)~(?:(?P<step>[0-9]{{12}})-)?[0-9a-f]{{{DIGITS}}}")
FRESH_SECONDS = 1.0
"""Seconds for which a listing of the finished pieces may be used again."""


class ObjectExchange(Exchange):
    """Pieces of the work on `fingerprint`, through the objects at `url`."""

    def __init__(self, url: str, fingerprint: str, *, ttl: float) -> None:
        self.objects, self.watch = ObjectFolder(url), Watch()
        self.fingerprint, self.ttl = fingerprint, ttl
        self._folder = f".work/{fingerprint}"
        self._listed: tuple[float, dict[str, str]] = (-FRESH_SECONDS, {})

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle without connections: another process makes its own."""
        return _reopen, (self.objects.url, self.fingerprint, self.ttl)

    def names(self, *, fresh: bool = False) -> frozenset[str]:
        return frozenset(self._pieces(fresh=fresh))

    def offer(self, path: Path, *, content: str | None = None) -> None:
        if path.name not in self.names(fresh=True):
            self.objects.upload(path, self.object_of(path.name, content or digest.of_file(path)))

    def keep(self, path: Path, *, step: int, content: str | None = None) -> None:
        newest = f"{self._folder}/{path.name}~{step:012d}-{(content or digest.of_file(path))[:DIGITS]}"
        self.objects.upload(path, newest)
        versions = self.objects.names(self._folder)
        # Later ones stay: this machine may have slept while another one went on.
        self.objects.delete([n for n in versions if n.startswith(f"{self._folder}/{path.name}~") and n < newest])

    def resume(self, path: Path, *, beyond: int) -> str | None:
        stored = self._pieces(fresh=True).get(path.name)
        found = PIECE.fullmatch(stored.rpartition("/")[2]) if stored is not None else None
        if found is None or int(found["step"] or -1) <= beyond:
            return None
        return self.fetch(path.name, path)

    def withdraw(self, name: str) -> None:
        self._pieces(fresh=True).pop(name, None)
        self.objects.delete([n for n in self.objects.names(self._folder) if n.startswith(f"{self._folder}/{name}~")])

    def fetch(self, name: str, path: Path) -> str | None:
        stored = self._pieces()[name]
        try:
            return self.objects.download(stored, path, content=stored[-DIGITS:])
        except DamagedError as error:
            log.warning("%s. It is made again", error)
            self.withdraw(name)
            return None

    def over(self) -> bool:
        state, still = self.watch.look(self.objects, lease_of(self.fingerprint))
        return not state.held or still > self.ttl

    def held(self) -> bool:
        """Whether a process, alive or dead, has the lease on the whole work."""
        return self.watch.look(self.objects, lease_of(self.fingerprint))[0].held

    def object_of(self, name: str, content: str) -> str:
        """The name of the object for a piece with this digest."""
        return f"{self._folder}/{name}~{content[:DIGITS]}"

    def clear(self) -> None:
        """Delete all pieces, since the work is done."""
        self.objects.delete(self.objects.names(self._folder))

    def _pieces(self, *, fresh: bool = False) -> dict[str, str]:
        """{piece: its object}"""
        listed, found = self._listed
        if fresh or time.monotonic() - listed >= FRESH_SECONDS:
            found = {}
            # Sorted by name, so that of a file's versions the last one stays. What is no piece is passed over.
            for name in self.objects.names(self._folder):
                piece = PIECE.fullmatch(name.removeprefix(f"{self._folder}/"))
                if piece is None or not is_piece(piece["name"]) or (piece["step"] is None and piece["name"] in found):
                    continue
                found[piece["name"]] = name
            self._listed = (time.monotonic(), found)
        return found


def lease_of(fingerprint: str) -> str:
    """The folder of the lease on a whole work."""
    return f".leases/{fingerprint}"


def _reopen(url: str, fingerprint: str, ttl: float) -> ObjectExchange:
    return ObjectExchange(url, fingerprint, ttl=ttl)
