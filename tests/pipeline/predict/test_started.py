"""What a training that started from a bundle had learned before, and of whom it says so."""

from pipeline.predict import card, started
from pipeline.predict.bundle import Start
from tests.pipeline.predict.bundles import VOCABULARY, header


def test_labels_of_all_starts_are_told() -> None:
    """Ride horse and no interaction dog here, and what the start of the start had learned: walk dog."""
    first = Start(digest="d", datasets=("hico",), training_pairs=30, labelled=("walk dog", "feed goose"))
    begun = started.start(header(start=first), "e")
    assert begun.datasets == ("hico", "world") and begun.training_pairs == 42
    assert begun.labelled == ("feed goose", "no interaction dog", "ride horse", "walk dog")
    assert started.not_unseen(begun, VOCABULARY, {3, 8}) == {3, 8}
    assert started.not_unseen(first, VOCABULARY, {3, 8}) == {8}
    assert started.not_unseen(None, VOCABULARY, {3, 8}) == frozenset()
    row = started.touch(first, VOCABULARY, {3, 8})
    assert row["touches_unseen"] is True and row["says"].startswith("1 of 2 unseen classes (walk dog) are among")
    assert started.touch(first, VOCABULARY, {3})["touches_unseen"] is False
    assert "| started from | a bundle of HICO-DET: 30 annotated pairs, 2 classes |" in card.text(header(start=first))
