"""What a run of a sync with a cursor reads, and when what was read is out of date."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from importlib.metadata import version

from dialnexa_pipeline.ledger import Cursor, Ledger, PlanRead
from dialnexa_pipeline.phones import METADATA_VERSION
from dialnexa_pipeline.sources import Since, newest_moment, open_source
from dialnexa_pipeline.sync import CursorConfig, SyncConfig
from dialnexa_pipeline.sync_values import spell_duration

_VERSIONS = (METADATA_VERSION, version("dialnexa-pipeline"))


@dataclass(frozen=True, slots=True)
class Reading:
    """What a run is to read.

    Attributes:
        since: None for everything.
        why: in a sentence, for people.
    """

    since: Since | None
    read: PlanRead
    why: str


def next_reading(
    config: SyncConfig, ledger: Ledger, *, warehouse_url: str, full_scan: bool
) -> Reading | None:
    """What a run that begins now reads; None for a sync without a cursor.

    Raises:
        ConfigError: the warehouse's URL is none.
        SourceError: the source cannot be read, or its `updated_at` holds no moments.
    """
    cursor_config = config.incremental
    if cursor_config is None:
        return None
    fingerprint = _fingerprint(config, warehouse_url)
    cursor = ledger.cursors.of(config.name, fingerprint)
    why = "full_scan was asked for." if full_scan else _why_everything(cursor, cursor_config)
    settled = cursor.settled_until
    since = Since(settled - cursor_config.look_back) if why is None and settled else None
    newest = newest_moment(
        config.source, warehouse_url=warehouse_url, since=since, until=cursor.now
    )
    if since is not None and settled is not None:
        newest = max(newest, settled) if newest is not None else settled
        why = f"All of {settled:%Y-%m-%d %H:%M:%S} UTC and before is settled."
    begun = since.start if since is not None else None
    return Reading(since, PlanRead(fingerprint, begun, newest, cursor.now), why or "")


def _why_everything(cursor: Cursor, config: CursorConfig) -> str | None:
    """Why a run does not go on from the cursor; None when it does."""
    if cursor.settled_until is None:
        return (
            "No run of the sync as it is now has settled every lead yet: it is new or was changed, "
            "or leads wait to be sent, were corrected since or are in doubt."
        )
    if cursor.unsure_duplicates:
        return (
            f"{cursor.unsure_duplicates} leads were refused for a number that another lead held, "
            "with which nobody is enrolled."
        )
    if isinstance(config.full_scan, timedelta):
        last = cursor.fully_read_at
        if last is None or last <= cursor.now - config.full_scan:
            return (
                f"Everything is read every {spell_duration(config.full_scan)} (cursor.full_scan)."
            )
    return None


def screening_fingerprint(config: SyncConfig) -> str:
    """Of all that screening depends on besides the rows; leads screened under another one stay."""
    windows = config.partitions
    cut = [windows.every, str(windows.look_back), config.timezone] if windows is not None else None
    return _digest([*_screening_of(config), cut, *_VERSIONS])


def _fingerprint(config: SyncConfig, warehouse_url: str) -> str:
    """Of all that decides a row's outcome besides the row; another one wants a full scan."""
    columns = config.source_columns
    place = open_source(config.source, warehouse_url=warehouse_url, columns=columns).description
    settings = [*_screening_of(config), str(config.dedupe), config.preflight]
    return _digest([*settings, place, *_VERSIONS])


def _digest(parts: list[object]) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def _screening_of(config: SyncConfig) -> Iterator[object]:
    yield config.source.model_dump()
    yield config.workflow
    yield config.workflow_column
    yield config.variables
    yield sorted(config.required_variables)
    yield sorted(config.phone_types)
