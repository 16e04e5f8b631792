"""Classes that a model was not trained for: from their names and descriptions to features under its frozen guidance.

A new class is treated as an unseen one: its description guides the learned prompts (Eq. 2), under which the text tower reads
its phrase, and the phrase stands for its verb beside the others. With `Adapting`, its prompts then learn from its nearest seen
class (`pipeline/training/adaptation.py`). No picture is opened, and nothing of the model changes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor, nn

from models.hoi import EzHoi, HoiModel
from models.phrases import nearest
from pipeline.config.tree import Config
from pipeline.errors import ConfigError, DataError, EzhoiError
from pipeline.learned import partners, phrases
from pipeline.learned.partners import Partners
from pipeline.learned.phrases import Classes
from pipeline.predict.bundle import Header, Texts, texts_of
from pipeline.predict.words import NO_PAIRS, WITH_PAIRS, Words
from pipeline.store.artifact import Artifact
from pipeline.store.store import Store
from pipeline.texts import disparity, sentences
from pipeline.texts.describing import Described, plainly
from pipeline.texts.given.texts import check_text
from pipeline.training import seen_pairs
from pipeline.training.adaptation import Adaptation
from pipeline.training.optimiser import optimiser
from pipeline.vocabulary.vocabulary import Vocabulary

Progress = Callable[[int, int, str], None]
"""Called with (done, total, note)."""


KEYS = ("utpl", "disparities", "seen.focal", "seen.tau", "seed")
"""The keys of the configuration by which added classes are adapted."""


@dataclass(frozen=True, kw_only=True)
class Adapting:
    """How added classes are adapted.

    Args:
        config: the configuration, of which `KEYS` count.
        pairs: the artifact of stage `pair_features` from which the bundle was made; None leaves negatives out.
        scratch: the folder that keeps a language model's answers.
    """

    config: Config
    pairs: Artifact | None
    scratch: Path
    progress: Progress = lambda done, total, note: None


def pairs_of(header: Header, store: Store) -> Artifact | None:
    """The features of the pairs on which a bundle's model was trained; None if the store does not have them."""
    for artifact in reversed(store.artifacts("pair_features")):
        if artifact.digest == header.made_from.get("pair_features") and artifact.names("train-*"):
            return artifact
    return None


def described(
    words: Words, vocabulary: Vocabulary, texts: Mapping[str, str | Described], *, header: Header
) -> dict[int, Described]:
    """The descriptions of the classes that a vocabulary adds to the words, by id: the given texts, or else those of `plainly`.

    Raises:
        DataError: a text is of no new class, is empty, or is no text.
    """
    new = [hoi for hoi in vocabulary.classes if hoi.hoi_id not in words.vocabulary.ids]
    given = {}
    for name, text in texts.items():
        try:
            hoi = vocabulary.find(name)
        except ValueError as error:
            raise DataError(f"texts: {error}") from None
        if hoi not in new:
            raise DataError(f"texts: the model knows {hoi.name} already, and its description with it")
        if not isinstance(text, Described):
            check_text(text, where=f"texts: the text of {hoi.name}")
            text = Described(tuple(sentences.split(text)), "given")
        given[hoi.hoi_id] = text
    actions = texts_of(header).actions
    return given | {hoi.hoi_id: plainly(hoi, actions=actions) for hoi in new if hoi.hoi_id not in given}


def add(
    words: Words,
    vocabulary: Vocabulary,
    described: Mapping[int, Described],
    *,
    model: HoiModel,
    header: Header,
    adapting: Adapting | None = None,
) -> Words:
    """The words with those classes of a vocabulary that they lack.

    Args:
        vocabulary: the words' own, extended (`pipeline.vocabulary.file.extended`).
        described: the description of each new class, by its id.

    Raises:
        DataError: the vocabulary is no extension, a class has no description, or the bundle takes no more classes.
        ConfigError: an adaptation is asked of a model that has none.
    """
    texts = texts_of(header)
    known = words.vocabulary
    new = [hoi for hoi in vocabulary.classes if hoi.hoi_id not in known.ids]
    if (
        vocabulary.verbs[: len(known.verbs)] != known.verbs
        or vocabulary.objects[: len(known.objects)] != known.objects
        or [hoi for hoi in vocabulary.classes if hoi.hoi_id in known.ids] != list(known.classes)
    ):
        raise DataError("the new vocabulary does not begin with the model's own words and classes")
    if missing := [hoi.name for hoi in new if hoi.hoi_id not in described]:
        raise DataError(f"no description of {', '.join(missing[:8])}")
    if adapting is not None and not isinstance(model, EzHoi):
        raise ConfigError(f"a model of preset {header.preset} adapts no class: its phrases are constant")
    own = {hoi.hoi_id: described[hoi.hoi_id] for hoi in new}
    mine = phrases.of_texts(
        new,
        [said.sentences for said in own.values()],
        actions=[said.action for said in own.values()] if texts.actions else None,
        clip=model.clip,
        guidance=texts.guidance,
        preset=header.preset,
    )
    with torch.no_grad():
        before = _unit(model.text(mine.phrases), header)
    after, adapted = before, ""
    if adapting is not None and isinstance(model, EzHoi) and new:
        after = _unit(_adapted(words, vocabulary, own, mine, model, header, adapting), header)
        adapted = WITH_PAIRS if adapting.pairs is not None else NO_PAIRS
    nouns = vocabulary.objects[len(known.objects) :]
    objects = phrases.of_objects(nouns, clip=model.clip, preset=header.preset)
    return words.with_more(
        vocabulary, described=own, before=before.cpu(), after=after.cpu(), objects=objects, adapted=adapted
    )


def _unit(features: Tensor, header: Header) -> Tensor:
    """Features as a bundle holds them: of unit length, except those of preset `released`."""
    return features if header.preset == "released" else nn.functional.normalize(features, dim=-1)


def _adapted(
    words: Words,
    vocabulary: Vocabulary,
    own: Mapping[int, Described],
    mine: Classes,
    model: EzHoi,
    header: Header,
    adapting: Adapting,
) -> Tensor:
    """The text features (U, d_a) of the new classes after UTPL with the model's seen classes."""
    config, texts = adapting.config, texts_of(header)
    hidden = {*header.unseen, *words.added}
    seen_ids = [hoi_id for hoi_id in words.vocabulary.ids if hoi_id not in hidden]
    # What is said of a verb alone guides seen classes as in training; bundles keep it with the descriptions' sentences.
    seen = phrases.of_texts(
        [vocabulary.hoi(h) for h in seen_ids],
        [texts.descriptions[h].sentences for h in seen_ids],
        actions=[texts.descriptions[h].action for h in seen_ids] if texts.actions else None,
        clip=model.clip,
        guidance=texts.guidance,
    )
    place = {h: i for i, h in enumerate(seen_ids)}
    chosen = [place[h] for h in words.phrases if h in place]
    pairs = None
    if adapting.pairs is not None:
        pairs = seen_pairs.read(
            adapting.pairs, vocabulary=vocabulary, unseen=mine.hois, seen=seen_ids, scope=header.scope
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        module = partners.unseen_prompts(
            model.prompts, count=len(mine.hois), joint_width=model.clip.joint_width, sizes=model.sizes
        )
    task = Adaptation(
        model,
        module,
        seen=seen.take(chosen),
        unseen=mine,
        partners=_partners(mine, seen, vocabulary, own, texts, model, adapting),
        pairs=pairs,
        section=config.utpl,
        focal=config.seen.focal,
        tau=config.seen.tau,
        seed=config.seed,
    )
    _train(task, config, adapting.progress)
    return task.after()


def _partners(
    mine: Classes,
    seen: Classes,
    vocabulary: Vocabulary,
    own: Mapping[int, Described],
    texts: Texts,
    model: EzHoi,
    adapting: Adapting,
) -> Partners:
    """The nearest seen class of each new class (Eq. 4), and how the new class differs from it."""
    position = nearest(mine.descriptions, seen.descriptions).tolist()
    said = {h: (one.sentences, one.source) for h, one in texts.descriptions.items()}
    said |= {h: (one.sentences, one.source) for h, one in own.items()}
    if not adapting.config.disparities.asks_model:  # of what others said, the lexicon cannot tell how it differs
        said = {h: (parts, source if source == "lexicon" else "given") for h, (parts, source) in said.items()}
    table = pd.DataFrame(
        [(h, " ".join(parts), list(parts), source) for h, (parts, source) in said.items()],
        columns=["hoi_id", "text", "sentences", "source"],
    )
    found = disparity.write(
        [(h, seen.hois[i]) for h, i in zip(mine.hois, position, strict=True)],
        vocabulary=vocabulary,
        config=adapting.config,
        descriptions=table,
        journal=adapting.scratch / "disparities.jsonl",
        progress=adapting.progress,
    )
    rows = phrases.of_sentences([list(parts) for parts in found["sentences"]], clip=model.clip)
    padded, absent = phrases.pad([row.cpu() for row in rows], model.clip.joint_width)
    device = seen.descriptions.device
    return Partners(seen.take(position), padded.to(device), absent.to(device))


def _train(task: Adaptation, config: Config, progress: Progress) -> None:
    """Make the steps of `utpl` as its stage does; EzhoiError if a loss is not finite."""
    options = config.utpl.optimiser
    learned: Sequence[nn.Parameter] = list(task.module.parameters())
    stepper = optimiser(options, learned)
    for step in range(config.utpl.steps):
        for group in stepper.param_groups:
            group["lr"] = options.lr * (1.0 - step / config.utpl.steps)
        stepper.zero_grad(set_to_none=True)
        loss = torch.stack(list(task.losses(step).values())).sum()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(learned, options.clip_norm)
        if not bool(torch.isfinite(loss)) or not bool(torch.isfinite(norm)):
            raise EzhoiError(f"adaptation, step {step}: the loss is not finite; try a lower utpl.optimiser.lr")
        stepper.step()
        progress(step + 1, config.utpl.steps, f"adapting, loss {float(loss.detach()):.3f}")
