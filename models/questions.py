"""What a detector is asked: nothing, where it has labels of its own; objects by their names, where it takes texts.

Grounding DINO (Liu et al., ECCV 2024) and MM Grounding DINO read one prompt, "person. bicycle. ...", and answer by its
tokens; OWL-ViT and OWLv2 (Minderer et al., 2022, 2023) read one text an object. As many questions are asked as the texts need.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from models.hub_detector import Network, Question

PROMPT = 256
"""The most tokens of a prompt of Grounding DINO, where its configuration does not say."""
OWL_WORDS, OWL_TEXTS = 16, 128
"""The most tokens of a text of OWL, and the most texts of one question."""


def of_labels(serves: Tensor) -> list[Question]:
    """The question of a detector with labels; `serves` (L, O) says which of them stands for which object."""
    return [Question(serves, {})]


def of_names(network: Network, names: Mapping[int, str], count: int) -> list[Question]:
    """The questions by which a detector is asked for objects, {object id: noun}.

    Args:
        count: how many objects there are, asked for or not.

    Raises:
        ValueError: the detector is of an architecture that is asked in another way.
    """
    ask = _WAYS.get(network.architecture)
    if ask is None:
        raise ValueError(
            f"is a {network.architecture}, which is asked for objects in a way of its own; known are {', '.join(_WAYS)}"
        )
    return ask(network, names, count)


def _prompts(network: Network, names: Mapping[int, str], count: int) -> list[Question]:
    """Prompts of Grounding DINO: all nouns, each with a full stop behind it."""
    tokenizer = network.tokenizer
    stop = tokenizer.convert_tokens_to_ids(".")
    longest = getattr(network.net.config, "max_text_len", None) or PROMPT
    found: list[Question] = []
    ids: list[int] = []
    asked: list[int] = []
    spans: list[tuple[int, int]] = []

    def close() -> None:
        tokens = torch.tensor([[tokenizer.cls_token_id, *ids, tokenizer.sep_token_id]])
        inputs = {
            "input_ids": tokens,
            "attention_mask": torch.ones_like(tokens),
            "token_type_ids": torch.zeros_like(tokens),
        }
        found.append(Question(_serving(asked, count), inputs, tuple(spans)))

    for object_id, noun in names.items():
        words = tokenizer(noun.lower(), add_special_tokens=False)["input_ids"]
        if ids and len(ids) + len(words) + 3 > longest:
            close()
            ids, asked, spans = [], [], []
        first = 1 + len(ids)
        spans.append((first, first + len(words)))
        ids += [*words, stop]
        asked.append(object_id)
    close()
    return found


def _texts(network: Network, names: Mapping[int, str], count: int) -> list[Question]:
    """The texts for OWL, in the wording that it was trained with."""
    found = []
    everything = list(names.items())
    for start in range(0, len(everything), OWL_TEXTS):
        part = everything[start : start + OWL_TEXTS]
        inputs = network.tokenizer(
            [f"a photo of a {noun}" for _, noun in part],
            padding="max_length",
            truncation=True,
            max_length=OWL_WORDS,
            return_tensors="pt",
        )
        kept = {name: inputs[name] for name in ("input_ids", "attention_mask")}
        found.append(Question(_serving([object_id for object_id, _ in part], count), kept))
    return found


def _serving(objects: Sequence[int], count: int) -> Tensor:
    """(L, O) bool: each answer stands for the object that was asked for."""
    serves = torch.zeros(len(objects), count, dtype=torch.bool)
    serves[torch.arange(len(objects)), torch.tensor(objects)] = True
    return serves


_WAYS: Mapping[str, Callable[[Network, Mapping[int, str], int], list[Question]]] = {
    "grounding-dino": _prompts,
    "mm-grounding-dino": _prompts,
    "owlvit": _texts,
    "owlv2": _texts,
}
