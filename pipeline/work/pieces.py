"""Finished pieces of unfinished work: shards, checkpoints and other files of a scratch folder, used only if they are intact.

A piece is written with `Pieces.writing`, which leaves its digest beside it, in `<scratch>/.digests/<name>`. A piece that does
not match (a flipped byte, a truncated file, an unfinished one) counts as missing: it is reported once, removed and made again.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.machine.files import atomic, said
from pipeline.store import digest

log = logging.getLogger("ezhoi.work")
FOLDER = ".digests"
REMEMBERED = 8
"""How many digests are kept of a piece: those of its last versions, since a kill may leave the one before the newest."""


class Pieces:
    """The pieces in a scratch folder. A process hashes a piece once, and again only if its file has changed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._known: dict[str, tuple[tuple[int, ...], str]] = {}

    @contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        """A temporary path that becomes the piece when the block ends well."""
        path = self.folder / name
        with atomic(path) as temporary:
            yield temporary
            content = digest.of_file(temporary)
            # Before the piece takes its place: a kill between the two leaves the version before, whose digest stays.
            self._record(name, content)
        self._known[name] = (_stats(path), content)

    def adopt(self, name: str, content: str) -> None:
        """Take a file with this digest, which came from elsewhere, as a piece."""
        self._record(name, content)

    def digest_of(self, name: str) -> str | None:
        """The digest of a piece that is intact; None if there is none, and then a damaged one was removed."""
        path = self.folder / name
        try:
            stats = _stats(path)
            known = self._known.get(name)
            if known is not None and known[0] == stats:
                return known[1]
            content = digest.of_file(path)
        except FileNotFoundError:
            return None
        except OSError as error:
            log.warning("%s: cannot be read (%s); it is made again", path, said(error))
            self.drop(name)
            return None
        if content not in self._recorded(name):
            log.warning("%s: damaged, or not finished by this version; it is made again", path)
            self.drop(name)
            return None
        self._known[name] = (stats, content)
        return content

    def drop(self, name: str) -> None:
        """Remove the piece, so that it is made again."""
        for path in (self.folder / name, self.folder / FOLDER / name):
            path.unlink(missing_ok=True)
        self._known.pop(name, None)

    def _record(self, name: str, content: str) -> None:
        (self.folder / FOLDER).mkdir(exist_ok=True)
        kept = [content, *(d for d in self._recorded(name) if d != content)][:REMEMBERED]
        with atomic(self.folder / FOLDER / name) as temporary:
            temporary.write_text("".join(f"{line}\n" for line in kept), encoding="ascii")

    def _recorded(self, name: str) -> list[str]:
        with contextlib.suppress(OSError, UnicodeDecodeError):
            return (self.folder / FOLDER / name).read_text(encoding="ascii").split()
        return []


def _stats(path: Path) -> tuple[int, ...]:
    """Numbers that change when the file does; its time of change cannot be set back."""
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino
