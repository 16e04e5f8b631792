"""Detectors of every architecture that is named in the docs, through the real loading code, with random weights."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from models import hub_detector, questions
from models.detector import MOST
from models.hub_detector import HubDetector
from pipeline.boxes.labels import serving
from pipeline.vocabulary.vocabulary import Object
from tests.models.small_detectors import ASKED, LABELLED, asked, labelled

LABELS = ["N/A", "a Dining_Table", "Person", "cat", "motorbike"]
OBJECTS = (Object("person", 1), Object("motorcycle", 4), Object("dining_table", 67))
NOUNS = {0: "person", 2: "dining table"}


def pictures() -> list[Image.Image]:
    """Pictures of two sizes."""
    rng = np.random.default_rng(0)
    return [Image.fromarray(rng.integers(0, 255, (h, w, 3), dtype=np.uint8)) for h, w in ((60, 90), (80, 40), (60, 90))]


def opened(folder: Path) -> HubDetector:
    network = hub_detector.read(str(folder))
    assert network.labels is not None
    return HubDetector(network, questions.of_labels(torch.from_numpy(serving(network.labels, OBJECTS))))


@pytest.mark.parametrize("architecture", LABELLED)
def test_a_detector_with_labels_finds_the_vocabularys_objects(architecture: str, tmp_path: Path) -> None:
    found = opened(labelled(architecture, LABELS, tmp_path))
    prepared = [found.prepare(picture) for picture in pictures()]
    assert ("pixel_mask" in prepared[0][0]) is (architecture.endswith("detr") and architecture != "rt_detr")
    together = found.detect(prepared)
    for place, (picture, (boxes, scores, objects)) in enumerate(zip(pictures(), together, strict=True)):
        assert boxes.shape == (len(scores), 4) and len(scores) == len(objects) > 0
        assert set(objects.tolist()) <= {0, 1, 2} and bool(((scores >= 0) & (scores <= 1)).all())
        centre = (boxes[:, :2] + boxes[:, 2:]) / 2
        assert bool(((centre >= 0) & (centre <= torch.tensor(picture.size))).all()), (
            "boxes are in pixels of the picture"
        )
        ((alone, sure, same),) = found.detect([prepared[place]])
        if "pixel_mask" in prepared[place][0]:  # a convolution at the edge sees the padding
            torch.testing.assert_close(scores, sure, atol=1e-2, rtol=2e-2)
        else:
            torch.testing.assert_close(boxes, alone, atol=1e-3, rtol=1e-4)
            assert objects.tolist() == same.tolist(), "what is found does not depend on the other pictures"
    assert len(found.digest()) == 32


@pytest.mark.parametrize("architecture", LABELLED)
def test_boxes_and_scores_are_those_of_the_processor(architecture: str, tmp_path: Path) -> None:
    """By transformers' own call, of the labels that stand for an object."""
    found = opened(labelled(architecture, ["motorbike", "dining table", "person"], tmp_path))
    picture = pictures()[0]
    ((boxes, scores, objects),) = found.detect([found.prepare(picture)])
    with torch.no_grad():
        raw = found.net(**found.processor(images=picture, return_tensors="pt"))
    (wanted,) = found.processor.post_process_object_detection(raw, threshold=0.0, target_sizes=[picture.size[::-1]])
    torch.testing.assert_close(boxes, wanted["boxes"])
    torch.testing.assert_close(scores, wanted["scores"])
    assert objects.tolist() == [{0: 1, 1: 2, 2: 0}[label] for label in wanted["labels"].tolist()]


@pytest.mark.parametrize("architecture", ASKED)
def test_a_detector_that_is_asked_finds_what_it_is_asked_for(architecture: str, tmp_path: Path) -> None:
    network = hub_detector.read(str(asked(architecture, tmp_path)))
    assert network.labels is None and network.architecture == architecture
    found = HubDetector(network, questions.of_names(network, NOUNS, len(OBJECTS)))
    assert found.outputs == 2
    for picture, (boxes, scores, objects) in zip(
        pictures(), found.detect([found.prepare(picture) for picture in pictures()]), strict=True
    ):
        assert len(boxes) > 0 and set(objects.tolist()) <= {0, 2} and bool(((scores >= 0) & (scores <= 1)).all())
        assert bool((boxes[:, 2:] >= boxes[:, :2]).all()) and bool((boxes.abs() <= 3 * max(picture.size)).all())


def test_a_prompt_of_grounding_dino_names_every_object_and_ends_with_a_full_stop(tmp_path: Path) -> None:
    network = hub_detector.read(str(asked("grounding-dino", tmp_path)))
    (question,) = questions.of_names(network, NOUNS, 3)
    words = network.tokenizer.convert_ids_to_tokens(question.inputs["input_ids"][0].tolist())
    assert words == ["[CLS]", "person", ".", "dining", "table", ".", "[SEP]"]
    assert question.spans == ((1, 2), (3, 5))
    assert question.serves.tolist() == [[True, False, False], [False, False, True]]
    many = questions.of_names(network, dict.fromkeys(range(30), "dining table"), 30)
    assert [len(q.spans) for q in many] == [10, 10, 10] and all(q.inputs["input_ids"].shape[1] <= 32 for q in many)
    assert sum(int(q.serves.sum()) for q in many) == 30


def test_an_answer_is_the_surest_of_its_tokens() -> None:
    serves = torch.tensor([[True, False], [False, True]])
    logits = torch.tensor([[[9.0, 1.0, 9.0, 2.0, 3.0, 9.0]]])
    assert hub_detector.Question(serves, {}, ((1, 2), (3, 5))).answers(logits).tolist() == [[[1.0, 3.0]]]


def test_outputs_of_no_object_are_out_before_a_softmax_and_no_object_is_not() -> None:
    serves = torch.tensor([[False], [True]])
    logits = torch.tensor([[[5.0, 1.0, 1.0]]])
    hidden = hub_detector.Question(serves, {}).answers(logits)
    assert hidden.softmax(-1).tolist() == [[[0.0, 0.5, 0.5]]]


def test_a_label_of_two_objects_gives_both_a_box() -> None:
    bikes = (Object("person", 1), Object("bicycle", 2), Object("cargo bike", 2))
    table = serving({0: "person", 1: "bicycle"}, bikes)
    assert table.tolist() == [[True, False, False], [False, True, True]]
    assert serving({0: "person", 1: "bicycle", 2: "cargo bike"}, bikes)[2].tolist() == [False, False, True]


def test_looking_with_dropout_changes_no_weight(tmp_path: Path) -> None:
    found = opened(labelled("rt_detr", LABELS, tmp_path))
    before = found.digest()
    found.detect([found.prepare(pictures()[0])], noisy=True)
    assert found.digest() == before, "nor a batch normalisation's statistics"


def test_images_without_masks_are_looked_at_with_those_of_their_size_alone() -> None:
    wide, high = ({"pixel_values": torch.zeros(1, 3, *shape)} for shape in ((4, 8), (8, 4)))
    assert hub_detector._groups([(wide, (8, 4)), (high, (4, 8)), (wide, (8, 4))]) == [[0, 2], [1]]
    masked = [({**one, "pixel_mask": torch.ones(1, 4, 8)}, (8, 4)) for one in (wide, high)]
    assert hub_detector._groups(masked) == [[0, 1]]


def test_the_surest_boxes_are_told() -> None:
    scores = torch.linspace(0, 1, MOST + 5)
    boxes, kept, _ = hub_detector._surest([(torch.zeros(MOST + 5, 4), scores, torch.zeros(MOST + 5, dtype=torch.long))])
    assert len(boxes) == MOST and kept.tolist() == scores[5:].tolist()


def test_what_is_no_detector_or_lacks_a_processor_is_named(tmp_path: Path) -> None:
    from transformers import BertConfig

    BertConfig().save_pretrained(tmp_path / "bert")
    with pytest.raises(ValueError, match="is a bert of transformers, which is no object detector"):
        hub_detector.read(str(tmp_path / "bert"))
    bare = labelled("rt_detr", LABELS, tmp_path / "bare", processor=False)
    with pytest.raises(ValueError, match=r"has no image processor.*preprocessor_config\.json"):
        hub_detector.read(str(bare))
    assert hub_detector.read(str(labelled("detr", LABELS, tmp_path / "detr", processor=False))).architecture == "detr"
    with pytest.raises(OSError, match="nowhere"):
        hub_detector.read(str(tmp_path / "nowhere"))


def test_a_pickle_is_not_loaded(tmp_path: Path) -> None:
    folder = labelled("yolos", LABELS, tmp_path)
    weights = folder / "model.safetensors"
    torch.save({}, folder / "pytorch_model.bin")
    weights.unlink()
    with pytest.raises(OSError, match="safetensors"):
        hub_detector.read(str(folder))
