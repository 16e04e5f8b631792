"""The real stages under a real server: what was cached, what was computed, what the pages say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from small_demo import SETTINGS

from pipeline.graph import NAMES
from pipeline.world.classes import unseen, world_classes

pytestmark = pytest.mark.slow
TEXT = "A person stands beside it with one arm stretched forward. The hand touches the back, the eyes look down."


def test_the_demo_and_a_changed_unseen_description(recorder: Any, tmp_path: Path) -> None:
    demo = recorder([*SETTINGS, f"store.root={tmp_path / 'store'}"])
    assert demo.run() == dict.fromkeys(NAMES, "Completed")
    pages = {a["key"]: a["data"] for a in demo.artifacts()}
    assert "Result: mAP" in pages["ezhoi-evaluation"]
    assert "[text_embeddings](../key/ezhoi-text-embeddings)" in pages["ezhoi-utpl"]

    hoi = min(unseen("rf_uc"))
    name = next(f"{c.verb} {c.object}".replace("_", " ") for c in world_classes() if c.hoi_id == hoi)
    (tmp_path / "edits.yaml").write_text(yaml.safe_dump({name: TEXT}))
    states = demo.run(f"descriptions.edits={tmp_path / 'edits.yaml'}")
    again = {"descriptions", "text_embeddings", "disparities", "utpl", "evaluation"}
    assert states == {stage: "Completed" if stage in again else "Cached" for stage in NAMES}
