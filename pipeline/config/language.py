"""Configuration of the texts: descriptions, disparities and the language model behind them."""

from __future__ import annotations

from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, PositiveFloat, PositiveInt, model_validator

from pipeline.config.section import Section
from pipeline.config.sources import (
    DESCRIBED,
    WORDINGS,
    ActionsFrom,
    ActionTemplate,
    ConceptTemplate,
    ContrastTemplate,
    DescriptionTemplate,
    File,
    FileOrFolder,
    MissingFrom,
    TextsFrom,
)
from pipeline.config.sources import template as named
from pipeline.outside.parsing import shown


def _url(text: str) -> str:
    parts = urlsplit(text)
    try:
        port = parts.port
    except ValueError as error:
        raise ValueError(f"{error} in the address") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise ValueError("expected an address such as http://127.0.0.1:8000/v1")
    return text


Url = Annotated[str, AfterValidator(_url)]
"""The address of a server."""


LONGEST_WAIT = 30 * 86_400.0
"""The longest wait in seconds: a month."""


class Descriptions(Section):
    source: TextsFrom = Field(
        "lexicon",
        description="where descriptions come from: the project's visual lexicon, a language model, or a file of yours",
    )
    template: DescriptionTemplate = Field(
        named("describe-v2"),
        description="prompt template: a name, or the path of a YAML file (llm); "
        "with describe-slots-v1 the lexicon has one sentence each on human, contact, object and scene",
    )
    file: File | None = Field(None, description="CSV, JSON, Parquet or text file of descriptions (source: file)")
    missing: MissingFrom = Field(
        "error", description="where the texts come from that the file lacks; each row tells its source (source: file)"
    )
    edits: File | None = Field(None, description="YAML file of 'verb object: text' that replaces single descriptions")
    pictures: FileOrFolder | None = Field(
        None, description="folder of example pictures, one subfolder a class ('ride horse/'), shown to the model (llm)"
    )
    pictures_per_class: PositiveInt = Field(
        1, le=1_000, description="how many pictures of a class are shown; the server must allow as many in a request"
    )
    actions: ActionsFrom = Field(
        False, description="also describe the verbs alone, as further guidance (paper, section 4.7)"
    )
    action_template: ActionTemplate = Field(
        named("action-v1"), description="prompt template of the verbs' descriptions (llm)"
    )
    concept_template: ConceptTemplate = Field(
        named("concepts-v1"),
        description="prompt template of phrases about each verb's human, object and context, if model.head reads them (llm)",
    )
    tolerated: float = Field(
        0.05,
        ge=0,
        le=1,
        description="share of texts that are kept although the quality gate rejects them; 0 (--strict) keeps none",
    )

    @property
    def own_wording(self) -> bool:
        """Whether the lexicon describes in another wording than its usual one."""
        from_lexicon = self.source == "lexicon" or (self.source == "file" and self.missing == "lexicon")
        return from_lexicon and self.template.text in DESCRIBED

    @property
    def asks_model(self) -> bool:
        """Whether a language model is asked, for all texts or for those that a file lacks."""
        return self.source == "llm" or (self.source == "file" and self.missing == "llm")


class Disparities(Section):
    source: TextsFrom = Field(
        "lexicon",
        description="where the texts come from that say how a class differs from another: lexicon, language model, or file",
    )
    template: ContrastTemplate = Field(
        named("contrast-v1"),
        description="wording (lexicon) or prompt template, by name or path (llm), of the disparities",
    )
    file: File | None = Field(None, description="file of pairs of classes with their disparities (source: file)")
    tolerated: float = Field(0.05, ge=0, le=1, description="as descriptions.tolerated")

    @model_validator(mode="after")
    def _known_wording(self) -> Self:
        if self.source == "lexicon" and self.template.text not in WORDINGS:
            raise ValueError(
                f"disparities.template: no wording {shown(self.template.text)} in the lexicon; valid: {', '.join(WORDINGS)}"
            )
        return self

    @property
    def asks_model(self) -> bool:
        """Whether a language model is asked."""
        return self.source == "llm"


class LlmRuntime(Section):
    base_url: Url = Field("http://127.0.0.1:8000/v1", description="OpenAI-compatible endpoint")
    api_key_env: str = Field(
        "EZHOI_LLM_API_KEY",
        description="environment variable with the server's key, if one is needed; the key of `ezhoi llm serve` is found",
    )
    concurrency: PositiveInt = Field(
        32,
        le=10_000,
        description="the most requests in flight; halved when the server answers 429, and slowly raised again",
    )
    timeout_s: PositiveFloat = Field(120.0, le=LONGEST_WAIT, description="seconds a request may take")
    retries: PositiveInt = Field(
        6, le=1_000, description="how often a request is tried on 5xx, timeouts and dropped connections"
    )
    patience_s: PositiveFloat = Field(
        300.0, le=LONGEST_WAIT, description="seconds to wait for a server that is gone or answers only 429"
    )
    deadline_s: PositiveFloat | None = Field(
        None, le=LONGEST_WAIT, description="seconds for all requests of a stage; null: as long as it takes"
    )


class Llm(Section):
    """The language model of `source: llm`."""

    model: str = Field("llava-hf/llava-1.5-7b-hf", description="id of the model, as the server names it")
    temperature: float = Field(0.2, ge=0, le=100, description="sampling temperature; 0 takes the likeliest word")
    top_p: float = Field(
        0.9, gt=0, le=1, description="words are drawn from the likeliest ones, which together have this probability"
    )
    max_tokens: PositiveInt = Field(
        200, le=1_000_000, description="length of the longest answer, in the model's tokens"
    )
    seed: int = Field(
        0,
        ge=0,
        le=1 << 62,
        description="seed of the first question about a class; each further question adds 1. Another seed asks everything anew",
    )
    attempts: PositiveInt = Field(
        3,
        le=1_000,
        description="the most questions about a class, each with a new seed, until an answer passes the gate",
    )
    system_role: bool = Field(
        True, description="send a template's system text as a system message; if false, before the prompt"
    )
    runtime: LlmRuntime = LlmRuntime()
