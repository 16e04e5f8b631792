"""Bundles that are shared: by a folder, and by the hub, whose library is asked for what the command promises."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.errors import ConfigError, DataError, ServiceError
from pipeline.predict import bundle as bundles
from pipeline.predict import sharing
from tests.pipeline.predict.bundles import bundle, header


@pytest.fixture
def file(tmp_path: Path) -> Path:
    bundles.write(tmp_path / "b.safetensors", bundle())
    return tmp_path / "b.safetensors"


def test_through_a_folder(file: Path, tmp_path: Path) -> None:
    assert sharing.push(file, f"{tmp_path}/shared") == str(tmp_path / "shared" / "bundle.safetensors")
    assert (tmp_path / "shared" / "README.md").read_text().startswith("# Zero-shot")
    sharing.pull(str(tmp_path / "shared"), tmp_path / "theirs.safetensors")
    assert bundles.read(tmp_path / "theirs.safetensors").header == header()
    assert (tmp_path / "theirs.md").read_text() == (tmp_path / "shared" / "README.md").read_text()


def test_what_is_not_whole_is_not_handed_on(file: Path, tmp_path: Path) -> None:
    """Of a bundle with another value the header can be read as before."""
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(DataError, match="its content is not what was written"):
        sharing.push(file, f"{tmp_path}/shared/")
    assert not (tmp_path / "shared").exists()


def test_what_is_not_whole_is_not_written(file: Path, tmp_path: Path) -> None:
    sharing.push(file, f"{tmp_path}/shared/")
    shared = tmp_path / "shared" / "bundle.safetensors"
    shared.write_bytes(shared.read_bytes()[:-4])
    with pytest.raises(DataError, match="is no whole bundle"):
        sharing.pull(f"{tmp_path}/shared", tmp_path / "theirs.safetensors")
    assert not (tmp_path / "theirs.safetensors").exists()
    with pytest.raises(DataError, match="is a file; expected a folder"):
        sharing.push(file, str(file))
    with pytest.raises(DataError, match="there is no such file"):
        sharing.pull(f"{tmp_path}/nothing", tmp_path / "theirs.safetensors")


def test_through_the_hub(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    class Api:
        def create_repo(self, name: str, **how: Any) -> None:
            asked.append((name, how))

        def upload_file(self, *, path_or_fileobj: Path, path_in_repo: str, repo_id: str) -> None:
            asked.append((path_in_repo, repo_id, Path(path_or_fileobj).stat().st_size > 100))

    def download(place: str, name: str, *, revision: str | None) -> str:
        asked.append((place, name, revision))
        if place == "no/body":
            raise OSError("404 Client Error\nfor url ...")
        return str(file)

    hub = SimpleNamespace(HfApi=Api, get_token=lambda: "token", hf_hub_download=download)
    monkeypatch.setattr(sharing, "_hub", lambda: hub)
    monkeypatch.chdir(tmp_path)
    assert sharing.push(file, "some/body") == "some/body on the hub"
    sharing.pull("some/body", tmp_path / "theirs.safetensors", revision="v1")
    assert asked == [
        ("some/body", {"exist_ok": True, "private": True}),
        ("bundle.safetensors", "some/body", True),
        ("README.md", "some/body", True),
        ("some/body", "bundle.safetensors", "v1"),
    ]
    with pytest.raises(ServiceError, match=r"no/body: the hub gave no bundle\.safetensors \(404 Client Error\)"):
        sharing.pull("no/body", tmp_path / "theirs.safetensors")
    hub.get_token = lambda: None
    with pytest.raises(ConfigError, match="nobody is logged in"):
        sharing.push(file, "some/body")
