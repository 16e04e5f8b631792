"""Keys that a configuration changes although nothing reads them under it, such as `descriptions.file` beside the lexicon."""

from __future__ import annotations

from pipeline.config.changed import in_vain, usual
from pipeline.config.keys import keys
from pipeline.config.tree import Config
from pipeline.engine.graph import STAGES


def unread(config: Config) -> list[str]:
    """A line for each key that differs from the profile and that no stage reads, with what the key means.

    A key that a stage reads under the profile is none: `images.precision=fp32` is why nothing of bf16 is read any more.
    """
    asked = (config, usual(config))
    read = {key for stage in STAGES for each in asked for key in stage.reads_under(each)}
    means = {key.name: key.means for key in keys(Config)}
    return [
        f"{key} = {value} changes nothing: no stage reads it in this configuration ({means[key]})"
        for key, value in in_vain(config, reads=read).items()
    ]
