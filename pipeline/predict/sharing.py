"""Sharing bundles: by a repository of the Hugging Face hub, or by a folder that several people can reach."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

from pipeline.config.section import at_home
from pipeline.errors import ConfigError, DataError, ServiceError
from pipeline.machine.files import atomic
from pipeline.outside import reading
from pipeline.outside.parsing import shown
from pipeline.predict import bundle, card

REPOSITORY = re.compile(r"\w[\w.-]{0,95}/\w[\w.-]{0,95}", re.ASCII)
"""The form of a repository's name on the hub."""


def push(file: Path, place: str, *, private: bool = True) -> str:
    """Put a bundle and its card into a place, and return where it is then.

    Args:
        place: a folder (a path with a slash at its beginning or end), or `user/name` on the hub; the hub shows the card.
        private: whether a new repository is private.

    Raises:
        DataError: the file is no whole bundle. ConfigError: nobody is logged in.
        ServiceError: the hub refuses.
    """
    text = card.text(bundle.read(file).header)
    folder = _folder(place)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        for name, put in (
            (bundle.FILE, lambda to: shutil.copyfile(file, to)),
            (bundle.CARD, lambda to: to.write_text(text, encoding="utf-8")),
        ):
            with atomic(folder / name) as temporary:
                put(temporary)
        return str(folder / bundle.FILE)
    hub = _hub()
    if hub.get_token() is None:
        raise ConfigError(f"{place}: nobody is logged in to the hub; run `hf auth login`, or set HF_TOKEN")
    with tempfile.TemporaryDirectory() as temporary_folder:
        written = Path(temporary_folder) / bundle.CARD
        written.write_text(text, encoding="utf-8")
        try:
            api = hub.HfApi()
            api.create_repo(place, exist_ok=True, private=private)
            for name, source in ((bundle.FILE, file), (bundle.CARD, written)):
                api.upload_file(path_or_fileobj=source, path_in_repo=name, repo_id=place)
        except (OSError, ValueError) as error:  # what the hub and the network raise are such
            raise ServiceError(f"{place}: the hub did not take it ({reading.why(error)})") from error
    return f"{place} on the hub"


def pull(place: str, out: Path, *, revision: str | None = None) -> None:
    """Fetch the bundle from a place into a file and check it; its card is made from its header.

    Args:
        place: as for `push`. revision: a commit, tag or branch of the hub.

    Raises:
        DataError: there is no whole bundle. ConfigError, ServiceError: as `push` does.
    """
    folder = _folder(place)
    if folder is not None:
        source = folder / bundle.FILE
    else:
        try:
            source = Path(_hub().hf_hub_download(place, bundle.FILE, revision=revision))
        except (OSError, ValueError) as error:
            raise ServiceError(f"{place}: the hub gave no {bundle.FILE} ({reading.why(error)})") from error
    header = bundle.read(source).header
    with atomic(out) as temporary:
        shutil.copyfile(source, temporary)
    with atomic(out.with_suffix(".md")) as temporary:
        temporary.write_text(card.text(header), encoding="utf-8")


def _folder(place: str) -> Path | None:
    """The folder that a place names; None for a repository. DataError if it is written as neither."""
    if place.startswith(("/", "./", "../", "~")) or place.endswith("/"):
        try:
            path = Path(at_home(place))
        except ValueError as error:
            raise DataError(f"{shown(place)}: {error}") from None
        if path.is_file():
            raise DataError(f"{place}: is a file; expected a folder, or user/name of the hub")
        return path
    if REPOSITORY.fullmatch(place) is None:
        raise DataError(f"{shown(place)}: is no user/name of the hub; a folder is written with a slash at its end")
    return None


def _hub() -> Any:
    """The library of the hub, whose import takes a while."""
    import huggingface_hub

    return huggingface_hub
