"""A LLaVA-1.5 of 0.2 M random parameters, for tests of the request path: what it writes is noise.

    .venv-vllm/bin/python tests/vllm/tiny_llava.py FOLDER

Its architecture is the true one: a CLIP vision tower of 336 pixels in patches of 14 (576 image tokens), a projector of
two layers, a Llama decoder of 4,096 tokens, and the same processor files. Widths, depths and weights are not.
Needs torch, transformers and tokenizers, as vLLM's environment has them; nothing is downloaded.
"""

from __future__ import annotations

import os
import sys
from itertools import product
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from safetensors.torch import load_file, save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    CLIPImageProcessor,
    CLIPVisionConfig,
    GenerationConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)

BYTES = [f"<0x{i:02X}>" for i in range(256)]
CONTEXT, WIDTH, VISION_WIDTH = 4096, 64, 32


def sentences() -> list[str]:
    """Text to learn the tokenizer's pieces from."""
    acts = ["riding", "holding", "feeding", "washing", "throwing", "sitting on", "looking at", "carrying"]
    things = ["a bicycle", "a horse", "a cup", "a chair", "a dog", "an apple", "a book", "an umbrella"]
    looks = [
        "The hands hold it firmly and the body leans forward.",
        "Both legs are bent and the feet stand on the ground.",
        "The object is in front of the person and the eyes look down.",
    ]
    return [f"USER: Describe a person {a} {t}. ASSISTANT: {look}" for a, t, look in product(acts, things, looks)]


def tokenizer() -> PreTrainedTokenizerFast:
    """Byte-pair pieces with a fallback to bytes, as Llama's, then `<image>` and `<pad>`."""
    spaces = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    learner = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    learner.normalizer = spaces
    learner.pre_tokenizer = pre_tokenizers.Split("▁", behavior="merged_with_next")
    trainer = trainers.BpeTrainer(
        vocab_size=1022,
        special_tokens=["<unk>", "<s>", "</s>", *BYTES],
        initial_alphabet=[chr(c) for c in range(33, 127)] + ["▁"],
        show_progress=False,
    )
    learner.train_from_iterator(sentences(), trainer)
    # Llama's tokenizer does not split at spaces, so the learnt pieces move into one that does not.
    learner.pre_tokenizer = None
    learner.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    specials = ("<unk>", "<s>", "</s>", "<image>", "<pad>")
    learner.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in specials])
    learner.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A $B", special_tokens=[("<s>", learner.token_to_id("<s>"))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=learner,
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        padding_side="left",
        model_max_length=CONTEXT,
        extra_special_tokens={"image_token": "<image>"},
    )


def config(pieces: PreTrainedTokenizerFast) -> LlavaConfig:
    """LLaVA-1.5's geometry at small widths."""
    ids = {
        "bos_token_id": pieces.bos_token_id,
        "eos_token_id": pieces.eos_token_id,
        "pad_token_id": pieces.pad_token_id,
    }
    vision = CLIPVisionConfig(
        hidden_size=VISION_WIDTH,
        intermediate_size=2 * VISION_WIDTH,
        num_hidden_layers=2,
        num_attention_heads=1,
        image_size=336,
        patch_size=14,
        projection_dim=VISION_WIDTH,
    )
    text = LlamaConfig(
        vocab_size=-(-len(pieces) // 64) * 64,
        hidden_size=WIDTH,
        intermediate_size=2 * WIDTH,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=32,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=False,
        **ids,
    )
    return LlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=pieces.convert_tokens_to_ids("<image>"),
        image_seq_length=576,
        projector_hidden_act="gelu",
        vision_feature_layer=-2,
        vision_feature_select_strategy="default",
        tie_word_embeddings=False,
        pad_token_id=pieces.pad_token_id,
    )


def only_pieces_can_win(head: torch.Tensor, pieces: PreTrainedTokenizerFast) -> None:
    """Sharpen the output layer, and silence bytes and special tokens but `</s>`: the noise is printable text."""
    first, last = 3 + len(BYTES), pieces.convert_tokens_to_ids("<image>")
    with torch.no_grad():
        head.mul_(20.0)
        head[:2] = 0.0
        head[3:first] = 0.0
        head[last:] = 0.0


def published_names(path: Path) -> None:
    """Name the vision tower's tensors as the published checkpoints do, which is how vLLM looks for them."""
    tensors = load_file(path)
    old, new = "vision_tower.", "vision_tower.vision_model."
    renamed = {
        new + name.removeprefix(old) if name.startswith(old) and not name.startswith(new) else name: tensor
        for name, tensor in tensors.items()
    }
    save_file(renamed, path, metadata={"format": "pt"})


def build(folder: Path, *, seed: int = 0) -> int:
    """Write the checkpoint; returns its number of parameters."""
    folder.mkdir(parents=True, exist_ok=True)
    pieces = tokenizer()
    torch.manual_seed(seed)
    model = LlavaForConditionalGeneration(config(pieces)).eval()
    only_pieces_can_win(model.lm_head.weight, pieces)
    model.generation_config = GenerationConfig(
        bos_token_id=pieces.bos_token_id, eos_token_id=pieces.eos_token_id, pad_token_id=pieces.pad_token_id
    )
    model.save_pretrained(folder)
    published_names(folder / "model.safetensors")
    pixels = CLIPImageProcessor(size={"shortest_edge": 336}, crop_size={"height": 336, "width": 336})
    LlavaProcessor(
        image_processor=pixels,
        tokenizer=pieces,
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        image_token="<image>",
    ).save_pretrained(folder)
    return sum(parameter.numel() for parameter in model.parameters())


if __name__ == "__main__":
    print(f"{build(Path(sys.argv[1])):,} parameters in {sys.argv[1]}")
