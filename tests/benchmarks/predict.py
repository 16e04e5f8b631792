"""Predicting at true sizes with random weights: CPU seconds beside the bare forwards.

    python tests/benchmarks/predict.py FOLDER [--pictures 6]

FOLDER holds photographs (JPEG). ViT-B/16 and DETR with ResNet-50 and 100 queries, fp32. Measured in one run, a picture:

    bare        the detector's net once, the frozen tower once, the prompted tower with adapters and fusion once
    one         `Predictor` on a file: decoding, resizing, detection, pairs, scores, the record
    folder      `ezhoi predict`: the same in batches with threads that decode and draw, drawings written
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import open_clip
import torch
from transformers import DetrConfig, DetrForObjectDetection, DetrImageProcessor, ResNetConfig

from models.clip import Clip, Tokenizer
from models.clip_loading import MEAN, STD
from models.instances import collate
from models.sizes import Sizes
from pipeline.boxes.converted_detector import CATEGORIES
from pipeline.boxes.instances import sift
from pipeline.config.model import Pairing
from pipeline.datasets.hico.vocabulary import HICO
from pipeline.learned import build
from pipeline.predict import detecting, folder, opening, words
from pipeline.predict.bundle import MODEL, Bundle, ClipIdentity, Detector, Header, Measured
from pipeline.predict.listing import pictures
from pipeline.predict.many import BATCH, Many
from pipeline.predict.predictor import Predictor, _fractions

SIZE = 224
SIZES = Sizes(prompts=2, layers=9, bottleneck=64, heads=2, roi_size=7, logit_scale=20.0)


def detector(place: Path) -> detecting.ConfiguredDetector:
    """DETR with ResNet-50 and random weights, through the real loading code."""
    names = {i: (CATEGORIES.get(i) or f"N/A {i}").replace("_", " ") for i in range(91)}
    settings = {"use_timm_backbone": False, "use_pretrained_backbone": False, "id2label": names}
    config = DetrConfig(backbone_config=ResNetConfig(out_features=["stage4"]), **settings)
    DetrForObjectDetection(config).save_pretrained(place)
    DetrImageProcessor().save_pretrained(place)
    return detecting.opened(str(place), HICO, device="cpu")


def bundle(clip: Clip) -> Bundle:
    """A bundle of HICO-DET's classes with random tensors."""
    identity = ClipIdentity.model_validate(
        {"architecture": "ViT-B-16-quickgelu", "weights": "random", "kind": "file", "digest": "0", "image_size": SIZE}
        | {"mean": MEAN, "std": STD, "resize": "shortest", "tokens": "all"}
    )
    header = Header.model_validate(
        {"made_with": "0", "dataset": "hico", "training_pairs": 0, "setting": "uv", "unseen": (), "preset": "paper"}
        | {"sizes": SIZES, "scope": "own_object", "scale": 20.0, "tau": 2.8, "pairing": Pairing(), "clip": identity}
        | {"detector": Detector(source="hub", name="random"), "made_from": {}}
        | {"measured": Measured(protocol="official", means={}, images=0, annotated_pairs=0)}
        | {"vocabulary": {"format": "ezhoi-vocabulary/1", **HICO.as_json()}}
    )
    tensors = {f"{MODEL}{k}": v for k, v in build.of_preset("paper", SIZES, clip).state_dict().items()}
    text = torch.nn.functional.normalize(torch.randn(len(HICO.classes), clip.joint_width), dim=-1)
    tensors |= {"text.hoi_id": torch.tensor(HICO.ids), "text.before": text, "text.after": text}
    return Bundle(header, tensors | {"objects": torch.randn(len(HICO.objects), clip.joint_width)})


def seconds(work: Callable[[], object]) -> float:
    """CPU seconds of all threads of this process."""
    start = time.process_time()
    work()
    return time.process_time() - start


def main() -> None:
    """Print the table."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pictures", type=int, default=6)
    asked = parser.parse_args()
    listed = pictures([str(asked.folder)])[: asked.pictures]
    net = open_clip.create_model("ViT-B-16-quickgelu", pretrained=None, force_image_size=SIZE)
    clip = Clip(net.eval().requires_grad_(False), Tokenizer(context=net.context_length))
    with tempfile.TemporaryDirectory() as temporary:
        finder, whole = detector(Path(temporary) / "detr"), bundle(clip)
        model = opening.model(whole, clip)
        predictor = Predictor(whole.header, model, words.of_bundle(whole), finder)
        prepared = [predictor.prepare(picture.path, name=picture.name) for picture in listed]
        inputs = [finder._found._net.prepare(one.picture) for one in prepared]
        found = [sift(_fractions(b, one.size), Pairing()) for one in prepared for b in finder.detect([one.picture])]

        @torch.no_grad()
        def bare() -> None:
            for one, (tensors, _), boxes in zip(prepared, inputs, found, strict=True):
                finder._found._net.net(**tensors)
                tokens = clip.embed_images(one.whole[None])
                model.pairs(model.normalise(one.square[None]), tokens, collate([boxes]), predictor._objects)

        bare()
        forwards = seconds(bare)
        single = seconds(lambda: [predictor(picture.path, threshold=0.0) for picture in listed])
        out = folder.opened(Path(temporary) / "out", {"says": ""})
        many = Many(predictor=predictor, folder=out, boxes=None, top=10, threshold=0.0)
        in_folder = seconds(lambda: many.run(listed, lambda done, total, note: None))
        out.close()
    count = len(listed)
    print(f"{count} pictures, one thread, batches of {BATCH}; CPU seconds a picture")
    for name, spent in (("bare", forwards), ("one", single), ("folder", in_folder)):
        print(f"{name:<8}{spent / count:8.3f}  {spent / forwards:6.3f} of the bare forwards")


if __name__ == "__main__":
    sys.exit(main())
