"""Low-rank class texts: HOLa (Lei et al., "Zero-Shot HOI Detection with Low-Rank Decomposed VLM Feature Adaptation", 2025).

    F ~ W B            descriptions of all classes, factorised; W (C, k) and B (k, d) learn
    E_c = g_c + (W_c B - F_c)
    A_v = unit(W^a_v B_A)                 actions, on the last two thirds of the basis
    logit_v = mean over v's classes of  s1/2 x . A_v + s2/2 cos(u, E_c),    x = (h + o)/2 + Adapter[h; o; geometry]

The task loss reaches the loadings W and W^a and what adapts the pairs, not B; B moves by reconstruction and orthogonality
alone. All classes share B, so an unseen row lives where the seen rows do; it learns by the class relation and by the action
regulariser, and is left out of the mean while training, as the paper does it. What differs:

    E starts from g_c, the phrases under the guided prompts, to which the fused feature u was trained; the paper's adapters,
      which bring W B there, attend to other classes and to each picture's patches;
    in the paper the pair token starts from a detector's query states, which boxes from a file do not have, and is read out of
      the visual tower. Here the frozen CLIP's RoI features of both boxes take the place of the states, the geometry (36 -> 128)
      is added alike, and x is compared with the actions' texts without the tower;
    the action regulariser compares the rows of W itself, and not E pinv(B): g_c is no sum of description features;
    the object's half of HO_c is left out: it says the same of every verb of an object;
    actions are described by the mean of their classes' descriptions, not by texts of their own.
The released code's weight of unseen classes is 0.999 whatever their similarity; here it is 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

import torch
from torch import Tensor, nn

from models import scoring
from models.geometry import NUMBERS, with_logarithms
from models.heads import basis
from models.heads.concepts import unit
from models.heads.head import Examples, FittedHead, Losses, Texts
from models.heads.kinds import LowrankOptions
from models.heads.record import PairRecord
from models.losses import class_relation

RECONSTRUCTION, SPARSITY, SHAPE, ACTION, RELATION = 0.1, 0.1, 0.001, 50.0, 150.0
"""Weights of the losses, as in the released code; SHAPE is that of decorrelation and of orthogonality."""
KNOWN, UNKNOWN = 1 / 5, 3 / 5
"""Weight of an action in its regulariser if the batch predicts it (above 0.5 for some pair), and if it does not."""
RELATION_TEMPERATURE = 0.1


class LowrankHead(FittedHead):
    """The factors of C classes' texts and V actions' texts, and the adapter of pairs.

    Args:
        features: (C, d) F; actions: (V, d) T_a; guided: (C, d), all unit length.
        verbs: (C,); unseen: (C,) bool.
        loadings: (C, k) W; action_loadings: (V, j) W^a; rows: (k, d) B.
        scales: (2,) s1, s2. offset: the mean cosine of frozen pairs and actions, which is subtracted from x . A.
    """

    features: Tensor
    actions: Tensor
    guided: Tensor
    verbs: Tensor
    unseen: Tensor

    def __init__(
        self,
        *,
        features: Tensor,
        actions: Tensor,
        guided: Tensor,
        verbs: Tensor,
        unseen: Tensor,
        loadings: Tensor,
        action_loadings: Tensor,
        rows: Tensor,
        scales: Tensor,
    ) -> None:
        super().__init__()
        buffers = {"features": features, "actions": actions, "guided": guided, "verbs": verbs, "unseen": unseen}
        for name, value in buffers.items():
            self.register_buffer(name, value)
        self.loadings, self.action_loadings = nn.Parameter(loadings), nn.Parameter(action_loadings)
        self.rows, self.scales = nn.Parameter(rows), nn.Parameter(scales)
        self.offset = nn.Parameter(torch.zeros(()))
        width = features.shape[1]
        narrow = max(width // 4, 8)
        self.place = nn.Sequential(nn.Linear(2 * NUMBERS, 128), nn.ReLU(), nn.Linear(128, narrow))
        self.down = nn.Linear(2 * width, narrow)
        self.up = nn.Linear(narrow, width)
        nn.init.normal_(self.up.weight, std=0.02)
        nn.init.zeros_(self.up.bias)

    @classmethod
    def fresh(cls, *, texts: Texts, examples: Examples, options: LowrankOptions, generator: torch.Generator) -> Self:
        """The head before its training: descriptions factorised, actions on the basis."""
        features, actions = texts.descriptions, texts.of_verbs(texts.descriptions)
        loadings, rows = basis.factorise(features, rank=options.rank)
        own = rows[basis.action_rows(len(rows))]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(torch.randint(1 << 62, (1,), generator=generator)))
            head = cls(
                features=features,
                actions=actions,
                guided=texts.guided,
                verbs=texts.verbs,
                unseen=texts.unseen,
                loadings=loadings,
                action_loadings=actions @ torch.linalg.pinv(own),
                rows=rows,
                scales=torch.full((2,), texts.scale),
            ).to(features.device)
        if len(examples.pairs):
            with torch.no_grad():
                head.offset.copy_((head.pair(examples.pairs) @ head.action_texts().T).mean())
        return head

    @classmethod
    def restored(cls, state: Mapping[str, Tensor]) -> Self:
        """The head with stored tensors."""
        names = ("features", "actions", "guided", "verbs", "unseen", "loadings", "action_loadings", "rows", "scales")
        return cls(**{name: state[name] for name in names}).filled(state)

    def texts(self) -> Tensor:
        """The classes' texts E (C, d), of unit length; no gradient reaches B."""
        return unit(self.guided + self.loadings @ self.rows.detach() - self.features)

    def action_texts(self) -> Tensor:
        """The actions' texts A (V, d), of unit length; no gradient reaches B."""
        return unit(self.action_loadings @ self._action_rows().detach())

    def pair(self, pairs: PairRecord) -> Tensor:
        """The pairs' tokens x (P, d), of unit length: the mean of both boxes' features, adapted."""
        if pairs.human is None or pairs.object is None or pairs.geometry is None:
            raise ValueError("the pairs lack features of both boxes or geometry: the head lowrank reads them")
        human, thing = unit(pairs.human), unit(pairs.object)
        place = self.place(with_logarithms(pairs.geometry.float()))
        moved = self.up(torch.relu(self.down(torch.cat([human, thing], dim=1)) + place))
        return unit((human + thing) / 2 + moved)

    def logits(self, pairs: PairRecord) -> Tensor:
        """The logits (P, V): each verb's is the mean over its classes; in training over its seen classes, if it has any."""
        verbs = len(self.actions)
        by_class = unit(pairs.feature) @ self.texts().T
        counted = self._counted() if self.training else torch.ones_like(self.unseen)
        whole = scoring.verb_logits(by_class[:, counted], self.verbs[counted], verbs)
        of_action = self.pair(pairs) @ self.action_texts().T - self.offset
        return (self.scales[0] * of_action + self.scales[1] * whole) / 2

    def losses(self, examples: Examples, logits: Tensor) -> Losses:
        """The losses: four of both factorisations (see `models.heads.basis`), the class relation and the action regulariser."""
        own = self._action_rows()
        shapes = basis.decorrelation(self.loadings) + basis.decorrelation(self.action_loadings)
        return {
            "reconstruction": RECONSTRUCTION
            * (
                basis.reconstruction(self.loadings, self.rows, self.features)
                + basis.reconstruction(self.action_loadings, own, self.actions)
            ),
            "sparsity": SPARSITY * (basis.sparsity(self.loadings) + basis.sparsity(self.action_loadings)),
            "shape": SHAPE * (shapes + basis.orthogonality(self.rows)),
            "relation": RELATION * class_relation(self.texts(), self.features, temperature=RELATION_TEMPERATURE),
            "action": ACTION * self._action(logits),
        }

    def _action(self, logits: Tensor) -> Tensor:
        """How far the classes' loadings on the action rows are from those of their actions."""
        found = unit(self.loadings[:, basis.action_rows(len(self.rows))])
        wanted = unit(self.action_loadings[self.verbs])
        predicted = (logits.detach() > 0).any(dim=0)[self.verbs]
        return basis.action_divergence(found, wanted, torch.where(predicted, KNOWN, UNKNOWN))

    def _action_rows(self) -> Tensor:
        return self.rows[basis.action_rows(len(self.rows))]

    def _counted(self) -> Tensor:
        """Which classes count in training, (C,) bool: the seen ones, and all classes of a verb that has no seen one."""
        seen_verbs = torch.zeros(len(self.actions), dtype=torch.bool, device=self.verbs.device)
        seen_verbs[self.verbs[~self.unseen]] = True
        return ~self.unseen | ~seen_verbs[self.verbs]


HEAD = LowrankHead
