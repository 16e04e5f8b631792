"""What a CLIP may be loaded from, and what is refused: in one message that begins with the key that has to change."""

import json
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from open_clip import factory, pretrained
from safetensors.torch import save_file

from models import clip_loading
from models.clip import Clip, Tokenizer
from models.clip_loading import build

PIXELS = torch.zeros(1, 3, 56, 56)
TOKENS = torch.zeros(1, 77, dtype=torch.long)


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch, architecture: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """open_clip with two small architectures, `Small-quickgelu` and `Small`, and their tags `half` and `openai`."""
    small = architecture | {"quick_gelu": False}
    known = {"Small": small, "Small-quickgelu": architecture}
    monkeypatch.setattr(factory, "_MODEL_CONFIGS", factory._MODEL_CONFIGS | known)
    tags = {
        "half": {"url": "nowhere", "mean": (0.5,) * 3, "std": (0.5,) * 3},
        "openai": {"url": "nowhere", "quick_gelu": True},
    }
    monkeypatch.setattr(pretrained, "_PRETRAINED", pretrained._PRETRAINED | {"Small": tags, "Small-quickgelu": tags})
    yield known


def net_of(config: dict[str, Any]) -> torch.nn.Module:
    torch.manual_seed(2)
    return build(config).eval()


def loaded(architecture: str, weights: Path | str, **settings: Any) -> Clip:
    return clip_loading.load(architecture=architecture, weights=weights, image_size=56, **settings)


def traced(net: torch.nn.Module, path: Path) -> Path:
    """The model as OpenAI publishes its own: a TorchScript archive."""
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.trace(net, (PIXELS, TOKENS), strict=False, check_trace=False).save(path)
    return path


def same(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


def test_own_checkpoint_loads_as_it_was(tmp_path: Path, architecture: dict[str, Any]) -> None:
    kept = Tokenizer().bpe_ids(["a person riding a horse"])
    architecture["text_cfg"]["vocab_size"] = len(kept) + 1
    net = net_of(architecture)
    path = tmp_path / "own.safetensors"
    save_file(net.state_dict() | {"vocabulary": torch.tensor(kept)}, path, {"architecture": json.dumps(architecture)})
    found = loaded("tiny", path)
    assert same(net, found.net)
    assert not any(p.requires_grad for p in found.net.parameters())
    with pytest.raises(ValueError, match="trained at image size 56"):
        clip_loading.load(architecture="tiny", weights=path, image_size=112)
    with pytest.raises(ValueError, match=r"^clip.weights = .*own.safetensors.* set clip.architecture=tiny"):
        loaded("ViT-B-32", path)


@pytest.mark.parametrize("name", ["Small", "Small-quickgelu"])
def test_openais_archive_and_open_clips_files_are_read(tmp_path: Path, named: dict[str, Any], name: str) -> None:
    net = net_of(named[name])
    state = net.state_dict()
    save_file({k: v.contiguous() for k, v in state.items()}, tmp_path / "hub.safetensors", {"format": "pt"})
    torch.save(state, tmp_path / "plain.pt")
    torch.save({"epoch": 3, "state_dict": {f"module.{k}": v for k, v in state.items()}}, tmp_path / "training.pt")
    half = {k: v.half() for k, v in state.items()}
    torch.save(half, tmp_path / "half.bin")
    files = [
        traced(net, tmp_path / "archive.pt"),
        *(tmp_path / f for f in ("hub.safetensors", "plain.pt", "training.pt")),
    ]
    for file in files:
        found = loaded(name, file)
        assert same(found.net, net), file
        assert found.net.visual.preprocess_cfg["mean"] == clip_loading.MEAN
    assert torch.equal(loaded(name, tmp_path / "half.bin").net.visual.proj, net.visual.proj.half().float())


def test_an_archive_of_another_activation_is_refused(tmp_path: Path, named: dict[str, Any]) -> None:
    archive = traced(net_of(named["Small-quickgelu"]), tmp_path / "openai.pt")
    with pytest.raises(
        ValueError, match=r"^clip.architecture = Small: .*QuickGELU.* set clip.architecture=Small-quickgelu"
    ):
        loaded("Small", archive)


def test_a_tag_of_another_activation_is_refused(named: dict[str, Any]) -> None:
    with pytest.raises(
        ValueError, match=r"^clip.architecture = Small: .*QuickGELU.* set clip.architecture=Small-quickgelu"
    ):
        loaded("Small", "openai")


def test_a_tags_mean_and_deviation_travel_with_the_model(
    tmp_path: Path, named: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "half.pt"
    torch.save(net_of(named["Small"]).state_dict(), file)
    monkeypatch.setattr(factory, "download_pretrained", lambda cfg, **options: str(file))
    found = loaded("Small", "half")
    white = torch.full((1, 3, 56, 56), 255, dtype=torch.uint8)
    assert found.normalise(white).unique().tolist() == [1.0]
    assert found.preprocess().transforms[-1].mean == (0.5,) * 3
    assert loaded("Small", "half", std=(1, 1, 1)).normalise(white).unique().tolist() == [0.5]


def test_openais_tag_is_read_as_open_clip_fetches_it(
    tmp_path: Path, named: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the hub: one file of tensors, in half precision but for the vectors; OpenAI's own archive is a file to be named."""
    net, file = net_of(named["Small-quickgelu"]), tmp_path / "open_clip_model.safetensors"
    half = {k: v.half() if v.ndim > 1 else v for k, v in net.state_dict().items()}
    save_file({k: v.contiguous() for k, v in half.items()}, file, {"format": "pt"})
    for architecture in ("ViT-B-16-quickgelu", "ViT-L-14-336-quickgelu"):
        assert open_clip.get_pretrained_cfg(architecture, "openai")["hf_hub"], (
            "where the hub has no file, it is the archive"
        )
    monkeypatch.setattr(factory, "download_pretrained", lambda cfg, **options: str(file))
    found = loaded("Small-quickgelu", "openai")
    assert all(v.dtype == torch.float32 for v in found.net.state_dict().values() if v.is_floating_point())
    assert all(torch.equal(found.net.state_dict()[k], v.float()) for k, v in half.items())
    assert found.net.visual.preprocess_cfg["mean"] == clip_loading.MEAN


def test_what_is_told_beside_a_file_has_to_be_said(tmp_path: Path, named: dict[str, Any]) -> None:
    file = tmp_path / "open_clip_model.safetensors"
    save_file({k: v.contiguous() for k, v in net_of(named["Small"]).state_dict().items()}, file)
    told = {"mean": [0.5] * 3, "std": [0.5] * 3, "resize_mode": "squash"}
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": {}, "preprocess_cfg": told}))
    with pytest.raises(
        ValueError, match=re.escape('set clip.mean=[0.5, 0.5, 0.5] clip.std=[0.5, 0.5, 0.5] clip.resize="squash"')
    ):
        loaded("Small", file)
    found = loaded("Small", file, mean=(0.5,) * 3, std=(0.5,) * 3, resize="squash")
    assert found.net.visual.preprocess_cfg["resize_mode"] == "squash"


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (
            '{"preprocess_cfg": {"interpolation": "bilinear"}}',
            "resized otherwise than any are here (bilinear, shortest)",
        ),
        ('{"preprocess_cfg": {"resize_mode": "longest"}}', "resized otherwise than any are here (bicubic, longest)"),
        ("[" * 100_000, "cannot be read"),
    ],
)
def test_what_is_told_beside_a_file_and_cannot_be_had_is_refused(
    tmp_path: Path, named: dict[str, Any], told: str, words: str
) -> None:
    """With every key that there is, the pixels would be others than in its training."""
    file = tmp_path / "open_clip_model.safetensors"
    save_file({k: v.contiguous() for k, v in net_of(named["Small"]).state_dict().items()}, file)
    (tmp_path / "open_clip_config.json").write_text(told)
    with pytest.raises(clip_loading.UnfitError, match=re.escape(words)):
        loaded("Small", file)


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return (exec, ("raise SystemExit('executed')",))


def damaged(folder: Path, net: torch.nn.Module) -> dict[str, Path]:
    """Files that are no CLIP, by what is wrong with them."""
    whole = traced(net, folder / "whole.pt").read_bytes()
    state = {k: v.contiguous() for k, v in net.state_dict().items()}
    save_file(state, folder / "whole.safetensors")
    tensors = (folder / "whole.safetensors").read_bytes()
    files = {
        "empty.pt": b"",
        "empty.safetensors": b"",
        "pointer.pt": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
        "pointer.safetensors": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
        "page.pt": b"<!doctype html><html>404</html>",
        "page.safetensors": b"<!doctype html><html>404</html>",
        "cut.pt": whole[: len(whole) // 2],
        "cut.safetensors": tensors[: len(tensors) // 2],
        "text.bin": b"no weights" * 100,
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    for name, value in {
        "list.pt": [torch.zeros(1)],
        "number.pt": 7,
        "nothing.pt": {},
        "other.pt": {"conv1.weight": torch.zeros(2)},
        "deep.pt": {"state_dict": {"a": {"b": torch.zeros(1)}}},
        "code.pt": {"visual.proj": Evil()},
        "shape.pt": state | {"visual.proj": torch.zeros(3, 3)},
    }.items():
        torch.save(value, folder / name)
    save_file({"conv1.weight": torch.zeros(2)}, folder / "other.safetensors")
    save_file(state, folder / "header.safetensors", {"architecture": "no JSON"})
    return {path.name: path for path in folder.iterdir()}


def test_what_is_no_clip_is_one_message(tmp_path: Path, named: dict[str, Any]) -> None:
    files = damaged(tmp_path, net_of(named["Small"]))
    for name in ("whole.pt", "whole.safetensors"):
        loaded("Small", files.pop(name))
    for name, path in files.items():
        with pytest.raises(ValueError) as caught:
            loaded("Small", path)
        message = str(caught.value)
        assert message.startswith(f"clip.weights = {path}: "), message
        assert "weights_only" not in message and "\n" not in message and len(message) < 400, message
        assert name in message
    with pytest.raises(FileNotFoundError):
        loaded("Small", tmp_path / "absent.pt")
    with pytest.raises(ValueError, match="no checkpoint of the project's own"):
        loaded("tiny", files["other.pt"])


def test_unknown_names_are_answered_with_near_ones(named: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"^clip.architecture = ViT-B16: .*ViT-B-16"):
        loaded("ViT-B16", "openai")
    with pytest.raises(ValueError, match=r"^clip.weights = opnai: .*half, openai.*Did you mean 'openai'"):
        loaded("Small", "opnai")


def test_a_download_that_fails_names_the_key(named: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(cfg: dict[str, Any], **options: Any) -> str:
        raise OSError("no route to host")

    monkeypatch.setattr(factory, "download_pretrained", refused)
    with pytest.raises(ValueError, match=r"^clip.weights = half: could not be loaded .*no route to host"):
        loaded("Small", "half")


@pytest.mark.parametrize(
    ("side", "change", "reason"),
    [
        ("vision_cfg", {"pool_type": "avg"}, "class token"),
        ("vision_cfg", {"final_ln_after_pool": True}, "class token"),
        ("vision_cfg", {"attentional_pool": True}, "class token"),
        ("text_cfg", {"pool_type": "last"}, "end token"),
        ("text_cfg", {"no_causal_mask": True}, "end token"),
        ("text_cfg", {"proj_bias": True}, "end token"),
        ("text_cfg", {"hf_tokenizer_name": "bert-base-uncased"}, "another tokenizer"),
    ],
)
def test_a_clip_of_another_build_is_refused(
    tmp_path: Path, named: dict[str, Any], side: str, change: dict[str, Any], reason: str
) -> None:
    named["Small"][side] |= change
    plain = dict(named["Small"])
    file = tmp_path / "other.pt"
    torch.save(open_clip.create_model("Small").state_dict(), file)
    assert plain == named["Small"]
    with pytest.raises(ValueError, match=rf"^clip.architecture = Small: .*{reason}"):
        loaded("Small", file)


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_weights_that_are_no_numbers_are_refused(tmp_path: Path, named: dict[str, Any], value: float) -> None:
    """As a training that diverged leaves them: every similarity would be nan, and every rank chance."""
    state = net_of(named["Small-quickgelu"]).state_dict()
    state["visual.proj"][1, 1] = value
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, tmp_path / "nan.safetensors")
    with pytest.raises(
        clip_loading.UnfitError, match=r"^clip\.weights = .*: its visual\.proj has values that are no finite"
    ):
        loaded("Small-quickgelu", tmp_path / "nan.safetensors")
