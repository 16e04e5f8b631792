"""Names of files: a whole name decides, the last part alone only where it is nobody else's."""

import pytest

from pipeline.errors import DataError
from pipeline.outside.file_names import places

TWO = ["kitchen/1.jpg", "garden/1.jpg", "garden/2.jpg"]


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("garden/1.jpg", 1),
        ("garden\\1.jpg", 1),
        ("./kitchen/1.jpg", 0),
        ("/data/house/kitchen/1.jpg", 0),
        ("2.jpg", 2),
        ("elsewhere/2.jpg", 2),
        ("3.jpg", -1),
        ("", -1),
        (None, -1),
        (7, -1),
    ],
)
def test_the_known_name_whose_last_parts_agree_best_is_meant(name, place):
    assert places([name], TWO, table="d").tolist() == [place]


def test_all_are_found_in_the_order_given():
    assert places([*reversed(TWO), "3.jpg"], TWO, table="d").tolist() == [2, 1, 0, -1]
    assert places(["1.jpg"], ["1.jpg", "garden/1.jpg"], table="d").tolist() == [0]
    assert places([], TWO, table="d").tolist() == []


@pytest.mark.parametrize("name", ["1.jpg", "attic/1.jpg"])
def test_a_name_that_may_be_either_is_an_error_with_both(name):
    with pytest.raises(DataError, match=rf"d: '{name}' may be 'kitchen/1.jpg' or 'garden/1.jpg'"):
        places([name], TWO, table="d")


def test_two_files_are_never_taken_for_one():
    with pytest.raises(DataError, match=r"d: 'garden/2.jpg' and 'cellar/2.jpg' would both be 'garden/2.jpg'"):
        places(["garden/2.jpg", "cellar/2.jpg"], TWO, table="d")
    assert places(["garden/2.jpg", "2.jpg", "C:\\x\\garden\\2.jpg"], TWO, table="d").tolist() == [2, 2, 2]
