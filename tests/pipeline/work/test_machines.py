"""Which machine of several this is: as configured, as Slurm says, or a refusal that says what to set."""

from __future__ import annotations

import socket

import pytest

from pipeline.config.loading import load
from pipeline.config.training import SeenRuntime
from pipeline.engine import graph
from pipeline.errors import ConfigError
from pipeline.work.machines import Rendezvous, first_of, rendezvous
from pipeline.work.work import Place

SLURM = {"SLURM_NODEID": "1", "SLURM_JOB_ID": "1234567", "SLURM_JOB_NODELIST": "gpu[007-009]", "SLURM_NNODES": "3"}


def test_one_machine_meets_nobody() -> None:
    assert rendezvous(SeenRuntime(), SLURM) is None


def test_what_is_configured_counts_and_slurm_does_not() -> None:
    given = SeenRuntime(machines=2, machine=1, rendezvous="first.lan:29500")
    assert rendezvous(given, SLURM) == Rendezvous(Place(1, 2), "first.lan", 29_500)


def test_slurm_says_the_rest_and_a_job_step_goes_before_its_job() -> None:
    assert rendezvous(SeenRuntime(machines=3), SLURM) == Rendezvous(Place(1, 3), "gpu007", 24_567)
    step = SLURM | {"SLURM_STEP_NODELIST": "gpu[008,009]", "SLURM_STEP_NUM_NODES": "2"}
    assert rendezvous(SeenRuntime(machines=2), step) == Rendezvous(Place(1, 2), "gpu008", 24_567)


@pytest.mark.parametrize(
    ("runtime", "environment", "words"),
    [
        ({}, {}, "Set seen.runtime.machine .* and seen.runtime.rendezvous=HOST:PORT"),
        ({}, SLURM | {"SLURM_NODEID": "x"}, "is not known"),
        ({"machine": 1}, SLURM, "go together"),
        ({"rendezvous": "a:1"}, SLURM, "go together"),
        ({}, SLURM | {"SLURM_NNODES": "2"}, "machines = 3: Slurm gave this job step 2"),
        ({}, SLURM | {"SLURM_LOCALID": "1"}, "--ntasks-per-node=1"),
    ],
)
def test_what_is_not_known_is_said(runtime: dict[str, object], environment: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        rendezvous(SeenRuntime.model_validate({"machines": 3} | runtime), environment)


@pytest.mark.parametrize(
    ("nodes", "first"),
    [
        ("cpu3", "cpu3"),
        ("gpu7,gpu9", "gpu7"),
        ("gpu[007-009,12]", "gpu007"),
        ("gpu[12,7]-ib,cpu3", "gpu12-ib"),
        ("rack[2-3]n[01-16],x", "rack2n01"),
        ("a.example.org,b", "a.example.org"),
    ],
)
def test_the_first_of_a_list_of_slurm(nodes: str, first: str) -> None:
    assert first_of(nodes) == first


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["seen.runtime.machine=2", "seen.runtime.machines=2"], "with machines = 2 the last one is 1"),
        (["seen.runtime.machine=1"], "with machines = 1 the last one is 0"),
        (["seen.runtime.rendezvous=first"], "rendezvous"),
        (["seen.runtime.rendezvous=first:0"], "ports are 1 to 65535"),
        (["seen.runtime.rendezvous=first:65536"], "ports are 1 to 65535"),
        (["seen.runtime.rendezvous=-x y:1"], "rendezvous"),
    ],
)
def test_a_machine_that_there_is_not_is_refused_at_the_door(overrides: list[str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        load(overrides=overrides, environment={})


def test_only_the_training_is_joined_and_imported_weights_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    several = load(overrides=["seen.runtime.machines=2"], environment={})
    assert [stage.name for stage in graph.STAGES if _asks(stage, several)] == ["seen"]
    imported = load(overrides=["seen.runtime.machines=2", "seen.weights=x"], environment={})
    assert not any(_asks(stage, imported) for stage in graph.STAGES)


def _asks(stage: graph.Stage, config: object) -> bool:
    try:
        return stage.joined_by(config) is not None  # type: ignore[arg-type]
    except ConfigError:
        return True


def test_a_port_is_open_once_somebody_listens_and_the_way_there_has_an_interface() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        here = Rendezvous(Place(1, 2), "127.0.0.1", server.getsockname()[1])
        assert not here.is_open()
        server.listen()
        assert here.is_open()
        assert here.interface() == "lo"
    assert Rendezvous(Place(1, 2), "no-such-host.invalid", 1).interface() is None
