"""Texts from a language model: prompts, a client of OpenAI-compatible servers, a journal and a quality gate."""
