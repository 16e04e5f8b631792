"""Which file an annotation means: addresses of Label Studio, names of other machines, spellings of uploads."""

from __future__ import annotations

import base64
import unicodedata
from pathlib import Path

import pytest

from pipeline.datasets.own.addresses import file_name
from pipeline.datasets.own.pictures import Pictures, plain, uploaded_name

FILES = ("garden/bed.jpg", "yard/bed.jpg", "street/bike (3) #2 & co,é.jpg", "frames/frame_000012.png", "Odd.JPG")


def pictures(*names: str) -> Pictures:
    return Pictures(Path("nowhere"), dict.fromkeys(names or FILES, 1))


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("/data/local-files/?d=street/bike%2003.jpg", ("street/bike 03.jpg", False)),
        ("http://host:8080/data/local-files/?d=a%2Fb.jpg", ("a/b.jpg", False)),
        ("/data/upload/12/5f3c9a1e-bike_03.jpg", ("5f3c9a1e-bike_03.jpg", True)),
        ("/data/upload/5f3c9a1e-g%C3%A4nse.png", ("5f3c9a1e-gänse.png", True)),
        ("s3://bucket/a b/c%20d.jpg", ("a b/c%20d.jpg", False)),
        ("gs://bucket/c.jpg", ("c.jpg", False)),
        ("https://host/a%20b/c.jpg?X-Amz-Expires=3600", ("/a b/c.jpg", False)),
        ("/tasks/3/resolve/?fileuri=" + base64.b64encode(b"s3://bucket/x/y.jpg").decode(), ("x/y.jpg", False)),
        ("/tasks/3/resolve/?fileuri=%00", ("", False)),
        ("plain name.jpg", ("plain name.jpg", False)),
    ],
)
def test_addresses_of_label_studio(address: str, name: tuple[str, bool]) -> None:
    assert file_name(address) == name


def test_an_address_that_names_itself_comes_to_an_end() -> None:
    inner = "/tasks/1/resolve/?fileuri=" + base64.b64encode(b"/tasks/1/resolve/?fileuri=x").decode()
    assert file_name(inner)[1] is False


def test_the_longest_end_of_a_name_decides() -> None:
    found = pictures()
    assert found.find("garden/bed.jpg").file == "garden/bed.jpg"
    assert found.find(plain("C:\\my\\pictures\\yard\\bed.jpg")).file == "yard/bed.jpg"
    both = found.find("bed.jpg")
    assert both.file is None and set(both.candidates) == {"garden/bed.jpg", "yard/bed.jpg"}
    assert found.find("street/bed.jpg").file is None, "another folder is another picture"
    assert found.find("odd.jpg").file == "Odd.JPG" and found.find("odd.jpg").by_case
    assert found.find("frame_000012").file == "frames/frame_000012.png"


def test_uploads_are_found_under_the_spelling_of_the_tool() -> None:
    assert uploaded_name("bike (3) #2 & co,é.jpg") == "bike_3_2__coé.jpg"
    found = pictures().find("5f3c9a1e-bike_3_2__coé.jpg", uploaded=True)
    assert found.file == "street/bike (3) #2 & co,é.jpg"
    assert pictures().find("5f3c9a1e-bed.jpg", uploaded=True).file is None, "two files are called so"


def test_letters_with_accents_are_one_however_they_are_written() -> None:
    apart = unicodedata.normalize("NFD", "gänse.png")
    assert pictures(apart).find(plain("gänse.png")).file == apart
    assert pictures("gänse.png").find(plain(apart)).file == "gänse.png"


@pytest.mark.parametrize(
    ("written", "name"),
    [("../../a/./b.jpg", "a/b.jpg"), ("D:/x/y.png", "x/y.png"), ("\\\\share\\z.gif", "share/z.gif"), ("..", "")],
)
def test_nothing_leads_out_of_the_folder(written: str, name: str) -> None:
    assert plain(written) == name
