"""Small detectors of transformers with random weights, saved as model folders are published."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers as tf
from transformers import BertTokenizerFast, CLIPTokenizerFast

STOP, CLS, SEP = 1012, 101, 102
"""BERT's ids of the full stop and of its marks, which Grounding DINO has in its code."""
WORDS = ("person", "horse", "dining", "table", "cargo", "bike", "a", "photo", "of")


def _resnet() -> Any:
    return tf.ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 8, 16, 16], depths=[1] * 4, layer_type="basic", out_features=["stage4"]
    )


def _presnet() -> Any:
    from transformers.models.rt_detr import RTDetrResNetConfig

    return RTDetrResNetConfig(
        embedding_size=8,
        hidden_sizes=[8, 8, 16, 16],
        depths=[1] * 4,
        layer_type="basic",
        out_features=["stage2", "stage3", "stage4"],
    )


_PLAIN = {"use_timm_backbone": False, "use_pretrained_backbone": False}
_TRANSFORMER = {
    "d_model": 32,
    "num_queries": 7,
    "encoder_layers": 1,
    "decoder_layers": 2,
    "encoder_ffn_dim": 16,
    "decoder_ffn_dim": 16,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
}
_HYBRID = {
    "d_model": 16,
    "num_queries": 7,
    "encoder_hidden_dim": 16,
    "encoder_in_channels": [8, 16, 16],
    "decoder_in_channels": [16, 16, 16],
    "encoder_layers": 1,
    "decoder_layers": 2,
    "encoder_ffn_dim": 16,
    "decoder_ffn_dim": 16,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "num_denoising": 0,
}


def _detr(names: dict[str, Any]) -> Any:
    return tf.DetrForObjectDetection(tf.DetrConfig(backbone_config=_resnet(), **_PLAIN, **_TRANSFORMER, **names))


def _conditional(names: dict[str, Any]) -> Any:
    config = tf.ConditionalDetrConfig(backbone_config=_resnet(), **_PLAIN, **_TRANSFORMER, **names)
    return tf.ConditionalDetrForObjectDetection(config)


def _deformable(names: dict[str, Any]) -> Any:
    config = tf.DeformableDetrConfig(backbone_config=_resnet(), num_feature_levels=1, **_PLAIN, **_TRANSFORMER, **names)
    return tf.DeformableDetrForObjectDetection(config)


def _rt_detr(names: dict[str, Any]) -> Any:
    return tf.RTDetrForObjectDetection(tf.RTDetrConfig(backbone_config=_presnet(), **_HYBRID, **names))


def _rt_detr_v2(names: dict[str, Any]) -> Any:
    return tf.RTDetrV2ForObjectDetection(tf.RTDetrV2Config(backbone_config=_presnet(), **_HYBRID, **names))


def _d_fine(names: dict[str, Any]) -> Any:
    return tf.DFineForObjectDetection(tf.DFineConfig(backbone_config=_presnet(), **_HYBRID, **names))


def _yolos(names: dict[str, Any]) -> Any:
    config = tf.YolosConfig(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=16,
        image_size=[64, 96],
        patch_size=16,
        num_detection_tokens=7,
        **names,
    )
    return tf.YolosForObjectDetection(config)


_SHORTEST = {"shortest_edge": 64, "longest_edge": 96}
_SQUARE = {"height": 64, "width": 64}
LABELLED: dict[str, tuple[Callable[[dict[str, Any]], Any], Callable[[], Any]]] = {
    "detr": (_detr, lambda: tf.DetrImageProcessor(size=_SHORTEST)),
    "conditional_detr": (_conditional, lambda: tf.ConditionalDetrImageProcessor(size=_SHORTEST)),
    "deformable_detr": (_deformable, lambda: tf.DeformableDetrImageProcessor(size=_SHORTEST)),
    "rt_detr": (_rt_detr, lambda: tf.RTDetrImageProcessor(size=_SQUARE)),
    "rt_detr_v2": (_rt_detr_v2, lambda: tf.RTDetrImageProcessor(size=_SQUARE)),
    "d_fine": (_d_fine, lambda: tf.RTDetrImageProcessor(size=_SQUARE)),
    "yolos": (_yolos, lambda: tf.YolosImageProcessor(size=_SHORTEST)),
}
"""By the architecture's name, what makes its net with labels and its image processor."""
ASKED = ("grounding-dino", "mm-grounding-dino", "owlvit", "owlv2")


def labelled(architecture: str, labels: Sequence[str], folder: Path, *, processor: bool = True) -> Path:
    """The folder with a detector of that architecture whose outputs have these labels."""
    torch.manual_seed(0)
    net, prepare = LABELLED[architecture]
    names = dict(enumerate(labels))
    net({"id2label": names, "label2id": {name: i for i, name in names.items()}}).save_pretrained(folder)
    if processor:
        prepare().save_pretrained(folder)
    return folder


def asked(architecture: str, folder: Path) -> Path:
    """The folder with a detector of that architecture, which is asked for objects."""
    torch.manual_seed(0)
    if architecture.endswith("grounding-dino"):
        _grounding_dino("MMGroundingDino" if architecture.startswith("mm") else "GroundingDino").save_pretrained(folder)
        tf.GroundingDinoImageProcessor(size=_SHORTEST).save_pretrained(folder)
        _bert().save_pretrained(folder)
        return folder
    two = architecture == "owlv2"
    _owl(two).save_pretrained(folder)
    (tf.Owlv2ImageProcessor if two else tf.OwlViTImageProcessor)(size=_SQUARE).save_pretrained(folder)
    _clip_words().save_pretrained(folder)
    return folder


def _grounding_dino(kind: str) -> Any:
    config = getattr(tf, f"{kind}Config")(
        backbone_config=tf.SwinConfig(
            image_size=64, patch_size=4, window_size=4, embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 1, 1],
            out_features=["stage2", "stage3", "stage4"],
        ),
        text_config=tf.BertConfig(
            vocab_size=1100, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
        ),
        num_feature_levels=3,
        max_text_len=32,
        disable_custom_kernels=True,
        **_PLAIN,
        **_TRANSFORMER,
    )  # fmt: skip
    return getattr(tf, f"{kind}ForObjectDetection")(config)


def _bert() -> Any:
    entries = [f"[unused{i}]" for i in range(1100)]
    entries[0], entries[100], entries[CLS], entries[SEP], entries[103] = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"
    entries[STOP] = "."
    entries[1040 : 1040 + len(WORDS)] = WORDS
    return BertTokenizerFast(vocab={word: i for i, word in enumerate(entries)})


def _owl(two: bool) -> Any:
    kinds = ("Owlv2TextConfig", "Owlv2VisionConfig", "Owlv2Config", "Owlv2ForObjectDetection")
    text, vision, whole, net = (getattr(tf, kind if two else kind.replace("Owlv2", "OwlViT")) for kind in kinds)
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    texts = text(vocab_size=200, max_position_embeddings=16, **sizes)
    pictures = vision(image_size=64, patch_size=16, **sizes)
    return net(whole(text_config=texts.to_dict(), vision_config=pictures.to_dict(), projection_dim=16))


def _clip_words() -> Any:
    """A tokenizer of CLIP that knows letters alone."""
    letters = [chr(i) for i in range(ord("a"), ord("z") + 1)]
    entries = ["!", *letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizerFast(vocab={entry: i for i, entry in enumerate(entries)}, merges=[])
