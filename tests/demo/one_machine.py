"""One of several machines that make the small demo's model together, in a store that they share. Run as a script:

python tests/demo/one_machine.py URL DISK TARGET [--at STAGE CALL DOES FILE]... [--ttl SECONDS] [--report STAGE]
    [KEY=VALUE ...]

`--at image_embeddings 1 wait F`: at the stage's first report, go on once the file F is there; `make` makes it, and `die` is
SIGKILL. With `--ttl` a lease that stands still for so long is taken over, and not after a minute: for who knows that its
holder is dead. With `--report` it prints how far that stage is. In the end it prints what it had of the target, as JSON; a
failure is one line on its standard error.
"""

import json
import os
import signal
import sys
import time
from collections import Counter
from pathlib import Path

from small_demo import small

from pipeline.engine import run
from pipeline.errors import EzhoiError
from pipeline.stages import annotations
from pipeline.store.remote.remote import RemoteStore
from pipeline.work import shards


def main() -> None:
    url, disk, target, *rest = sys.argv[1:]
    orders, settings, reported = [], [], ""
    while rest:
        word = rest.pop(0)
        if word == "--at":
            stage, call, does, file = (rest.pop(0) for _ in range(4))
            orders.append((stage, int(call), does, Path(file)))
        elif word == "--report":
            reported = rest.pop(0)
        elif word == "--ttl":
            assert RemoteStore.__init__.__kwdefaults__ is not None
            RemoteStore.__init__.__kwdefaults__["ttl"] = float(rest.pop(0))
        else:
            settings.append(word)
    annotations.SHARD = shards.SIZE = 12
    calls: Counter[str] = Counter()
    reports: list[int] = []

    def progress(name: str, done: int, total: int, note: str) -> None:
        calls[name] += 1
        if name == reported:
            print(done, flush=True)
        if name == target:
            reports.append(done)
        for stage, call, does, file in orders:
            if (stage, call) == (name, calls[name]):
                if does == "make":
                    file.touch()
                while does == "wait" and not file.exists():
                    time.sleep(0.05)
                if does == "die":
                    os.kill(os.getpid(), signal.SIGKILL)

    config = small(Path("unused"), f"store.root={url}", f"store.cache={disk}", *settings)
    try:
        outcome = run.run(config, targets=(target,), progress=progress)[target]
    except EzhoiError as error:
        sys.exit(str(error))
    artifact = outcome.artifact
    files = {name: str(artifact.path(name)) for name in artifact.names()}
    said = {
        "fingerprint": artifact.fingerprint,
        "hit": outcome.hit,
        "digest": artifact.digest,
        "reports": reports,
        "files": files,
        "now": time.time(),
    }
    left = sorted(path.name for path in Path(disk).glob("*/.work/*") if path.is_dir())
    print(json.dumps(said | {"left": left}))


if __name__ == "__main__":
    main()
