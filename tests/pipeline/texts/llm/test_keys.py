from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.config.language import LlmRuntime
from pipeline.errors import ServiceError
from pipeline.machine.home import write_secret
from pipeline.texts.llm.keys import api_key, key_file


@pytest.fixture(autouse=True)
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`ezhoi llm serve` runs on port 8123."""
    monkeypatch.setenv("EZHOI_HOME", str(tmp_path))
    monkeypatch.delenv("EZHOI_LLM_API_KEY", raising=False)
    write_secret(key_file(8123), "ezhoi-key\n")


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("http://127.0.0.1:8123/v1", "ezhoi-key"),
        ("http://localhost:8123/v1/", "ezhoi-key"),
        ("http://127.0.0.1:8124/v1", ""),
        ("http://127.0.0.1/v1", ""),
        ("https://127.0.0.1:8123/v1", ""),
        ("http://example.org:8123/v1", ""),
        ("http://127.0.0.1.example.org:8123/v1", ""),
        ("http://127.0.0.1@example.org:8123/v1", ""),
    ],
)
def test_the_key_goes_to_its_server_alone(url: str, key: str) -> None:
    assert api_key(LlmRuntime(base_url=url)) == key


def test_a_key_that_is_given_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EZHOI_LLM_API_KEY", "given")
    monkeypatch.setenv("OTHER", "other")
    runtime = LlmRuntime(base_url="http://127.0.0.1:8123/v1")
    assert api_key(runtime) == "given"
    assert api_key(LlmRuntime(base_url="http://127.0.0.1:8123/v1", api_key_env="OTHER")) == "other"


def test_a_key_that_others_can_read_is_no_key(tmp_path: Path) -> None:
    key_file(8123).chmod(0o644)
    with pytest.raises(ServiceError, match="others may know"):
        api_key(LlmRuntime(base_url="http://127.0.0.1:8123/v1"))
