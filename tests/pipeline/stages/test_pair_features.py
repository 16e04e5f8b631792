"""Stages `pair_features` and `untrained` on two test pictures of different sizes and a training picture, against the models.

The pictures go through the real stages together; what is expected is computed one picture at a time.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from split_tables import one_a_split
from torch import Tensor, nn

from models.clip import Clip
from models.fusion import box_features, union_features
from models.geometry import numbers
from models.hoi import EzHoi
from models.instances import Instances, collate
from pipeline.config.loading import load
from pipeline.config.tree import Config
from pipeline.datasets.hico.vocabulary import HICO
from pipeline.datasets.images import pixels, quick_square, square
from pipeline.errors import ConfigError, DataError
from pipeline.learned import build, checkpoint, records
from pipeline.stages import image_embeddings, pair_features, untrained
from pipeline.store.artifact import Artifact
from pipeline.tables import arrays
from pipeline.work.work import Work

CORNERS = ("x1", "y1", "x2", "y2")
HUMAN, HORSE, CUP = 0, 17, 41
RIDE = next(c.hoi_id for c in HICO.classes if (c.verb, c.object) == ("ride", "horse"))
SIZES = {5: (40, 60), 2: (80, 30), 7: (50, 50)}
SPLIT = {5: "test", 2: "test", 7: "train"}
BOXES = {  # object, score, box in pixels; a person stands first, as the pairs have it
    5: [(HUMAN, 0.9, (2, 5, 20, 55)), (HUMAN, 0.8, (22, 3, 38, 40)), (HORSE, 0.5, (10, 20, 36, 58))],
    2: [(HUMAN, 0.75, (1, 1, 30, 29)), (CUP, 0.6, (25, 4, 75, 20))],
    7: [(HUMAN, 0.7, (5, 5, 25, 45)), (HORSE, 0.65, (20, 15, 48, 48))],
}
SETTINGS = ("device=cpu", "seed=3", "pairing.nms=0.99")


@pytest.fixture(scope="module")
def clip() -> Clip:
    return build.frozen_clip(load(overrides=SETTINGS, environment={}))


@pytest.fixture(scope="module")
def model(clip: Clip) -> EzHoi:
    """The model with its zero-initialised last layers moved, so that every part has an effect."""
    torch.manual_seed(3)
    made = build.paper_model(load(overrides=SETTINGS, environment={}), clip).eval()
    for name, parameter in made.named_parameters():
        if ".up." in name:
            nn.init.normal_(parameter, std=0.1)
    return made.requires_grad_(False)


@pytest.fixture
def inputs(tmp_path: Path, artifact: Callable[..., Artifact], model: EzHoi) -> dict[str, Artifact]:
    """The artifacts that the stages read, with `image_embeddings` made by its stage."""
    rng = np.random.default_rng(0)
    for image_id, (width, height) in SIZES.items():
        Image.fromarray(rng.integers(0, 255, (height, width, 3), dtype=np.uint8)).save(tmp_path / f"{image_id}.png")
    images = pd.DataFrame(
        [(i, SPLIT[i], str(tmp_path / f"{i}.png"), *SIZES[i]) for i in SIZES],
        columns=["image_id", "split", "file_name", "width", "height"],
    )
    sides = [f"{side}{corner}" for side in "ho" for corner in CORNERS]
    rows = [
        (7, RIDE, HORSE, "train", *BOXES[7][0][2], *BOXES[7][1][2]),
        (5, RIDE, HORSE, "test", *BOXES[5][0][2], *BOXES[5][2][2]),
    ]
    pairs = pd.DataFrame(rows, columns=["image_id", "hoi_id", "object_id", "split", *sides])
    annotations = artifact(tmp_path / "annotations", **one_a_split(images=images, pairs=pairs))
    tables = {
        split: pd.DataFrame(
            [(i, thing, score, *box) for i in BOXES if SPLIT[i] == split for thing, score, box in BOXES[i]],
            columns=["image_id", "object_id", "score", *CORNERS],
        )
        for split in ("train", "test")
    }
    for name in ("detections", "seen", "texts"):
        (tmp_path / name).mkdir()
    (tmp_path / "detections" / "detector.json").write_text(json.dumps({"source": "simulated", "note": "by hand"}))
    checkpoint.save_weights(tmp_path / "seen" / "model.safetensors", model.state_dict())
    names = np.random.default_rng(1).normal(size=(80, model.clip.joint_width)).astype(np.float32)
    arrays.write(tmp_path / "texts" / "objects.parquet", {"object_id": np.arange(80), "pooled": names})
    found = {
        "annotations": annotations,
        "detections": artifact(tmp_path / "detections", "detections", **tables),
        "seen": artifact(tmp_path / "seen", "seen"),
        "text_embeddings": artifact(tmp_path / "texts", "text_embeddings"),
    }
    work = work_in(tmp_path / "embedded", "image_embeddings", found)
    image_embeddings.run(work)
    return found | {"image_embeddings": artifact(work.out, "image_embeddings")}


def work_in(folder: Path, stage: str, inputs: dict[str, Artifact], *settings: str) -> Work:
    for name in ("out", "scratch"):
        (folder / name).mkdir(parents=True)
    config = load(overrides=[*SETTINGS, *settings], environment={})
    return Work(stage=stage, config=config, inputs=inputs, out=folder / "out", scratch=folder / "scratch")


def instances(image_id: int) -> Instances:
    """The detections of one picture, in fractions of it."""
    scale = torch.tensor(SIZES[image_id] * 2)
    things, scores, boxes = zip(*BOXES[image_id], strict=True)
    return collate([(torch.tensor(boxes) / scale, torch.tensor(scores), torch.tensor(things))])


def of_one(model: EzHoi, inputs: dict[str, Artifact], image_id: int) -> Tensor:
    """Pair features (P, d_a) of a picture alone."""
    with Image.open(inputs["annotations"].path("test-images.parquet").parent.parent / f"{image_id}.png") as image:
        pixels = model.normalise(square(image.convert("RGB"), model.clip.image_size)[None])
    tokens = arrays.read(inputs["image_embeddings"].path(f"{SPLIT[image_id]}-000.parquet"))
    frozen = tokens["tokens"][tokens["image_id"] == image_id]
    objects = arrays.read(inputs["text_embeddings"].path("objects.parquet"))["pooled"]
    return model.pairs(pixels, torch.tensor(frozen).float(), instances(image_id), torch.tensor(objects))


def wanted_pairs(*image_ids: int) -> list[dict[str, Any]]:
    """Image, object, prior and boxes of the pairs of every person with every other box, persons too."""
    rows = []
    for image_id in image_ids:
        boxes = BOXES[image_id]
        humans = [b for b in boxes if b[0] == HUMAN]
        for human, thing in product(humans, boxes):
            if human is not thing:
                rows.append(
                    {"image": image_id, "thing": thing[0], "prior": human[1] * thing[1], "boxes": human[2] + thing[2]}
                )
    return rows


def demand_pairs(table: dict[str, Any], *image_ids: int) -> None:
    wanted = wanted_pairs(*image_ids)
    assert table["image_id"].tolist() == [row["image"] for row in wanted]
    assert table["object_id"].tolist() == [row["thing"] for row in wanted]
    np.testing.assert_allclose(table["prior"], [row["prior"] for row in wanted], rtol=1e-6)
    boxes = np.stack([table[f"{side}{corner}"] for side in "ho" for corner in CORNERS], axis=1)
    np.testing.assert_allclose(boxes, [row["boxes"] for row in wanted], rtol=1e-5)


def test_every_pair_has_its_own_feature_object_prior_and_boxes(
    inputs: dict[str, Artifact], model: EzHoi, tmp_path: Path
) -> None:
    work = work_in(tmp_path / "made", "pair_features", inputs)
    metrics = pair_features.run(work)
    test = arrays.read(work.out / "test-000.parquet")
    assert set(test) == {"image_id", "object_id", "prior", "feature", *(f"{s}{c}" for s in "ho" for c in CORNERS)}
    demand_pairs(test, 2, 5)  # images in order of their ids
    wanted = torch.cat([of_one(model, inputs, image_id) for image_id in (2, 5)])
    torch.testing.assert_close(torch.tensor(test["feature"]), wanted, rtol=1e-4, atol=1e-5)
    assert metrics["test_pairs"] == len(wanted) == 5 and metrics["train_pairs"] == 1
    assert metrics["test_pair_recall"] == 100.0


def test_training_pairs_know_the_annotated_classes_that_they_match(
    inputs: dict[str, Artifact], model: EzHoi, tmp_path: Path
) -> None:
    work = work_in(tmp_path / "made", "pair_features", inputs)
    pair_features.run(work)
    train = arrays.read(work.out / "train-000.parquet")
    demand_pairs(train, 7)
    assert [list(row) for row in train["hois"]] == [[RIDE]]
    torch.testing.assert_close(torch.tensor(train["feature"]), of_one(model, inputs, 7), rtol=1e-4, atol=1e-5)


def regions_of_one(model: EzHoi, inputs: dict[str, Artifact], image_id: int) -> dict[str, Tensor]:
    """What the frozen CLIP makes of the boxes of a picture's pairs and of their unions, pair by pair."""
    tokens = arrays.read(inputs["image_embeddings"].path(f"{SPLIT[image_id]}-000.parquet"))
    frozen = torch.tensor(tokens["tokens"][tokens["image_id"] == image_id]).float()
    found = instances(image_id)
    rois = {"grid": model.clip.grid, "size": 7}
    boxes = box_features(frozen, found, **rois)[0]
    _, human, thing = found.pairs.unbind(dim=1)
    return {"human": boxes[human], "object": boxes[thing], "union": union_features(frozen, found, **rois)}


def test_columns_that_a_head_reads_are_the_frozen_clips_of_the_same_pairs(
    inputs: dict[str, Artifact], model: EzHoi, tmp_path: Path
) -> None:
    work = work_in(tmp_path / "made", "pair_features", inputs, "model.head=memory")
    pair_features.run(work)
    for split, ids in (("test", (2, 5)), ("train", (7,))):
        table = arrays.read(work.out / f"{split}-000.parquet")
        demand_pairs(table, *ids)
        for name in ("human", "object", "union"):
            wanted = torch.cat([regions_of_one(model, inputs, i)[name] for i in ids])
            assert table[name].dtype == np.float16
            torch.testing.assert_close(torch.tensor(table[name]).float(), wanted, rtol=0, atol=1e-3)
        assert "geometry" not in table and "drawn" not in table
        read = records.record(table, ("human", "object", "union"))
        assert read.regions().keys() == {"human", "object", "union"} and read.geometry is None
        with pytest.raises(DataError, match="the pairs have no geometry: they were computed for a head that does not"):
            records.record(table, ("geometry",))


def test_the_geometry_of_a_pair_is_that_of_its_boxes(inputs: dict[str, Artifact], model: EzHoi) -> None:
    found = instances(5)
    made = records.columns(
        ("geometry",), found=found, sizes=[SIZES[5]], tokens=torch.zeros(1, 1, 4), clip=model.clip, roi_size=7
    )
    _, human, thing = found.pairs.unbind(dim=1)
    wanted = numbers(found.boxes[0, human], found.boxes[0, thing])
    torch.testing.assert_close(torch.tensor(made["geometry"]), wanted)


def test_boxes_lie_in_the_square_that_the_frozen_clip_saw() -> None:
    """Of a picture of 80 x 40 the centre is cut out: from 20 to 60. A box outside of it shrinks to its edge."""
    boxes = torch.tensor([[[0.25, 0.5, 0.5, 1.0], [0.0, 0.0, 1.0, 1.0], [0.0, 0.25, 0.125, 0.5]]])
    shown = records.as_shown(boxes, [(80, 40)], "shortest")
    wanted = torch.tensor([[[0.0, 0.5, 0.5, 1.0], [0.0, 0.0, 1.0, 1.0], [0.0, 0.25, 0.0, 0.5]]])
    torch.testing.assert_close(shown, wanted)
    assert torch.equal(records.as_shown(boxes, [(80, 40)], "squash"), boxes)


def test_pairs_are_drawn_whatever_they_match_for_a_head_that_trains(
    inputs: dict[str, Artifact], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Picture 7 has a person more, so two pairs with the horse and two of persons; the annotated one is kept in any case."""
    more = {7: [(HUMAN, 0.6, (40, 2, 48, 12)), *BOXES[7]]}
    table = pd.DataFrame(
        [(7, thing, score, *box) for thing, score, box in more[7]], columns=["image_id", "object_id", "score", *CORNERS]
    )
    found = inputs["detections"]
    table.to_parquet(found.path("train.parquet"))
    monkeypatch.setattr(Config, "draws_pairs", property(lambda config: True))
    for most, drawn in ((8, 4), (1, 1)):
        monkeypatch.setattr(pair_features, "MOST", most)
        work = work_in(tmp_path / f"made-{most}", "pair_features", inputs)
        pair_features.run(work)
        train = arrays.read(work.out / "train-000.parquet")
        assert train["drawn"].sum() == drawn
        matching = [bool(len(hois)) for hois in train["hois"]]
        assert matching.count(True) == 1 and len(matching) in (drawn, drawn + 1)
        assert all(a or b for a, b in zip(matching, train["drawn"].tolist(), strict=True))


def test_training_pairs_that_match_no_annotated_one_are_not_stored(
    inputs: dict[str, Artifact], model: EzHoi, artifact: Callable[..., Artifact], tmp_path: Path
) -> None:
    """A second person stands far from the annotated one, so their pair matches nothing; classes of one pair stay together."""
    (person, horse), far = BOXES[7], (HUMAN, 0.9, (1.0, 1.0, 12.0, 20.0))
    table = pd.DataFrame(
        [(7, thing, score, *box) for thing, score, box in (far, person, horse)],
        columns=["image_id", "object_id", "score", *CORNERS],
    )
    pairs = inputs["annotations"].table("train-pairs.parquet")
    twice = pd.concat([pairs, pairs.assign(hoi_id=RIDE + 1)], ignore_index=True)
    same = ("train-images", "test-images", "test-pairs")
    changed = {name: inputs["annotations"].table(f"{name}.parquet") for name in same} | {"train-pairs": twice}
    folder = tmp_path / "crowded"
    folder.mkdir()
    (folder / "detector.json").write_bytes(inputs["detections"].path("detector.json").read_bytes())
    found = inputs | {
        "annotations": artifact(tmp_path / "annotated-twice", **changed),
        "detections": artifact(folder, "detections", train=table, test=inputs["detections"].table("test.parquet")),
    }
    work = work_in(tmp_path / "made", "pair_features", found)
    assert pair_features.run(work)["train_pairs"] == 1
    train = arrays.read(work.out / "train-000.parquet")
    assert [list(row) for row in train["hois"]] == [[RIDE, RIDE + 1]]
    assert train["object_id"].tolist() == [HORSE] and train["hx1"].tolist() == pytest.approx([person[2][0]])


def test_where_utpl_trains_nothing_only_test_pairs_are_made(inputs: dict[str, Artifact], tmp_path: Path) -> None:
    work = work_in(tmp_path / "made", "pair_features", inputs, "seen.joint=true")
    metrics = pair_features.run(work)
    assert metrics["test_pairs"] == 5 and "train_pairs" not in metrics
    assert [path.name for path in work.out.glob("*.parquet")] == ["test-000.parquet"]


def test_training_alone_opens_no_crop(
    inputs: dict[str, Artifact], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("pair_features cut a crop")

    monkeypatch.setattr(Image.Image, "crop", refuse)
    pair_features.run(work_in(tmp_path / "made", "pair_features", inputs))


def test_crops_are_embedded_as_images_of_their_own(inputs: dict[str, Artifact], clip: Clip, tmp_path: Path) -> None:
    few = {name: inputs[name] for name in ("annotations", "detections")}
    work = work_in(tmp_path / "made", "untrained", few)
    assert untrained.run(work) == {"pairs": 5, "kind": "crops", "left_out": []}
    assert json.loads((work.out / "kind.json").read_text()) == "crops"
    found = arrays.read(work.out / "test-000.parquet")
    demand_pairs(found, 2, 5)
    crops = []
    for row in wanted_pairs(2, 5):
        h, o = row["boxes"][:4], row["boxes"][4:]
        box = (min(h[0], o[0]), min(h[1], o[1]), max(h[2], o[2]) + 1, max(h[3], o[3]) + 1)
        with Image.open(tmp_path / f"{row['image']}.png") as image:
            crops.append(quick_square(pixels(image.convert("RGB")), box, clip.image_size))
    wanted = nn.functional.normalize(clip.embed_images(clip.normalise(torch.stack(crops)))[:, 0], dim=-1)
    torch.testing.assert_close(torch.tensor(found["feature"]), wanted, rtol=1e-4, atol=1e-5)


def test_regions_are_read_from_the_cached_tokens(
    inputs: dict[str, Artifact], clip: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = {name: inputs[name] for name in ("annotations", "detections", "image_embeddings")}
    monkeypatch.setattr(untrained.Images, "open", lambda *_: pytest.fail("an image was opened"))
    work = work_in(tmp_path / "made", "untrained", few, "evaluation.untrained=regions")
    assert untrained.run(work)["kind"] == "regions"
    found = arrays.read(work.out / "test-000.parquet")
    demand_pairs(found, 2, 5)
    tokens = arrays.read(inputs["image_embeddings"].path("test-000.parquet"))
    wanted = [
        union_features(
            torch.tensor(tokens["tokens"][tokens["image_id"] == i]).float(), instances(i), grid=clip.grid, size=7
        )
        for i in (2, 5)
    ]
    torch.testing.assert_close(torch.tensor(found["feature"]), torch.cat(wanted), rtol=1e-4, atol=1e-5)


NEAR = 0.995
"""Least cosine between a row of fp32 and the same row in bf16."""


@pytest.mark.parametrize(
    ("stage", "column"), [(image_embeddings, "tokens"), (pair_features, "feature"), (untrained, "feature")]
)
def test_passes_in_bf16_are_near_those_in_fp32(
    stage: Any, column: str, inputs: dict[str, Artifact], tmp_path: Path
) -> None:
    made: dict[str, Tensor] = {}
    for precision in ("fp32", "tf32", "bf16"):
        work = work_in(tmp_path / precision, stage.__name__.rpartition(".")[2], inputs, f"images.precision={precision}")
        stage.run(work)
        values = torch.tensor(arrays.read(work.out / "test-000.parquet")[column])
        assert values.dtype == (torch.float16 if column == "tokens" else torch.float32)
        made[precision] = values.float().flatten(0, -2)
    torch.testing.assert_close(made["tf32"], made["fp32"], rtol=0, atol=0)  # a CPU has none
    cosine = nn.functional.cosine_similarity(made["bf16"], made["fp32"], dim=-1)
    assert cosine.min() >= NEAR and not torch.equal(made["bf16"], made["fp32"])


def test_what_cannot_be_made_is_said(inputs: dict[str, Artifact], tmp_path: Path) -> None:
    off = work_in(tmp_path / "off", "untrained", inputs, "evaluation.untrained=off")
    with pytest.raises(ConfigError, match="untrained is off"):
        untrained.run(off)
    cls = replace(
        off, config=load(overrides=[*SETTINGS, "clip.tokens=cls", "evaluation.untrained=regions"], environment={})
    )
    with pytest.raises(ConfigError, match=r"set clip\.tokens=all"):
        untrained.run(cls)


def test_of_many_crops_only_those_of_the_coming_passes_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are cut while others are embedded: an image of hundreds of pairs costs no more memory than one of ten."""
    monkeypatch.setattr(untrained, "CROPS", 2)
    cut, most = [], []

    class Counting:
        image_size, joint_width, device = 8, 3, torch.device("cpu")
        normalise = staticmethod(torch.Tensor.float)

        @staticmethod
        def embed_images(pixels: torch.Tensor) -> torch.Tensor:
            cut.append(-len(pixels))
            return pixels.mean(dim=(2, 3))[:, None]

    def counted(whole: torch.Tensor, box: tuple[int, int, int, int], size: int) -> torch.Tensor:
        cut.append(1)
        most.append(sum(cut))
        return quick_square(whole, box, size)

    monkeypatch.setattr(untrained, "quick_square", counted)
    image = Image.new("RGB", (40, 40), (250, 20, 20))
    image.paste((0, 0, 255), (20, 0, 40, 40))
    crops = [(pixels(image), (20 * (i % 2), 0, 20 * (i % 2) + 20, 40)) for i in range(61)]
    found = untrained.embedded_ahead(Counting(), crops, threads=3)  # type: ignore[arg-type]
    assert found.shape == (61, 3) and bool((found[0::2, 0] > 0.9).all()) and bool((found[1::2, 2] > 0.9).all())
    assert max(most) <= 2 * (3 + 1) + 2


def test_the_quick_square_is_pillows_but_for_rounding() -> None:
    source = np.random.default_rng(0)
    image = Image.fromarray(source.integers(0, 255, (12, 16, 3), dtype=np.uint8)).resize((400, 300), Image.BICUBIC)
    inside = [(0, 0, 400, 300), (13, 40, 60, 200)]
    for box in (*inside, (350, 250, 402, 301), (-3, -7, 90, 40), (395, 100, 420, 90 + 40), (-9, 310, -2, 320)):
        wanted = square(image.crop(box), 112)  # what is beyond the edge is black there
        difference = (quick_square(pixels(image), box, 112).float() - wanted.float()).abs()
        assert difference.mean() < 0.5 and difference.max() <= 16, box
