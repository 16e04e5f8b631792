"""Which detector a bundle's model goes with."""

import pytest

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
