"""The messages for wrong configurations."""

import pytest

from pipeline.config.loading import load
from pipeline.errors import ConfigError


def message_of(*overrides: str, environment: dict[str, str] | None = None, profile: str = "demo") -> str:
    """The one message that a wrong configuration gets."""
    with pytest.raises(ConfigError) as caught:
        load(profile=profile, overrides=overrides, environment=environment or {})
    return str(caught.value)
