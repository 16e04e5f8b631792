"""What a forked process cannot set up anew is refused."""

from __future__ import annotations

import os

import forked
import pytest


def test_an_environment_with_another_path_of_modules_is_refused() -> None:
    with pytest.raises(ValueError, match="start a process with this PYTHONPATH by subprocess"):
        forked.run("ezhoi", "config", "keys", env=os.environ | {"PYTHONPATH": "elsewhere"})
