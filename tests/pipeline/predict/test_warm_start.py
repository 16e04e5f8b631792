"""A training that starts from a bundle: what it takes over, what it refuses, and what it says of classes called unseen."""

from pathlib import Path

import pytest
import torch
from small_demo import small

from models.clip import Clip
from pipeline.config.tree import Config
from pipeline.datasets import classes
from pipeline.engine import run
from pipeline.errors import ConfigError, DataError
from pipeline.learned import build
from pipeline.learned.checkpoint import load_weights
from pipeline.predict import bundle as bundles
from pipeline.predict import opening, warm_start
from pipeline.predict.bundle import Bundle
from tests.pipeline.predict.bundles import bundle, header

NARROW = ("model.layers=2", "model.bottleneck=8", "device=cpu")


@pytest.fixture(scope="module")
def clip() -> Clip:
    return build.frozen_clip(small(Path("nowhere"), *NARROW))


def trained(config: Config, clip: Clip) -> Bundle:
    """A bundle of the configured model, whose weights are all 0.25, trained on the stable of `bundles.py`."""
    whose = opening.identity_of(clip, config)
    weights = {name: torch.full_like(t, 0.25) for name, t in build.model(config, clip).state_dict().items()}
    width = clip.joint_width
    texts = {"text.hoi_id": torch.tensor([3, 8]), "text.before": torch.eye(2, width), "text.after": torch.eye(2, width)}
    tensors = {f"{bundles.MODEL}{name}": value for name, value in weights.items()}
    return Bundle(header(sizes=build.sizes(config), clip=whose), tensors | texts | {"objects": torch.zeros(4, width)})


def test_all_that_was_learned_is_taken_over(tmp_path: Path, clip: Clip) -> None:
    config = small(tmp_path, *NARROW)
    bundles.write(tmp_path / "b.safetensors", trained(config, clip))
    model, begun = warm_start.model(tmp_path / "b.safetensors", config, clip)
    assert all((value == 0.25).all() for value in model.state_dict().values())
    assert model.training and all(p.requires_grad for p in model.parameters())
    assert (begun.datasets, begun.training_pairs) == (("world",), 12)
    assert begun.labelled == ("no interaction dog", "ride horse")  # "walk dog" was unseen


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ("model.layers=3", r"was trained with model\.layers = 2, and this run has 3; set model\.layers to its own"),
        ("model.bottleneck=16", r"model\.bottleneck = 8, and this run has 16"),
        ("model.heads=4", r"model\.heads = 2, and this run has 4"),
        ("model.parts.inter_fusion=false", r"model\.parts\.inter_fusion = True, and this run has False"),
        ("model.preset=released", r"model\.preset = paper, and this run has released"),
        ("clip.tokens=cls", r"clip\.tokens = all, and this run has cls"),
    ],
)
def test_a_model_of_other_sizes_is_refused(tmp_path: Path, clip: Clip, other: str, says: str) -> None:
    bundles.write(tmp_path / "b.safetensors", trained(small(tmp_path, *NARROW), clip))
    with pytest.raises(ConfigError, match=rf"^seen\.init = {tmp_path}/b\.safetensors: .*{says}"):
        warm_start.model(tmp_path / "b.safetensors", small(tmp_path, *NARROW, other), clip)


def test_the_scale_that_a_fresh_training_starts_with_does_not_count(tmp_path: Path, clip: Clip) -> None:
    bundles.write(tmp_path / "b.safetensors", trained(small(tmp_path, *NARROW), clip))
    model, _ = warm_start.model(tmp_path / "b.safetensors", small(tmp_path, *NARROW, "model.logit_scale=3"), clip)
    assert float(model.logit_scale.detach()) == 0.25


def test_another_clip_is_refused(tmp_path: Path, clip: Clip) -> None:
    config = small(tmp_path, *NARROW)
    made = trained(config, clip)
    other = made.header.model_copy(update={"clip": made.header.clip.model_copy(update={"digest": "0" * 32})})
    bundles.write(tmp_path / "b.safetensors", Bundle(other, made.tensors))
    with pytest.raises(ConfigError, match=r"was trained on CLIP tiny with the weights tiny \(digest 000000000000\)"):
        warm_start.model(tmp_path / "b.safetensors", config, clip)


def test_what_is_no_bundle_is_refused(tmp_path: Path, clip: Clip) -> None:
    (tmp_path / "b.safetensors").write_bytes(b"no")
    with pytest.raises(DataError, match="is no whole bundle"):
        warm_start.model(tmp_path / "b.safetensors", small(tmp_path, *NARROW), clip)


def test_one_start_is_enough() -> None:
    with pytest.raises(
        ConfigError, match=r"seen\.weights takes the place of training, and seen\.init is the start of one"
    ):
        small(Path("nowhere"), "seen.weights=a.safetensors", "seen.init=b.safetensors")


def test_a_header_without_a_start_is_what_older_versions_read(tmp_path: Path) -> None:
    bundles.write(tmp_path / "b.safetensors", bundle())
    assert b"start" not in (tmp_path / "b.safetensors").read_bytes()


@pytest.mark.slow
def test_a_run_goes_on_where_another_ended(tmp_path: Path) -> None:
    """Trained on without a step that moves anything, the model is the bundle's; its unseen classes are none any more."""
    made = run.run(small(tmp_path, "setting=default", "seen.epochs=1"))
    start = made["bundle"].artifact.path(bundles.FILE)
    again = run.run(small(tmp_path, "setting=rf_uc", f"seen.init={start}", "seen.optimiser.lr=1e-12", "seen.epochs=1"))
    weights = [load_weights(found["seen"].artifact.path("model.safetensors"))[0] for found in (made, again)]
    for name, value in weights[0].items():
        torch.testing.assert_close(value, weights[1][name], rtol=0, atol=1e-7)
    told = bundles.read_header(again["bundle"].artifact.path(bundles.FILE))
    hidden = classes.settings(again["vocabulary"].artifact)["rf_uc"]
    assert hidden and told.unseen == () and told.start is not None
    assert "start of training" in again["evaluation"].artifact.path("report.html").read_text(encoding="utf-8")
    other = tmp_path / "moved.safetensors"
    other.write_bytes(start.read_bytes())
    moved = small(tmp_path, "setting=rf_uc", f"seen.init={other}", "seen.optimiser.lr=1e-12", "seen.epochs=1")
    assert run.run(moved)["seen"].hit, "the file's content counts, not its place"
