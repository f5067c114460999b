"""Taking, moving and giving up numbers: a row of `live_claims` is what makes a claim live.

A number that is given up goes back to the enrolled claim that held it before, if it lost it to a
sync's `dedupe`: nobody was called since.
"""

from collections.abc import Callable, Sequence
from typing import cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from dialnexa_pipeline.ledger.bulk import numbers_parameter, numbers_relation
from dialnexa_pipeline.ledger.numbering import claim_number, numbers_of_batch
from dialnexa_pipeline.ledger.tables import LAST_PLACE, claims, expired_claims, live_claims

_OF_CLAIMS = sa.tuple_(live_claims.c.phone, live_claims.c.workflow_no)


def key_hashes(lead_keys: Sequence[str] | pa.Array | pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """63 bits of each key, the same on every machine: SipHash, as pandas documents it.

    Two leads with one number are told apart by it, and no others are compared.
    """
    # pyarrow imports pandas with its first array, and not before.
    from pandas import util

    texts = (
        np.array(lead_keys, dtype=object)
        if isinstance(lead_keys, Sequence)
        else lead_keys.to_numpy(zero_copy_only=False)
    )
    hash_array = cast("Callable[..., npt.NDArray[np.uint64]]", util.hash_array)
    # PostgreSQL knows no unsigned numbers.
    return (hash_array(texts, categorize=False) >> np.uint64(1)).astype(np.int64)


def keep_claims_out(connection: sa.Connection) -> None:
    """Nobody claims a number, or gives one up, until the transaction ends; readers go on."""
    # Whoever writes to SQLite is alone.
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("LOCK TABLE live_claims IN SHARE ROW EXCLUSIVE MODE"))


def live_claims_of_numbers(dialect: str) -> str:
    """SQL that looks up who holds each of `:numbers`, to follow FROM as `live_claims`.

    Both databases might scan who holds any number: SQLite keeps the order of a CROSS JOIN, and
    PostgreSQL cannot look into a sub-select with an OFFSET.
    """
    asked = f"{numbers_relation(dialect)} AS asked"
    of_number = "(SELECT * FROM live_claims WHERE live_claims.phone = asked.number OFFSET 0)"
    if dialect == "postgresql":
        return f"{asked} CROSS JOIN LATERAL {of_number} AS live_claims"
    return f"{asked} CROSS JOIN live_claims ON live_claims.phone = asked.number"


def take_number(
    connection: sa.Connection, claim_no: int, workflow_no: int, phone: int, lead_key: str
) -> None:
    """Hold a number for a claim, unless somebody holds it."""
    connection.execute(
        sa.text(
            "INSERT INTO live_claims (phone, workflow_no, claim_no, key_hash) VALUES "
            "(:phone, :workflow_no, :claim_no, :key_hash) "
            "ON CONFLICT (phone, workflow_no) DO NOTHING"
        ),
        {
            "phone": phone,
            "workflow_no": workflow_no,
            "claim_no": claim_no,
            "key_hash": int(key_hashes([lead_key])[0]),
        },
    )


def give_up(
    connection: sa.Connection, batch_no: int, *picked: sa.ColumnElement[bool] | sa.TextClause
) -> int:
    """End what picked claims of an unpacked batch hold; how many held something."""
    held = let_go(connection, batch_no, *picked)
    if held:
        earlier = sa.tuple_(expired_claims.c.phone, expired_claims.c.workflow_no)
        of_claims = sa.select(claims.c.phone, claims.c.workflow_no).where(*picked)
        _give_back(connection, earlier.in_(of_claims))
    return held


def let_go(
    connection: sa.Connection, batch_no: int, *picked: sa.ColumnElement[bool] | sa.TextClause
) -> int:
    """As `give_up`, by whoever takes the numbers again at once."""
    return connection.execute(sa.delete(live_claims).where(*_held_by(batch_no, picked))).rowcount


def give_up_phones(connection: sa.Connection, batch_no: int, phones: pa.ChunkedArray) -> None:
    """End what claims of a batch, packed or not, hold of some numbers."""
    dialect = connection.dialect.name
    first, last = numbers_of_batch(batch_no)
    of_phones = f"phone IN {numbers_relation(dialect)}"
    numbers = {"numbers": numbers_parameter(dialect, phones.combine_chunks())}
    ended = connection.execute(
        sa.text(f"DELETE FROM live_claims WHERE {of_phones} AND claim_no BETWEEN :first AND :last"),
        {"first": first, "last": last, **numbers},
    )
    if ended.rowcount:
        _give_back(connection, sa.text(of_phones).bindparams(**numbers))


def _give_back(connection: sa.Connection, which: sa.ColumnElement[bool] | sa.TextClause) -> None:
    """Let picked expired claims hold their numbers again, unless somebody holds them."""
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    again = sa.select(expired_claims).where(which)
    connection.execute(
        insert(live_claims).from_select(expired_claims.c.keys(), again).on_conflict_do_nothing()
    )


def hand_on(
    connection: sa.Connection,
    batch_no: int,
    child_no: int,
    *picked: sa.ColumnElement[bool] | sa.TextClause,
) -> None:
    """What picked claims of an unpacked batch hold, they hold in another batch from now on.

    The claims themselves are moved afterwards.
    """
    place = live_claims.c.claim_no.bitwise_and(sa.literal_column(str(LAST_PLACE)))
    moved = sa.literal(claim_number(child_no, 0), sa.BigInteger) + place
    connection.execute(
        sa.update(live_claims).where(*_held_by(batch_no, picked)).values(claim_no=moved)
    )


def _held_by(
    batch_no: int, picked: Sequence[sa.ColumnElement[bool] | sa.TextClause]
) -> tuple[sa.ColumnElement[bool], ...]:
    of_claims = sa.select(claims.c.phone, claims.c.workflow_no).where(*picked)
    # A number that a claim has lost may be another batch's by now.
    return _OF_CLAIMS.in_(of_claims), live_claims.c.claim_no.between(*numbers_of_batch(batch_no))
