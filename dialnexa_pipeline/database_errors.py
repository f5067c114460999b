"""What may be read of a database: its URL without secrets, its words without values of rows."""

import re

import adbc_driver_manager
import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError

from dialnexa_pipeline.errors import ConfigError
from dialnexa_pipeline.masking import mask_phones_in

ARROW_FAILURES = (adbc_driver_manager.Error, pa.ArrowException, OSError)
_QUOTES = re.compile(r"['\"].*['\"]|['\"].*")
_VALUES = re.compile("Conversion Error|Constraint Error|Could not decode")
# PostgreSQL says `ERROR:  …` in the language of the server; the drivers put words before it.
_SERVER_SAYS = re.compile(r"[^\s:]+:  (\S.*)")
_DRIVER_SAYS = re.compile(r"^(?:[A-Z_]+: )?(?:\[\w+\] )?")


def database_url(text: str, *, variable: str, examples: str) -> sa.URL:
    """The URL in an environment variable; `postgresql://` and `postgres://` mean psycopg 3.

    Raises:
        ConfigError: the text is no URL that SQLAlchemy reads.
    """
    try:
        url = sa.make_url(text)
    except (ArgumentError, ValueError):
        # The text itself may hold a password, so neither it nor its error is repeated.
        raise ConfigError(
            f"{variable} is not a database URL; give for example {examples}."
        ) from None
    if url.drivername in {"postgres", "postgresql"}:
        return url.set(drivername="postgresql+psycopg")
    return url


def shown(url: sa.URL) -> str:
    """The URL without password and without parameters, which may hold secrets too."""
    return url.set(query={}).render_as_string(hide_password=True)


def said(error: Exception) -> str:
    """What a database said, one line, without phone numbers and values that it quotes."""
    words = str(getattr(error, "orig", None) or error).strip()
    by_server = _SERVER_SAYS.search(words) if isinstance(error, ARROW_FAILURES) else None
    line = by_server[1] if by_server else _DRIVER_SAYS.sub("", words).partition("\n")[0]
    text = mask_phones_in(line.strip()) or type(error).__name__
    if _may_quote_values(error) or _VALUES.search(text):
        text = _QUOTES.sub("'…'", text)
    return text.rstrip(". ")


def _may_quote_values(error: Exception) -> bool:
    if isinstance(error, ARROW_FAILURES):
        # Class 42 names tables and columns; in the middle of a stream no class is told.
        return not str(getattr(error, "sqlstate", None)).startswith("42")
    # Drivers name their classes alike (PEP 249); SQLAlchemy does not see through all of them.
    origin = type(getattr(error, "orig", None) or error)
    kinds = {each.__name__ for each in origin.__mro__}
    # psycopg's first line names a constraint and its table; the values are in the next.
    quotes_key = "IntegrityError" in kinds and not origin.__module__.startswith("psycopg")
    return "DataError" in kinds or quotes_key
