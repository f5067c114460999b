"""The warehouse's URL, and an engine for whatever database it names."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import NoSuchModuleError

from dialnexa_pipeline.database_errors import database_url
from dialnexa_pipeline.errors import ConfigError

_EXTRAS = {
    "postgresql": "postgres",
    "mysql": "mysql",
    "mariadb": "mysql",
    "snowflake": "snowflake",
    "bigquery": "bigquery",
}


def warehouse_url(text: str) -> sa.URL:
    """The URL of the warehouse; `postgresql://` and `postgres://` mean psycopg 3.

    Raises:
        ConfigError: the text is no URL that SQLAlchemy reads.
    """
    return database_url(
        text,
        variable="DIALNEXA_WAREHOUSE_URL",
        examples="duckdb:///warehouse.duckdb or postgresql+psycopg://user:password@host/database",
    )


def warehouse_engine(url: sa.URL, connect_args: dict[str, Any]) -> sa.Engine:
    """An engine for the warehouse, which keeps no connection and repeats no parameter.

    Raises:
        ConfigError: no driver for the URL is installed.
    """
    try:
        return sa.create_engine(
            url, poolclass=sa.NullPool, hide_parameters=True, connect_args=connect_args
        )
    except (NoSuchModuleError, ModuleNotFoundError):
        extra = _EXTRAS.get(url.get_backend_name())
        package = f'it with `pip install "dialnexa-pipeline[{extra}]"`' if extra else None
        raise ConfigError(
            f"DIALNEXA_WAREHOUSE_URL begins with {url.drivername}://, and no driver for that is "
            f"installed. Install {package or 'its SQLAlchemy dialect'}, or correct the URL."
        ) from None
