"""V-COCO's 26 actions and their roles, in the order of its own files.

Four actions have no object, three have two roles. `point instr` is in the labels alone: pair files and published means leave
it out.
"""

from __future__ import annotations

ACTIONS: dict[str, tuple[str, ...]] = {
    "hold": ("obj",),
    "stand": (),
    "sit": ("instr",),
    "ride": ("instr",),
    "walk": (),
    "look": ("obj",),
    "hit": ("instr", "obj"),
    "eat": ("obj", "instr"),
    "jump": ("instr",),
    "lay": ("instr",),
    "talk_on_phone": ("instr",),
    "carry": ("obj",),
    "throw": ("obj",),
    "catch": ("obj",),
    "cut": ("instr", "obj"),
    "run": (),
    "work_on_computer": ("instr",),
    "ski": ("instr",),
    "surf": ("instr",),
    "skateboard": ("instr",),
    "smile": (),
    "drink": ("instr",),
    "kick": ("obj",),
    "point": ("instr",),
    "read": ("obj",),
    "snowboard": ("instr",),
}
POINT = "point instr"
"""The role that published means leave out; the official files have it, the pair files do not."""
ROLES = tuple(f"{action} {role}" for action, roles in ACTIONS.items() for role in roles if action != "point")
"""The 24 action-roles of the pair files, in their order."""
