"""What two choices of head `lowrank` are worth against the paper's formula, on validation scenes. From the root:

    OMP_NUM_THREADS=1 python -m tests.benchmarks.lowrank --settings rf_uc uv --seeds 0

Head `lowrank` reads the boxes' geometry, and its action regulariser compares the loadings themselves. The paper's regulariser
compares unit((E pinv(B))_A) with the actions' loadings (E the classes' texts, A the action rows). Both choices were made with
test scores in sight; here they are taken back one by one, on scenes that are in neither split. Printed is the mAP in percent
(protocol `official`: unseen, seen, full). All variants share a training of `seen`, of `--epochs` epochs.
"""

import argparse
import tempfile
from unittest import mock

import torch
from torch import Tensor

from models.heads import basis, lowrank
from models.heads.concepts import unit
from models.heads.lowrank import LowrankHead
from models.heads.record import PairRecord
from pipeline.config.loading import load
from pipeline.engine.run import run


class OfTexts(LowrankHead):
    """A variant with the action regulariser, as the paper has it."""

    def _action(self, logits: Tensor) -> Tensor:
        loadings = self.texts() @ torch.linalg.pinv(self.rows.detach())
        found = unit(loadings[:, basis.action_rows(len(self.rows))])
        predicted = (logits.detach() > 0).any(dim=0)[self.verbs]
        weights = torch.where(predicted, lowrank.KNOWN, lowrank.UNKNOWN)
        return basis.action_divergence(found, unit(self.action_loadings[self.verbs]), weights)


class NoPlace(LowrankHead):
    """A variant without the geometry."""

    def pair(self, pairs: PairRecord) -> Tensor:
        assert pairs.human is not None and pairs.object is not None
        human, thing = unit(pairs.human), unit(pairs.object)
        moved = self.up(torch.relu(self.down(torch.cat([human, thing], dim=1))))
        return unit((human + thing) / 2 + moved)


class OfTextsNoPlace(OfTexts, NoPlace):
    """Both taken back."""


VARIANTS: dict[str, type[LowrankHead]] = {
    "as it is": LowrankHead,
    "regulariser of the texts": OfTexts,
    "no geometry": NoPlace,
    "both": OfTextsNoPlace,
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--settings", nargs="+", default=["rf_uc", "uv"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--scenes", type=int, default=1200, help="validation scenes")
    parser.add_argument("--store", help="a store of its own, to go on with: its heads are overwritten")
    parser.add_argument("--set", nargs="*", default=[], help="further keys of the configuration")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        common = [
            *(f"store.root={given.store or folder}", "device=cpu", "evaluation.untrained=off", "model.head=lowrank"),
            *("data.world.evaluated=validation", f"data.world.test_images={given.scenes}"),
            *(f"seen.epochs={given.epochs}", f"seen.drop_after={max(1, given.epochs * 5 // 6)}", *given.set),
        ]
        for setting in given.settings:
            for seed in given.seeds:
                config = load(overrides=[*common, f"setting={setting}", f"seed={seed}"], environment={})
                for name, head in VARIANTS.items():
                    with mock.patch.object(lowrank, "HEAD", head):
                        made = run(config, targets=("evaluation",), force=("utpl",))["evaluation"].artifact
                    told = ", ".join(f"{made.manifest.metrics[group]:.2f}" for group in ("unseen", "seen", "full"))
                    print(f"{setting}, seed {seed}  {name:26s} {told}", flush=True)


if __name__ == "__main__":
    main()
