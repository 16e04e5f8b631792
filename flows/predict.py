"""Predictions of pictures as a Prefect flow: one task, and a page with drawn samples.

    prefect deployment run ezhoi-predict/predict -p pictures=/photos -p boxes=/photos/boxes.parquet

works after `ezhoi up` and `ezhoi deploy`; `ezhoi predict` is the same without a server.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from prefect import flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactCreate
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run as this_flow
from prefect.states import Completed, Failed
from pydantic import Field, WithJsonSchema

from flows.ezhoi import failed, register, released, uuid_of
from flows.pages import lineage, predicted
from flows.server import local
from flows.server.parameters import Override, Profile
from pipeline.config.loading import load
from pipeline.config.section import named_path
from pipeline.engine.stage import source_digest, under, without_places
from pipeline.errors import ConfigError, DataError
from pipeline.outside.escaping import plain
from pipeline.outside.file_names import FRAMES
from pipeline.predict import listing, video
from pipeline.predict.choosing import bundle_file
from pipeline.predict.defaults import THRESHOLD, TOP
from pipeline.predict.job import Done, Job
from pipeline.store import digest
from pipeline.store.opening import store_of

KEY = "ezhoi-predictions"
"""The key of the page."""
EVERY = 50
"""After so many pictures the log says how far the flow is."""
Text = Annotated[str | None, WithJsonSchema({"type": ["string", "null"]})]
WORDS = ("seed", "descriptions", "disparities", "llm", "utpl", "seen.focal", "seen.tau")
"""Keys of the configuration by which added classes are described and adapted."""
VocabularyFile = Annotated[
    str | None,
    WithJsonSchema({"type": ["string", "null"], "pattern": r"\.(ya?ml|json)$", "title": "classes"}),
]


@flow(
    name="ezhoi-predict",
    description="Who does what with which object in pictures: drawn pictures, a table and a page.",
    persist_result=False,
    on_completion=[released],
    on_failure=[released],
)
def predict(
    pictures: Annotated[str, Field(min_length=1)],
    model: Text = None,
    boxes: Text = None,
    detector: Text = None,
    classes: VocabularyFile = None,
    adapt: bool = False,
    examples: Text = None,
    out: Text = None,
    every: Annotated[int, Field(ge=1)] = video.EVERY,
    top: Annotated[int, Field(ge=1)] = TOP,
    threshold: Annotated[float, Field(ge=0, le=1)] = THRESHOLD,
    only: list[str] = [],  # noqa: B006 -- the run form shows the defaults; nothing changes them
    profile: Profile = "demo",
    overrides: list[Override] = [],  # noqa: B006
) -> State:
    """Predict the pictures that this model has not predicted yet with these boxes and options.

    Args:
        pictures: A folder, a file, a video or a pattern of files on the worker's machine; relative paths start in the checkout.
        model: A bundle's file or its fingerprint in the store; the newest there if left out.
        boxes: File of another detector's boxes (Parquet, or COCO's results as JSON).
        detector: Name or folder of a detector of transformers; the bundle's own if left out.
        classes: A vocabulary file (YAML) of verbs, objects and classes to add to the model's own.
        adapt: Let added classes learn from the nearest seen ones, by text (UTPL); this needs the store of the training.
        examples: A folder or a table of pictures with annotated pairs to remember, one to eight per class.
        out: The folder to which everything is written; one for these pictures and options if left out.
        every: Keep every N-th frame of a video.
        top: How many interactions of a picture are shown, the best ones.
        threshold: The least score of an interaction, from 0 to 1.
        only: Names of the classes to show, such as "ride horse"; all if left out.
        profile: The profile whose store is used: demo, hico-vitb, hico-vitl, or the path of a YAML file.
        overrides: Changes to the profile, one key=value each, such as store.root=FOLDER or descriptions.source=llm.
    """
    register()
    try:
        config = load(profile=profile, overrides=overrides)
        others, videos = video.parted([pictures])
        chosen = Job(
            bundle=bundle_file(_said("model", model), store_of(config)),
            pictures=listing.pictures(others) if others else [],
            boxes=_there("boxes", boxes),
            detector=detector,
            classes=_there("classes", classes),
            adapt=adapt,
            examples=_there("examples", examples),
            config=config,
            out=Path(),
            top=top,
            threshold=threshold,
            only=tuple(only),
            device=config.device,
        )
        job = placed(chosen, out, of=[*(named_path(one, of="pictures") for one in videos), every] if videos else [])
        if videos:
            frames = video.frames(videos, job.out / FRAMES, every=every)
            job = replace(job, pictures=[*chosen.pictures, *frames])
        state: State = _task(job, return_state=True)
        if not state.is_completed():
            return Failed(message=state.message)
        done: Done = state.result()
    except Exception as error:
        return failed(error)
    with get_client(sync_client=True) as client:
        page = predicted.page(done.out, done.faults)
        flow_run = uuid_of(this_flow.get_id())
        summary = f"{done.pictures} of {len(job.pictures)} pictures predicted"
        lineage.create(
            client, ArtifactCreate(key=KEY, type="markdown", description=summary, data=page, flow_run_id=flow_run)
        )
    if done.faults:
        first = next(iter(done.faults.values()))
        return Failed(message=plain(f"{summary}: {done.out / 'index.html'}; the first that could not be read: {first}"))
    return Completed(message=f"{summary}: {done.out / 'index.html'}")


def _said(parameter: str, text: str | None) -> str | None:
    """What a parameter says; ConfigError for a blank text, which would name the folder that the worker is in."""
    if text is not None and not text.strip():
        raise ConfigError(f"{parameter} is an empty text; leave the parameter out if none is meant")
    return text


def _there(parameter: str, text: str | None) -> Path | None:
    """The file or folder that a parameter names; ConfigError or DataError naming the parameter if there is none."""
    if (text := _said(parameter, text)) is None:
        return None
    path = named_path(text, of=parameter)
    if not path.exists():
        raise DataError(
            f"{parameter} {text!r}: there is no such file or folder; leave the parameter out if none is meant"
        )
    return path


def placed(job: Job, out: str | None, *, of: Sequence[Path | int]) -> Job:
    """The job with its output folder; if none is given, one whose name follows from everything that the job depends on.

    Args:
        of: videos, whose frames will lie in that folder, and how many frames there are from one picture to the next.
    """
    if (out := _said("out", out)) is not None:
        return replace(job, out=named_path(out, of="out"))
    named = [digest.of_file(job.bundle), None if job.boxes is None else digest.of_path(job.boxes), job.detector]
    asked: list[object] = [job.top, job.threshold, list(job.only), listing.digest_of(job.pictures)]
    asked += [str(part.absolute()) if isinstance(part, Path) else part for part in of]
    if job.classes is not None or job.examples is not None:
        asked.append([None if path is None else digest.of_path(path) for path in (job.classes, job.examples)])
    if job.classes is not None:
        texts = {key: source_digest(source) for key, source in under(job.config, WORDS).items()}
        asked.append([job.adapt, without_places(job.config, WORDS), texts])
    return replace(job, out=local.home() / "predicted" / digest.of_value([named, asked])[:16])


@task(name="predict", cache_policy=NO_CACHE, persist_result=False)
def _task(job: Job) -> State:
    logger = get_run_logger()

    reported = 0

    def progress(done: int, total: int, note: str) -> None:
        nonlocal reported
        if done > reported and (done == total or done - reported >= EVERY):
            reported = done
            logger.info("%d of %d pictures, %s", done, total, note)

    try:
        done = job.run(progress, lambda line: logger.info("%s", plain(line)))
    except Exception as error:
        return failed(error)
    return Completed(message=f"{done.pictures} pictures in {done.out}", data=done)
