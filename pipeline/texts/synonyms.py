"""Other words for objects and verbs that a description may use: a table for HICO-DET's words, and rules of English for all."""

from __future__ import annotations

import re
from functools import cache

from pipeline.vocabulary.vocabulary import Hoi

OBJECTS = {
    "airplane": ("plane", "aircraft", "aeroplane", "jet"),
    "baseball bat": ("bat",),
    "baseball glove": ("glove", "mitt"),
    "bicycle": ("bike",),
    "boat": ("ship", "canoe", "kayak"),
    "cell phone": ("phone", "smartphone", "cellphone"),
    "couch": ("sofa",),
    "cow": ("cattle", "calf", "bull"),
    "cup": ("mug",),
    "dining table": ("table",),
    "donut": ("doughnut",),
    "fire hydrant": ("hydrant",),
    "frisbee": ("disc",),
    "hair drier": ("hair dryer", "hairdryer", "dryer", "blow dryer"),
    "handbag": ("purse", "bag"),
    "hot dog": ("hotdog",),
    "knife": ("knives",),
    "motorcycle": ("motorbike", "bike"),
    "mouse": ("mice",),
    "oven": ("stove",),
    "parking meter": ("meter",),
    "person": ("people", "man", "woman", "child", "someone", "individual"),
    "potted plant": ("plant",),
    "refrigerator": ("fridge",),
    "remote": ("remote control",),
    "sheep": ("lamb",),
    "skis": ("ski",),
    "sports ball": ("ball", "basketball", "football", "baseball", "sportsball"),
    "stop sign": ("sign",),
    "suitcase": ("luggage",),
    "teddy bear": ("teddy", "stuffed bear"),
    "tennis racket": ("racket", "racquet"),
    "tie": ("necktie",),
    "traffic light": ("traffic signal",),
    "tv": ("television", "screen"),
    "wine glass": ("glass", "wineglass"),
}
"""Other words for an object, by HICO-DET's word with spaces."""


def names_object(text: str, name: str) -> bool:
    """Whether a text names the object (HICO's word): by that word, its plural, an activity with it, or another word."""
    return _object(name).search(" ".join(text.lower().split())) is not None


def names_verb(text: str, verb: str) -> bool:
    """Whether a text has the verb (HICO's word) in any form: ride, rides, riding, rode, ridden."""
    return _verb(verb).search(" ".join(text.lower().split())) is not None


def does(text: str, hoi: Hoi) -> bool:
    """Whether a text says that somebody does the verb to the object: "feeding the horse"."""
    return _act(hoi.verb_ing, hoi.object).search(" ".join(text.lower().split())) is not None


@cache
def _object(name: str) -> re.Pattern[str]:
    word = name.replace("_", " ")
    options = "|".join(re.escape(option) for option in (word, *OBJECTS.get(word, ())))
    return re.compile(rf"\b({options})(e?s|ing)?\b")


@cache
def _verb(verb: str) -> re.Pattern[str]:
    """A pattern of the first word's stem; irregular forms are matched by their common first letters."""
    word = verb.split("_")[0]
    stem = word.rstrip("e")
    if len(stem) > 3 and stem[-1] == "y":
        stem = stem[:-1]
    irregular = {"ride": "rode|ridden", "sit": "sat|seated", "stand": "stood", "hold": "held", "drive": "drove|driven"}
    irregular |= {"feed": "fed", "lie": "lying|lay", "read": "reading", "eat": "ate", "run": "ran", "catch": "caught"}
    irregular |= {
        "fly": "fl(ies|ew|own|ight)",
        "tie": "tying",
        "throw": "threw",
        "buy": "bought|purchas",
        "teach": "taught",
    }
    more = irregular.get(word)
    return re.compile(rf"\b({re.escape(stem)}{'|' + more if more else ''})")


@cache
def _act(verb_ing: str, name: str) -> re.Pattern[str]:
    act = re.escape(verb_ing.replace("_", " "))
    return re.compile(rf"\b{act} (an?|the|his|her|their|its|one) {re.escape(name.replace('_', ' '))}\b")
