"""Configuration of the texts: descriptions, disparities and the language model behind them."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, PositiveFloat, PositiveInt

from pipeline.sections.section import Section


class Descriptions(Section):
    source: Literal["lexicon", "llm"] = Field(
        "lexicon", description="the project's visual lexicon, or a language model"
    )
    template: str = Field("describe-v1", description="prompt template (pipeline/llm/templates), source: llm")
    edits: Path | None = Field(None, description="YAML file of 'verb object: text' that replaces single descriptions")


class Disparities(Section):
    source: Literal["lexicon", "llm"] = Field("lexicon", description="where 'how does it differ' comes from")
    template: str = Field("contrast-v1", description="wording (lexicon) or prompt (llm) template of the disparities")


class LlmRuntime(Section):
    base_url: str = Field("http://127.0.0.1:8000/v1", description="OpenAI-compatible endpoint")
    api_key_env: str = Field(
        "EZHOI_LLM_API_KEY", description="environment variable that holds the key, if one is needed"
    )
    concurrency: PositiveInt = Field(32, description="requests in flight")
    timeout_s: PositiveFloat = Field(120.0, description="seconds a request may take")
    retries: PositiveInt = Field(6, description="tries on 429, 5xx, timeouts and dropped connections")


class Llm(Section):
    """The language model of `source: llm`."""

    model: str = Field("llava-hf/llava-1.5-7b-hf", description="model id as the server names it")
    temperature: float = Field(0.2, ge=0)
    top_p: float = Field(0.9, gt=0, le=1)
    max_tokens: PositiveInt = 160
    seed: int = Field(
        0,
        ge=0,
        description="seed of a class's first asking, each further one adds 1; change it to have everything asked anew",
    )
    attempts: PositiveInt = Field(
        3, description="askings per class, each with a new seed, until the answer passes the gate"
    )
    runtime: LlmRuntime = LlmRuntime()
