"""A DETR in the layout in which the hub has facebook/detr-resnet-50: made before transformers 5, its backbone from timm."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file

from models import hub_detector, questions
from models.hub_detector import HubDetector
from pipeline.boxes.converted_detector import CATEGORIES
from pipeline.boxes.labels import serving
from pipeline.datasets.hico.vocabulary import HICO

WIDTH, FFN, QUERIES = 32, 16, 7
CONFIG = {
    "activation_dropout": 0.0, "activation_function": "relu", "architectures": ["DetrForObjectDetection"],
    "attention_dropout": 0.0, "auxiliary_loss": False, "backbone": "resnet18", "bbox_cost": 5,
    "bbox_loss_coefficient": 5, "class_cost": 1, "classifier_dropout": 0.0, "d_model": WIDTH,
    "decoder_attention_heads": 2, "decoder_ffn_dim": FFN, "decoder_layerdrop": 0.0, "decoder_layers": 1,
    "dice_loss_coefficient": 1, "dilation": False, "dropout": 0.1, "encoder_attention_heads": 2,
    "encoder_ffn_dim": FFN, "encoder_layerdrop": 0.0, "encoder_layers": 1, "eos_coefficient": 0.1, "giou_cost": 2,
    "giou_loss_coefficient": 2, "init_std": 0.02, "init_xavier_std": 1.0, "is_encoder_decoder": True,
    "mask_loss_coefficient": 1, "max_position_embeddings": 1024, "model_type": "detr", "num_channels": 3,
    "num_hidden_layers": 1, "num_queries": QUERIES, "position_embedding_type": "sine", "scale_embedding": False,
    "use_pretrained_backbone": True, "use_timm_backbone": True,
}  # fmt: skip
PROCESSOR = {
    "do_normalize": True, "do_resize": True, "feature_extractor_type": "DetrFeatureExtractor", "format": "coco_detection",
    "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225], "max_size": 1333, "size": 800,
}  # fmt: skip


def tensors() -> dict[str, torch.Tensor]:
    """Random weights under the names of the published file."""
    torch.manual_seed(0)
    net = timm.create_model("resnet18", features_only=True, out_indices=(1, 2, 3, 4), pretrained=False)
    found = {
        f"model.backbone.conv_encoder.model.{name}": value.clone()
        for name, value in net.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }

    def linear(name: str, out: int, into: int) -> None:
        found[f"{name}.weight"], found[f"{name}.bias"] = 0.1 * torch.randn(out, into), 0.1 * torch.randn(out)

    def norm(name: str) -> None:
        found[f"{name}.weight"], found[f"{name}.bias"] = 1 + 0.1 * torch.randn(WIDTH), 0.1 * torch.randn(WIDTH)

    found["model.query_position_embeddings.weight"] = torch.randn(QUERIES, WIDTH)
    found["model.input_projection.weight"] = 0.1 * torch.randn(WIDTH, 512, 1, 1)
    found["model.input_projection.bias"] = 0.1 * torch.randn(WIDTH)
    for side, attentions in (("encoder", ("self_attn",)), ("decoder", ("self_attn", "encoder_attn"))):
        layer = f"model.{side}.layers.0"
        for attention in attentions:
            for part in ("k_proj", "v_proj", "q_proj", "out_proj"):
                linear(f"{layer}.{attention}.{part}", WIDTH, WIDTH)
            norm(f"{layer}.{attention}_layer_norm")
        linear(f"{layer}.fc1", FFN, WIDTH)
        linear(f"{layer}.fc2", WIDTH, FFN)
        norm(f"{layer}.final_layer_norm")
    norm("model.decoder.layernorm")
    linear("class_labels_classifier", 92, WIDTH)
    for number, out in enumerate((WIDTH, WIDTH, 4)):
        linear(f"bbox_predictor.layers.{number}", out, WIDTH)
    return found


@pytest.fixture
def published(tmp_path: Path) -> Path:
    names = {i: (CATEGORIES.get(i) or "N/A").replace("_", " ") for i in range(91)}
    both = {"id2label": {str(i): name for i, name in names.items()}, "label2id": {name: i for i, name in names.items()}}
    (tmp_path / "config.json").write_text(json.dumps(CONFIG | both))
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(PROCESSOR))
    save_file(tensors(), tmp_path / "model.safetensors", {"format": "pt"})
    return tmp_path


def test_it_is_read_whole_and_finds_the_vocabularys_objects(published: Path) -> None:
    """Nothing is missing, nothing is fetched, and no weight is another than the file's."""
    network = hub_detector.read(str(published))
    assert network.labels is not None and network.labels[1] == "person"
    file, net = tensors(), dict(network.net.named_parameters()) | dict(network.net.named_buffers())
    read = sorted(float(value.double().abs().sum()) for value in net.values() if value.ndim > 1)
    wanted = sorted(float(value.double().abs().sum()) for value in file.values() if value.ndim > 1)
    assert read == pytest.approx(wanted), "every matrix is there once, under whatever name"
    served = torch.from_numpy(serving(network.labels, HICO.objects))
    found = HubDetector(network, questions.of_labels(served))
    noise = np.random.default_rng(0).integers(0, 255, (60, 90, 3), dtype=np.uint8)
    ((boxes, scores, objects),) = found.detect([found.prepare(Image.fromarray(noise))])
    assert boxes.shape == (len(scores), 4) and len(scores) > 0 and int(objects.max()) < len(HICO.objects)


def test_a_weight_that_it_lacks_is_said(published: Path) -> None:
    less = tensors()
    del less["model.decoder.layers.0.encoder_attn.v_proj.weight"]
    save_file(less, published / "model.safetensors", {"format": "pt"})
    with pytest.raises(ValueError, match=r"1 weights are missing.*decoder.layers.0.encoder_attn"):
        hub_detector.read(str(published))
