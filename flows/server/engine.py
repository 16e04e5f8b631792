"""The process of a run, as the workers of `ezhoi up` start it: what `python -m prefect.engine` is, in a session of its own."""

from __future__ import annotations

import contextlib
import gc
import os
import runpy
import sys
from pathlib import Path


def main() -> None:
    """Execute the flow run that the environment names."""
    # What is sent to the worker's group is not for its runs: a worker that is stopped ends them itself, and once.
    with contextlib.suppress(PermissionError):  # started by hand, it leads a group already
        os.setsid()
    # A file is started in a search path that begins with its own folder. A run is of the code that its worker is of.
    here, root = str(Path(__file__).parent), str(Path(__file__).parents[2])
    sys.path[:] = [root, *(place for place in sys.path if place not in (here, root))]
    # What an import makes is kept, and looking for garbage among it costs a seventh of Prefect's.
    gc.disable()
    import prefect.flow_engine  # noqa: F401

    gc.freeze()
    gc.enable()
    runpy.run_module("prefect.engine", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
