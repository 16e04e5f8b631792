"""What `make test-gpu` measures and checks, by the device: on a GPU with the true architectures, on a CPU with the tiny one.

Weights are random and pictures are those of the rendered world, so rates are those of the real stages and accuracies mean
nothing. Everything is the product's own code; only the bare forwards, beside which its rates are put, are written here.
"""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import forked
import numpy as np
import open_clip
import torch
from PIL import Image
from safetensors.torch import save_file
from small_demo import small
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode
from weights_apart import weights_apart

from models.clip_loading import build
from models.precision import Precision, computing_in, tf32
from models.transfer import stacked, to_device
from pipeline.config.tree import Config
from pipeline.engine import run
from pipeline.engine.execute import Outcome
from pipeline.learned.build import frozen_clip
from pipeline.learned.build import model as fresh_model
from pipeline.predict.boxes import Boxes
from pipeline.predict.predictor import Predictor
from pipeline.stages import image_embeddings, pair_features
from pipeline.stages.seen import SeenTask
from pipeline.store.artifact import Artifact
from pipeline.training.task import Part
from pipeline.work.work import Work

DEMO = Path(__file__).parents[1] / "demo"
TRUE = {"ViT-B-16-quickgelu": 224, "ViT-L-14-336-quickgelu": 336}
"""{architecture of the paper's profiles: its image size}"""
PAPER = (
    *("model.prompts=2", "model.layers=9", "model.bottleneck=64", "model.heads=2", "model.roi_size=7"),
    *("images.precision=bf16", "seen.precision=tf32"),
)
"""Sizes and precisions of the profiles hico-vitb and hico-vitl."""


@dataclass(frozen=True)
class Scale:
    """How large the measured runs are."""

    device: str
    architecture: str = ""
    """Of open_clip; empty for the demo's tiny CLIP."""
    train: int = 48
    test: int = 24
    batch: int = 12
    steps: int = 2
    """Times that each bare forward is measured."""
    product: int = 256
    """Rows of the square matrices whose product tells the device's peak."""

    @property
    def name(self) -> str:
        return self.architecture or "tiny"


@dataclass(frozen=True)
class Row:
    """A line of the table; what was not measured is None."""

    part: str
    model: str
    precision: str
    rate: float
    unit: str
    of_bare: float | None = None
    """The rate as a share of the bare forward's."""
    of_peak: float | None = None
    """Arithmetic a second as a share of the largest matrix product's."""
    waits: float | None = None
    """Share of the time in which the device has nothing to do, because its data is not there yet."""
    memory: float | None = None
    """GiB on the device at most."""


@dataclass
class Table:
    """The measured rows, and the page that they make."""

    device: str = "cpu"
    rows: list[Row] = field(default_factory=list)

    def __str__(self) -> str:
        titles = ("part", "model", "precision", "rate", "of the bare forward", "of the matrix peak", "waits", "memory")
        lines = [
            f"On {described(self.device)}:",
            "",
            f"| {' | '.join(titles)} |",
            "|---|---|---|---:|---:|---:|---:|---:|",
        ]
        for row in self.rows:
            shares = [_percent(value) for value in (row.of_bare, row.of_peak, row.waits)]
            memory = "-" if row.memory is None else f"{row.memory:.2f} GiB"
            cells = [row.part, row.model, row.precision, f"{row.rate:,.1f} {row.unit}", *shares, memory]
            lines.append(f"| {' | '.join(cells)} |")
        return "\n".join(lines)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"


def described(device: str) -> str:
    """The device and what computes on it, for people."""
    versions = f"torch {torch.__version__}"
    if device.startswith("cuda"):
        return f"{torch.cuda.get_device_name()} ({torch.cuda.device_count()} of them), CUDA {torch.version.cuda}, {versions}"
    return f"a CPU, {torch.get_num_threads()} threads, {versions}"


# --- time, arithmetic, memory ----------------------------------------------------------------------------------


def seconds(device: str, work: Callable[[], object], times: int) -> float:
    """Of one call, the device's own work included; one call before warms up."""
    work()
    _settled(device)
    start = time.perf_counter()
    for _ in range(times):
        work()
    _settled(device)
    return (time.perf_counter() - start) / times


def _settled(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def arithmetic(work: Callable[[], object]) -> float:
    """Floating-point operations of a call."""
    with FlopCounterMode(display=False) as counter:
        work()
    return float(counter.get_total_flops())


def remember_memory(device: str) -> None:
    """Count the device's memory from here."""
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats()


def memory(device: str) -> float | None:
    """GiB at most since then; None on a CPU."""
    return torch.cuda.max_memory_allocated() / 2**30 if device.startswith("cuda") else None


def in_precision(device: str, precision: Precision) -> AbstractContextManager[None]:
    """A context in which torch computes so on a device."""
    return computing_in(precision, torch.device(device))


def peak(scale: Scale, precision: Precision) -> float:
    """Operations a second of one large matrix product."""
    with in_precision(scale.device, precision):
        one, other = (torch.randn(scale.product, scale.product, device=scale.device) for _ in range(2))
        if precision == "bf16":
            one, other = one.bfloat16(), other.bfloat16()
        spent = seconds(scale.device, lambda: one @ other, 10)
    return 2 * scale.product**3 / spent


# --- the product at work ---------------------------------------------------------------------------------------


def settings(scale: Scale, folder: Path) -> list[str]:
    """Of a run at this scale; a true architecture's random weights are put into a file, as published ones are."""
    found = [f"device={scale.device}", f"seen.batch_size={scale.batch}", "images.runtime.helpers=0"]
    found += [f"data.world.train_images={scale.train}", f"data.world.test_images={scale.test}"]
    if scale.architecture:
        file = folder / f"{scale.architecture}.safetensors"
        if not file.exists():
            torch.manual_seed(0)
            net = build(open_clip.get_model_config(scale.architecture))
            save_file({k: v.contiguous() for k, v in net.state_dict().items()}, file, {"format": "pt"})
        found += [f"clip.architecture={scale.architecture}", f"clip.weights={file}"]
        found += [f"clip.image_size={TRUE[scale.architecture]}", *PAPER]
    return found


@dataclass
class Made:
    """A run of the whole pipeline at a scale."""

    scale: Scale
    config: Config
    outcomes: dict[str, Outcome]
    peaks: dict[str, float | None]

    def work(self, stage: str, folder: Path) -> Work:
        """The stage's work once more, for its parts; nothing of it is published."""
        folder.mkdir(parents=True, exist_ok=True)
        inputs = {name: outcome.artifact for name, outcome in self.outcomes.items()}
        return Work(stage=stage, config=self.config, inputs=inputs, out=folder, scratch=folder)

    def metrics(self, stage: str) -> dict[str, Any]:
        return self.outcomes[stage].artifact.manifest.metrics

    def seconds(self, stage: str) -> dict[str, float]:
        return self.outcomes[stage].artifact.manifest.seconds


def made(scale: Scale, folder: Path, *more: str) -> Made:
    """Run the pipeline from drawing to bundle, and note what each stage needed of the device's memory."""
    config = small(folder / "store", *settings(scale, folder), *more)
    peaks: dict[str, float | None] = {}

    def note(outcome: Outcome) -> None:
        peaks[outcome.stage] = memory(scale.device)
        remember_memory(scale.device)

    remember_memory(scale.device)
    return Made(scale, config, run.run(config, on_outcome=note), peaks)


def embedding(made: Made, folder: Path) -> list[Row]:
    """The frozen tower over all images, and its bare forward in each precision."""
    scale, clip = made.scale, frozen_clip(made.config)
    pixels = torch.randn(image_embeddings.BATCH, 3, clip.image_size, clip.image_size, device=scale.device)
    operations, bare, rows = arithmetic(lambda: clip.embed_images(pixels)), {}, []
    for precision in get_args(Precision):
        with in_precision(scale.device, precision):
            bare[precision] = seconds(scale.device, lambda: clip.embed_images(pixels), scale.steps)
        share = operations / bare[precision] / peak(scale, precision)
        rate = len(pixels) / bare[precision]
        rows.append(Row("embedding, bare forward", scale.name, precision, rate, "images/s", of_peak=share))
    used = made.config.images.precision
    rate, spent = made.metrics("image_embeddings")["images_a_second"], made.seconds("image_embeddings")
    return [
        Row(
            "embedding, the stage",
            scale.name,
            used,
            rate,
            "images/s",
            of_bare=rate * bare[used] / len(pixels),
            waits=max(0.0, 1 - spent["compute"] / max(spent["wall"], 1e-9)),
            memory=made.peaks["image_embeddings"],
        ),
        *rows,
    ]


def pairs(made: Made, folder: Path) -> list[Row]:
    """The prompted tower with fusion over the test images."""
    scale, spent = made.scale, made.seconds("pair_features")
    work = made.work("pair_features", folder / "pairs")
    clip = frozen_clip(made.config)
    model = fresh_model(made.config, clip).eval().requires_grad_(False)
    split = pair_features.Split(work, clip, "test")
    ids = list(split.frozen.ids[: pair_features.BATCH])
    views = [split.read(i) for i in ids]
    images = scale.test + (scale.train if made.config.utpl_trains else 0)
    rate = images / max(spent["wall"], 1e-9)
    found, tokens = split.detected.batch(ids).to(clip.device), split.frozen.of(ids).to(clip.device)
    pixels = model.normalise(torch.stack(views).to(clip.device))

    used = made.config.images.precision

    def forward() -> Tensor:
        with in_precision(scale.device, used):
            return model.pairs(pixels, tokens, found, split.objects)

    bare, operations = seconds(scale.device, forward, scale.steps), arithmetic(forward)
    share = operations / bare / peak(scale, used)
    return [
        Row(
            "pair features, the stage",
            scale.name,
            used,
            rate,
            "images/s",
            of_bare=rate * bare / len(ids),
            waits=max(0.0, 1 - spent["compute"] / max(spent["wall"], 1e-9)),
            memory=made.peaks["pair_features"],
        ),
        Row("pair features, bare forward", scale.name, used, len(ids) / bare, "images/s", of_peak=share),
    ]


def training(made: Made, folder: Path) -> list[Row]:
    """A training step, and forward and backward on a batch that is there already."""
    scale, metrics = made.scale, made.metrics("seen")
    clip = frozen_clip(made.config)
    task = SeenTask(made.work("seen", folder / "training"), clip, fresh_model(made.config, clip))
    batch = task.ready(task.load(0, Part()))
    positives = task.positives(batch)

    def step() -> None:
        torch.stack(list(task.losses(batch, positives).values())).sum().backward()
        task.modules.zero_grad()

    precision = made.config.seen.precision
    with tf32(precision == "tf32"):
        bare, operations = seconds(scale.device, step, scale.steps), arithmetic(step)
    rate = float(metrics["images_per_second"])
    share = operations / bare / peak(scale, precision)
    return [
        Row(
            "training",
            scale.name,
            precision,
            rate,
            "images/s",
            of_bare=rate * bare / scale.batch,
            waits=float(metrics["data_percent"]) / 100,
            memory=made.peaks["seen"],
        ),
        Row("training, forward and backward", scale.name, precision, scale.batch / bare, "images/s", of_peak=share),
    ]


def predicting(made: Made, folder: Path) -> list[Row]:
    """The bundle's predictor, a picture at a time, with boxes given; beside both towers' forwards."""
    scale = made.scale
    file = made.config.clip.weights.path if scale.architecture else None
    predictor = Predictor.open(made.outcomes["bundle"].artifact, clip=file, device=scale.device)
    noise = np.random.default_rng(0).integers(0, 255, (4, 480, 640, 3), dtype=np.uint8)
    listed = [Image.fromarray(picture) for picture in noise]
    corners = np.array([(60 * i, 40 * i, 60 * i + 200, 40 * i + 160) for i in range(7)], np.float32)
    boxes = Boxes.of(predictor.vocabulary, corners, np.full(7, 0.9), [0, 0, 0, 1, 2, 3, 4])
    remember_memory(scale.device)

    def all_of_them() -> None:
        for number, picture in enumerate(listed):
            predictor(picture, boxes, name=str(number), threshold=0.0)

    spent = seconds(scale.device, all_of_them, scale.steps) / len(listed)
    clip = predictor._model.clip
    pixels = torch.randn(1, 3, clip.image_size, clip.image_size, device=scale.device)

    def towers() -> None:
        clip.embed_images(pixels)  # the frozen one, and in place of the prompted one, which costs as much
        clip.embed_images(pixels)

    bare = seconds(scale.device, towers, scale.steps)
    return [
        Row(
            "predict, a picture at a time",
            scale.name,
            "fp32",
            1 / spent,
            "pictures/s",
            of_bare=bare / spent,
            memory=memory(scale.device),
        )
    ]


# --- what must hold --------------------------------------------------------------------------------------------


def nearness(scale: Scale, folder: Path, precision: Precision) -> float:
    """The least cosine between an image token of fp32 and the same in another precision."""
    config = small(folder / "store", *settings(scale, folder))
    clip = frozen_clip(config)
    generator = torch.Generator().manual_seed(1)
    pixels = torch.randn(4, 3, clip.image_size, clip.image_size, generator=generator).to(scale.device)
    with in_precision(scale.device, "fp32"):
        exact = clip.embed_images(pixels)
    with in_precision(scale.device, precision):
        other = clip.embed_images(pixels).float()
    return float(torch.nn.functional.cosine_similarity(exact, other, dim=-1).min())


def carried(scale: Scale) -> bool:
    """Whether what is copied to the device arrives as it was, while the memory that it is copied from is used again."""
    device, generator = torch.device(scale.device), torch.Generator().manual_seed(2)
    sent = [
        torch.randint(0, 255, (16, 3, 224, 224), generator=generator, dtype=torch.uint8) for _ in range(scale.steps)
    ]
    one, other = [to_device(batch, device) for batch in sent], [stacked(list(batch), device) for batch in sent]
    return all(
        torch.equal(arrived.cpu(), batch) for found in (one, other) for arrived, batch in zip(found, sent, strict=True)
    )


def losses(scale: Scale, folder: Path, *more: str) -> list[float]:
    """Of every step of a short training."""
    config = small(folder / "store", *settings(scale, folder), *more)
    table = run.run(config, targets=("seen",), force=("seen",))["seen"].artifact.table("history.parquet")
    return [float(loss) for loss in table["loss"]]


def resumed(scale: Scale, folder: Path) -> tuple[float, int]:
    """A training is killed at step 5 and goes on.

    Returns:
        How far it is apart from a training that was not killed, as a share of the weights, and the step that was done first.
    """
    wanted = ["seen.runtime.deterministic=true", *settings(scale, folder)]
    first = run.run(small(folder / "store", *wanted), targets=("seen",))["seen"].artifact.path("model.safetensors")
    store = folder / "killed"
    shutil.copytree(folder / "store", store, ignore=shutil.ignore_patterns("seen", ".runs"))
    killed = forked.run(DEMO / "small_demo.py", str(store), "seen", "5", *wanted)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    steps: list[int] = []

    def progress(stage: str, done: int, total: int, note: str) -> None:
        if stage == "seen":
            steps.append(done)

    second = run.run(small(store, *wanted), targets=("seen",), progress=progress)["seen"].artifact
    return weights_apart(first, second.path("model.safetensors")), steps[0]


def in_two(scale: Scale, folder: Path) -> tuple[float, float, Artifact]:
    """A training in two processes beside one in one.

    Returns:
        How far the weights are apart, and the losses of the steps at most, as shares; and what the two processes made.
    """
    paths, losses = [], []
    for processes in (1, 2):
        more = ["device=auto"] if scale.device == "cuda" else []  # which may be two GPUs
        config = small(folder / "store", *settings(scale, folder), f"seen.runtime.processes={processes}", *more)
        made = run.run(config, targets=("seen",), force=("seen",) if processes == 2 else ())["seen"].artifact
        paths.append(folder / f"{processes}.safetensors")
        paths[-1].write_bytes(made.path("model.safetensors").read_bytes())
        losses.append(made.table("history.parquet")["loss"].to_numpy())
    one, two = losses
    return weights_apart(*paths), float(np.abs(two / one - 1).max()), made
