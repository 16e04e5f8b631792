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
