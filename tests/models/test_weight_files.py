"""Files of weights from elsewhere, as far as the tests of what reads them do not go."""

import zipfile
from pathlib import Path

import pytest
import torch

from models import weight_files


def test_a_file_that_unpacks_to_many_times_its_size_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch packs no tensors; who does means to fill the memory."""
    monkeypatch.setattr(weight_files, "SLACK", 4096)
    plain, packed = tmp_path / "plain.pt", tmp_path / "packed.pt"
    torch.save({"a": torch.zeros(1 << 16)}, plain)
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            target.writestr(name, source.read(name))
    assert weight_files.content(plain)["a"].shape == (1 << 16,)
    with pytest.raises(ValueError, match=r"packed\.pt: its [\d,]+ bytes unpack to 26\d,\d+"):
        weight_files.content(packed)


def test_a_zip_of_a_version_that_is_not_known_is_one_error(tmp_path: Path) -> None:
    """The version stands at byte 6 of each entry of the central directory, which begins with PK 1 2."""
    path = tmp_path / "weights.pt"
    torch.save({"a": torch.ones(8)}, path)
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 6] = 201
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"weights\.pt: cannot be read as a PyTorch checkpoint"):
        weight_files.content(path)


def test_floats_of_eight_bits_are_looked_at_too() -> None:
    one = torch.tensor([1.0, 2.0])
    assert weight_files.broken({"a": one, "b": one.to(torch.float8_e4m3fn)}) is None
    assert weight_files.broken({"a": one, "b": torch.tensor([1.0, torch.nan]).to(torch.float8_e5m2)}) == "b"
