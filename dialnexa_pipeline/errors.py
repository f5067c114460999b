"""The errors a user of the pipeline may meet, each one clear sentence."""


class DialNexaError(Exception):
    """Base of every error that this package raises on purpose."""


class ConfigError(DialNexaError):
    """A setting, an environment variable or a key of a sync is wrong."""


class SourceError(DialNexaError):
    """The source relation or file cannot be read as configured."""


class StoreError(DialNexaError):
    """A file is missing from the store, or differs from what was written."""
