"""Whose boxes they are: the identity of a detector.

`detector.json` of the artifact `detections` holds it, and later stages pass it on to the report:

    source       hub, parquet, coco, ground_truth or noisy_truth
    name         of the model or the file
    digest       of its weights, or of the imported file
    kind         coco, hico, world or annotation, as `leakage.json` tells them apart; null if not known
    trained_on   the same in words: a detector that has seen the unseen objects makes another experiment
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.store import digest

if TYPE_CHECKING:
    from models.detector import Detector
    from pipeline.config.sources import Source
    from pipeline.config.tree import Config

FILE = "detector.json"
TRAINED_ON = {"coco": "COCO", "hico": "COCO, then HICO-DET with all 80 objects", None: "data not known"}


def identity(config: Config, loaded: Detector | None = None) -> dict[str, Any]:
    """What `detector.json` says; `loaded` is the detector where one was run."""
    section = config.detections
    found: dict[str, Any] = {"source": section.source}
    if loaded is not None:
        notes = loaded.notes
        found |= {
            "name": _name(section.weights),
            "revision": section.revision or notes["revision"],
            "digest": loaded.digest(),
            "outputs": loaded.outputs,
            "kind": notes["kind"],
            "trained_on": section.trained_on or notes["trained_on"],
        }
    elif section.source in ("parquet", "coco") and section.path is not None:
        found |= {"name": section.path.name, "digest": digest.of_path(section.path)}
        found |= {"kind": None, "trained_on": section.trained_on or TRAINED_ON[None]}
    else:
        errors = " with simulated errors" if section.source == "noisy_truth" else ""
        found |= {
            "name": section.source,
            "kind": "annotation",
            "note": f"annotated boxes{errors}; no detector was run",
        }
    return found


def _name(weights: Source) -> str:
    """The name that the project or a hub has for a detector, or that of its file or folder."""
    return weights.path.name if weights.path is not None and not weights.packaged else weights.text


def line(found: dict[str, Any]) -> str:
    """The identity as a report's one line."""
    if "digest" not in found:
        return str(found["note"])
    return f"{found['name']} ({found['source']}, {found['digest'][:12]}; trained on {found['trained_on']})"
