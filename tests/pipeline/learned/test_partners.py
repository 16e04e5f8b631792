"""Every unseen class gets its own partner and its own sentences, in whatever order the file has them."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch

from models.hoi import Phrases
from pipeline.learned import partners
from pipeline.learned.phrases import Classes
from pipeline.tables import arrays

SEEN = [4, 10, 25, 30]
WIDTH = 2


def seen() -> Classes:
    """Four classes whose every number says which one it is."""
    mark = torch.tensor([[float(h)] * WIDTH for h in SEEN])
    tokens = torch.tensor([[h, 0] for h in SEEN])
    phrases = Phrases(tokens, torch.ones(4, dtype=torch.long), mark[:, None], torch.zeros(4, 1, dtype=torch.bool))
    return Classes(SEEN, [h + 100 for h in SEEN], phrases, mark)


def test_the_order_of_the_file_does_not_matter(tmp_path: Path) -> None:
    rows = {  # unseen class: its partner and one or two sentences
        50: (25, [[50.0, 0.0]]),
        7: (10, [[7.0, 1.0], [7.0, 2.0]]),
        60: (4, [[60.0, 0.0]]),
    }
    arrays.write(
        tmp_path / "embeddings.parquet",
        {
            "hoi_id": list(rows),
            "seen_hoi_id": [partner for partner, _ in rows.values()],
            "sentences": [np.array(sentences, dtype=np.float32) for _, sentences in rows.values()],
        },
    )
    artifact = SimpleNamespace(path=lambda name: tmp_path / name)
    found = partners.read(artifact, unseen=[7, 50, 60], seen=seen(), joint_width=WIDTH)  # type: ignore[arg-type]
    assert found.classes.hois == [10, 25, 4] and found.classes.verbs == [110, 125, 104]
    assert found.classes.phrases.tokens[:, 0].tolist() == [10, 25, 4]
    assert found.classes.descriptions[:, 0].tolist() == [10, 25, 4]
    assert found.disparities.tolist() == [[[7, 1], [7, 2]], [[50, 0], [0, 0]], [[60, 0], [0, 0]]]
    assert found.absent.tolist() == [[False, False], [False, True], [False, True]]
