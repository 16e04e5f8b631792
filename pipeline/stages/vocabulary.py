"""Stage `vocabulary`: the names of the dataset's verbs, objects and classes, and its zero-shot settings.

    vocabulary.json      verbs, objects, classes with their ids and phrases (pipeline/vocabulary/file.py)
    objects.json         the objects alone: boxes do not change when a verb is spelled otherwise
    settings.json        {setting: ids of its unseen classes}, the dataset's own (pipeline/vocabulary/settings.py)
    own_settings.json    the same of the user's file (`data.settings`), empty without one
    extended.json        the vocabulary with the classes of `data.classes` behind its own; only where that names a file

Every stage that needs names reads them from here. Trainings on labels and pictures read only `vocabulary.json`, so that an
added class trains nothing anew. No image and no annotation is opened.
"""

from __future__ import annotations

import logging
from typing import Any

from pipeline.datasets import configured
from pipeline.vocabulary import file, settings
from pipeline.work.work import Work

log = logging.getLogger("ezhoi.vocabulary")


def run(work: Work) -> dict[str, Any]:
    """Write the files; metrics are counts and digests."""
    with work.clock("read"):
        found = configured.dataset(work.config.data).vocabulary
        own, users = configured.all_settings(work.config.data)
        more = configured.extended(work.config.data)
    with work.clock("write"):
        file.write(work.out / "vocabulary.json", found)
        file.write_objects(work.out / "objects.json", found)
        settings.write(work.out / "settings.json", own)
        settings.write(work.out / "own_settings.json", users)
        if more is not None:
            file.write(work.out / "extended.json", more)
    added = [] if more is None else [more.hoi(h).name for h in sorted(configured.added(more, found))]
    if more is not None and not added:
        log.warning("data.classes = %s: %s has all of its classes already", work.config.data.classes, found.name)
    return {
        "name": found.name,
        "verbs": len(found.verbs),
        "objects": len(found.objects),
        "classes": len(found.classes),
        "digest": found.digest,
        "unseen_classes": {name: len(hidden) for name, hidden in (*own.items(), *users.items())},
    } | ({"added": added} if more is not None else {})
