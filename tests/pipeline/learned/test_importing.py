"""Importing a released checkpoint: every key is accounted for, what does not fit is refused, no code is executed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from released_parity import Parity, parity_of
from torch import Tensor

from models.released.hoi import ReleasedHoi
from models.sizes import Sizes
from pipeline.datasets.hico.vocabulary import HICO
from pipeline.errors import DataError
from pipeline.learned import importing
from pipeline.learned.released_text import class_sentence, object_sentence


@pytest.fixture
def parity() -> Parity:
    return parity_of("nohalf")


def state_dict(parity: Parity) -> dict[str, Tensor]:
    """What the released code saves: with its constants and the detector, without its prompts."""
    table = parity.frozen_clip.net.token_embedding.weight
    state = {k: v for k, v in parity.state.items() if not k.startswith("unregistered.")}
    state["clip_head.prompt_learner.token_prompts"] = table[parity.inputs["inputs.tokenized_prompts"].long()]
    state["clip_head.token_embedding.weight"] = table
    state["label_HO"] = parity.inputs["inputs.label_HO"]
    state["detector.class_embed.weight"] = torch.zeros(81, 256)
    return state


def fresh(parity: Parity) -> ReleasedHoi:
    sizes = Sizes(prompts=2, layers=9, bottleneck=64, heads=2, roi_size=7, logit_scale=1.0)
    return ReleasedHoi(clip=parity.frozen_clip, sizes=sizes, half_prompts=False)


def save(path: Path, state: dict[str, Tensor], **more: Any) -> Path:
    torch.save({"iteration": 7, "epoch": 12, "model_state_dict": state} | more, path)
    return path


def test_the_imported_model_computes_what_the_released_one_did(parity: Parity, tmp_path: Path) -> None:
    state, _ = importing.read(save(tmp_path / "ckpt.pt", state_dict(parity)))
    state |= {k: v for k, v in parity.state.items() if k.startswith("unregistered.")}
    model = fresh(parity).eval()
    converted, report = importing.convert(state, model)
    assert converted.pop(importing.ROWS).tolist() == parity.inputs["inputs.select_HOI_index"].tolist()
    model.load_state_dict(converted)
    expected = parity.joined("mem_adapter#{}.out", parity.train)[:, 0]
    torch.testing.assert_close(parity.pairs(model), expected, atol=1e-5, rtol=1e-4)
    assert report.redrawn == [] and report.unknown == [] and report.warnings == []


def test_every_key_is_accounted_for(parity: Parity) -> None:
    state = state_dict(parity)
    state["something.new"] = torch.zeros(1)
    converted, report = importing.convert(state, fresh(parity))
    assert {*report.mapped, *report.ignored, *report.unknown} == set(state)
    assert report.unknown == ["something.new"]
    assert {*report.mapped.values(), *report.redrawn} == {
        *(k for k in converted if k not in ("prompts", importing.ROWS)),
        *(f"prompts.{i}" for i in range(9)),
    }
    assert "no effect" in report.ignored["clip_head.prompt_learner.unseen_pt_adapter.up_proj_mem.weight"]
    assert "detector" in report.ignored["detector.class_embed.weight"]


def test_prompts_that_are_not_there_are_redrawn_from_the_seed_and_it_is_said(parity: Parity) -> None:
    converted, report = importing.convert(state_dict(parity), fresh(parity))
    stream = torch.Generator().manual_seed(66)
    assert torch.equal(converted["prompts"], torch.stack([torch.randn(2, 64, generator=stream) for _ in range(9)]))
    assert report.redrawn == [f"prompts.{i}" for i in range(9)]
    assert "never saved" in report.warnings[0] and "--prompts" in report.warnings[0]


def moments(prompts: Tensor) -> list[Tensor]:
    """A sum of some steps' gradients of each projection."""
    some = torch.Generator().manual_seed(1)
    return [sum(torch.randn(128, 2, generator=some) @ layer for _ in range(5)) for layer in prompts]


def test_the_optimisers_moments_tell_true_prompts_from_others(parity: Parity, tmp_path: Path) -> None:
    true = parity.prompts()
    optimiser = {"state": {i: {"exp_avg": m} for i, m in enumerate([torch.zeros(3), *moments(true)])}}
    path = save(tmp_path / "ckpt.pt", state_dict(parity), optim_state_dict=optimiser)
    state, found = importing.read(path)
    assert importing.share_outside(true, found) == pytest.approx(0, abs=1e-4)
    _, report = importing.convert(state, fresh(parity), moments=found)
    assert any("made with other prompts" in warning for warning in report.warnings)
    state |= {k: v for k, v in parity.state.items() if k.startswith("unregistered.")}
    assert importing.convert(state, fresh(parity), moments=found)[1].warnings == []


def test_what_does_not_fit_is_refused_with_both_shapes(parity: Parity) -> None:
    state = state_dict(parity)
    state["vis_fuse.0.weight"] = torch.zeros(64, 96)
    del state["logit_scale_HO"]
    state["clip_head.prompt_learner.compound_prompt_proj_vis.8.bias"] = torch.zeros(128)
    with pytest.raises(DataError) as error:
        importing.convert(state, fresh(parity), source="ckpt.pt")
    assert "compound_prompt_proj_vis.8.bias: the model has no visual_prompts.project.9.bias" in str(error.value)
    assert "vis_fuse.0.weight: (64, 96) in the file, (64, 128) in the model" in str(error.value)
    assert "logit_scale: missing in the file" in str(error.value)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_no_finite_numbers_are_refused(parity: Parity, value: float) -> None:
    state = state_dict(parity)
    name = "vis_fuse.0.weight"
    state[name] = state[name].clone()
    state[name].view(-1)[-1] = value
    with pytest.raises(DataError, match=rf"ckpt\.pt: its {name} has values that are no finite numbers"):
        importing.convert(state, fresh(parity), source="ckpt.pt")


def test_another_clip_is_noticed(parity: Parity) -> None:
    state = state_dict(parity)
    state["clip_head.image_encoder.proj"] = state["clip_head.image_encoder.proj"] + 1
    _, report = importing.convert(state, fresh(parity))
    assert any("1 frozen CLIP tensors differ" in warning for warning in report.warnings)
    state["clip_head.image_encoder.proj"] = torch.zeros(3, 3)
    with pytest.raises(DataError, match=r"image_encoder.proj is \(3, 3\) in the file, \(128, 64\)"):
        importing.convert(state, fresh(parity))
    state = state_dict(parity)
    state["clip_head.prompt_learner.token_prompts"] = torch.randn(212, 77, 64)
    with pytest.raises(DataError, match="no HICO-DET class phrase"):
        importing.convert(state, fresh(parity))


class Harmful:
    def __reduce__(self) -> Any:
        return os.mkdir, ("was-executed",)


def test_a_file_with_code_is_refused_and_not_executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "ckpt.pt"
    torch.save({"model_state_dict": {}, "hook": Harmful()}, path)
    with pytest.raises(DataError, match="could execute code"):
        importing.read(path)
    assert not (tmp_path / "was-executed").exists()


def test_other_files_are_refused(tmp_path: Path) -> None:
    for name in ("a.pt", "a.safetensors"):
        (tmp_path / name).write_bytes(b"no checkpoint")
        with pytest.raises(DataError, match=f"{name}: cannot be read"):
            importing.read(tmp_path / name)
    with pytest.raises(DataError, match="no such file"):
        importing.read(tmp_path / "b.pt")
    torch.save([1, 2], tmp_path / "c.pt")
    with pytest.raises(DataError, match="expected tensors by name"):
        importing.read(tmp_path / "c.pt")


def test_sentences_are_the_released_ones(parity: Parity) -> None:
    rows = parity.inputs["inputs.select_HOI_index"].tolist()
    recorded = parity.inputs["inputs.tokenized_prompts"].long()
    tokens, _ = parity.frozen_clip.tokenizer.encode([class_sentence(HICO.classes[h]) for h in rows])
    assert torch.equal(tokens, recorded[:, : tokens.shape[1]]) and not recorded[:, tokens.shape[1] :].any()
    assert object_sentence("orange") == "a photo of an orange"
    assert object_sentence("fire_hydrant") == "a photo of a fire hydrant"
