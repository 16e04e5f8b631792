"""Prefect's command line, whose workers start the process of a run at once. `python -m flows.server.worker worker start ...`

Where nobody names a command, Prefect's process worker first starts a process that fetches the flow's code and installs what
it needs, and which imports Prefect for that: two seconds of a core in each run. Our code lies where the worker is. In return
the hooks of a run that was cancelled or crashed are called in the worker itself, so with the code that it was started with.
"""

from __future__ import annotations

import shlex
import signal
import sys
from typing import Any

from prefect.workers.process import ProcessJobConfiguration, ProcessWorker

from flows.server import engine


class AtOnce(ProcessJobConfiguration):
    """The job of a run, whose command is our engine unless the deployment or the pool names another one."""

    def prepare_for_flow_run(self, *given: Any, **more: Any) -> None:
        """See `ProcessJobConfiguration`."""
        self.command = self.command or shlex.join([sys.executable, engine.__file__])
        super().prepare_for_flow_run(*given, **more)


def main() -> None:
    """Run the command line."""
    from prefect.cli import app

    ProcessWorker.job_configuration = AtOnce
    # By SIGINT Prefect stops a worker. What a shell starts in its background, such as `ezhoi up &`, ignores it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    app()


if __name__ == "__main__":
    main()
