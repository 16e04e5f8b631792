"""The loop: a continued run equals an uninterrupted one, parts add up to the whole, and what is not finite stops it."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from pipeline.config.loading import load
from pipeline.config.training import Optimiser, TrainRuntime
from pipeline.errors import EzhoiError
from pipeline.learned import checkpoint
from pipeline.store.exchange import Exchange
from pipeline.store.remote.exchange import ObjectExchange
from pipeline.training.history import History
from pipeline.training.loop import train
from pipeline.training.task import Part, Whole
from pipeline.work.pieces import Pieces
from pipeline.work.work import Work

STEPS = 40
HERE = Exchange()


def work(folder: Path, exchange: Exchange = HERE) -> Work:
    (folder / "scratch").mkdir(parents=True, exist_ok=True)
    config = load(environment={}, overrides=["device=cpu"])
    return Work(stage="seen", config=config, inputs={}, out=folder, scratch=folder / "scratch", exchange=exchange)


class Regression(nn.Module):
    """A linear model behind dropout; half of the rows are `positive`, and a second layer sees only steps after 20."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.late = nn.Linear(4, 1), nn.Linear(4, 1)

    def load(self, step: int, part: Part) -> tuple[int, Tensor]:
        rows = torch.randn(12, 4, generator=torch.Generator().manual_seed(step))
        return step, rows[part.of(range(12))]

    def ready(self, loaded: tuple[int, Tensor]) -> tuple[int, Tensor]:
        return loaded

    def positives(self, batch: tuple[int, Tensor]) -> float:
        return float((batch[1][:, 0] > 0).sum())

    def losses(self, batch: tuple[int, Tensor], positives: float) -> dict[str, Tensor]:
        step, x = batch
        y = self.first(x) + (self.late(x) if step > 20 else 0)
        return {"square": (y[:, 0] - x.sum(dim=1)).square().sum() / max(positives, 1)}

    def files(self, step: int) -> list[str]:
        return [f"image-{step}.png"]


def fit(
    folder: Path,
    task: Regression,
    *,
    accumulate: int = 1,
    steps: int = STEPS,
    exchange: Exchange = HERE,
    **runtime: int,
) -> History:
    return train(
        work=work(folder, exchange),
        modules=task,
        task=task,
        steps=steps,
        optimiser=Optimiser(lr=0.05, clip_norm=10),
        rate_at=lambda step: 1 - step / STEPS,
        runtime=TrainRuntime(checkpoint_every=7, **runtime),
        accumulate=accumulate,
    )


class Killed(Regression):
    """A task that dies at a step."""

    def losses(self, batch: tuple[int, Tensor], positives: float) -> dict[str, Tensor]:
        if batch[0] == 23:
            raise KeyboardInterrupt
        return super().losses(batch, positives)


class Dropping(Regression):
    """A task that draws more than its batch: it has dropout."""

    def losses(self, batch: tuple[int, Tensor], positives: float) -> dict[str, Tensor]:
        return super().losses((batch[0], nn.functional.dropout(batch[1], 0.3)), positives)


class Counting(Regression):
    """A task that remembers the steps that it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[int] = []

    def losses(self, batch: tuple[int, Tensor], positives: float) -> dict[str, Tensor]:
        self.steps.append(batch[0])
        return super().losses(batch, positives)


class KilledDropping(Dropping, Killed):
    pass


@pytest.mark.parametrize(("kind", "killed"), [(Regression, Killed), (Dropping, KilledDropping)])
@pytest.mark.parametrize("loaders", [0, 3])
def test_interrupted_equals_uninterrupted(
    tmp_path: Path, kind: type[Regression], killed: type[Regression], loaders: int
) -> None:
    whole = kind()
    history = fit(tmp_path / "whole", whole, loaders=loaders)
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path / "cut", killed(), loaders=loaders)
    assert len((tmp_path / "cut" / "scratch" / "history.jsonl").read_text().splitlines()) == 23
    cut = kind()
    continued = fit(tmp_path / "cut", cut, loaders=loaders)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, cut.state_dict()[name])
    assert history.rows == continued.rows
    assert [row["step"] for row in continued.rows] == list(range(STEPS))
    assert history.rows[-1]["loss"] < 0.5 * history.rows[0]["loss"]


def test_another_machine_goes_on_from_the_last_checkpoint(tmp_path: Path, gate: Any) -> None:
    """They share an object store. The first one, back again, takes what the other one trained meanwhile."""

    def machine(name: str, task: Regression, steps: int = STEPS) -> History:
        exchange = ObjectExchange(f"s3://bucket/{tmp_path.name}", "f00", ttl=10)
        return fit(tmp_path / name, task, steps=steps, exchange=exchange)

    whole = Regression()
    history = fit(tmp_path / "whole", whole)
    with pytest.raises(KeyboardInterrupt):
        machine("one", Killed())  # at step 23, its last checkpoint is at 21
    machine("other", Regression(), steps=30)
    last = Counting()
    continued = machine("one", last)
    assert last.steps == list(range(30, STEPS))
    assert all(torch.equal(value, last.state_dict()[name]) for name, value in whole.state_dict().items())
    assert history.rows == continued.rows


@pytest.mark.parametrize("accumulate", [2, 5, 12])
def test_parts_add_up_to_the_whole(tmp_path: Path, accumulate: int) -> None:
    whole, parts = Regression(), Regression()
    first = fit(tmp_path / "whole", whole)
    second = fit(tmp_path / "parts", parts, accumulate=accumulate)
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(parts.state_dict()[name], value, rtol=1e-4, atol=1e-6)
    assert [r["loss"] for r in second.rows] == pytest.approx([r["loss"] for r in first.rows], rel=1e-4)


def test_deterministic_mode_changes_nothing_on_a_cpu_and_is_switched_off_again(tmp_path: Path) -> None:
    plain, strict = Regression(), Regression()
    fit(tmp_path / "plain", plain)
    fit(tmp_path / "strict", strict, deterministic=True)
    assert torch.equal(plain.first.weight, strict.first.weight)
    assert not torch.are_deterministic_algorithms_enabled()


class Poisoned(Regression):
    """A loss, or only its gradient, is not finite at step 9."""

    gradient_only = False

    def losses(self, batch: tuple[int, Tensor], positives: float) -> dict[str, Tensor]:
        losses = super().losses(batch, positives)
        if batch[0] != 9:
            return losses
        if self.gradient_only:
            return losses | {"root": (self.first.weight.sum() * 0).sqrt()}
        return losses | {"other": self.first.weight.sum() * float("nan")}


@pytest.mark.parametrize("gradient_only", [False, True])
def test_what_is_not_finite_names_stage_step_part_and_files(tmp_path: Path, gradient_only: bool) -> None:
    task = Poisoned()
    task.gradient_only = gradient_only
    what = "the gradient" if gradient_only else "the loss"
    with pytest.raises(EzhoiError, match=rf"stage seen, step 9: {what} is not finite \(square = .*image-9\.png"):
        fit(tmp_path, task)
    assert all(p.isfinite().all() for p in task.parameters())
    assert (tmp_path / "scratch" / "training.safetensors").exists()


def test_the_history_can_be_read_while_it_grows(tmp_path: Path) -> None:
    seen = []

    def losses_at(step: int) -> dict[str, Tensor]:
        path = tmp_path / "scratch" / "history.jsonl"
        seen.append([json.loads(line)["step"] for line in path.read_text().splitlines()])
        return {"square": model.weight.square().sum()}

    model = nn.Linear(2, 2)
    train(
        work=work(tmp_path),
        modules=model,
        task=Whole(losses_at),
        steps=3,
        optimiser=Optimiser(),
        rate_at=lambda step: 0.5,
        runtime=TrainRuntime(),
    )
    assert seen == [[], [0], [0, 1]]


def test_time_is_split_and_counted(tmp_path: Path) -> None:
    history = fit(tmp_path, Regression())
    speed = history.speed(per_step=12)
    assert speed["images_per_second"] == pytest.approx(12 * speed["steps_per_second"], rel=1e-2)
    shares = [speed[f"{kind}_percent"] for kind in ("data", "forward", "backward")]
    assert all(share > 0 for share in shares) and sum(shares) == pytest.approx(100, abs=0.2)
    assert "seconds" in history.steps[0] and "seconds" not in history.rows[0]


def test_the_schedule_reaches_the_optimiser(tmp_path: Path) -> None:
    rows = fit(tmp_path, Regression()).rows
    assert [row["lr"] for row in rows[:2]] == pytest.approx([0.05, 0.05 * (1 - 1 / STEPS)])
    model = Regression()
    before = model.first.weight.clone()
    train(
        work=work(tmp_path / "still"),
        modules=model,
        task=model,
        steps=3,
        optimiser=Optimiser(),
        rate_at=lambda step: 0.0,
        runtime=TrainRuntime(),
    )
    assert torch.equal(model.first.weight, before)


def cut_lines(path: Path) -> None:
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:4]))


def change_a_number(path: Path) -> None:
    """Change the loss in a line of the history, which stays valid JSON."""
    lines = path.read_text().splitlines()
    lines[3] = json.dumps(json.loads(lines[3]) | {"loss": 0.0})
    path.write_text("\n".join(lines) + "\n")


def flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-5] ^= 1  # in the last tensor: nothing that safetensors would notice
    path.write_bytes(content)


def cut_in_half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("history.jsonl", cut_lines),
        ("history.jsonl", change_a_number),
        ("history.jsonl", Path.unlink),
        ("training.safetensors", flip_a_byte),
        ("training.safetensors", cut_in_half),
        ("training.safetensors", lambda path: path.write_bytes(b"")),
        (".digests/training.safetensors", lambda path: path.write_bytes(b"\xff\xfe")),
    ],
)
def test_a_damaged_state_is_said_and_trained_anew(
    tmp_path: Path, name: str, damage: Any, caplog: pytest.LogCaptureFixture
) -> None:
    whole = Regression()
    history = fit(tmp_path / "whole", whole)
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path / "cut", Killed())
    damage(tmp_path / "cut" / "scratch" / name)
    again = Counting()
    continued = fit(tmp_path / "cut", again)
    assert again.steps == list(range(STEPS))
    assert continued.rows == history.rows
    assert all(torch.equal(value, again.state_dict()[key]) for key, value in whole.state_dict().items())
    assert len([r for r in caplog.records if r.levelname == "WARNING"]) == 1


def test_a_damaged_checkpoint_is_taken_from_the_object_store(tmp_path: Path, gate: Any) -> None:
    exchange = ObjectExchange(f"s3://bucket/{tmp_path.name}", "f00", ttl=10)
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path, Killed(), exchange=exchange)
    flip_a_byte(tmp_path / "scratch" / "training.safetensors")
    again = Counting()
    fit(tmp_path, again, exchange=exchange)
    assert again.steps == list(range(21, STEPS))


FOREIGN: dict[str, tuple[dict[str, Tensor], dict[str, str]]] = {
    "other shapes": ({"model.first.weight": torch.zeros(2, 4)}, {}),
    "other modules": ({"model.third.weight": torch.zeros(1, 4)}, {}),
    "moments of no parameter": ({"optimiser.99.exp_avg": torch.zeros(1, 4)}, {}),
    "moments of another shape": ({"optimiser.0.exp_avg": torch.zeros(9)}, {}),
    "moments with another name": ({"optimiser.0.x.y": torch.zeros(1)}, {}),
    "a step that is none": ({}, {"step": "soon"}),
    "no step": ({}, {"step": ""}),
}


@pytest.mark.parametrize("what", [*FOREIGN, "no tensors"])
def test_a_whole_checkpoint_of_something_else_is_said_and_trained_anew(
    tmp_path: Path, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Its digest holds: another version of the code wrote it, or somebody into a shared bucket. No later run ends by it."""
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path, Killed())
    pieces = Pieces(tmp_path / "scratch")
    tensors, about = checkpoint.load_weights(tmp_path / "scratch" / checkpoint.NAME)
    with pieces.writing(checkpoint.NAME) as temporary:
        if what == "no tensors":
            temporary.write_bytes(b"no tensors")
        else:
            save_file(tensors | FOREIGN[what][0], temporary, metadata=about | FOREIGN[what][1])
    continued = fit(tmp_path, Regression()).rows
    assert continued == fit(tmp_path / "whole", Regression()).rows
    assert "is no checkpoint of this training" in caplog.text


class Unlabelled(Regression):
    def positives(self, batch: tuple[int, Tensor]) -> float:
        return 0.0


def test_a_training_without_any_positive_label_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    fit(tmp_path / "some", Regression(), steps=2)
    assert "no pair of detected boxes matched" not in caplog.text
    fit(tmp_path / "none", Unlabelled(), steps=2)
    assert "no pair of detected boxes matched an annotated one in any of 2 steps" in caplog.text


def test_a_last_batch_without_labels_says_nothing_of_the_steps_before_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fit(tmp_path, Regression(), steps=6)
    fit(tmp_path, Unlabelled(), steps=7)
    assert "no label taught anything" not in caplog.text
