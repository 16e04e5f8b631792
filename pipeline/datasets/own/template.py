"""Label Studio's labelling configuration for a vocabulary: boxes, relations with verbs, and verbs of who acts alone."""

from __future__ import annotations

from xml.sax.saxutils import quoteattr

from pipeline.vocabulary.vocabulary import PERSON, Vocabulary, spaced

COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#ff7f0e", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22", "#17becf")
KEYS = "1234567890"
HOW = (
    "1. Draw boxes, beginning outside of other boxes.  2. Click a person, press Alt+R, click the object.  "
    "3. In the panel Relations, pick the verb(s).  4. Submit, also pictures without interaction."
)


def label_studio(vocabulary: Vocabulary) -> str:
    """The XML to paste under Settings > Labeling Interface > Code."""
    used = {c.verb_id for c in vocabulary.classes}
    verbs = [verb for i, verb in enumerate(vocabulary.verbs) if i in used and not verb.idle]
    things = {c.object_id for c in vocabulary.classes} - {PERSON}
    labels = [*vocabulary.persons, *(thing.name for i, thing in enumerate(vocabulary.objects) if i in things)]
    lines = ["<View>", f"  <Header value={quoteattr(HOW)}/>", "  <Relations>"]
    lines += [f"    <Relation value={_name(verb.name)}/>" for verb in verbs]
    lines += [
        "  </Relations>",
        '  <Image name="image" value="$image" zoom="true" zoomControl="true" rotateControl="false"/>',
        '  <RectangleLabels name="box" toName="image" canRotate="false" strokeWidth="2">',
    ]
    for place, label in enumerate(labels):
        key = f' hotkey="{KEYS[place]}"' if place < len(KEYS) else ""
        lines.append(f'    <Label value={_name(label)}{key} background="{COLOURS[place % len(COLOURS)]}"/>')
    lines.append("  </RectangleLabels>")
    if vocabulary.without_object:
        who = quoteattr(",".join(spaced(person) for person in vocabulary.persons))
        lines.append(
            '  <Choices name="alone" toName="image" perRegion="true" choice="multiple" whenTagName="box" '
            f'whenLabelValue={who} title="acts without an object">'
        )
        lines += [f"    <Choice value={_name(vocabulary.verbs[i].name)}/>" for i in vocabulary.without_object]
        lines.append("  </Choices>")
    return "\n".join([*lines, "</View>"]) + "\n"


def _name(name: str) -> str:
    return quoteattr(spaced(name))
