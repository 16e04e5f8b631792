"""The frozen CLIP's tokens: the model's own preprocessing, CLS or all, over several processes of which some are killed."""

import dataclasses
import io
import multiprocessing
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import open_clip
import pandas as pd
import pytest
import torch
from PIL import Image
from split_tables import one_a_split

from models import clip_loading as clips
from pipeline.config.loading import load
from pipeline.errors import DataError
from pipeline.learned.tokens import FrozenTokens
from pipeline.stages import image_embeddings
from pipeline.store.artifact import Artifact
from pipeline.tables import arrays
from pipeline.work.work import Work

PHOTOGRAPHS = Path(__file__).parents[4] / "shared" / "data" / "images"


def work_in(folder: Path, annotations: Artifact, *settings: str) -> Work:
    for name in ("out", "scratch"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    config = load(overrides=["device=cpu", *settings], environment={})
    inputs = {"annotations": annotations}
    return Work(stage="image_embeddings", config=config, inputs=inputs, out=folder / "out", scratch=folder / "scratch")


def pictures(folder: Path, count: int) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = []
    for i in range(count):
        Image.fromarray(rng.integers(0, 255, (12, 16, 3), dtype=np.uint8)).save(folder / f"{i}.png")
        rows.append((i, "train" if i % 5 else "test", f"{i}.png", 16, 12))
    return pd.DataFrame(rows, columns=["image_id", "split", "file_name", "width", "height"])


def embedded(work: Work, artifact: Callable) -> Artifact:
    metrics = image_embeddings.run(work)
    assert metrics["left_out"] == []
    return artifact(work.out, "image_embeddings")


def test_tokens_are_those_of_the_models_own_preprocessing(
    tmp_path: Path, artifact: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A true ViT-B/32 through open_clip's factory; random weights, real photographs."""
    paths = sorted(PHOTOGRAPHS.rglob("*.jpg"))[:3]
    if not paths:
        pytest.skip(f"{PHOTOGRAPHS} is not there: no photographs to embed")
    torch.manual_seed(0)
    net, _, preprocess = open_clip.create_model_and_transforms("ViT-B-32-quickgelu")
    torch.save(net.state_dict(), tmp_path / "random.pt")
    rows = [(i, "train", str(path), *Image.open(path).size) for i, path in enumerate(paths)]
    table = pd.DataFrame(rows, columns=["image_id", "split", "file_name", "width", "height"])
    found = embedded(
        work_in(
            tmp_path,
            artifact(tmp_path / "annotations", **one_a_split(images=table)),
            "clip.architecture=ViT-B-32-quickgelu",
            f"clip.weights={tmp_path / 'random.pt'}",
            "clip.image_size=224",
        ),
        artifact,
    )
    tokens = FrozenTokens(found, "train").of([0, 1, 2])
    assert tokens.shape == (3, 50, 512)
    with torch.no_grad():
        pooled = net.eval().encode_image(torch.stack([preprocess(Image.open(p)) for p in paths]), normalize=True)
    torch.testing.assert_close(tokens[:, 0], pooled, atol=2e-3, rtol=0)


def test_cls_alone_is_the_first_of_all(tmp_path: Path, artifact: Callable) -> None:
    annotations = artifact(tmp_path, **one_a_split(images=pictures(tmp_path, 5)))
    root = f"data.root={tmp_path}"
    every = embedded(work_in(tmp_path / "all", annotations, root), artifact)
    first = embedded(work_in(tmp_path / "cls", annotations, root, "clip.tokens=cls"), artifact)
    a, b = FrozenTokens(every, "train").of([1, 4]), FrozenTokens(first, "train").of([1, 4])
    assert a.shape == (2, 65, 128) and b.shape == (2, 1, 128)
    torch.testing.assert_close(a[:, :1], b)
    torch.testing.assert_close(a.norm(dim=-1), torch.ones(2, 65), atol=1e-3, rtol=0)


def test_the_tiny_clip_sees_squashed_images() -> None:
    clip = clips.load(architecture="tiny", weights=Path("pipeline/tiny/tiny_clip.safetensors"), image_size=112)
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (60, 90, 3), dtype=np.uint8))
    squashed = np.asarray(picture.resize((112, 112), Image.Resampling.BICUBIC))
    torch.testing.assert_close(clip.preprocess()(picture), clip.normalise(torch.tensor(squashed).permute(2, 0, 1)))


def test_damaged_images_are_named_when_the_others_are_done(tmp_path: Path, artifact: Callable) -> None:
    annotations = artifact(tmp_path, **one_a_split(images=pictures(tmp_path, 10)))
    (tmp_path / "3.png").write_bytes(b"")
    work = work_in(tmp_path, annotations, f"data.root={tmp_path}")
    with pytest.raises(DataError, match=r"3\.png cannot be read \(it is empty \(0 bytes\)\)"):
        image_embeddings.run(work)
    assert (work.scratch / "test-000.parquet").exists()
    config = load(overrides=[f"data.root={tmp_path}", "images.unreadable=skip"], environment={})
    metrics = image_embeddings.run(dataclasses.replace(work, config=config))
    assert metrics["images"] == 9 and len(metrics["left_out"]) == 1
    assert 3 not in FrozenTokens(artifact(work.out, "image_embeddings"), "train").ids


@pytest.mark.slow
def test_processes_share_the_shards_and_any_of_them_may_be_killed(tmp_path: Path, artifact: Callable) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (16, 12), (90, 120, 30)).save(buffer, "PNG")
    ids = list(range(900))
    (tmp_path / "annotations").mkdir()
    arrays.write(
        tmp_path / "annotations" / "pixels-train-000.parquet", {"image_id": ids, "png": [buffer.getvalue()] * 900}
    )
    table = pd.DataFrame({"image_id": ids, "split": "train", "file_name": "", "width": 16, "height": 12})
    annotations = artifact(tmp_path / "annotations", **one_a_split(images=table))
    work = work_in(tmp_path, annotations, "images.runtime.workers=3")
    killed = []

    def kill_one() -> None:
        while not killed:
            locked = list((work.scratch / ".locks").glob("*")) if (work.scratch / ".locks").exists() else []
            if len(locked) >= 4 and len(children := multiprocessing.active_children()) == 2:
                children[0].kill()
                killed.append(children[0])
            time.sleep(0.01)

    thread = threading.Thread(target=kill_one, daemon=True)
    thread.start()
    metrics = image_embeddings.run(work)
    thread.join(60)
    assert killed and metrics["images"] == 900
    tokens = FrozenTokens(artifact(work.out, "image_embeddings"), "train")
    assert tokens.ids == ids
    assert (tokens.of(ids) == tokens.of([0])).all()
