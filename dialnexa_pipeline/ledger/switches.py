"""The stop switch: a person's word that no sender, or no sender of one sync, takes a batch."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from dialnexa_pipeline.errors import DialNexaError
from dialnexa_pipeline.ledger.database import LedgerDatabase
from dialnexa_pipeline.ledger.tables import plans, switches

_LOCK = "dialnexa switches"
# The newest word of each scope, where it is `stop`.
_STANDING = (
    sa.select(switches.c.sync, switches.c.who, switches.c.why, switches.c.made_at)
    .where(
        switches.c.switch_id.in_(
            sa.select(sa.func.max(switches.c.switch_id)).group_by(switches.c.sync)
        ),
        switches.c.action == "stop",
    )
    .order_by(switches.c.switch_id)
)


class SendingStopped(DialNexaError):
    """Somebody stopped the senders; the batch that was asked for stays planned."""


@dataclass(frozen=True, slots=True)
class Stop:
    """A stop that nobody has lifted; `sync` is None where it is for every sync."""

    sync: str | None
    who: str
    why: str
    made_at: datetime

    @property
    def sentence(self) -> str:
        """Who stopped what, when and why, and how to lift it."""
        what = "Every sync" if self.sync is None else f"Sync {self.sync!r}"
        option = "" if self.sync is None else f" --sync {self.sync}"
        return (
            f"{what} was stopped by {self.who} at {self.made_at:%Y-%m-%d %H:%M} UTC: {self.why}. "
            f'To lift it: dialnexa resume{option} --reason "…"'
        )


class Switches:
    """Stops and resumes, each written with who and why."""

    def __init__(self, database: LedgerDatabase) -> None:
        self._database = database

    def stop(self, *, sync: str | None, who: str, why: str) -> None:
        """No batch of the sync (None: of any) is taken once this returns."""
        self._write("stop", sync, who, why)

    def resume(self, *, sync: str | None, who: str, why: str) -> bool:
        """Lift the stop of exactly this scope; False when none stood, and nothing is written."""
        return self._write("resume", sync, who, why)

    def standing(self) -> list[Stop]:
        """Every stop that nobody has lifted, oldest first."""
        with self._database.transaction() as connection:
            return _standing(connection)

    def knows(self, sync: str) -> bool:
        """Whether this ledger ever planned the sync."""
        with self._database.transaction() as connection:
            return bool(connection.scalar(sa.select(sa.exists().where(plans.c.sync == sync))))

    def _write(self, action: str, sync: str | None, who: str, why: str) -> bool:
        with self._database.transaction() as connection:
            # Senders take batches under the same lock, shared: whoever waits here waits for them.
            self._database.lock(connection, _LOCK)
            if action == "resume" and sync not in {stop.sync for stop in _standing(connection)}:
                return False
            connection.execute(
                sa.insert(switches).values(
                    sync=sync,
                    action=action,
                    who=who,
                    why=why,
                    made_at=self._database.now(connection),
                )
            )
            return True


def refuse_when_stopped(database: LedgerDatabase, connection: sa.Connection, sync: str) -> None:
    """Keep the switches as they are until the transaction ends, and obey them.

    Raises:
        SendingStopped: a stop of this sync, or of every sync, stands.
    """
    database.lock(connection, _LOCK, shared=True)
    for stop in _standing(connection):
        if stop.sync in {None, sync}:
            raise SendingStopped(f"{stop.sentence}. Batches not sent yet stay planned.")


def _standing(connection: sa.Connection) -> list[Stop]:
    return [Stop(*row) for row in connection.execute(_STANDING)]
