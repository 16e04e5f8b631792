"""The errors a user can mend. Each message says what is wrong, where, and what to do; the command line prints it alone."""


class EzhoiError(Exception):
    """Base of every error that is the input's or the environment's fault, not the code's."""


class ConfigError(EzhoiError):
    """A profile, key or value of the configuration is wrong."""


class StoreError(EzhoiError):
    """The artifact store cannot be read or written."""


class DataError(EzhoiError):
    """A data file is missing, damaged or does not say what it should."""


class ServiceError(EzhoiError):
    """A server (the LLM's, or Prefect's) cannot be reached or does not answer as it should."""
