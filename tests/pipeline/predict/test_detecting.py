"""Which detector a bundle's model goes with, and which pictures a detector looks at together."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from PIL import Image

from pipeline.errors import DataError
from pipeline.predict import detecting
from pipeline.predict.bundle import Detector
from tests.pipeline.predict.bundles import header


def test_a_bundle_goes_with_the_detector_that_it_was_evaluated_with() -> None:
    whose = Detector(source="hub", name="PekingU/rtdetr_r50vd", revision="abc", digest="1", trained_on="COCO")
    assert detecting.of_bundle(header(detector=whose)) == ("PekingU/rtdetr_r50vd", "abc")
    assert detecting.of_bundle(header(detector=whose, dataset="hico")) == ("PekingU/rtdetr_r50vd", "abc")


def test_a_model_of_drawings_goes_with_the_projects_own_detector() -> None:
    assert detecting.of_bundle(header()) == ("tiny", None)


def test_of_any_other_model_somebody_has_to_say_where_the_objects_are() -> None:
    with pytest.raises(DataError, match="say where the objects are: --boxes FILE"):
        detecting.of_bundle(header(dataset="hico"))


def test_like_shapes_go_together() -> None:
    assert detecting.alike([1.5, 0.5, 1.4, 1.6, 0.52, 2.0]) == [[1, 4], [2, 0], [3], [5]]
    assert detecting.alike([]) == []


def test_everybody_gets_his_own_boxes() -> None:
    class Wide:
        identity: Any = None

        def detect(self, pictures: Sequence[Image.Image]) -> list[Any]:
            asked.append(len(pictures))
            edges = [torch.tensor([[0.0, 0.0, picture.width, picture.height]]) for picture in pictures]
            return [(corners, torch.ones(1), torch.zeros(1).long()) for corners in edges]

    asked: list[int] = []
    sizes = [(30, 20), (10, 20), (31, 20), (11, 20)]
    found = detecting.ConfiguredDetector(Wide()).detect([Image.new("RGB", size) for size in sizes])  # type: ignore[arg-type]
    assert [tuple(boxes.corners[0, 2:].tolist()) for boxes in found] == sizes and asked == [2, 2]
