"""What is chosen of the model is written down once: the configuration, its keys and both presets hold the same classes."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest

from models.clip import Clip
from models.hoi import EzHoi, HoiModel
from models.released.hoi import ReleasedHoi
from models.sizes import Parts, Sizes
from pipeline.config.loading import load
from pipeline.config.model import Model
from pipeline.config.tree import Config
from pipeline.errors import ConfigError
from pipeline.learned import build


def test_the_configuration_holds_the_models_own_class() -> None:
    chosen = load(overrides=["model.parts.inter_fusion=false"], environment={}).model
    assert type(chosen.parts) is Parts and chosen.parts == Parts(inter_fusion=False)
    with pytest.raises(dataclasses.FrozenInstanceError):
        chosen.parts.inter_fusion = True  # type: ignore[misc]


def test_every_size_is_a_key_and_reaches_the_model() -> None:
    wanted = {"prompts": 3, "layers": 2, "bottleneck": 8, "heads": 4, "roi_size": 5, "logit_scale": 11.0}
    wanted |= {"adapter": "locality", "inter": "attention", "patterns": 7}
    settings = [f"model.{name}={value}" for name, value in wanted.items()]
    config = load(overrides=[*settings, "model.parts.intra_fusion=false"], environment={})
    assert dataclasses.asdict(build.sizes(config)) == wanted | {
        "parts": dataclasses.asdict(Parts(intra_fusion=False)),
    }
    assert {size.name for size in dataclasses.fields(Sizes)} <= set(Model.model_fields)


def test_an_unknown_part_is_named_with_the_nearest() -> None:
    with pytest.raises(
        ConfigError, match=r"unknown key 'model\.parts\.intra'\. Did you mean 'model\.parts\.intra_fusion'"
    ):
        load(overrides=["model.parts.intra=false"], environment={})


def test_the_parts_enter_the_fingerprint() -> None:
    found = load(overrides=["model.parts.vlm_guidance=false"], environment={}).subset(["model"])["model"]
    assert found["parts"] == dataclasses.asdict(Parts(vlm_guidance=False))


def test_the_configuration_imports_no_torch() -> None:
    code = "import sys, models.sizes, pipeline.config.tree; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


@pytest.mark.parametrize("preset", [EzHoi, ReleasedHoi])
def test_both_presets_take_the_same_sizes(clip: Clip, preset: type[HoiModel]) -> None:
    sizes = Sizes(prompts=3, layers=2, bottleneck=8, heads=4, roi_size=5, logit_scale=11.0)
    model = preset(clip=clip, sizes=sizes)
    assert model.clip is clip and model.sizes == sizes
    assert model.state_dict()["prompts"].shape[:2] == (2, 3)
    with pytest.raises(ValueError, match=r"model\.layers = 4, but CLIP has 3 text and 3 visual layers"):
        preset(clip=clip, sizes=dataclasses.replace(sizes, layers=4))


def test_the_released_preset_has_all_parts() -> None:
    with pytest.raises(ConfigError, match="preset 'paper' only"):
        load(overrides=["model.preset=released", "model.parts.intra_fusion=false"], environment={})
    assert Config(profile="any").model.parts == Parts()


@pytest.mark.parametrize("setting", ["model.adapter=locality", "model.patterns=10", "model.inter=block"])
def test_the_released_preset_has_its_own_adapter_and_fusion(setting: str) -> None:
    with pytest.raises(ConfigError, match=r"model\.adapter, model\.inter and model\.patterns can be chosen in preset"):
        load(overrides=["model.preset=released", setting], environment={})
