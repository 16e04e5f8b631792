"""Two-bone inverse kinematics and posed bodies."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.datasets.world.drawing.person import person_parts, sample_body, two_bone
from pipeline.datasets.world.drawing.poses import stand, walk
from pipeline.datasets.world.drawing.shapes import bounds
from pipeline.datasets.world.drawing.styles import STYLES, Ink

COORDINATE = st.floats(-2.0, 2.0, allow_nan=False)
BONE = st.floats(0.1, 1.0)


@given(x=COORDINATE, y=COORDINATE, first=BONE, second=BONE, bend=st.sampled_from([-1.0, 1.0]))
def test_bones_keep_their_lengths(x: float, y: float, first: float, second: float, bend: float) -> None:
    middle, end = two_bone((0.0, 0.0), (x, y), first, second, bend)
    assert math.isclose(math.hypot(*middle), first, rel_tol=1e-6)
    assert math.isclose(math.dist(middle, end), second, rel_tol=1e-6)


@given(angle=st.floats(-3.1, 3.1), share=st.floats(0.3, 0.95))
def test_a_target_within_reach_is_reached(angle: float, share: float) -> None:
    target = (0.5 * share * math.cos(angle), 0.5 * share * math.sin(angle))
    _, end = two_bone((0.0, 0.0), target, 0.25, 0.25, 1.0)
    assert math.dist(target, end) < 1e-9


def test_knees_bend_forward_and_elbows_backward() -> None:
    knee, _ = two_bone((0.0, 1.0), (0.0, 0.2), 0.5, 0.5, 1.0)
    elbow, _ = two_bone((0.0, 1.0), (0.0, 0.2), 0.5, 0.5, -1.0)
    assert knee[0] > 0 > elbow[0]


def test_people_stand_on_the_ground_at_their_height() -> None:
    rng = np.random.default_rng(0)
    for _ in range(40):
        body = sample_body(ink=Ink(style=STYLES["flat"], rng=rng), rng=rng)
        for pose in (stand(body), walk(body)):
            _, bottom, _, top = bounds([shape for _, shape in person_parts(body, pose)])
            assert abs(bottom) < 0.03
            assert 0.93 * body.height < top < 1.1 * body.height
