"""An object store by fsspec (s3://, gs://, ...) as a few plain operations that are repeated while it does not answer.

`s3://` needs the extra `s3` (s3fs); credentials and endpoint come from the usual AWS_* variables.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from pipeline.errors import StoreError
from pipeline.machine.files import atomic
from pipeline.store import digest

log = logging.getLogger("ezhoi.store")
PATIENCE_SECONDS = 300.0
"""Seconds for which a store may answer 5xx, throttle or be away before a run gives up."""
LARGEST = 16 << 20
"""The most bytes of an object that is read as a whole: a manifest, a record, a lease. Our own have kilobytes."""
FINAL = (FileNotFoundError, FileExistsError, PermissionError, IsADirectoryError, NotADirectoryError, StoreError)
PASSING = ("botocore", "aiobotocore", "aiohttp", "google", "gcsfs", "adlfs", "azure")
"""Packages whose own exceptions mean that a request failed on its way."""
UNSET = frozenset(
    {
        *("NoCredentialsError", "PartialCredentialsError", "UnknownCredentialError", "RefreshWithMFAUnsupportedError"),
        *("NoAuthTokenError", "UnknownTokenProviderError", "SSOError", "LoginError"),
        *("ProfileNotFound", "ConfigNotFound", "ConfigParseError", "InvalidConfigError", "InvalidDefaultsMode"),
        *(
            "NoRegionError",
            "UnknownRegionError",
            "InvalidRegionError",
            "ServiceNotInRegionError",
            "BaseEndpointResolverError",
        ),
        *("EndpointProviderError", "InvalidEndpointConfigurationError", "InvalidHostLabelError", "InvalidDNSNameError"),
        *("InvalidIMDSEndpointError", "InvalidIMDSEndpointModeError", "InvalidProxiesConfigError"),
        *("InvalidEndpointDiscoveryConfigurationError", "InvalidRetryConfigurationError", "InvalidChecksumConfigError"),
        *("InvalidS3AddressingStyleError", "InvalidS3UsEast1RegionalEndpointConfigError"),
        *("InvalidSTSRegionalEndpointsConfigError", "UnsupportedS3ArnError", "UnsupportedS3ConfigurationError"),
        *("UnsupportedS3AccesspointConfigurationError", "UnsupportedOutpostResourceError"),
        *("ParamValidationError", "ValidationError", "MissingParametersError"),
        *("UnknownSignatureVersionError", "UnsupportedSignatureVersionError", "UnsupportedServiceProtocolsError"),
        *("DataNotFoundError", "MissingDependencyException", "MD5UnavailableError"),
    }
)
"""The exceptions of botocore, with all that derive from them, which say that the configuration, the credentials, the request or
the installation lacks something or is wrong, so that the next try would fail alike. All others may pass: credentials that could
not be fetched or renewed just now, a download that does not match its checksum, a connection."""
TOLD = 5
"""The number of the try at which the reason of the wait is logged."""
EMPTY = ("InvalidRange", "416")
"""The answers of S3 to a request for the first bytes of an empty object."""
REFUSED = ("PreconditionFailed", "412")
"""The answers of S3 if the condition of a write does not hold."""
T = TypeVar("T")


class DamagedError(StoreError):
    """An object is not what was written there."""


class ChangedError(StoreError):
    """A conditional request was refused: the object is not what the request expects."""


class ObjectFolder:
    """The objects under `url`; names are relative to it. Implements `pipeline.store.remote.lease.Objects`."""

    def __init__(self, url: str, *, patience: float = PATIENCE_SECONDS) -> None:
        try:
            import fsspec

            # Listings of others change at any time, so none is kept.
            self.files, base = fsspec.core.url_to_fs(url, use_listings_cache=False)
        except (ImportError, ValueError) as error:
            raise StoreError(
                f"store.root = {url}: {error}. For s3:// install the extra: pip install 'ezhoi[s3]'"
            ) from None
        self.url, self.patience = url, patience
        self._base = str(base).rstrip("/")

    def read(self, name: str) -> bytes | None:
        """The content up to `LARGEST`; None if there is none. Our objects are smaller, and a truncated one cannot be parsed."""
        try:
            return self._patiently(lambda: self._beginning(self._path(name)))
        except FileNotFoundError:
            return None

    def _beginning(self, path: str) -> bytes:
        try:
            return bytes(self.files.cat_file(path, start=0, end=LARGEST))
        except Exception as error:
            if _code(error) in EMPTY:
                return b""
            raise

    def read_all(self, names: list[str]) -> dict[str, bytes]:
        """The contents of several objects, read in parallel; missing ones are left out."""
        if not names:
            return {}
        paths = {self._path(name): name for name in names}
        found: dict[str, Any] = self._patiently(lambda: self._beginnings(list(paths)))
        missing = [p for p, v in found.items() if isinstance(v, Exception) and not isinstance(v, FileNotFoundError)]
        again = {p: content for p in missing if (content := self.read(paths[p])) is not None}
        return {paths[p]: bytes(v) for p, v in (found | again).items() if isinstance(v, bytes)}

    def _beginnings(self, paths: list[str]) -> dict[str, Any]:
        ends = [LARGEST] * len(paths)
        found = self.files.cat_ranges(paths, [0] * len(paths), ends, on_error="return")
        return dict(zip(paths, found, strict=True))

    def write(self, name: str, content: bytes) -> None:
        """Create or replace an object, atomically."""
        self._patiently(lambda: self.files.pipe_file(self._path(name), content))

    def create(self, name: str, content: bytes) -> bool:
        """Create an object; False if it is there already (one of several that try at once succeeds)."""
        try:
            self._patiently(lambda: self.files.pipe_file(self._path(name), content, mode="create"))
        except (FileExistsError, ChangedError):
            return self.read(name) == content  # ours, if an answer was lost and the request sent again
        return True

    def replace(self, name: str, content: bytes, *, old: bytes) -> bool:
        """Replace an object that has the content `old`; False if it has another by now or is gone.

        S3 compares and writes in one step (`If-Match`). fsspec cannot ask other stores for that: there a write between the
        reading and the writing is lost.
        """
        path = self._path(name)
        try:
            conditions = {"IfMatch": self._patiently(lambda: self.files.info(path))["ETag"]} if self._is_s3() else {}
            if (now := self.read(name)) != old:
                return now == content  # ours, if an answer was lost
            self._patiently(lambda: self.files.pipe_file(path, content, **conditions))
        except (FileNotFoundError, KeyError):
            return False
        except ChangedError:
            return self.read(name) == content
        return True

    def names(self, folder: str) -> list[str]:
        """The names of the objects under a folder, sorted."""
        return sorted(self.sizes(folder))

    def sizes(self, folder: str = "") -> dict[str, int]:
        """{name: bytes} of the objects under a folder."""
        try:
            found = self._patiently(lambda: self.files.find(self._path(folder), detail=True))
        except FileNotFoundError:
            return {}
        # A folder that gets its first object between the two requests of `find` is reported itself, as a folder.
        files = {str(path): about for path, about in found.items() if about["type"] == "file"}
        return {path[len(self._base) + 1 :]: int(about["size"]) for path, about in files.items()}

    def delete(self, names: list[str]) -> None:
        """Remove objects; a missing one is no error."""
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                self._patiently(partial(self.files.rm_file, self._path(name)))

    def upload(self, path: Path, name: str) -> None:
        """Upload a local file."""
        self._patiently(lambda: self.files.put_file(str(path), self._path(name)))

    def download(self, name: str, path: Path, *, content: str) -> str:
        """Download an object, whole and checked, and return its digest.

        Raises FileNotFoundError if there is none, DamagedError if its digest does not start with `content`.
        """
        with atomic(path) as temporary:
            self._patiently(lambda: self.files.get_file(self._path(name), str(temporary)))
            found = digest.of_file(temporary)
            if not found.startswith(content):
                raise DamagedError(f"{self.url}/{name}: damaged, its content does not match its digest")
        return found

    def copy(self, name: str, target: str) -> None:
        """Copy an object within the store."""
        self._patiently(lambda: self.files.cp_file(self._path(name), self._path(target)))

    def _is_s3(self) -> bool:
        protocol = self.files.protocol
        return "s3" in ((protocol,) if isinstance(protocol, str) else protocol)

    def _path(self, name: str) -> str:
        return f"{self._base}/{name}" if name else self._base

    def _patiently(self, request: Callable[[], T]) -> T:
        """Repeat a request that failed on its way; StoreError when patience ends. A final error is raised at once."""
        from pipeline.machine import retries

        tries = retries.retry_context(
            on=_passing, attempts=None, timeout=self.patience, wait_initial=0.2, wait_max=10.0
        )
        try:
            for attempt in tries:
                if attempt.num == TOLD:
                    log.warning("%s does not answer; it is asked again for up to %.0f s", self.url, self.patience)
                with attempt:
                    return request()
        except FINAL as error:
            if isinstance(error, PermissionError):
                raise StoreError(f"{self.url}: {error}. Look at the credentials (AWS_* variables).") from None
            raise
        except Exception as error:
            if _code(error) in REFUSED:
                raise ChangedError(f"{self.url}: {error}") from None
            if _is_of_settings(error):
                raise StoreError(
                    f"{self.url}: {error}. Look at the AWS_* variables and the profile they name."
                ) from None
            raise StoreError(f"{self.url} does not answer as it should: {error}") from error
        raise AssertionError("the last try returns or raises")


def _passing(error: Exception) -> bool:
    if isinstance(error, FINAL) or _is_of_settings(error) or _code(error) in (*REFUSED, "NotImplemented"):
        return False
    return isinstance(error, OSError) or type(error).__module__.split(".")[0] in PASSING


def _is_of_settings(error: Exception) -> bool:
    """Whether botocore sent no request, as its configuration is wrong or credentials are missing: repeating cannot help."""
    bases = {base.__name__ for base in type(error).__mro__ if base.__module__ == "botocore.exceptions"}
    return not bases.isdisjoint(UNSET)


def _code(error: Exception) -> str:
    """S3's code of the error, which s3fs keeps only in the cause."""
    answer = getattr(error.__cause__ or error, "response", None)
    about = answer.get("Error") if isinstance(answer, dict) else None
    return str(about.get("Code")) if isinstance(about, dict) else ""
