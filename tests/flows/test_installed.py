"""The package as others get it: a wheel in an environment of its own, used from any folder, without this checkout."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import prefect
import pytest
import yaml
from served_prefect import database

from flows.server import local
from pipeline.engine.graph import NAMES
from pipeline.machine import home

PACKAGES = Path(prefect.__file__).parents[1]
"""Where the dependencies are installed that the wheel's own environment uses too."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built wheel. It is built from a copy, since setuptools leaves its folder `build` behind."""
    folder = tmp_path_factory.mktemp("wheel")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=local.ROOT, capture_output=True, text=True, check=True)
    for name in filter(None, listed.stdout.split("\0")):
        if name.startswith(("flows/", "models/", "pipeline/")) or "/" not in name:
            copy, original = folder / "source" / name, local.ROOT / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            if original.is_symlink():
                copy.symlink_to(original.readlink())
            elif original.is_file():
                copy.write_bytes(original.read_bytes())
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir"]
    subprocess.run([*build, str(folder), str(folder / "source")], check=True)
    (found,) = folder.glob("ezhoi-*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The environment's `bin`: the wheel without its dependencies, over those of the tests."""
    folder = tmp_path_factory.mktemp("installed")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(f"{PACKAGES}\n")
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python")]
    subprocess.run([*pip, "install", "--quiet", "--no-deps", "--no-index", str(wheel)], check=True)
    return folder / "bin"


@pytest.mark.slow
def test_the_wheel_has_what_is_no_code(wheel: Path) -> None:
    held = set(zipfile.ZipFile(wheel).namelist())
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=local.ROOT, capture_output=True, text=True, check=True)
    ours = {name for name in listed.stdout.split("\0") if name.startswith(("flows/", "models/", "pipeline/"))}
    assert ours - held == set()


@pytest.mark.slow
def test_an_installed_package_works_from_any_folder(installed: Path, fake: Any, tmp_path: Path) -> None:
    user, here = tmp_path / "user", tmp_path / "here"
    here.mkdir()
    environment = fake.environment(HOME=str(user))
    database(user / ".ezhoi" / "prefect", local.server_environment(user / ".ezhoi", 0))
    settings = [word for setting in fake.settings for word in ("--set", setting)]

    def ezhoi(*words: str) -> str:
        done = subprocess.run(
            [str(installed / "ezhoi"), *words], env=environment, cwd=here, capture_output=True, text=True, timeout=400
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout + done.stderr

    whose = "import flows, sys; print(flows.__file__)"
    origin = subprocess.run(
        [installed / "python", "-c", whose], env=environment, cwd=here, capture_output=True, text=True
    )
    assert origin.stdout.startswith(str(installed.parent)), "the tests' own checkout was imported"
    before = _files(installed.parent)
    assert " computed; store " in ezhoi("run", *settings[2:], "--target", "descriptions")
    assert (here / "artifacts" / "descriptions").is_dir(), "without a setting the store lies where one is"
    try:
        assert "server   http://127.0.0.1:" in (said := ezhoi("up"))
        assert "deployed" in ezhoi("deploy")
        launched = ezhoi("launch", *settings)
        assert "deploying" not in launched and f"{len(NAMES)} stages: {len(NAMES)} computed" in launched
        assert f"export PREFECT_PROFILES_PATH={user}/.ezhoi/prefect/profiles.toml" in said
        assert "by themselves" not in said, "there is no checkout"
        # As the form in the browser does, which says nothing of the store: not into the environment.
        state = local.read(user / ".ezhoi")
        found = state.api.get("/deployments/name/ezhoi/full")
        assert str(installed.parent) in found["entrypoint"]
        assert found["pull_steps"] == [
            {"prefect.deployments.steps.set_working_directory": {"directory": str(user / ".ezhoi")}}
        ]
    finally:
        ezhoi("down")
    assert _files(installed.parent) == before, "something was written into the environment"


def _files(environment: Path) -> set[Path]:
    """Its files, but for what Python compiles."""
    return {path for path in environment.rglob("*") if path.is_file() and path.suffix != ".pyc"}


def test_declarations_of_an_installed_package_name_whole_paths(tmp_path: Path) -> None:
    from flows.server import deployment

    deployment.write_declarations(tmp_path)
    tree = yaml.safe_load((tmp_path / "prefect.yaml").read_text())
    for declared in tree["deployments"]:
        path, _, flow = declared["entrypoint"].partition(":")
        assert Path(path).is_absolute() and Path(path).is_file() and flow
    deployment.write_declarations(local.ROOT)
    assert "entrypoint: flows/" in (local.ROOT / "prefect.yaml").read_text()


def test_homes_of_a_checkout_and_of_a_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EZHOI_HOME", raising=False)
    assert home.home() == local.ROOT / ".ezhoi" and home.workplace() == local.ROOT
    monkeypatch.setattr(home, "ROOT", tmp_path / "site-packages")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert home.home() == home.workplace() == tmp_path / ".ezhoi"
    monkeypatch.setenv("EZHOI_HOME", str(tmp_path / "mine"))
    assert home.home() == home.workplace() == tmp_path / "mine"
