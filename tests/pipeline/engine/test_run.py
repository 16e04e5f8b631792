"""What runs again after which change, with the real graph over stand-in stages."""

from __future__ import annotations

import errno
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.engine import graph
from pipeline.engine.execute import Outcome
from pipeline.engine.run import run
from pipeline.errors import DataError, EzhoiError, StoreError
from pipeline.machine import lock_folders
from pipeline.store import runs
from pipeline.store.artifact import Artifact
from pipeline.store.manifest import Manifest
from pipeline.store.store import Store, Workspace
from pipeline.work import devices
from pipeline.work.work import Work

ALL = list(graph.NAMES)
DESCRIBED = ["descriptions", "text_embeddings", "disparities"]


def test_the_second_run_executes_nothing(fake: Any) -> None:
    first = run(fake.config())
    assert fake.executed() == ALL and not any(o.hit for o in first.values())
    second = run(fake.config())
    assert fake.executed() == [] and all(o.hit for o in second.values())
    assert [o.artifact for o in second.values()] == [o.artifact for o in first.values()]
    last = runs.records(Store(fake.root))[-1]
    assert last.hits == ALL and last.state == "completed" and list(last.stages) == ALL


@pytest.mark.parametrize(
    ("setting", "executed"),
    [
        ("evaluation.protocol=exact", ["evaluation", "bundle"]),
        ("evaluation.tau=1.0", ["predictions", "evaluation", "bundle"]),
        ("evaluation.untrained=regions", ["untrained", "predictions", "evaluation", "bundle"]),
        ("evaluation.untrained=off", ["predictions", "evaluation", "bundle"]),
        ("utpl.steps=3", ["utpl", "predictions", "evaluation", "bundle"]),
        ("seen.epochs=3", ["seen", "pair_features", "utpl", "predictions", "evaluation", "bundle"]),
        ("model.bottleneck=8", ["seen", "pair_features", "utpl", "predictions", "evaluation", "bundle"]),
        ("descriptions.template=describe-v1", ["descriptions"]),  # equal length: equal content, so nothing follows
        ("device=cpu", []),
        ("utpl.runtime.checkpoint_every=7", []),
        ("llm.runtime.concurrency=7", []),
    ],
)
def test_a_change_costs_what_it_must(fake: Any, setting: str, executed: list[str]) -> None:
    run(fake.config())
    fake.executed()
    run(fake.config(setting))
    assert fake.executed() == executed
    run(fake.config())
    assert fake.executed() == [], "the first results are no longer used"


def test_a_changed_description_opens_no_image(fake: Any) -> None:
    run(fake.config())
    fake.executed()
    run(fake.config("descriptions.template=paper-describe-v1"))
    executed = fake.executed()
    assert executed[:3] == DESCRIBED
    assert not {"annotations", "detections", "image_embeddings"} & set(executed)


def test_the_content_of_a_file_counts_and_its_name_does_not(fake: Any) -> None:
    run(fake.config(), targets=("image_embeddings",))
    fake.executed()
    moved = fake.weights.with_name("moved.safetensors")
    fake.weights.rename(moved)
    run(fake.config(f"clip.weights={moved}"), targets=("image_embeddings",))
    assert fake.executed() == []
    moved.write_bytes(b"others")
    run(fake.config(f"clip.weights={moved}"), targets=("image_embeddings",))
    assert fake.executed() == ["image_embeddings"]


def test_a_record_says_what_its_evaluation_was_made_of_whatever_the_seed(fake: Any) -> None:
    def made_of(*overrides: str) -> str:
        run(fake.config(*overrides))
        return runs.records(Store(fake.root))[-1].made_of

    first = made_of()
    assert first and made_of("seed=1") == first
    template = made_of("descriptions.template=describe-v1")  # equal texts, so the evaluation is that of the first run
    assert template != first and made_of("descriptions.template=describe-v1", "seed=1") == template
    assert made_of("utpl.steps=3") not in (first, template)
    assert made_of() == first


def test_a_missing_file_is_named(fake: Any) -> None:
    fake.weights.unlink()
    with pytest.raises(DataError, match=r"image_embeddings: clip\.weights = .*weights\.safetensors does not exist"):
        run(fake.config(), targets=("image_embeddings",))


def test_only_what_the_target_needs(fake: Any) -> None:
    run(fake.config(), targets=("text_embeddings",))
    assert fake.executed() == ["vocabulary", "descriptions", "text_embeddings"]
    with pytest.raises(EzhoiError, match="no stage 'sene'"):
        run(fake.config(), targets=("sene",))


def test_force_executes_that_stage_only(fake: Any) -> None:
    run(fake.config())
    fake.executed()
    outcomes = run(fake.config(), force=("seen",))
    assert fake.executed() == ["seen"]
    assert not outcomes["seen"].hit and outcomes["utpl"].hit


def test_a_deleted_or_damaged_artifact_is_made_again(fake: Any) -> None:
    made = run(fake.config())
    fake.executed()
    made["seen"].artifact.path("main.parquet").unlink()
    damaged = made["detections"].artifact._folder / "main.parquet"
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"!")
    outcomes = run(fake.config())
    assert fake.executed() == ["detections", "seen"]
    assert "main.parquet: missing" in outcomes["seen"].faults[0]
    assert "main.parquet: damaged" in outcomes["detections"].faults[0]
    assert outcomes["utpl"].hit


def test_a_failure_leaves_no_artifact_and_keeps_what_was_made(fake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EZHOI_FAKE_FAIL", "seen")
    seen: list[Outcome] = []
    with pytest.raises(DataError, match="fly pig"):
        run(fake.config(), on_outcome=seen.append)
    store = Store(fake.root)
    assert store.artifacts("seen") == [] and len(seen) == 7
    assert runs.records(store)[-1].state == "failed"
    monkeypatch.delenv("EZHOI_FAKE_FAIL")
    fake.executed()
    run(fake.config())
    assert fake.executed() == ALL[7:]


def test_two_processes_compute_once(fake: Any) -> None:
    code = (
        "from pipeline.config.loading import load; from pipeline.engine.run import run;"
        f"run(load(overrides={fake.settings!r}), targets=('descriptions',))"
    )
    environment = fake.environment(EZHOI_FAKE_SLEEP="descriptions:0.5")
    both = [subprocess.Popen([sys.executable, "-c", code], env=environment) for _ in range(2)]
    assert [p.wait(60) for p in both] == [0, 0]
    assert sorted(fake.executed()) == ["descriptions", "vocabulary"]


def test_a_run_that_waits_says_for_whom_in_its_log_and_on_its_page(
    fake: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    code = (
        "from pipeline.config.loading import load; from pipeline.engine.run import run;"
        f"run(load(overrides={fake.settings!r}), targets=('descriptions',), deployment='the other')"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code], env=fake.environment(EZHOI_FAKE_GATE=f"descriptions:{tmp_path / 'open'}")
    )
    deadline = time.monotonic() + 60
    while not (fake.root / ".ran").exists() or "descriptions" not in (fake.root / ".ran").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)

    def open_once_it_is_said() -> None:
        while not any("waits for" in r.getMessage() for r in caplog.records) and time.monotonic() < deadline:
            time.sleep(0.05)
        (tmp_path / "open").touch()

    threading.Thread(target=open_once_it_is_said).start()
    made = run(fake.config(), targets=("descriptions",))["descriptions"]
    assert other.wait(60) == 0 and made.hit
    (record, _) = runs.records(Store(fake.root))
    (line,) = [r.getMessage() for r in caplog.records if "waits for" in r.getMessage()]
    assert line.startswith(f"descriptions waits for run {record.id} of the other (process {other.pid} on ")
    assert re.search(r", at it since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC\)$", line)
    (wait,) = made.waits
    assert line.endswith(wait.what) and wait.seconds > 0


def test_progress_and_manifest(fake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EZHOI_FAKE_SLEEP", "detections:0.2")
    told: list[tuple[str, int, int, str]] = []
    made = run(fake.config("seed=5"), targets=("detections",), progress=lambda *report: told.append(report))
    assert told == [("detections", 1, 2, "sleeping"), ("detections", 2, 2, "sleeping")]
    manifest = made["detections"].artifact.manifest
    assert manifest.seed == 5 and manifest.packages["numpy"] and manifest.config["seed"] == 5
    assert manifest.seconds["compute"] >= 0 and manifest.metrics == {"rows": 1}
    assert manifest.inputs[0].digest == made["annotations"].artifact.manifest.part_digest(manifest.inputs[0].part)


def test_a_stage_computes_on_the_gpus_that_it_holds(fake: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another run trains on cuda:0. Every stage that computes gets other GPUs, and holds them while it does."""
    three = ("GPU-a", "GPU-b", "GPU-c")
    locks = lock_folders.shared(tmp_path / "locks")
    monkeypatch.setattr(devices, "gpus", lambda: three)
    monkeypatch.setattr(lock_folders, "shared", lambda: locks)
    stand_in = sys.modules["pipeline.stages.seen"]
    found: dict[str, tuple[str, tuple[str, ...], list[str]]] = {}

    def note(work: Any) -> Any:
        held = [device for device, is_held in devices.taken().items() if is_held]
        found[work.stage] = (work.config.device, work.gpus, held)
        return stand_in.run(work)

    for name in ALL:
        monkeypatch.setitem(sys.modules, f"pipeline.stages.{name}", SimpleNamespace(run=note, compute=None))
    with devices.hold("cuda:0"):
        run(fake.config("images.runtime.workers=4"))
    alone, both = ("cuda:1", ("cuda:1",), ["cuda:0", "cuda:1"]), ("cuda:1", "cuda:2")
    for stage in ("text_embeddings", "disparities", "seen", "utpl"):
        assert found[stage] == alone
    for stage in ("image_embeddings", "pair_features"):
        assert found[stage] == ("cuda:1", both, ["cuda:0", *both])
    for stage in ("annotations", "descriptions", "evaluation"):
        assert found[stage] == ("auto", (), ["cuda:0"])
    assert devices.taken() == dict.fromkeys(("cuda:0", "cuda:1", "cuda:2"), False)


def test_a_full_disk_in_a_stage_is_one_message_and_the_next_run_goes_on(
    fake: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in = sys.modules["pipeline.stages.seen"]

    def full(work: Any) -> Any:
        raise OSError(errno.ENOSPC, "Error writing bytes to file. Detail: [errno 28] No space left on device")

    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "pipeline.stages.seen", SimpleNamespace(run=full))
        with pytest.raises(StoreError, match=rf"^stage seen: no space left for {fake.root}/\.work/"):
            run(fake.config())
    fake.executed()
    assert sys.modules["pipeline.stages.seen"] is stand_in
    run(fake.config())
    assert fake.executed() == ["seen", "pair_features", "utpl", "untrained", "predictions", "evaluation", "bundle"]


def meanwhile(monkeypatch: pytest.MonkeyPatch, stage: str, happens: Callable[[], object]) -> None:
    """Something happens while a stage is at work, before it reads a file."""
    module = sys.modules[f"pipeline.stages.{stage}"]
    real = module.run

    def run_and_more(work: Work) -> object:
        if work.stage == stage:
            happens()
        return real(work)

    monkeypatch.setattr(module, "run", run_and_more)


def test_a_file_that_changed_while_a_stage_waited_is_not_what_the_artifact_says(
    fake: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stage may have waited for hours for a lock, a GPU or a server; the fingerprint is that of the file before."""
    edits = tmp_path / "edits.yaml"
    edits.write_text("one")
    config = fake.config(f"descriptions.edits={edits}")
    with monkeypatch.context() as patch:
        meanwhile(patch, "descriptions", lambda: edits.write_text("two"))
        with pytest.raises(DataError, match=r"descriptions\.edits changed while the stage waited or was at work"):
            run(config, targets=("descriptions",))
    assert Store(fake.root).artifacts("descriptions") == []
    assert not [path for path in (fake.root / ".work").glob("*") if path.is_dir()], "pieces may be of either content"
    assert run(config, targets=("descriptions",))["descriptions"].artifact.manifest.sources


def test_two_stages_of_a_run_never_read_two_contents_of_a_file(fake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Text embeddings of one CLIP never meet image embeddings of another."""
    real = Store.publish

    def publish(store: Store, workspace: Workspace, manifest: Manifest) -> Artifact:
        made = real(store, workspace, manifest)
        if manifest.stage == "text_embeddings":
            fake.weights.write_bytes(b"another")
        return made

    with monkeypatch.context() as patch:
        patch.setattr(Store, "publish", publish)
        with pytest.raises(DataError, match=r"image_embeddings: clip\.weights changed during this run"):
            run(fake.config())
    made = run(fake.config())
    assert {o.artifact.manifest.sources.get("clip.weights") for o in made.values()} - {None} == {
        made["seen"].artifact.manifest.sources["clip.weights"]
    }
