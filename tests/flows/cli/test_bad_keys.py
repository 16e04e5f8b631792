"""Every key of the configuration is given bad values of every kind: it takes them, or says in one message what it wants."""

from __future__ import annotations

from pathlib import Path

import pytest
from bad_input import NUMBERS, TEXTS, call, clean
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.config.tree import key_names

VALUES = (*TEXTS, *NUMBERS)
EACH = 5
"""Values that each key is given; over all keys, each value comes at ten or more."""


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working directory and a home of the test's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("EZHOI_HOME", str(tmp_path / "ezhoi"))


@pytest.mark.parametrize(("place", "key"), list(enumerate(key_names())), ids=key_names())
def test_a_key_takes_a_value_or_says_what_it_wants(place: int, key: str) -> None:
    for number in range(EACH):
        value = VALUES[(place * EACH + number) % len(VALUES)]
        ended = call("config", "show", "--set", f"{key}={value}")
        if says := clean(ended):
            assert key.rpartition(".")[2] in says, says


def test_a_value_is_given_to_ten_keys_or_more() -> None:
    assert len(key_names()) * EACH // len(VALUES) >= 10


ODD = st.text(max_size=40) | st.text("0123456789.eE+-_[]{}:,'\"~#&*!|>%@` \t\n\\", max_size=30)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.sampled_from(key_names()), ODD)
def test_whatever_a_key_is_given(key: str, value: str) -> None:
    clean(call("config", "show", "--set", f"{key}={value}"))


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.text(max_size=30), ODD)
def test_whatever_is_given_as_a_key(key: str, value: str) -> None:
    assert clean(call("config", "show", "--set", f"{key}={value}"))


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("seen.optimiser.lr=.inf", "seen.optimiser.lr"),
        ("model.heads=7", "model.heads = 7 do not divide model.bottleneck = 64"),
        ("model.bottleneck=1", "model.heads = 2 do not divide model.bottleneck = 1"),
        ("device=mps", "expected 'auto', 'cpu', 'cuda' or 'cuda:N'"),
        ("device=meta", "expected 'auto', 'cpu', 'cuda' or 'cuda:N'"),
        ("llm.runtime.base_url=http://127.0.0.1:99999/v1", "llm.runtime.base_url"),
        ("llm.runtime.base_url=", "is empty"),
        ("llm.runtime.base_url=nonsense", "expected an address such as http"),
        (f"seed={2**63}", "'seed': is larger than any whole number here can be"),
        ("data.root=caf\udce9", "'data.root': is not UTF-8; rename the file or folder"),
        ("data.root=~nobody-at-all/x", "no user has the home folder"),
        ("data.root=a\0b", "a path has no NUL"),
        (f"clip.weights=/{'x' * 300}", "'clip.weights': is too long for a name in a file system"),
        (f"descriptions.template={'x' * 300}", "'descriptions.template': is too long for a name in a file system"),
    ],
)
def test_what_was_a_traceback_is_a_message(value: str, says: str) -> None:
    ended = call("config", "show", "--set", value)
    assert ended.code == 1 and says in clean(ended)
