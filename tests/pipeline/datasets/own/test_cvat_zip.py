"""What is packed: whatever is wrong with a zip of CVAT's ends in an error that names the file."""

import zipfile
from pathlib import Path

import pytest

from pipeline.datasets.own import annotated
from pipeline.errors import DataError

DATA = Path(__file__).parent / "data"
GOOD = DATA / "cvat-images/good/annotations.xml"


def packed(path: Path, content: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("annotations.xml", content)
    return path


def test_a_zip_tells_what_its_file_tells(tmp_path: Path) -> None:
    found = annotated.read(packed(tmp_path / "task.zip", GOOD.read_bytes()), vocabulary=DATA / "vocabulary.yaml")
    alone = annotated.read(GOOD, vocabulary=DATA / "vocabulary.yaml")
    assert len(alone.rows.images) and found.rows.images["file_name"].tolist() == alone.rows.images["file_name"].tolist()


@pytest.mark.parametrize("place", range(0, 400, 7))
def test_a_zip_with_a_broken_byte_is_an_error_or_reads_as_before(tmp_path: Path, place: int) -> None:
    path = packed(tmp_path / "task.zip", GOOD.read_bytes())
    content = bytearray(path.read_bytes())
    content[place % len(content)] ^= 0xFF
    path.write_bytes(content)
    try:
        annotated.read(path, vocabulary=DATA / "vocabulary.yaml")
    except DataError as error:
        assert str(path) in str(error)


def test_annotations_in_another_encoding_are_refused(tmp_path: Path) -> None:
    path = packed(tmp_path / "task.zip", "<annotations><!-- caf\xe9 --></annotations>".encode("latin-1"))
    with pytest.raises(DataError, match=r"annotations\.xml is not UTF-8"):
        annotated.read(path, vocabulary=DATA / "vocabulary.yaml")


def test_a_zip_that_was_cut_is_refused(tmp_path: Path) -> None:
    path = packed(tmp_path / "task.zip", GOOD.read_bytes())
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DataError, match=r"task\.zip"):
        annotated.read(path, vocabulary=DATA / "vocabulary.yaml")
