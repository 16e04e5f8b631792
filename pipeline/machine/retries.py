"""Requests that stamina repeats until they succeed; it logs each try at level debug."""

from __future__ import annotations

import logging

import stamina
from stamina.instrumentation import RetryDetails, set_on_retry_hooks

log = logging.getLogger("ezhoi.retries")
retry_context = stamina.retry_context


def _tell(details: RetryDetails) -> None:
    log.debug("try %d failed: %s", details.retry_num, type(details.caused_by).__name__)


set_on_retry_hooks([_tell])
