"""The frozen CLIP: any ViT that open_clip can load, or the project's tiny one, behind a few plain calls.

Letters used throughout `models/`: B images, I instances (detected boxes) an image, P pairs, C classes (phrases), V verbs,
N prompted layers, p prompts a layer, L text tokens, D patches, m memory rows; widths d_t text, d_v visual, d_a joint.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import torch
from PIL.Image import Image
from torch import Tensor, nn

if TYPE_CHECKING:
    import open_clip  # seconds and 0.3 GB with all that it imports, which only a process with a CLIP needs
    from open_clip.tokenizer import SimpleTokenizer

CONTEXT = 77
"""Tokens that OpenAI's text tower reads at most, and most others."""


@cache
def _bpe() -> SimpleTokenizer:
    """CLIP's byte pairs, whose table of 48,894 merges is read once a process."""
    from open_clip.tokenizer import SimpleTokenizer

    return SimpleTokenizer()


class Tokenizer:
    """Turns texts into BPE tokens, as rows of the token embedding.

    A pruned table (`kept`, the sorted BPE ids it holds) maps them one to one; every id that it lacks becomes its row
    `unknown`, the one before the last. Start and end of text keep the two highest BPE ids. The whole table is `kept` None.
    """

    def __init__(self, kept: Sequence[int] | None = None, *, context: int = CONTEXT) -> None:
        self._bpe, self.context = _bpe(), context
        self.start, self.end = self._bpe.sot_token_id, self._bpe.eot_token_id
        self.kept = None if kept is None else tuple(kept)
        self._row = None if kept is None else {token: row for row, token in enumerate(kept)}
        self.size = self._bpe.vocab_size if kept is None else len(kept) + 1

    def encode(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Rows (C, L) trimmed to the longest text, and the position (C,) of EOT.

        At most `context` tokens: a longer text loses its last words, not its end token.

        Trimming is exact: under the causal mask nothing behind EOT can reach it.
        """
        ids = [[self.start, *self._bpe.encode(text)[: self.context - 2], self.end] for text in texts]
        length = max(len(row) for row in ids)
        tokens = torch.zeros(len(ids), length, dtype=torch.long)
        for row, found in zip(tokens, ids, strict=True):
            row[: len(found)] = torch.tensor([self._to_row(i) for i in found])
        return tokens, torch.tensor([len(row) - 1 for row in ids])

    def unknown(self, text: str) -> list[str]:
        """The pieces of `text` that a pruned table does not hold."""
        if self._row is None:
            return []
        return [self._bpe.decode([i]).strip() for i in self._bpe.encode(text) if i not in self._row]

    def bpe_ids(self, texts: Sequence[str]) -> list[int]:
        """The sorted BPE ids that occur in the texts, with start and end of text."""
        return sorted({i for text in texts for i in self._bpe.encode(text)} | {self.start, self.end})

    def _to_row(self, token: int) -> int:
        return token if self._row is None else self._row.get(token, self.size - 1)


@dataclass(frozen=True)
class Clip:
    """A frozen open_clip model and its tokenizer.

    How images have to be prepared is a property of the checkpoint and travels with it: `net.visual.preprocess_cfg`.
    """

    net: open_clip.CLIP
    tokenizer: Tokenizer

    @property
    def text_width(self) -> int:
        return int(self.net.token_embedding.weight.shape[1])

    @property
    def visual_width(self) -> int:
        return int(self.net.visual.conv1.weight.shape[0])

    @property
    def joint_width(self) -> int:
        return int(self.net.text_projection.shape[1])

    @property
    def grid(self) -> int:
        """Patches a side."""
        return int(self.net.visual.grid_size[0])

    @property
    def image_size(self) -> int:
        return int(self.net.visual.image_size[0])

    @property
    def text_layers(self) -> int:
        return len(self.net.transformer.resblocks)

    @property
    def visual_layers(self) -> int:
        return len(self.net.visual.transformer.resblocks)

    @property
    def device(self) -> torch.device:
        return self.net.text_projection.device

    def preprocess(self) -> Callable[[Image], Tensor]:
        """The model's own preprocessing, which makes an RGB image into normalised pixels (3, S, S)."""
        from open_clip.transform import PreprocessCfg, image_transform_v2

        return image_transform_v2(PreprocessCfg(**self.net.visual.preprocess_cfg), is_train=False)

    def normalise(self, pixels: Tensor) -> Tensor:
        """Normalise uint8 pixels (..., 3, S, S) by the model's own mean and deviation, as `preprocess` does."""
        values = self.net.visual.preprocess_cfg
        mean, std = (torch.tensor(values[key], device=pixels.device).view(3, 1, 1) for key in ("mean", "std"))
        return (pixels.float() / 255 - mean) / std

    @torch.no_grad()
    def embed_texts(self, texts: Sequence[str], *, batch: int = 256) -> tuple[Tensor, list[Tensor]]:
        """Pooled features (C, d_a), unit length, and per text its token features (L_c, d_a) from SOS to EOT."""
        from models.text_tower import text_states

        pooled, tokens = [], []
        for start in range(0, len(texts), batch):
            rows, end = self.tokenizer.encode(texts[start : start + batch])
            states = text_states(self.net, rows.to(self.device))
            tokens += [state[: e + 1] for state, e in zip(states, end.tolist(), strict=True)]
            pooled.append(states[torch.arange(len(states)), end.to(states.device)])
        return nn.functional.normalize(torch.cat(pooled), dim=-1), tokens

    @torch.no_grad()
    def embed_images(self, images: Tensor) -> Tensor:
        """Projected image tokens (B, 1 + D, d_a), CLS first, of normalised images (B, 3, S, S)."""
        from models.visual_tower import visual_tokens

        return visual_tokens(self.net.visual, images)
