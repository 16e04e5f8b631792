"""The effect of prompts: on functions whose answer is known, and on the two arrangements of text prompts."""

from pathlib import Path

import pytest
import text_side
import torch
from torch import nn

from models.prompt_effect import FAR, prompt_effects


def test_by_hand() -> None:
    """Logits 2 x + 0 y: the gradient of x is twice the drawn weight, that of y exactly 0; constants have none."""
    x, y = torch.ones(3), torch.ones(3)
    found = prompt_effects({"x": x, "y": y}, lambda: 2 * x + 0 * y)
    draws = torch.Generator().manual_seed(0)
    weights = torch.randn(3, generator=draws)
    assert found[0].gradient == pytest.approx(float(2 * weights.abs().max())) and found[1].gradient == 0
    step = FAR * torch.randn(3, generator=draws)
    assert found[0].moved == pytest.approx(float(step.abs().max()), rel=1e-5) and found[1].moved == 0
    assert (found[0].acts, found[1].acts) == (True, False) and found[0].kept is None
    assert "x: acts" in str(found[0]) and "y: DOES NOTHING" in str(found[1])
    assert not prompt_effects({"x": x}, lambda: torch.ones(2))[0].acts


def test_everything_is_left_as_it_was() -> None:
    model = nn.Linear(4, 2)
    before, apart = model.weight.detach().clone(), torch.zeros(2)
    found = prompt_effects(
        {"weight": model.weight, "apart": apart}, lambda: model(torch.ones(1, 4)) + apart, module=model
    )
    assert torch.equal(model.weight, before) and model.weight.grad is None and not apart.requires_grad
    assert [one.kept for one in found] == [True, False] and "NOT a parameter" in str(found[1])


def test_a_detached_path_is_found_though_the_logits_move() -> None:
    x = torch.ones(3)
    found = prompt_effects({"x": x}, lambda: x.detach() * 2)[0]
    assert found.moved > 0 and found.gradient == 0 and not found.acts


def test_dropout_is_refused() -> None:
    x, drop = torch.ones(64), nn.Dropout(0.5)
    with pytest.raises(ValueError, match="training mode"):
        prompt_effects({"x": x}, lambda: drop(x))


def test_prompts_before_the_phrase_act_and_behind_its_end_do_not() -> None:
    ours = text_side.examined(text_side.arranged(behind_end=False))
    released = text_side.examined(text_side.arranged(behind_end=True))
    assert len(ours) == len(released) == 2
    assert all(one.acts and one.kept for one in ours)
    assert all((one.gradient, one.moved, one.kept) == (0.0, 0.0, False) for one in released)


MINE = """
import torch
def text_side():
    x, y = torch.nn.Parameter(torch.ones(3)), torch.nn.Parameter(torch.ones(3))
    return {"x": x, "y": y}, lambda: x * 2, torch.nn.ParameterList([x, y])
"""


def test_a_file_of_one_s_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.py"
    path.write_text(MINE)
    assert text_side.main([str(path)]) == 1
    assert "x: acts" in (told := capsys.readouterr().out) and "y: DOES NOTHING" in told
    path.write_text(MINE.replace("x * 2", "x * y"))
    assert text_side.main([str(path), "--json"]) == 0
    assert '"acts": true' in capsys.readouterr().out


@pytest.mark.parametrize(("text", "says"), [(None, "there is no such file"), ("x = 1", "defines no text_side()")])
def test_a_file_without_it_is_one_line(
    text: str | None, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.py"
    if text is not None:
        path.write_text(text)
    with pytest.raises(SystemExit, match="2"):
        text_side.main([str(path)])
    assert says in capsys.readouterr().err
