"""The keys of a released checkpoint: which tensor of ours each one is, and why the others are left out."""

from __future__ import annotations

import re

PROMPT = re.compile(r"unregistered\.txtcls_ctx_pt\.(\d+)$")
"""The keys of the prompts, one a layer, if somebody saved them beside the checkpoint; the released code does not."""

_LEARNER = r"clip_head\.prompt_learner\."
_BLOCK = r"clip_head\.image_encoder\.transformer\.resblocks\.(\d+)\."

_NO_EFFECT: tuple[tuple[str, str], ...] = (
    (_LEARNER + r"(txtcls|unseen)_pt_adapter\.", "no effect: its prompts stand behind the end-of-text token"),
    (_LEARNER + r"ctx$", "no effect: the forward pass does not read it"),
    (r"mem_adapter\.down_proj_prior\.", "no effect: that adapter attends to the pairs themselves"),
    (r"clip_head\..*txtcls_adapter\.", "no effect: never called"),
    (
        r".*(adaptermlp|img_clip_pt_adapter)\.mhsa_layers\.0\.norm1\.",
        "no effect: of a self-attention that is not there",
    ),
)
_MODULES: tuple[tuple[str, str], ...] = (
    (r"logit_scale_HO$", "logit_scale"),
    (_LEARNER + r"proj\.", "visual_prompts.project.0."),
    (_LEARNER + r"img_clip_pt_adapter\.", "visual_guidance."),
    (_BLOCK + r"adaptermlp\.", r"adapters.\1."),
    (r"priors_downproj\.", "instance_prior."),
    (r"vis_fuse\.", "intra.mlp."),
    (r"mem_adapter\.", "inter."),
)
_INSIDE: tuple[tuple[str, str], ...] = (
    (r"\.down_proj_prior\.", ".memory."),
    (r"\.down_proj(_mem)?\.", ".down."),
    (r"\.up_proj(_mem)?\.", ".up."),
    (r"\.mhsa_layers\.0\.multihead_attn\.", ".block.attention."),
    (r"\.mhsa_layers\.0\.self_attn\.", ".block.self_attention."),
    (r"\.mhsa_layers\.0\.linear1\.", ".block.mlp.0."),
    (r"\.mhsa_layers\.0\.linear2\.", ".block.mlp.3."),
    (r"\.mhsa_layers\.0\.norm1\.", ".block.norm_0."),
    (r"\.mhsa_layers\.0\.norm2\.", ".block.norm_1."),
    (r"\.mhsa_layers\.0\.norm3\.", ".block.norm_2."),
)
_ELSEWHERE: tuple[tuple[str, str], ...] = (
    (_LEARNER + r"token_(prompts|prompts_eval|prefix|suffix)$", "constant: the phrases' token embeddings"),
    (r"label_HO$", "constant: which verb each phrase stands for"),
    (r"object_embedding$", "constant: CLIP's features of the object names"),
    (r"clip_head\.", "frozen CLIP: comes from clip.weights"),
    (r"detector\.", "frozen detector: detections are a stage of their own"),
)


def own(key: str) -> str | None:
    """The name in `ReleasedHoi` of a released tensor that has an effect; None for any other key."""
    if reason(key, _NO_EFFECT):
        return None
    if found := PROMPT.match(key):
        return f"prompts.{found[1]}"
    if found := re.match(_LEARNER + r"compound_prompt_proj_vis\.(\d+)\.(.+)", key):
        return f"visual_prompts.project.{int(found[1]) + 1}.{found[2]}"
    for pattern, name in _MODULES:
        if re.match(pattern, key):
            return inside(re.sub("^" + pattern, name, key))
    return None


def inside(key: str) -> str:
    """A key whose module has our name already, with our names for what is inside of an adapter or an MLP."""
    for pattern, name in _INSIDE:
        key = re.sub(pattern, name, key)
    # Their MLP lists its three linear layers; ours counts the ReLUs between them.
    return re.sub(r"(memory|instance_prior)\.layers\.(\d)", lambda m: f"{m[1]}.mlp.{2 * int(m[2])}", key)


def reason(key: str, rules: tuple[tuple[str, str], ...] = _NO_EFFECT + _ELSEWHERE) -> str | None:
    """Why a released tensor is left out; None if no rule says so."""
    return next((why for pattern, why in rules if re.match(pattern, key)), None)
