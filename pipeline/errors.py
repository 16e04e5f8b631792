"""The errors that a user can correct. Each message says what is wrong, where, and what to do; commands print it alone."""


class EzhoiError(Exception):
    """The base of all errors that are the fault of the input or the environment, not of the code."""


class ConfigError(EzhoiError):
    """A profile, key or value of the configuration is wrong."""


class StoreError(EzhoiError):
    """The artifact store cannot be read or written."""


class DataError(EzhoiError):
    """A data file is missing, damaged or lacks what it should say."""


class ServiceError(EzhoiError):
    """A server (the LLM's, or Prefect's) cannot be reached or does not answer as it should."""
