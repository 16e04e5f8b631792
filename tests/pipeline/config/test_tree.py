import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from bad_config import message_of
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from pipeline.config.keys import keys
from pipeline.config.loading import load
from pipeline.config.sources import Source
from pipeline.config.tree import Config, key_names
from pipeline.engine.graph import STAGES, stage
from pipeline.errors import ConfigError

TRAINING = {"checkpoint_every": "7", "loaders": "0", "deterministic": "true"}
RUNTIME = {
    "images": {"workers": "2", "helpers": "0", "readers": "1"},
    "llm": {
        "base_url": "http://other/v1",
        "api_key_env": "OTHER",
        "concurrency": "1",
        "timeout_s": "1",
        "retries": "1",
        "patience_s": "1",
        "deadline_s": "1",
    },
    "seen": TRAINING
    | {"accumulate": "2", "processes": "2", "apart": "true"}
    | {"machines": "2", "machine": "0", "rendezvous": "first:29500", "patience_s": "1"},
    "utpl": TRAINING,
    "heads": TRAINING,
}
"""Every runtime key with another value than its default."""


def test_the_tree_is_frozen() -> None:
    with pytest.raises(ValidationError):
        load(environment={}).seed = 3  # type: ignore[misc]


def test_subset_leaves_runtime_out() -> None:
    subset = load(environment={}).subset(["seen", "llm.model", "seed"])
    assert set(subset) == {"seen", "llm.model", "seed"}
    assert isinstance(subset["seen"], dict) and "runtime" not in subset["seen"]


def test_keys_are_all_settable() -> None:
    assert "seen.optimiser.lr" in key_names() and "seen" not in key_names()


def fields(section: type[BaseModel] = Config, prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Every key of the tree with its declaration."""
    for name, field in section.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from fields(field.annotation, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", field


def keys_of(*kinds: object) -> list[str]:
    """The keys that hold a value of one of the kinds, or nothing."""
    return [key for key, field in fields() if set(kinds) & {field.annotation, *get_args(field.annotation)}]


@pytest.mark.parametrize("key", keys_of(float))
def test_no_number_is_infinite_or_nan(key: str) -> None:
    for value in (".inf", "-.inf", ".nan", "1e999", "inf", "nan"):
        assert key in message_of(f"{key}={value}")


@pytest.mark.parametrize("key", keys_of(int, float))
def test_no_truth_is_a_number(key: str) -> None:
    for value in ("true", "no"):
        assert key in message_of(f"{key}={value}")


@pytest.mark.parametrize("key", [key for key in key_names() if key != "profile"])
def test_an_empty_value_is_an_error_whatever_the_key(key: str) -> None:
    for value in ("", "  ", '""'):
        assert f"{key}'" in message_of(f"{key}={value}")
    assert f"{key}'" in message_of(environment={"EZHOI__" + key.upper().replace(".", "__"): ""})


@pytest.mark.parametrize("key", keys_of(Path, Source))
def test_the_home_folder_is_written_as_a_tilde_in_every_path(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a key is a name or a path; other texts have no '~' in them, or are no paths."""
    monkeypatch.setenv("HOME", "/home/somebody")
    besides = {"clip.weights": ["clip.architecture=ViT-B-16"], "disparities.template": ["disparities.source=llm"]}
    config: Any = load(overrides=[f"{key}=~/a b #2/x.pt", *besides.get(key, [])], environment={})
    for part in key.split("."):
        config = getattr(config, part)
    assert str(config) == "/home/somebody/a b #2/x.pt"


def test_the_default_cache_is_in_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    assert load(environment={}).store.cache == Path("/home/somebody/.cache/ezhoi")


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp", "Zs"]), min_size=1, max_size=8))
def test_a_path_is_never_cut_nor_changed(name: str) -> None:
    assert load(overrides=[f"store.root=/x/a {name} # {name}"], environment={}).store.root == Path(
        f"/x/a {name} # {name}"
    )
    assert load(
        overrides=[f'store.root="/x/{json.dumps(name, ensure_ascii=False)[1:-1]}"'], environment={}
    ).store.root == Path(f"/x/{name}")


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ("file:///x/y", Path("/x/y")),
        ("file://localhost/x", Path("/x")),
        ("file:///a%20b", Path("/a b")),
        ("s3://bucket/x", "s3://bucket/x"),
        ("/x/run #2", Path("/x/run #2")),
        ("010", Path("010")),
        ("2024-01-01", Path("2024-01-01")),
        ("a: b", Path("a: b")),
        ("[x", Path("[x")),
        ("&x", Path("&x")),
    ],
)
def test_a_store_is_a_folder_or_an_address(given: str, place: Path | str) -> None:
    assert load(overrides=[f"store.root={given}"], environment={}).store.root == place


def test_a_store_among_pictures_of_ones_own_is_refused(tmp_path: Path) -> None:
    """By any name of the folders; in a folder of HICO-DET, of which a few files count, it does no harm."""
    (tmp_path / "pictures").mkdir()
    (tmp_path / "linked").symlink_to(tmp_path / "pictures")
    own = ("data.source=own", f"data.root={tmp_path / 'pictures'}")
    for store in ("pictures/store", "pictures", "linked/a/b"):
        message = message_of(*own, f"store.root={tmp_path / store}")
        assert "choose a store outside of it" in message and "data.root" in message
    for store in (str(tmp_path), str(tmp_path / "pictures2"), "s3://bucket/x"):
        load(overrides=[*own, f"store.root={store}"], environment={})
    load(overrides=["data.source=hico", own[1], f"store.root={tmp_path / 'pictures/store'}"], environment={})


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("store.root=s3:/bucket/x", "write s3://bucket/x"),
        ("store.root=s3://", "expected a bucket"),
        (
            "store.root=null",
            "expected a folder or an address; a folder whose name YAML reads otherwise is written ./NAME, got null",
        ),
        (
            "store.root=~",
            "expected a folder or an address; a folder whose name YAML reads otherwise is written ./NAME, got null",
        ),
        ("store.root=1e3", "expected a folder or an address"),
        ("store.root=[a]", "expected a folder or an address"),
        ("store.root=gs:/x", "write gs://x"),
        ("store.root=file://other/x", "a folder of this machine"),
        ("store.root=~nobody-of-that-name/x", "no user has the home folder"),
        ("data.root=s3://bucket/x", "data.root"),
        ("data.root=s3:/bucket/x", "data.root"),
        ("seed=0x10", "seed"),
        ("seed=1:30", "seed"),
        ("seed=3 # three", "seed"),
        ("seed=1.5", "seed"),
        ("seed=" + "9" * 5000, "seed"),
        ("device=cuda:x", "expected 'auto', 'cpu', 'cuda' or 'cuda:N'"),
        ("device=mps", "expected 'auto'"),
        ("device=meta", "expected 'auto'"),
        ("llm.runtime.base_url=http://127.0.0.1:99999/v1", "port"),
        ("llm.runtime.base_url=127.0.0.1:8000", "expected an address"),
        ("llm.runtime.base_url=http:///v1", "expected an address"),
        ("model.heads=7", "model.heads = 7 do not divide model.bottleneck = 64"),
        ("model.bottleneck=1", "model.heads = 2"),
        ("pairing.min_instances=16", "pairing.max_instances = 15"),
        ("clip.architecture=ViT-XXL", "set clip.weights too"),
        ("clip.weights=openai", "set clip.architecture"),
        ("clip.std=[0, 1, 1]", "clip.std"),
    ],
)
def test_what_contradicts_itself_or_means_nothing_is_an_error(override: str, words: str) -> None:
    message = message_of(override)
    assert words in message and len(message) < 500


def test_pairs_of_keys_that_contradict() -> None:
    assert "near: ViT-B-16" in message_of("clip.architecture=ViT-B16", "clip.weights=openai")
    assert "clip.tokens = cls" in message_of("model.preset=released", "clip.tokens=cls")
    assert "has no place for them" in message_of("model.preset=released", "data.classes=more.yaml")
    assert "seen.joint has no place for them" in message_of("seen.joint=true", "data.classes=more.yaml")
    assert "seen.joint" in message_of("model.preset=released", "seen.joint=true")
    for training in ("seen", "utpl"):
        assert "consistency_weight holds" in message_of("model.preset=released", f"{training}.consistency_weight=1")


def test_off_is_a_word_and_false_a_truth() -> None:
    assert load(overrides=["evaluation.untrained=off"], environment={}).evaluation.untrained == "off"
    assert not load(overrides=["seen.joint=False"], environment={}).seen.joint


def test_unreadable_is_no_runtime_key_and_its_former_name_is_taken_for_it() -> None:
    """What is left out changes what is made: so it enters the fingerprints of the stages that open images."""
    new, former = (
        load(overrides=[f"images.{key}=skip", "detections.source=hub"], environment={})
        for key in ("unreadable", "runtime.unreadable")
    )
    assert new == former and new.images.unreadable == "skip"
    usual = load(overrides=["detections.source=hub"], environment={})
    changed = {s.name for s in STAGES if s.config_subset(new) != s.config_subset(usual)}
    assert changed == {"detections", "image_embeddings", "untrained", "pair_features"}
    assert "given twice" in message_of("images.runtime.unreadable=skip", "images.unreadable=error")
    assert "images.unreadable" in key_names() and "images.runtime.unreadable" not in key_names()


def test_detr_is_taken_for_hub_as_which_it_was_known() -> None:
    former, new = (load(overrides=[f"detections.source={source}"], environment={}) for source in ("detr", "hub"))
    assert former == new and new.detections.source == "hub"


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [(name, key, value) for name in ("seen", "utpl", "heads", "images", "llm") for key, value in RUNTIME[name].items()],
)
def test_runtime_keys_say_how_and_never_what(section: str, key: str, value: str) -> None:
    """No stage's fingerprint moves; `RUNTIME` has every runtime key, so a new one has to be thought about here."""
    usual, other = load(environment={}), load(overrides=[f"{section}.runtime.{key}={value}"], environment={})
    assert usual != other
    assert [s.config_subset(other) for s in STAGES] == [s.config_subset(usual) for s in STAGES]


def test_every_runtime_key_is_in_the_list() -> None:
    listed = {f"{section}.runtime.{key}" for section, keys in RUNTIME.items() for key in keys}
    assert listed == {key for key in key_names() if ".runtime." in key}


@pytest.mark.parametrize("key", ["accumulate", "processes", "machines"])
def test_the_released_presets_dropout_is_drawn_for_each_part_of_a_batch(key: str) -> None:
    """So there the number of parts is a what: it enters the fingerprint of the training, and of nothing else."""
    usual, other = (
        load(overrides=["model.preset=released", f"seen.runtime.{key}={n}"], environment={}) for n in (1, 3)
    )
    assert [s.name for s in STAGES if s.config_subset(other) != s.config_subset(usual)] == ["seen"]
    imported = load(overrides=["model.preset=released", f"seen.runtime.{key}=3", "seen.weights=x"], environment={})
    assert "seen.parts" not in stage("seen").config_subset(imported)


def parts(kind: Any) -> Iterator[Any]:
    """A type, and the types in it."""
    yield kind
    for arg in get_args(kind):
        yield from parts(arg)


def numbers(section: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, list[Any]]]:
    """(dotted key, marks of its type) of every key that is a number."""
    for name, field in section.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from numbers(kind, f"{prefix}{name}.")
            continue
        nested = list(parts(kind))
        if {int, float} & {part for part in nested if isinstance(part, type)} and kind is not bool:
            inner = [mark for part in nested for mark in getattr(part, "__metadata__", ())]
            inner += [mark for field_info in inner for mark in getattr(field_info, "metadata", ())]
            yield f"{prefix}{name}", [*field.metadata, *inner]


def test_every_number_has_a_largest_value() -> None:
    found = dict(numbers(Config))
    assert {"model.layers", "seen.runtime.loaders", "seed", "utpl.optimiser.lr"} <= found.keys()
    unbounded = [
        key for key, marks in found.items() if not any(hasattr(mark, "le") or hasattr(mark, "lt") for mark in marks)
    ]
    assert unbounded == [] and {"clip.mean", "clip.std"} <= found.keys()


@pytest.mark.parametrize(
    "override", ["clip.mean=[123.7, 116.3, 103.5]", "clip.std=[58.4, 57.1, 57.4]", "clip.std=[0, 1, 1]"]
)
def test_means_and_deviations_of_pictures_with_values_to_255_are_refused(override: str) -> None:
    with pytest.raises(ConfigError, match=rf"{override[:8]}.*(less than or equal to 1|greater than 0)"):
        load(overrides=[override], environment={})


@pytest.mark.parametrize("key", ["model.layers", "model.bottleneck", "clip.image_size", "data.world.train_images"])
def test_an_absurd_size_is_refused_at_the_door(key: str) -> None:
    with pytest.raises(ConfigError, match=f"{key}.*less than or equal to"):
        load(overrides=[f"{key}=1000000000"], environment={})


def test_every_key_has_a_meaning() -> None:
    assert [key.name for key in keys(Config) if not key.means] == []


def test_a_template_that_no_run_could_use_is_refused_at_the_door(tmp_path: Path) -> None:
    for override, line in (
        ("disparities.template=foo", "no template 'foo'; the project's own are action-v1, concepts-v1"),
        (
            "descriptions.template=contrast-v1",
            "template 'contrast-v1' is for disparities.template; the project's own here are describe-slots-v1",
        ),
        ("disparities.template=paper-contrast-v1", "no wording 'paper-contrast-v1' in the lexicon; valid: contrast-v1"),
        (f"disparities.template={tmp_path}/own.yaml", "no wording .* in the lexicon"),
    ):
        with pytest.raises(ConfigError, match=line):
            load(overrides=[override], environment={})
    load(overrides=["disparities.source=llm", "disparities.template=paper-contrast-v1"], environment={})


def test_the_list_of_keys_tells_the_values_of_choices() -> None:
    values = {key.name: key.values for key in keys(Config)}
    assert values["evaluation.protocol"][:2] == ("official", "upt")
    assert values["detections.source"] == ("noisy_truth", "ground_truth", "hub", "parquet", "coco")
    assert values["descriptions.template"] == (
        "describe-slots-v1",
        "describe-v1",
        "describe-v2",
        "paper-describe-v1",
    )
    assert "contrast-v2" in values["disparities.template"] and values["descriptions.action_template"] == ("action-v1",)
    assert values["seen.epochs"] == ()


def test_own_pictures_are_evaluated_exactly_unless_another_protocol_is_asked_for() -> None:
    def protocol(*given: str) -> str:
        return load(overrides=list(given), environment={}).evaluation.protocol

    assert protocol() == protocol("data.source=hico") == "official"
    assert protocol("data.source=own") == protocol("data.source=own", "evaluation.tau=2") == "exact"
    assert protocol("data.source=own", "evaluation.protocol=official") == "official"
    again = Config.model_validate(load(overrides=["data.source=own"], environment={}).model_dump(mode="json"))
    assert again.evaluation.protocol == "exact"
