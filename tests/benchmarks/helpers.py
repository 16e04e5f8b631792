"""Machines that share the shards of one stage through an object store, against one machine alone. From the root:

    OMP_NUM_THREADS=1 python -m tests.benchmarks.helpers --shards 24 --seconds 1 --machines 1 2 3

A machine is a process with a cache of its own; all it shares with the others is an S3 server (moto). Computing a shard is
sleeping, so what is measured is the sharing and not the cores: wall seconds from the first claim to the gathered shards, as a
ratio to one machine's, and how many shards were computed twice.
"""

import argparse
import logging
import os
import tempfile
import time
from multiprocessing import get_context
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path

from pipeline.config.loading import load
from pipeline.store.remote.remote import RemoteStore
from pipeline.store.store import Workspace
from pipeline.work import helpers, shards
from pipeline.work.shards import Shard
from pipeline.work.stream import stream
from pipeline.work.work import Place, Work

FINGERPRINT = "f00"
SIZE = 4
"""Images a shard, each a batch of its own."""


def publish(
    url: str, cache: Path, place: Place, count: int, seconds: float, ready: Barrier, said: "Queue[object]"
) -> None:
    """The machine that publishes: says (seconds, shards that it computed)."""
    with RemoteStore(url, cache=cache).workspace(FINGERPRINT) as space:
        ready.wait()
        work = _work(space, place, helper=False)
        start, made = time.perf_counter(), []
        helpers.compute_all(work, lambda work: made.append(_compute(work, count, seconds)) or made[-1])
        shards.gather(work, _plan(count))
        said.put((time.perf_counter() - start, sum(made)))


def help_out(
    url: str, cache: Path, place: Place, count: int, seconds: float, ready: Barrier, said: "Queue[object]"
) -> None:
    """Another machine: says how many shards it computed."""
    ready.wait()
    with RemoteStore(url, cache=cache).helper_workspace("image_embeddings", FINGERPRINT) as space:
        assert space is not None
        said.put(helpers.help_with(_work(space, place, helper=True), lambda work: _compute(work, count, seconds)))


def _work(space: Workspace, place: Place, *, helper: bool) -> Work:
    folders = {"out": space.out, "scratch": space.scratch, "exchange": space.exchange}
    config = load(environment={})
    return Work(stage="image_embeddings", config=config, inputs={}, helper=helper, place=place, **folders)


def _plan(count: int) -> list[Shard]:
    return shards.plan({"train": range(SIZE * count)}, size=SIZE)


def _compute(work: Work, count: int, seconds: float) -> int:
    def compute(shard: Shard, ids: list[int], values: list[int]) -> dict[str, list[int]]:
        time.sleep(seconds / SIZE)
        return {"image_id": ids}

    return stream(work, _plan(count), read=lambda shard, image_id: image_id, compute=compute, batch=1)


def measured(url: str, machines: int, count: int, seconds: float) -> tuple[float, int]:
    """Wall seconds of the machine that publishes, and how many shards were computed twice."""
    spawn = get_context("spawn")
    ready, said, helped = spawn.Barrier(machines), spawn.Queue(), spawn.Queue()
    with tempfile.TemporaryDirectory() as folder:
        processes = []
        for number in range(machines):
            given = (url, Path(folder) / str(number), Place(number, machines), count, seconds, ready)
            does, to = (help_out, helped) if number else (publish, said)
            processes.append(spawn.Process(target=does, args=(*given, to)))
            processes[-1].start()
        taken, made = said.get()
        made += sum(helped.get() for _ in processes[1:])
        for process in processes:
            process.join()
    return taken, made - count


def main() -> None:
    """Prints a line for each number of machines."""
    parser = argparse.ArgumentParser(description="Time of one stage, shared by several machines.")
    parser.add_argument("--shards", type=int, default=24)
    parser.add_argument("--seconds", type=float, default=1.0, help="that computing one shard takes")
    parser.add_argument("--machines", type=int, nargs="+", default=[1, 2])
    options = parser.parse_args()
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    os.environ |= {"AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_DEFAULT_REGION": "us-east-1", "NO_PROXY": host}
    os.environ |= {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    import boto3

    boto3.client("s3").create_bucket(Bucket="bucket")
    alone = 0.0
    for machines in options.machines:
        taken, twice = measured(f"s3://bucket/{machines}", machines, options.shards, options.seconds)
        alone = alone or taken
        print(
            f"{machines} machines, {options.shards} shards of {options.seconds:g} s: {taken:.1f} s, "
            f"{taken / alone:.2f} of the first line, {twice} shards computed twice"
        )
    server.stop()


if __name__ == "__main__":
    main()
