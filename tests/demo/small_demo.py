"""The demo at its smallest: every stage real, a minute at most. Run as a script, it can kill itself on the way.

python tests/demo/small_demo.py STORE [STAGE CALL] [KEY=VALUE ...]     SIGKILL at STAGE's CALL-th report

CALL 0 means: just before STAGE is published.
"""

import json
import os
import signal
import sys
from pathlib import Path

from pipeline.config import loading
from pipeline.config.tree import Config
from pipeline.engine import run
from pipeline.stages import annotations
from pipeline.store.store import Store
from pipeline.work import shards

SETTINGS = (
    "data.world.train_images=48",
    "data.world.test_images=24",
    "seen.epochs=2",
    "seen.drop_after=1",
    "seen.batch_size=12",
    "seen.runtime.checkpoint_every=3",
    "utpl.steps=8",
    "utpl.runtime.checkpoint_every=3",
    "device=cpu",
)


def small(root: Path, *more: str) -> Config:
    return loading.load(profile="demo", overrides=[*SETTINGS, f"store.root={root}", *more], environment={})


def main() -> None:
    root, *rest = sys.argv[1:]
    stage, call = (rest.pop(0), int(rest.pop(0))) if rest and "=" not in rest[0] else ("", -1)
    annotations.SHARD = shards.SIZE = 12
    calls, first = 0, {}

    def progress(name: str, done: int, total: int, note: str) -> None:
        nonlocal calls
        first.setdefault(name, done)
        calls += name == stage
        if name == stage and calls == call:
            os.kill(os.getpid(), signal.SIGKILL)

    if call == 0:
        publish = Store.publish

        def killed(self, workspace, manifest):
            if manifest.stage == stage:
                os.kill(os.getpid(), signal.SIGKILL)
            return publish(self, workspace, manifest)

        Store.publish = killed
    outcomes = run.run(small(Path(root), *rest), progress=progress)
    print(
        json.dumps(
            {
                o.stage: {"hit": o.hit, "digest": o.artifact.digest, "first": first.get(o.stage)}
                for o in outcomes.values()
            }
        )
    )


if __name__ == "__main__":
    main()
