"""The released code's small model with random weights, its inputs, outputs and gradients; rebuilt from the parity fixtures."""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from models.clip import Clip, Tokenizer
from models.clip_loading import build
from models.instances import Instances, collate
from models.released import keys
from models.released.hoi import ReleasedHoi
from models.released.inert import InertText
from models.sizes import Sizes

FIXTURES = Path(__file__).parents[3] / "shared" / "fixtures" / "released"


class Parity:
    """One variant ("nohalf": fp32; "ref": visual prompts rounded to fp16) of what the released code computed."""

    def __init__(self, variant: str) -> None:
        self.variant = variant
        self.inputs = _load("inputs-*")
        self.state = _load("state-*")
        # What the rounding of visual prompts does not reach was recorded once.
        self.train, self.eval = _load("ref_train-*") | _load(f"{variant}_train-*"), _load(f"{variant}_eval-*")
        self.gradients = _load(f"{variant}_grad-*")
        self.index = json.loads((FIXTURES / "ref_index.json").read_text())
        self.about = json.loads((FIXTURES / f"{variant}_gradients.json").read_text())

    @property
    def size(self) -> int:
        return int(self.index["config"]["image_resolution"])

    def instances(self) -> Instances:
        """The proposals, boxes in fractions of the image."""
        found = [tuple(self.train[f"proposals.{i}.{part}"] for part in ("boxes", "scores", "labels")) for i in range(3)]
        return collate([(boxes / self.size, scores, labels) for boxes, scores, labels in found])

    def frozen_tokens(self) -> Tensor:
        """The images' patch tokens behind a CLS token that must not matter."""
        return torch.cat([torch.full((3, 1, 64), 7.0), self.inputs["inputs.clip_image_prior"]], dim=1)

    def pairs(self, model: ReleasedHoi) -> Tensor:
        return model.pairs(
            self.inputs["inputs.images_clip"],
            self.frozen_tokens(),
            self.instances(),
            self.inputs["inputs.object_embedding"],
        )

    def joined(self, name: str, outputs: dict[str, Tensor]) -> Tensor:
        """A per-image output of all three images, one behind the other."""
        return torch.cat([outputs[name.format(i)] for i in range(3)])

    @functools.cached_property
    def frozen_clip(self) -> Clip:
        c = self.index["config"]
        net = build(
            {
                "embed_dim": c["embed_dim"],
                "quick_gelu": True,
                "vision_cfg": {
                    "image_size": c["image_resolution"],
                    "patch_size": c["patch"],
                    "width": c["vision_width"],
                    "layers": c["vision_layers"],
                    "head_width": c["vision_width"] // c["vision_heads"],
                },
                "text_cfg": {
                    "context_length": c["context"],
                    "vocab_size": c["vocab"],
                    "width": c["text_width"],
                    "heads": c["text_heads"],
                    "layers": c["text_layers"],
                },
            }
        )
        state = {}
        for key, tensor in self.state.items():
            name = re.sub(r"^clip_head\.(text_encoder\.)?", "", key).replace("image_encoder.", "visual.")
            if key.startswith("clip_head.") and name in net.state_dict():
                state[name] = tensor
        table = np.random.RandomState(20).standard_normal((c["vocab"], c["text_width"])) * 0.02
        state["token_embedding.weight"] = torch.from_numpy(table.astype(np.float32))
        missing, unexpected = net.load_state_dict(state, strict=False)
        assert not unexpected and set(missing) <= {"attn_mask"}, (missing, unexpected)
        return Clip(net.eval().requires_grad_(False), Tokenizer())

    def model(self) -> ReleasedHoi:
        """With the released weights and without dropout."""
        c = self.index["config"]
        model = ReleasedHoi(
            clip=self.frozen_clip,
            sizes=Sizes(
                prompts=c["N_CTX"],
                layers=c["tune_LY"],
                bottleneck=c["adapter_down"],
                heads=2,
                roi_size=7,
                logit_scale=1.0,
            ),
            half_prompts=self.variant == "ref",
            dropout=0.0,
            roi_dropout=0.0,
        )
        state = {name: tensor for key, tensor in self.state.items() if (name := keys.own(key))}
        state["prompts"] = torch.stack([state.pop(f"prompts.{i}") for i in range(c["tune_LY"])])
        model.load_state_dict(state)
        return model

    def inert(self) -> InertText:
        inert = InertText(clip=self.frozen_clip, bottleneck=64, heads=2, dropout=0.0)
        names = {"txtcls_pt_adapter": "guidance", "unseen_pt_adapter": "unseen"}
        state = {"unused": self.state["clip_head.prompt_learner.ctx"]}
        for key, tensor in self.state.items():
            if found := re.match(r"clip_head\.prompt_learner\.(txtcls_pt_adapter|unseen_pt_adapter)(.+)", key):
                name = keys.inside(names[found[1]] + found[2])
                if name != "guidance.block.norm_0.weight" and name != "guidance.block.norm_0.bias":
                    state[name] = tensor
        inert.load_state_dict(state)
        return inert

    def prompts(self) -> Tensor:
        return torch.stack([self.state[f"unregistered.txtcls_ctx_pt.{i}"] for i in range(9)])


def _load(pattern: str) -> dict[str, Tensor]:
    return {k: v for path in sorted(FIXTURES.glob(f"{pattern}.safetensors")) for k, v in load_file(path).items()}


@functools.cache
def parity_of(variant: str) -> Parity:
    """Skips the test where the fixtures are absent."""
    if not FIXTURES.is_dir():
        pytest.skip(f"no parity fixtures under {FIXTURES}")
    return Parity(variant)
