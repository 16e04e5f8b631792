"""Keys and passwords are in no message, whoever writes it."""

import logging
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from flows.cli import app, checks
from pipeline.config.language import Llm
from pipeline.config.loading import load
from pipeline.errors import ConfigError, EzhoiError, ServiceError
from pipeline.outside.addresses import shown_address
from pipeline.texts.llm.client import Client, served_names
from pipeline.texts.llm.proxy import is_loopback, proxy_of
from pipeline.texts.llm.secrets import Secrets, is_address, key_of, shown_name, without_user

KEY = "made-up-secret-123"


def configured(url: str = "http://127.0.0.1:9/v1", **runtime: str) -> Llm:
    settings = [f"llm.runtime.{key}={value}" for key, value in runtime.items()]
    quick = ["llm.runtime.retries=1", "llm.runtime.patience_s=0.1", "llm.model=tiny-describer"]
    return load(overrides=[f"llm.runtime.base_url={url}", *quick, *settings], environment={}).llm


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize("around", ["{}\n", " {}", "{}\r\n"])
def test_white_space_around_a_key_is_no_part_of_it(
    around: str, language_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    language_server.key = KEY
    monkeypatch.setenv("EZHOI_LLM_API_KEY", around.format(KEY))
    assert served_names(configured(language_server.url)) == ["tiny-describer"]


@pytest.mark.parametrize("key", ["made-up\nsecret-123", "made up", "made-üp-secret", "made\x00up"])
def test_what_cannot_be_a_key_is_one_error_without_it(key: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        if "\x00" in key:  # no environment has it, but a file read into one may
            patch.setattr("pipeline.texts.llm.secrets.os.environ", {"EZHOI_LLM_API_KEY": key})
        else:
            patch.setenv("EZHOI_LLM_API_KEY", key)
        with pytest.raises(ServiceError, match=r"EZHOI_LLM_API_KEY .*holds something that cannot be a key") as caught:
            key_of(configured())
        assert key not in str(caught.value) and "made" not in str(caught.value)


def test_every_form_of_a_secret_is_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EZHOI_LLM_API_KEY", "made+up/secret\n")
    monkeypatch.setenv("https_proxy", "http://me:proxy-word@proxy:1")
    hide = Secrets.of(configured("http://user:pass%40word@host/v1", api_key_env="EZHOI_LLM_API_KEY")).hide
    for text in (
        "made+up/secret",
        "made%2Bup%2Fsecret",
        "b'made+up/secret\\n'",
        "pass%40word",
        "pass@word",
        "proxy-word",
    ):
        assert hide(f"before {text} after").startswith("before ") and text not in hide(f"before {text} after")
    assert hide("http://host/v1 says no") == "http://host/v1 says no"


def test_addresses_are_shown_without_what_is_secret_in_them() -> None:
    assert shown_address("http://me:pw@host:8/v1?api_key=x&a=1") == "http://***@host:8/v1?api_key=***&a=1"
    assert shown_address("http://p@ss@host/v1") == "http://***@host/v1"
    assert shown_address("http://host:8/v1") == "http://host:8/v1"


def test_user_and_password_of_an_address_are_sent_as_a_header() -> None:
    assert without_user("http://me:p%40ss@host:8/v1") == ("http://host:8/v1", {"Authorization": "Basic bWU6cEBzcw=="})
    assert without_user("http://host/v1?a=b@c") == ("http://host/v1?a=b@c", {})


def test_a_key_in_the_place_of_its_variables_name(
    language_server: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    language_server.key = "another"
    for key in (KEY, "sk_abc123", "AKIA5EXAMPLE77"):
        assert shown_name(key) == "***"
        with pytest.raises(ServiceError, match="refuses the key") as caught:
            served_names(configured(language_server.url, api_key_env=key))
        assert key not in str(caught.value) + caplog.text and "name of the variable" in str(caught.value)
    monkeypatch.setenv("my_key", "x")
    assert [shown_name(n) for n in ("EZHOI_LLM_API_KEY", "my_key", "KEY")] == ["EZHOI_LLM_API_KEY", "my_key", "KEY"]


def test_no_output_has_a_secret(
    language_server: Any, fake: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    language_server.key = "another"
    monkeypatch.setenv("EZHOI_LLM_API_KEY", f"{KEY}\n")
    address = language_server.url.replace("//", "//someone:pass-word-9@")
    with pytest.raises(ConfigError, match=r"base_url.*http://\*\*\*@") as refused:
        fake.config("llm.runtime.base_url=http://someone:pass-word-9@[::bad/v1")
    assert "pass-word-9" not in str(refused.value)
    for url in (address, "http://someone:pass-word-9@127.0.0.1:9/v1"):
        settings = [f"llm.runtime.base_url={url}", "llm.runtime.retries=1", "llm.runtime.patience_s=0.1"]
        (finding,) = checks.language_model(fake.config("descriptions.source=llm", *settings))
        assert finding.level == "bad"
        words = ["llm", "check", *(word for setting in settings for word in ("--set", setting))]
        check = CliRunner().invoke(app.app, words)
        assert isinstance(check.exception, EzhoiError)
        shown = CliRunner().invoke(app.app, ["config", "show", *words[2:]])
        assert shown.exit_code == 0
        said = str(finding) + check.output + str(check.exception) + shown.output + caplog.text
        assert KEY not in said and "pass-word-9" not in said


@pytest.mark.parametrize(
    "url", ["", "nonsense", "127.0.0.1:8000/v1", "http://", "http://host:99999/v1", "ftp://host/v1"]
)
def test_what_is_no_address_is_one_error(url: str) -> None:
    assert not is_address(url)
    with pytest.raises(ServiceError, match=r"llm\.runtime\.base_url = .* is no server's address"):
        Client(configured().model_copy(update={"runtime": configured().runtime.model_copy(update={"base_url": url})}))


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST.", "a.localhost", "127.0.0.1", "127.1", "127.8.9.1", "::1", "0.0.0.0", "::ffff:127.0.0.1"],
)
def test_this_machine_is_asked_directly(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy:1")
    monkeypatch.setenv("ALL_PROXY", "socks5://proxy:1")
    assert is_loopback(host) and proxy_of(f"http://{f'[{host}]' if ':' in host else host}:8000/v1") is None


def test_other_servers_are_asked_through_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "proxy:1")
    monkeypatch.setenv("all_proxy", "http://other:2")
    monkeypatch.setenv("no_proxy", "inside.example,10.0.0.7:8000")
    assert proxy_of("http://host/v1") == "http://proxy:1" and proxy_of("https://host/v1") == "http://other:2"
    assert proxy_of("http://a.inside.example/v1") is None and proxy_of("http://10.0.0.7:8000/v1") is None
    assert not is_loopback("host") and not is_loopback("128.0.0.1") and not is_loopback("127.evil.org")


def test_a_proxy_before_a_local_server_is_not_asked(language_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1")
    assert served_names(configured(language_server.url)) == ["tiny-describer"]


@pytest.mark.parametrize("proxy", ["socks5://me:pass-word-9@proxy:1080", "nonsense://me:pass-word-9@proxy"])
def test_a_proxy_that_cannot_be_used_is_one_message(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("all_proxy", proxy)
    with pytest.raises(ServiceError, match=r"the proxy \w+://\*\*\*@proxy.* cannot be used: .*NO_PROXY") as caught:
        served_names(configured("http://host.invalid/v1"))
    assert "pass-word-9" not in str(caught.value)


def test_a_proxy_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with pytest.raises(
        ServiceError, match=r"host\.invalid/v1 cannot be reached .*through the proxy http://127\.0\.0\.1:1"
    ):
        served_names(configured("http://host.invalid/v1"))


def test_the_journal_is_without_them(language_server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server may send the key back, and a journal is shared."""
    from pipeline.config.sources import template as source
    from pipeline.datasets.hico.vocabulary import HICO
    from pipeline.texts.llm.ask import Question, ask_all
    from pipeline.texts.llm.journal import Journal
    from pipeline.texts.llm.templates import template

    monkeypatch.setenv("EZHOI_LLM_API_KEY", KEY)
    language_server.faults[""] = [f'status:500:{{"error": {{"message": "bad key {KEY}"}}}}']
    wording = template(source("describe-v1"), "describe", key="x")
    question = Question(
        name="ride horse", rendered=wording.render(HICO.find("ride horse")), about=HICO.find("ride horse")
    )
    with Journal(tmp_path / "j") as journal, pytest.raises(ServiceError, match=r"bad key \*\*\*"):
        ask_all(
            [question], template=wording, llm=configured(language_server.url), journal=journal, progress=lambda *_: None
        )
    assert KEY not in (tmp_path / "j").read_text()
