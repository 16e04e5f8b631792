"""On the path of the processes of a machine under test, and of those that they start.

EZHOI_STOP_AT=5:FILE        before step 5 a training makes FILE, and goes on when that is gone
FAKETIME=+1h                libfaketime's: then sleeping goes by select
"""

import os
import select
import time

if "FAKETIME" in os.environ:
    # Version 0.9.10 refuses the call by which Python sleeps until a time that it left as it is.
    time.sleep = lambda seconds: select.select([], [], [], seconds)  # type: ignore[assignment]

if "LOCAL_RANK" in os.environ and (asked := os.environ.get("EZHOI_STOP_AT")):
    from pathlib import Path

    from pipeline.training.loop import Trainer

    number, _, name = asked.partition(":")
    file, step_of = Path(name), Trainer.step

    def step(self, step, loaded, rate):  # type: ignore[no-untyped-def]
        if step == int(number):
            file.touch()
            while file.exists():
                time.sleep(0.05)
        return step_of(self, step, loaded, rate)

    Trainer.step = step  # type: ignore[method-assign]
