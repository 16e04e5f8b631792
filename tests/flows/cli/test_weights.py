"""`ezhoi weights import` and `ezhoi model summary` as they are called."""

import json
from pathlib import Path

import pytest
import torch
from released_parity import parity_of
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from flows.cli.app import app
from pipeline.learned import build


def test_import_writes_weights_and_a_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parity = parity_of("nohalf")
    monkeypatch.setattr(build, "frozen_clip", lambda _config: parity.frozen_clip)
    state = {k: v for k, v in parity.state.items() if not k.startswith("unregistered.")}
    table = parity.frozen_clip.net.token_embedding.weight
    state["clip_head.prompt_learner.token_prompts"] = table[parity.inputs["inputs.tokenized_prompts"].long()]
    torch.save({"model_state_dict": state}, tmp_path / "ckpt.pt")
    result = CliRunner().invoke(app, ["weights", "import", str(tmp_path / "ckpt.pt")], catch_exceptions=False)
    assert result.exit_code == 0
    assert "redrawn" in result.output and "no effect" in result.output
    report = json.loads((tmp_path / "ckpt.released.report.json").read_text())
    assert report["mapped"]["logit_scale_HO"] == "logit_scale"
    assert len(report["redrawn"]) == 9

    drawn = {k: v for k, v in parity.state.items() if k.startswith("unregistered.")}
    save_file(drawn, tmp_path / "prompts.safetensors")
    command = ["weights", "import", str(tmp_path / "ckpt.pt"), "--prompts", str(tmp_path / "prompts.safetensors")]
    assert "redrawn" not in CliRunner().invoke(app, command, catch_exceptions=False).output
    weights = load_file(tmp_path / "ckpt.released.safetensors")
    assert torch.equal(weights["prompts"], parity.prompts())


def test_summary_needs_no_weights() -> None:
    result = CliRunner().invoke(app, ["model", "summary", "--profile", "hico-vitb"], catch_exceptions=False)
    assert "6,854,337" in result.output and "6.85 M" in result.output
