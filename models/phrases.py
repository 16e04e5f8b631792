"""Class phrases: which HOI phrases stand for a verb (Eq. 12), and which seen class is nearest to an unseen one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def select(descriptions: Tensor, verbs: Sequence[int], *, per_verb: int = 2) -> list[int]:
    """Positions of the kept phrases, rising: per verb the pair whose description embeddings are least similar (Eq. 12).

    A verb with `per_verb` phrases or fewer keeps them all; further ones are added greedily, each the least similar to
    those kept. Ties go to the lower position.

    Args:
        descriptions: (C, d_a), unit length.
        verbs: verb id of each of the C classes.
    """
    similarity = descriptions @ descriptions.T
    kept: list[int] = []
    for verb in sorted(set(verbs)):
        group = [i for i, v in enumerate(verbs) if v == verb]
        if len(group) <= per_verb:
            kept += group
            continue
        among = similarity[group][:, group]
        if per_verb == 1:
            chosen = [int(among.sum(dim=1).argmin())]
        else:
            first = int(torch.triu(among - 3, diagonal=1).argmin())  # -3 puts every real pair below the zeros of triu
            chosen = [first // len(group), first % len(group)]
        while len(chosen) < per_verb:
            closeness = among[:, chosen].amax(dim=1)
            closeness[chosen] = torch.inf
            chosen.append(int(closeness.argmin()))
        kept += [group[i] for i in chosen]
    return sorted(kept)


def nearest(unseen: Tensor, seen: Tensor) -> Tensor:
    """For each unseen description (U, d_a) the position (U,) of the most similar seen one (S, d_a); unit lengths."""
    return (unseen @ seen.T).argmax(dim=1)
