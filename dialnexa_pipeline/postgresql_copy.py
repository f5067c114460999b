"""Content sent to PostgreSQL by a COPY, in SQLAlchemy's transaction and with its errors."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError


def copy_from(connection: sa.Connection, statement: str, content: bytes) -> None:
    """Execute a COPY … FROM STDIN; only psycopg has one.

    Raises:
        DBAPIError: the server refused it, as for a statement of SQLAlchemy's own.
    """
    native: Any = connection.connection.driver_connection
    dbapi: Any = connection.dialect.dbapi
    try:
        with native.cursor() as cursor, cursor.copy(statement) as copy:
            copy.write(content)
    except dbapi.Error as error:
        raise DBAPIError(statement, None, error) from None


def is_unique_violation(connection: sa.Connection, error: DBAPIError) -> bool:
    """Whether a row with the same key was there already."""
    dbapi: Any = connection.dialect.dbapi
    return isinstance(error.orig, dbapi.errors.UniqueViolation)
