"""Loading the frozen CLIP: what its files may be, and what of a CLIP the method's own towers rely on.

`models/text_tower.py` and `models/visual_tower.py` go through open_clip's modules themselves, so a CLIP fits only if it is
put together as OpenAI's are: `unfit` says why another is refused, since it would be computed wrongly without a word.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import open_clip
import torch
from open_clip.convert import convert_state_dict
from open_clip.model import resize_pos_embed, set_model_preprocess_cfg
from open_clip.transform import PreprocessCfg
from open_clip.transformer import VisionTransformer
from safetensors import SafetensorError, safe_open
from torch import Tensor

from models import weight_files
from models.clip import Clip, Tokenizer
from models.weight_files import Archive

MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
"""OpenAI's: of the project's own checkpoints, and of files that do not tell."""
NO_WEIGHTS = (
    "input_resolution",
    "context_length",
    "vocab_size",
    "attn_mask",
    "text.transformer.embeddings.position_ids",
)
"""Tensors of older files that hold sizes or constants, not weights."""
SHOWN = 3
"""How many names of tensors an error message lists."""


class UnfitError(ValueError):
    """A CLIP that cannot be used. The message begins with the key of the configuration that has to change.

    Attributes:
        part: the key that is at fault, `weights` or `architecture`.
        value: its present value.
        fault: what is wrong with it.
        advice: what to set instead; empty where no other value is known.
    """

    def __init__(
        self, part: Literal["weights", "architecture"], value: str | Path, fault: str, advice: str = ""
    ) -> None:
        super().__init__(f"clip.{part} = {value}: {fault}{advice and f'; {advice}'}")
        self.part, self.value, self.fault, self.advice = part, value, fault, advice


def load(
    *,
    architecture: str,
    weights: str | Path,
    image_size: int,
    device: str | torch.device = "cpu",
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    resize: str | None = None,
) -> Clip:
    """A frozen CLIP in evaluation mode, fp32.

    Args:
        architecture: "tiny" for a checkpoint of the project's own, which carries its architecture and its pruned
            vocabulary in the file's header and was trained on squashed images; else open_clip's name.
        weights: a pretrained tag of open_clip; or, as a Path, a file: OpenAI's TorchScript archive, open_clip's
            safetensors or torch file.
        image_size: pixels a side; position embeddings are interpolated to it.
        mean, std: the mean and deviation by which pixels in 0..1 are normalised.
        resize: how images become squares, "shortest" (and the centre cut out) or "squash".
            Each of the three is the tag's own if None; OpenAI's for a file, which does not tell.

    Raises:
        FileNotFoundError: the file is missing.
        UnfitError: the CLIP cannot be used for another reason; the message says which key to change.
    """
    if isinstance(weights, Path):
        net, tokenizer = _of_file(architecture, weights, image_size)
    else:
        net, tokenizer = _of_tag(architecture, weights, image_size), None
    if (why := unfit(net, architecture)) is not None:
        raise UnfitError("architecture", architecture, why)
    if (name := weight_files.broken(dict(net.named_parameters()))) is not None:
        raise UnfitError("weights", weights, f"its {name} has values that are no finite numbers")
    chosen = {"mean": mean and tuple(mean), "std": std and tuple(std), "resize_mode": resize}
    set_model_preprocess_cfg(net, net.visual.preprocess_cfg | {k: v for k, v in chosen.items() if v is not None})
    if isinstance(weights, Path):
        _demand_stated_pixels(weights, net)
    net.eval().requires_grad_(False).to(device)
    return Clip(net, tokenizer or Tokenizer(context=net.context_length))


def skeleton(*, architecture: str, weights: str | Path, image_size: int) -> Clip:
    """The same CLIP without values, on the device `meta`, to count its widths and layers; nothing is downloaded.

    Raises FileNotFoundError for a missing checkpoint of the project's own and UnfitError for an unknown architecture.
    """
    config = None
    if architecture == "tiny" and isinstance(weights, Path):
        if not weights.exists():
            raise FileNotFoundError(f"{weights}: no such file")
        config = _own_config(weights)
        if config is None:
            raise UnfitError("weights", weights, "no checkpoint of the project's own")
    else:
        found = _config(architecture)
        config = found | {"vision_cfg": found["vision_cfg"] | {"image_size": image_size}}
    with torch.device("meta"):
        return Clip(build(config), Tokenizer())


def build(config: Mapping[str, Any]) -> open_clip.CLIP:
    """An open_clip model from its architecture's configuration; its pixels are squashed and normalised as OpenAI's."""
    net = open_clip.CLIP(**config)
    size = config["vision_cfg"]["image_size"]
    set_model_preprocess_cfg(net, asdict(PreprocessCfg(size=size, mean=MEAN, std=STD, resize_mode="squash")))
    return net


def unfit(net: open_clip.CLIP, architecture: str) -> str | None:
    """Why the method's own towers and tokenizer would not compute what this model computes; None if they do."""
    text = (open_clip.get_model_config(architecture) or {}).get("text_cfg", {})
    if "hf_tokenizer_name" in text or "hf_model_name" in text:
        return "its texts are cut into tokens by another tokenizer than CLIP's"
    if type(net) is not open_clip.CLIP or not isinstance(net.visual, VisionTransformer):
        return "it is no CLIP with a plain ViT, which prompts in every layer need"
    visual = net.visual
    if visual.attn_pool is not None or visual.pool_type != "tok" or visual.final_ln_after_pool:
        return "its image feature is not that of the class token"
    if net.text_pool_type != "argmax" or net.attn_mask is None or not isinstance(net.text_projection, Tensor):
        return "its text feature is not that of the end token under a causal mask"
    if visual.preprocess_cfg["interpolation"] != "bicubic":
        return f"its images are resized {visual.preprocess_cfg['interpolation']}, and here all are bicubic"
    return None


def _config(architecture: str) -> dict[str, Any]:
    found: dict[str, Any] | None = open_clip.get_model_config(architecture)
    if found is None:
        near = difflib.get_close_matches(architecture[:80], open_clip.list_models(), n=3, cutoff=0.4)
        hint = f"; near: {', '.join(near)}" if near else ""
        raise UnfitError("architecture", architecture, f"open_clip has none of that name{hint}")
    return found


def _of_tag(architecture: str, tag: str, image_size: int) -> open_clip.CLIP:
    config = _config(architecture)
    tags = open_clip.list_pretrained_tags_by_model(architecture)
    if tag not in tags:
        near = difflib.get_close_matches(tag[:80], tags, n=1, cutoff=0.4)
        hint = f". Did you mean {near[0]!r}?" if near else ""
        known = ", ".join(tags) or "none"
        raise UnfitError("weights", tag, f"neither a file nor a tag of {architecture}, which are: {known}{hint}")
    _demand_activation(
        architecture, config, bool(open_clip.get_pretrained_cfg(architecture, tag).get("quick_gelu")), tag
    )
    try:
        return open_clip.create_model(
            architecture, pretrained=tag, precision="fp32", force_image_size=image_size, device="cpu"
        )
    except Exception as error:  # the hub, the network and the disk raise what they like
        cause = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        raise UnfitError(
            "weights",
            tag,
            f"could not be loaded ({cause}). It is downloaded once; on a machine without internet, copy the cache of one that "
            "has it, or give the file's path",
        ) from None


def _of_file(architecture: str, path: Path, image_size: int) -> tuple[open_clip.CLIP, Tokenizer | None]:
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file")
    own = _own_config(path)
    if own is not None:
        if architecture != "tiny":
            raise UnfitError(
                "weights", path, "it is a checkpoint of the project's own", advice="set clip.architecture=tiny"
            )
        return _own(path, own, image_size)
    if architecture == "tiny":
        raise UnfitError(
            "architecture",
            architecture,
            f"the weights {path} are no checkpoint of the project's own",
            advice="set clip.architecture to its name in open_clip, such as ViT-B-16-quickgelu",
        )
    content = _content(path)
    state = weight_files.tensors(content)
    if state is None:
        raise UnfitError("weights", path, "it holds no tensors by name, so it is no CLIP")
    config = _config(architecture)
    if isinstance(content, Archive) and ("gelu(" in content.code) != ("sigmoid(" in content.code):
        _demand_activation(architecture, config, "sigmoid(" in content.code, str(path))
    net = open_clip.create_model(architecture, pretrained=None, precision="fp32", force_image_size=image_size)
    _fill(net, state, architecture, path)
    return net, None


def _content(path: Path) -> Any:
    """What a file of weights holds; UnfitError if it is none."""
    try:
        return weight_files.content(path)
    except ValueError as error:
        raise UnfitError("weights", path, str(error).removeprefix(f"{path}: ")) from None


def _fill(net: open_clip.CLIP, state: dict[str, Tensor], architecture: str, path: Path) -> None:
    """Load the weights; UnfitError naming the first tensors that are missing, strange, or of another shape."""
    state = {name: value for name, value in convert_state_dict(net, state).items() if name not in NO_WEIGHTS}
    wanted = net.state_dict()
    if "visual.positional_embedding" in state and state["visual.positional_embedding"].ndim == 2:
        resize_pos_embed(state, net)
    if "logit_scale" in state and "logit_scale" in wanted and state["logit_scale"].numel() == 1:
        state["logit_scale"] = state["logit_scale"].reshape(wanted["logit_scale"].shape)
    faults = [f"{name} is missing" for name in wanted if name not in state]
    faults += [f"{name} is none of it" for name in state if name not in wanted]
    faults += [
        f"{name} is {tuple(state[name].shape)}, not {tuple(value.shape)}"
        for name, value in wanted.items()
        if name in state and state[name].shape != value.shape
    ]
    if faults:
        more = f" and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
        raise UnfitError("weights", path, f"no weights of {architecture}: {'; '.join(faults[:SHOWN])}{more}")
    net.load_state_dict(state)


def _demand_activation(architecture: str, config: Mapping[str, Any], quick: bool, weights: str) -> None:
    """UnfitError if the weights were trained with another activation than the architecture has: every feature would be off."""
    if bool(config.get("quick_gelu")) == quick:
        return
    other = f"{architecture}-quickgelu" if quick else architecture.removesuffix("-quickgelu")
    hint = f"set clip.architecture={other}" if open_clip.get_model_config(other) else "choose another architecture"
    trained = f"the weights {weights} were trained with {'QuickGELU' if quick else 'GELU'}"
    raise UnfitError(
        "architecture", architecture, f"{trained} and would be computed with another activation", advice=hint
    )


def _demand_stated_pixels(path: Path, net: open_clip.CLIP) -> None:
    """UnfitError if `open_clip_config.json` beside a file wants its images prepared otherwise than they are here."""
    beside = path.with_name("open_clip_config.json")
    if not beside.is_file():
        return
    try:
        stated = PreprocessCfg(**json.loads(beside.read_text(encoding="utf-8"))["preprocess_cfg"])
        wanted = {"mean": list(stated.mean), "std": list(stated.std), "resize": stated.resize_mode}
    except (OSError, ValueError, KeyError, TypeError, AssertionError, RecursionError) as error:
        raise UnfitError("weights", path, f"{beside.name} beside it cannot be read ({error})") from None
    if stated.interpolation != "bicubic" or stated.resize_mode not in ("shortest", "squash"):
        how = f"{stated.interpolation}, {stated.resize_mode}"
        raise UnfitError(
            "weights", path, f"{beside.name} beside it has its images resized otherwise than any are here ({how})"
        )
    values = net.visual.preprocess_cfg
    given = {"mean": list(values["mean"]), "std": list(values["std"]), "resize": values["resize_mode"]}
    if given != wanted:
        keys = " ".join(f"clip.{key}={json.dumps(wanted[key])}" for key in wanted if given[key] != wanted[key])
        raise UnfitError(
            "weights",
            path,
            f"{beside.name} beside it says that its images are prepared otherwise",
            advice=f"set {keys}",
        )


def _own_config(path: Path) -> dict[str, Any] | None:
    """The architecture in the header of a checkpoint of the project's own; None for any other file."""
    if path.suffix != ".safetensors" or not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            header = (file.metadata() or {}).get("architecture")
    except (SafetensorError, OSError):
        return None  # and reading it says why
    if header is None:
        return None
    try:
        config = json.loads(header)
        return config | {"vision_cfg": config["vision_cfg"] | {}}
    except (ValueError, TypeError, KeyError):
        raise UnfitError("weights", path, "the architecture in its header cannot be read") from None


def _own(path: Path, config: dict[str, Any], image_size: int) -> tuple[open_clip.CLIP, Tokenizer]:
    state = _content(path)
    trained_at = config["vision_cfg"].get("image_size")
    if image_size != trained_at:
        raise UnfitError(
            "weights", path, f"trained at image size {trained_at}", advice=f"set clip.image_size={trained_at}"
        )
    try:
        net = build(config)
        kept = state.pop("vocabulary").tolist()
        net.load_state_dict({name: value.float() for name, value in state.items()})
    except Exception:  # a foreign header makes open_clip and torch raise nearly anything
        raise UnfitError("weights", path, "its tensors are not those of the architecture in its header") from None
    return net, Tokenizer(kept, context=net.context_length)
