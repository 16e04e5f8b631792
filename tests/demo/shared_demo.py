"""The small demo, made once in a test session, by whichever of its processes asks first; a test that runs has a copy."""

import fcntl
import shutil
from collections.abc import Callable
from pathlib import Path

from small_demo import small

from pipeline.engine.run import run

Copied = Callable[[Path], Path]
"""Fills a folder with the store of the demo (`small` with no more settings) and gives the folder."""


def copying(common: Path) -> Copied:
    """What copies the demo's store, which lies in a folder that all processes of the session share and none changes."""

    def copied(root: Path) -> Path:
        return Path(shutil.copytree(_made(common), root, dirs_exist_ok=True))

    return copied


def _made(common: Path) -> Path:
    root, whole = common / "demo", common / "demo-is-whole"
    with (common / "demo.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not whole.exists():
            run(small(root))
            whole.touch()
    return root
