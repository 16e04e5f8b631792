"""Train in separate processes: one for each GPU, through `accelerate launch`, or one whose death leaves this process alive.

    ezhoi run --profile hico-vitb --target seen --set seen.runtime.processes=4

runs and logs this line, which can also be given by hand with more of accelerate's options:

    accelerate launch --multi_gpu --main_process_port 0 --num_processes 4 --config_file pipeline/training/accelerate.yaml
        --num_machines 1 --mixed_precision no --dynamo_backend no
        -m pipeline.training.launch STORE/.work/FINGERPRINT/scratch/work.json

With `seen.runtime.machines=2` the same line is run on each of two machines, which meet at a port of the first one:

    accelerate launch --multi_gpu --machine_rank 1 --main_process_ip first --main_process_port 29500
        --rdzv_conf timeout=1800 --num_processes 8 ... --num_machines 2 ...

Machine 0 owns the scratch folder with checkpoints, history and result. The others have a temporary folder for their log.
What is trained by hand stays in its checkpoint; the next `ezhoi run` under the same configuration publishes it.

The processes write to their standard output: lines that start with MARK are progress, all others are their log. They end
with their parent, however that ends, because their standard input closes then.
"""

from __future__ import annotations

import datetime as dt
import importlib
import json
import logging
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.config.training import SeenRuntime
from pipeline.config.tree import Config
from pipeline.errors import EzhoiError
from pipeline.machine.files import atomic, refusals
from pipeline.store.opening import store_of
from pipeline.training import ranks
from pipeline.work import devices, machines
from pipeline.work.machines import Rendezvous
from pipeline.work.work import Work

log = logging.getLogger("ezhoi.training")
MARK = "@ezhoi "
CHILD = "EZHOI_LAUNCHED"
"""The variable that is set in the processes that we start: they end when their standard input does."""
CONFIG = Path(__file__).with_name("accelerate.yaml")
"""accelerate's configuration, used instead of the user's own default_config.yaml."""
TAIL = 15
"""How many lines of the log the error of a dead training quotes."""
PATIENCE_SECONDS = 10.0


def wanted(runtime: SeenRuntime) -> bool:
    """Whether the configuration asks for separate processes."""
    return runtime.processes > 1 or runtime.machines > 1 or runtime.apart


def train_apart(work: Work, *, processes: int) -> dict[str, Any]:
    """Run the stage of `work` in `processes` processes that train together, also with those of other machines.

    This blocks until they end, passes progress and seconds on to `work`, and returns the stage's metrics. The files are then in
    `work.out` and the log is `<scratch>/launch.log`. A machine that only trains along gets neither files nor metrics.

    Raises:
        EzhoiError: the training failed, with its message, or it died, with the last lines of its log.
    """
    spec, result, failure = (work.scratch / name for name in ("work.json", "result.json", "failure.txt"))
    for old in (result, failure):
        old.unlink(missing_ok=True)
    _write(spec, work)
    meeting = machines.rendezvous(work.config.seen.runtime)
    line = command(processes, spec, meeting, patience=work.config.seen.runtime.patience_s)
    log.info("%s", shlex.join(line))
    tail: deque[str] = deque(maxlen=TAIL)
    code = _follow(line, _environment(work.config.device, meeting), work, tail)
    if failure.exists():
        raise EzhoiError(failure.read_text(encoding="utf-8"))
    along = meeting is not None and meeting.place.number > 0
    if code or not (along or result.exists()):
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        if meeting is not None:
            how += f" on machine {meeting.place.number} of {meeting.place.count}, if not on another one first"
        raise EzhoiError(
            f"stage {work.stage}: the training {how}. Run again: it continues from its last checkpoint. "
            f"Log: {work.scratch / 'launch.log'}, last lines:\n" + "\n".join(f"  {text}" for text in tail)
        )
    if along:
        return {}
    found = json.loads(result.read_text(encoding="utf-8"))
    for kind, seconds in found["seconds"].items():
        work.clock.add(kind, seconds)
    return dict(found["metrics"])


def command(processes: int, spec: Path, meeting: Rendezvous | None = None, *, patience: int = 0) -> list[str]:
    """The command line of `processes` processes on this machine: accelerate's launcher; a single process is started without.

    `--multi_gpu` means several processes there, on CPUs too.
    """
    training = ["-m", "pipeline.training.launch", str(spec)]
    if processes == 1 and meeting is None:
        return [sys.executable, *training]
    several, count = ["--multi_gpu", "--main_process_port", "0"], 1
    if meeting is not None:
        count = meeting.place.count
        several = ["--multi_gpu", "--machine_rank", str(meeting.place.number), "--main_process_ip", meeting.host]
        several += ["--main_process_port", str(meeting.port), "--rdzv_conf", f"timeout={patience}"]
    line = [sys.executable, "-m", "accelerate.commands.launch", *several, "--num_processes", str(processes * count)]
    line += ["--config_file", str(CONFIG), "--num_machines", str(count), "--mixed_precision", "no"]
    return [*line, "--dynamo_backend", "no", *training]


def _environment(device: str, meeting: Rendezvous | None = None) -> Mapping[str, str]:
    """Our environment, in which only the GPUs of `device` ("cuda:0,cuda:2") are visible, with the network of the rendezvous."""
    changes = {CHILD: "1", "PYTHONUNBUFFERED": "1"}
    numbers = [int(name.removeprefix("cuda:")) for name in device.split(",") if name.startswith("cuda:")]
    if numbers:
        changes["CUDA_VISIBLE_DEVICES"] = ",".join(devices.gpus()[n] for n in numbers)
    if meeting is not None and (interface := meeting.interface()) is not None:
        changes |= {"GLOO_SOCKET_IFNAME": os.environ.get("GLOO_SOCKET_IFNAME", interface)}
    return ranks.without(os.environ) | changes


def _follow(line: list[str], environment: Mapping[str, str], work: Work, tail: deque[str]) -> int:
    """Start it, pass its progress on, keep its log, and return its exit code. It never outlives this process."""
    process = subprocess.Popen(
        line,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        with (work.scratch / "launch.log").open("a", encoding="utf-8") as kept:
            for text in process.stdout:
                if text.startswith(MARK):
                    work.progress(*json.loads(text.removeprefix(MARK)))
                else:
                    kept.write(text)
                    kept.flush()
                    tail.append(text.rstrip())
        return process.wait()
    finally:
        process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            process.wait(PATIENCE_SECONDS)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _write(spec: Path, work: Work) -> None:
    tree = {
        "stage": work.stage,
        "code": work.code,
        "config": work.config.model_dump(mode="json"),
        "inputs": {name: artifact.fingerprint for name, artifact in work.inputs.items()},
        "out": str(work.out),
        "scratch": str(work.scratch),
    }
    with atomic(spec) as temporary:
        temporary.write_text(json.dumps(tree, indent=1), encoding="utf-8")


def _read(spec: Path) -> Work:
    """The work for one of the processes: it is launched already, and accelerate decides which GPU it has."""
    tree = json.loads(spec.read_text(encoding="utf-8"))
    config = Config.model_validate(tree["config"])
    store = store_of(config)
    inputs = {name: found for name, key in tree["inputs"].items() if (found := store.get(name, key)) is not None}
    runtime = config.seen.runtime.model_copy(update={"processes": 1, "machines": 1, "machine": None, "apart": False})
    config = config.model_copy(
        update={
            "device": "cuda" if config.device.startswith("cuda") else config.device,
            "seen": config.seen.model_copy(update={"runtime": runtime}),
        }
    )
    out, scratch = Path(tree["out"]), Path(tree["scratch"])
    exchange = store.exchange(scratch.parent.name)
    return Work(
        stage=tree["stage"],
        config=config,
        inputs=inputs,
        out=out,
        scratch=scratch,
        exchange=exchange,
        code=tree["code"],
    )


def _say(stage: str, done: int, total: int, note: str) -> None:
    sys.stdout.write(f"{MARK}{json.dumps([done, total, note])}\n")
    sys.stdout.flush()


def _end_with_parent() -> None:
    def watch() -> None:
        with suppress(OSError):
            while os.read(0, 4096):
                pass
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def main(spec: Path) -> None:
    """Train in one of the processes."""
    if os.environ.get(CHILD):
        _end_with_parent()
    os.environ[ranks.LAUNCHED] = "1"
    from accelerate import PartialState

    from pipeline.work.torch_device import device

    logging.basicConfig(level=logging.INFO, format="%(levelname)s: %(message)s")
    work = _read(spec)
    patience = dt.timedelta(seconds=work.config.seen.runtime.patience_s)
    # Chooses this process's GPU, so before any tensor.
    state = PartialState(cpu=device(work.config).type == "cpu", timeout=patience)
    with tempfile.TemporaryDirectory() as spare:
        work = replace(work, progress_to=_say) if state.is_main_process else replace(work, out=Path(spare))
        try:
            with refusals(f"stage {work.stage}", path=work.out):
                ranks.demand_the_same(work.stage, fingerprint=work.scratch.parent.name, code=work.code)
                metrics = importlib.import_module(f"pipeline.stages.{work.stage}").run(work)
        except EzhoiError as error:
            log.error("%s", error)  # in the log, should the disk be full
            with atomic(work.scratch / "failure.txt") as temporary:
                temporary.write_text(str(error), encoding="utf-8")
            raise SystemExit(1) from None
    if state.is_main_process:
        with atomic(work.scratch / "result.json") as temporary:
            temporary.write_text(json.dumps({"metrics": metrics, "seconds": work.clock.seconds}), encoding="utf-8")
    state.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
