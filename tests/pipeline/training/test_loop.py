"""The loop: a continued run equals an uninterrupted one, and a loss that is not finite stops it clearly."""

from pathlib import Path

import pytest
import torch
from torch import nn

from pipeline.config import load
from pipeline.errors import EzhoiError
from pipeline.sections.training import Optimiser
from pipeline.training.loop import train
from pipeline.work import Work


def work(folder: Path) -> Work:
    (folder / "scratch").mkdir(parents=True, exist_ok=True)
    return Work(stage="seen", config=load(environment={}), inputs={}, out=folder, scratch=folder / "scratch")


def fit(folder: Path, *, die_at: int | None = None, poison: bool = False) -> tuple[nn.Linear, list[dict[str, float]]]:
    torch.manual_seed(0)
    model = nn.Linear(4, 1)

    def losses(step: int) -> dict[str, torch.Tensor]:
        if step == die_at:
            raise KeyboardInterrupt
        x = torch.randn(8, 4, generator=torch.Generator().manual_seed(step))
        fault = (model(x)[:, 0] - x.sum(dim=1)).square().mean()
        return {"square": fault * float("nan") if poison else fault}

    history = train(
        work=work(folder),
        modules=model,
        steps=40,
        losses_at=losses,
        settings=Optimiser(lr=0.05, clip_norm=10),
        rate_at=lambda step: 1 - step / 40,
        every=7,
    )
    return model, history


def test_interrupted_equals_uninterrupted(tmp_path: Path) -> None:
    whole, history = fit(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path / "cut", die_at=23)
    cut, continued = fit(tmp_path / "cut")
    assert torch.equal(whole.weight, cut.weight)
    assert history == continued
    assert history[-1]["loss"] < 0.5 * history[0]["loss"]


def test_a_loss_that_is_not_finite_names_stage_step_and_part(tmp_path: Path) -> None:
    with pytest.raises(EzhoiError, match=r"stage seen, step 0: the loss is not finite \(square = nan\)"):
        fit(tmp_path, poison=True)
