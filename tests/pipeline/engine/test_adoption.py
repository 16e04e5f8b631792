"""A training of an earlier version: taken in where it is what the configuration asks for, refused with the reason otherwise."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from flows.cli.app import app
from pipeline.engine.adoption import adopt
from pipeline.engine.run import run
from pipeline.errors import DataError, StoreError
from pipeline.store import digest
from pipeline.store.manifest import NAME, OWN
from pipeline.store.store import Store


@pytest.fixture
def earlier(fake: Any, tmp_path: Path) -> Path:
    """A trained `seen` as a version before this one left it; this store has everything before it, and no training."""
    made = run(fake.config(), targets=("seen",))["seen"].artifact
    folder = tmp_path / "earlier"
    shutil.copytree(Path(made.place), folder)
    store = Store(fake.root)
    store.remove(made)
    rewrite(folder, version=made.manifest.version - 1, fingerprint="0" * 32)
    fake.executed()
    return folder


def rewrite(folder: Path, **changes: Any) -> None:
    """Give the manifest other values and take its own digest away, as earlier versions had none."""
    value = json.loads((folder / NAME).read_text()) | changes
    del value[OWN]
    value[OWN] = ""
    (folder / NAME).write_text(json.dumps(value))


def config_of(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / NAME).read_text())["config"])


def test_an_adopted_training_is_used_and_not_made_again(fake: Any, earlier: Path) -> None:
    adopted = adopt(earlier, config=fake.config(), store=Store(fake.root))
    assert adopted.unknown == () and adopted.artifact.manifest.made_by == {
        "adopted": f"seen/{'0' * 32}, made {json.loads((earlier / NAME).read_text())['made_at']}"
    }
    assert Store(fake.root).faults(adopted.artifact, rehash=True) == []
    run(fake.config())
    executed = fake.executed()
    assert "seen" not in executed and "pair_features" in executed


def test_inputs_that_are_cut_otherwise_are_said(fake: Any, earlier: Path) -> None:
    inputs = json.loads((earlier / NAME).read_text())["inputs"]
    inputs[0]["part"] = ["everything.parquet"]
    rewrite(earlier, inputs=inputs)
    (said,) = adopt(earlier, config=fake.config(), store=Store(fake.root)).unknown
    assert said.startswith(inputs[0]["stage"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda folder: rewrite(folder, config=config_of(folder) | {"seed": 7}), "seed was 7, not 0"),
        (
            lambda folder: rewrite(folder, sources={"clip.weights": "another"}),
            r"the content of clip\.weights was another",
        ),
        (
            lambda folder: rewrite(
                folder,
                inputs=[record | {"digest": "0" * 32} for record in json.loads((folder / NAME).read_text())["inputs"]],
            ),
            r"made from other inputs: annotations \(",
        ),
        (lambda folder: rewrite(folder, stage="annotations"), "only trainings are adopted"),
        (lambda folder: rewrite(folder, digest="0" * 32), "its digest is not that of the files"),
        (lambda folder: rewrite(folder, files=[]), "its digest is not that of the files"),
        (lambda folder: next(p for p in folder.iterdir() if p.name != NAME).write_bytes(b"x"), "missing or damaged"),
        (lambda folder: (folder / NAME).write_text("[" * 10**5), "is no manifest"),
        (lambda folder: (folder / NAME).unlink(), "cannot be read"),
    ],
)
def test_what_was_made_otherwise_is_refused(fake: Any, earlier: Path, change: Any, words: str) -> None:
    change(earlier)
    with pytest.raises(DataError, match=words):
        adopt(earlier, config=fake.config(), store=Store(fake.root))
    assert Store(fake.root).artifacts("seen") == []


def test_a_new_key_has_to_have_its_default(fake: Any, earlier: Path) -> None:
    """`model.heads` stands for a key that the earlier version did not know: 2 is what it did without a word."""
    config = config_of(earlier)
    del config["model.heads"]
    rewrite(earlier, config=config)
    with pytest.raises(DataError, match=r"model\.heads = 4 is a key that there was not"):
        adopt(earlier, config=fake.config("model.heads=4"), store=Store(fake.root))
    adopt(earlier, config=fake.config(), store=Store(fake.root))


def test_a_later_key_is_compared_whichever_of_its_values_is_recorded(fake: Any, earlier: Path) -> None:
    """The default of `model.inter` is recorded, and the block, with which trainings were made before, is not."""
    with pytest.raises(DataError, match=r"model\.inter was attention, not block"):
        adopt(earlier, config=fake.config("model.inter=block"), store=Store(fake.root))
    config = config_of(earlier)
    del config["model.inter"]
    rewrite(earlier, config=config)
    with pytest.raises(DataError, match=r"model\.inter = attention is a key that there was not"):
        adopt(earlier, config=fake.config(), store=Store(fake.root))
    adopt(earlier, config=fake.config("model.inter=block"), store=Store(fake.root))


def test_an_input_that_is_not_there_yet_is_named(fake: Any, earlier: Path) -> None:
    with pytest.raises(StoreError, match=r"has no \w+ of this configuration yet.*ezhoi run --target"):
        adopt(earlier, config=fake.config("data.world.train_images=7"), store=Store(fake.root))


def trained_otherwise(folder: Path) -> None:
    """Give the training other files, with a manifest that fits them."""
    files = json.loads((folder / NAME).read_text())["files"]
    (folder / files[0]["name"]).write_bytes(content := b"other weights")
    files[0] |= {"bytes": len(content), "digest": digest.of_bytes(content)}
    rewrite(folder, files=files, digest=digest.of_files((f["name"], f["digest"]) for f in files))


def test_another_training_that_is_there_already_stays(fake: Any, earlier: Path) -> None:
    made = run(fake.config(), targets=("seen",))["seen"].artifact
    trained_otherwise(earlier)
    with pytest.raises(StoreError, match="already, which the configuration asks for: another training"):
        adopt(earlier, config=fake.config(), store=Store(fake.root))
    assert Store(fake.root).find("seen").manifest == made.manifest


def test_adopting_again_changes_nothing(fake: Any, earlier: Path) -> None:
    """Whoever was killed while it was adopted does not know whether it was done, and asks again."""
    words = [word for setting in fake.settings for word in ("--set", setting)]
    first, again = (CliRunner().invoke(app, ["artifacts", "adopt", str(earlier), *words]) for _ in range(2))
    assert (first.exit_code, again.exit_code) == (0, 0) and first.output == again.output
    assert "is what the configuration asks for now" in first.output
    (artifact,) = Store(fake.root).artifacts("seen")
    adopt(earlier, config=fake.config(), store=Store(fake.root))
    assert Store(fake.root).find("seen").manifest == artifact.manifest, "not published anew"


@pytest.mark.parametrize("other", [False, True])
def test_a_run_that_makes_it_meanwhile_is_not_replaced(
    other: bool, fake: Any, earlier: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the adoption waits for the lock of the work, the run that has it publishes."""
    store, original, made = Store(fake.root), Store.workspace, []

    def waits(self: Store, fingerprint: str, *given: Any) -> Any:
        if self is store:
            made.append(run(fake.config(), targets=("seen",))["seen"].artifact)
        return original(self, fingerprint, *given)

    monkeypatch.setattr(Store, "workspace", waits)
    if other:
        trained_otherwise(earlier)
        with pytest.raises(StoreError, match="already, which the configuration asks for"):
            adopt(earlier, config=fake.config(), store=store)
    else:
        adopt(earlier, config=fake.config(), store=store)
    assert store.find("seen").manifest.manifest_digest == made[0].manifest.manifest_digest


def test_a_folder_that_changes_while_it_is_copied_is_refused(
    fake: Any, earlier: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def copies(source: Path, target: Path) -> None:
        target.write_bytes(source.read_bytes() + b"more")

    monkeypatch.setattr(shutil, "copyfile", copies)
    with pytest.raises(DataError, match="was changed while it was copied"):
        adopt(earlier, config=fake.config(), store=Store(fake.root))
    assert Store(fake.root).artifacts("seen") == []
