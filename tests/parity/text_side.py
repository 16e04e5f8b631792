"""Does the text side act? Of this project's model, of the released code's arrangement, or of a model of yours.

    python tests/parity/text_side.py                 the two arrangements, on a small random CLIP
    python tests/parity/text_side.py mine.py         yours: mine.py defines text_side(), and is executed
    python tests/parity/text_side.py mine.py --json  for programs

`text_side()` returns prompts ({name: leaf tensor}), a function without arguments that makes logits of them, and the module
whose parameters they should be (or None). Exit code 1 if some prompts do nothing or are no parameters. What is measured is
in `models/prompt_effect.py`. No weights are needed: what a mask hides, it hides from any.
"""

from __future__ import annotations

import argparse
import json
import runpy
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor, nn

from models.clip import Clip, Tokenizer
from models.clip_loading import build
from models.prompt_effect import PromptEffect, prompt_effects
from models.released.inert import features_behind_end
from models.text_tower import text_features

PHRASES = ["a person riding a horse", "a person holding a cup", "a person and a boat"]
SMALL = {
    "embed_dim": 32,
    "quick_gelu": True,
    "vision_cfg": {"image_size": 56, "patch_size": 14, "width": 64, "layers": 1, "head_width": 32},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 48, "heads": 2, "layers": 3},
}
LAYERS, PROMPTS = 2, 2
TextSide = tuple[dict[str, Tensor], Callable[[], Tensor], nn.Module | None]


def arranged(*, behind_end: bool) -> TextSide:
    """Deep prompts of three classes before their phrase, as parameters; or behind EOT in a plain list, as released."""
    torch.manual_seed(0)
    clip = Clip(build(SMALL).eval().requires_grad_(False), Tokenizer())
    tokens, end = clip.tokenizer.encode(PHRASES)
    layers = [0.02 * torch.randn(PROMPTS, clip.text_width) for _ in range(LAYERS)]
    pairs = torch.randn(5, clip.joint_width)
    module = nn.Module()
    if behind_end:
        tokens = nn.functional.pad(tokens, (0, 77 - tokens.shape[1]))
    else:
        module.prompts = nn.ParameterList(layers)
        layers = list(module.prompts)
    feature = features_behind_end if behind_end else text_features

    def logits() -> Tensor:
        prompts = torch.stack(layers).expand(len(tokens), LAYERS, PROMPTS, -1)
        return pairs @ feature(clip.net, tokens, end, prompts).T

    return {f"layer {i}": layer for i, layer in enumerate(layers)}, logits, module


def examined(side: TextSide) -> tuple[PromptEffect, ...]:
    """What was found of every tensor of prompts."""
    prompts, logits, module = side
    return prompt_effects(prompts, logits, module=module)


def main(arguments: list[str]) -> int:
    """Print what was found; 1 if some prompts do nothing, or nobody would train or save them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", type=Path, help="Python file that defines text_side()")
    parser.add_argument("--json", action="store_true", help="for programs")
    asked = parser.parse_args(arguments)
    if asked.file is None:
        sides = {
            "before the phrase, as this project": arranged(behind_end=False),
            "behind EOT, as released": arranged(behind_end=True),
        }
    elif not asked.file.is_file():
        parser.error(f"{asked.file}: there is no such file")
    else:
        made = runpy.run_path(str(asked.file)).get("text_side")
        if made is None:
            parser.error(f"{asked.file}: defines no text_side(), which returns (prompts, logits, module or None)")
        sides = {asked.file.stem: made()}
    found = {name: examined(side) for name, side in sides.items()}
    if asked.json:
        print(json.dumps({name: [asdict(one) | {"acts": one.acts} for one in all_] for name, all_ in found.items()}))
    else:
        for name, all_ in found.items():
            print(name, *(f"  {one}" for one in all_), sep="\n")
    return int(asked.file is not None and not all(one.acts and one.kept is not False for one in found[asked.file.stem]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
