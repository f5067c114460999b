"""Where things live and how long to wait, read from the environment."""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from dialnexa_pipeline.errors import ConfigError

DEFAULT_BASE_URL = "https://api.dialnexa.com/v1"
# Ten years: whatever is longer was meant otherwise, and Python may not be able to add it.
_MOST_SECONDS = 315_360_000


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything the environment decides; URLs may hold passwords and stay out of repr."""

    home: Path
    base_url: str
    api_key: str = field(repr=False)
    warehouse_url: str = field(repr=False)
    ledger_url: str = field(repr=False)
    store_url: str = field(repr=False)
    erasure_key: str = field(repr=False)
    workflow_url: str
    settle: timedelta
    lease: timedelta
    read_timeout: float
    max_wait: float

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> "Settings":
        """Read `DIALNEXA_*`, with defaults under `DIALNEXA_HOME`.

        Raises:
            ConfigError: a number is not a number or out of range, or a URL lacks its placeholder.
        """
        env = os.environ if environment is None else environment
        home = Path(env.get("DIALNEXA_HOME") or ".dialnexa").absolute()
        return cls(
            home=home,
            base_url=env.get("DIALNEXA_BASE_URL") or DEFAULT_BASE_URL,
            api_key=env.get("DIALNEXA_API_KEY") or "",
            warehouse_url=env.get("DIALNEXA_WAREHOUSE_URL")
            or f"duckdb:///{home / 'warehouse.duckdb'}",
            ledger_url=env.get("DIALNEXA_LEDGER_URL") or f"sqlite:///{home / 'ledger.db'}",
            store_url=env.get("DIALNEXA_STORE_URL") or str(home / "store"),
            erasure_key=env.get("DIALNEXA_ERASURE_KEY") or "",
            workflow_url=_workflow_url(env.get("DIALNEXA_WORKFLOW_URL") or ""),
            settle=timedelta(seconds=_number(env, "DIALNEXA_SETTLE_SECONDS", 900.0)),
            lease=timedelta(seconds=_number(env, "DIALNEXA_LEASE_SECONDS", 60.0, least=0.1)),
            read_timeout=_number(env, "DIALNEXA_READ_TIMEOUT_SECONDS", 120.0),
            max_wait=_number(env, "DIALNEXA_MAX_WAIT_SECONDS", 900.0),
        )

    @property
    def confirm(self) -> timedelta:
        """How far apart two agreeing listings lie: a minute at the default settle time."""
        return self.settle / 15


def _workflow_url(text: str) -> str:
    if text and not (text.startswith(("https://", "http://")) and "{workflow_id}" in text):
        raise ConfigError(
            f"DIALNEXA_WORKFLOW_URL is {text!r}; write the address of a workflow's page in "
            "DialNexa with {workflow_id} in place of its id, or leave the variable out."
        )
    return text


def _number(env: Mapping[str, str], name: str, default: float, least: float = 0.0) -> float:
    text = env.get(name)
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    # Not a number compares with nothing.
    if not least <= value <= _MOST_SECONDS:
        raise ConfigError(
            f"{name} is {text!r}; it must be a number of seconds, {least:g} to {_MOST_SECONDS:,}."
        )
    return value
