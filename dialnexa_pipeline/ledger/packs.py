"""Packs: a batch's claims as they were made, in one blob, until one of them is changed.

A claim that is made, sent and enrolled like the thousands beside it is never a row of its own: what
it holds stands in `live_claims`, what became of it says its batch. Whoever changes a claim, or asks
for single ones by the view `claim_states`, unpacks the batch first, and its claims are rows from
then on. A batch may have both: rows, and packs that came later.
"""

# pyarrow.compute makes its functions when it is imported, so pyright cannot see them.
# pyright: reportAttributeAccessIssue=false

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, field

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from dialnexa_pipeline.ledger.columnar import columns_relation
from dialnexa_pipeline.ledger.database import LedgerDatabase
from dialnexa_pipeline.ledger.numbering import (
    batch_number_of,
    claim_number,
    numbers_of_batch,
    place_in,
    range_of_batch,
)
from dialnexa_pipeline.ledger.tables import PLACE_BITS, batches, packs

PACKED = pa.schema(
    [
        ("claim_no", pa.int64()),
        ("lead_key", pa.string()),
        ("raw_phone", pa.string()),
        ("phone", pa.int64()),
    ]
)
# To hand four small columns to other threads costs more than to pack or unpack them.
_WRITING = pa.ipc.IpcWriteOptions(compression="zstd", use_threads=False)
_READING = pa.ipc.IpcReadOptions(use_threads=False)
_PACKS_AT_ONCE = 10
# PostgreSQL shifts by no bigint, which a parameter would be.
_BITS: sa.ColumnElement[int] = sa.literal_column(str(PLACE_BITS), sa.Integer)
_CONTENTS = (
    sa.select(packs.c.content)
    .where(packs.c.first_claim_no.between(sa.bindparam("first"), sa.bindparam("last")))
    .order_by(packs.c.first_claim_no)
)
_PACKS_OF_BATCH = (
    f"packs.first_claim_no BETWEEN batches.batch_no << {PLACE_BITS} "
    f"AND (batches.batch_no << {PLACE_BITS}) + :place"
)


@dataclass(frozen=True, slots=True)
class Pack:
    """Claims of one batch."""

    first_claim_no: int
    last_claim_no: int
    content: bytes = field(repr=False)

    @classmethod
    def of(cls, claims: pa.RecordBatch) -> "Pack":
        """Pack claims (`PACKED`), by rising number and not empty."""
        numbers = claims["claim_no"]
        return cls(numbers[0].as_py(), numbers[-1].as_py(), _content(claims))


def add_packs(connection: sa.Connection, made: Sequence[Pack]) -> None:
    """Write packs, at most one of a batch.

    Raises:
        ValueError: a batch has packed a claim of one of these places, or of a later one.
    """
    relation = columns_relation(
        connection.dialect.name,
        {
            "first_claim_no": pa.array(pack.first_claim_no for pack in made),
            "last_claim_no": pa.array(pack.last_claim_no for pack in made),
        },
    )
    taken = connection.scalar(
        sa.text(
            f"SELECT 1 FROM {relation.sql} AS asked CROSS JOIN packs "
            f"WHERE packs.first_claim_no BETWEEN asked.first_claim_no >> {PLACE_BITS} "
            f"<< {PLACE_BITS} AND asked.last_claim_no "
            "AND packs.last_claim_no >= asked.first_claim_no LIMIT 1"
        ),
        relation.parameters,
    )
    if taken is not None:
        raise ValueError("places in a plan are unique, and a batch takes them in their order")
    connection.execute(sa.insert(packs), [asdict(pack) for pack in made])


def packed_claims(connection: sa.Connection, batch_no: int) -> pa.Table:
    """The claims of a batch that are packed (`PACKED`), in file order."""
    contents = connection.execute(_CONTENTS, range_of_batch(batch_no)).scalars()
    return pa.concat_tables([PACKED.empty_table(), *map(_claims, contents)])


def unpack(connection: sa.Connection, batch_no: int) -> None:
    """Make rows of the claims of a batch that are packed."""
    # Whoever takes a pack away writes its rows: of two, the second waits and finds none.
    contents = connection.execute(
        sa.delete(packs).where(_of_batch(batch_no)).returning(packs.c.content)
    ).scalars()
    found = pa.concat_tables([PACKED.empty_table(), *map(_claims, contents.all())])
    if not found.num_rows:
        return
    relation = columns_relation(
        connection.dialect.name,
        {name: found[name].combine_chunks() for name in PACKED.names},
    )
    names = ", ".join(PACKED.names)
    connection.execute(
        sa.text(
            f"INSERT INTO claims ({names}, workflow_no) SELECT {names}, "
            "(SELECT workflows.workflow_no FROM workflows JOIN batches "
            "ON batches.workflow_id = workflows.workflow_id WHERE batches.batch_no = :batch_no) "
            f"FROM {relation.sql} AS packed WHERE true"
        ),
        {"batch_no": batch_no, **relation.parameters},
    )


def unpack_batches(connection: sa.Connection, which: sa.ColumnElement[bool]) -> None:
    """Make rows of what is packed of some batches; `which` is a condition on `batches`."""
    has_packs = sa.exists().where(
        packs.c.first_claim_no.between(
            batches.c.batch_no.bitwise_lshift(_BITS),
            batches.c.batch_no.bitwise_lshift(_BITS) + claim_number(1, 0) - 1,
        )
    )
    found = connection.execute(
        sa.select(batches.c.batch_no).where(which, has_packs).order_by(batches.c.batch_no)
    )
    for batch_no in found.scalars().all():
        unpack(connection, batch_no)


def batch_of_ref(connection: sa.Connection, ref: str) -> int | None:
    """The number of the batch that has the claim of a ref; None when no plan here made it."""
    found = connection.scalar(
        sa.text(
            f"SELECT batches.batch_no FROM batches JOIN packs ON {_PACKS_OF_BATCH} "
            f"AND packs.last_claim_no >= (batches.batch_no << {PLACE_BITS}) + :place "
            "WHERE batches.plan_id = :plan_id UNION ALL "
            "SELECT batches.batch_no FROM batches JOIN claims "
            f"ON claims.claim_no = (batches.batch_no << {PLACE_BITS}) + :place "
            "WHERE batches.plan_id = :plan_id LIMIT 1"
        ).bindparams(sa.bindparam("place", type_=sa.BigInteger)),
        {"plan_id": ref.rpartition("-")[0], "place": place_in(ref)},
    )
    return int(found) if found is not None else None


def unpack_leads(
    database: LedgerDatabase,
    *,
    phones: Collection[int] = (),
    lead_keys: Collection[str] = (),
    sync: str | None = None,
) -> None:
    """Make rows of every batch that has a claim of one of these numbers or keys.

    The packs of the sync, or of all, are read once, while others may write.
    """
    with database.reading() as connection:
        found = batches_that_pack(connection, phones=phones, lead_keys=lead_keys, sync=sync)
    for batch_no in found:
        with database.transaction() as connection:
            unpack(connection, batch_no)


def batches_that_pack(
    connection: sa.Connection,
    *,
    phones: Collection[int] = (),
    lead_keys: Collection[str] = (),
    sync: str | None = None,
) -> list[int]:
    """Numbers of batches that pack a claim of one of these numbers or keys, of a sync or of all."""
    wanted_phones = pa.array(phones, pa.int64())
    wanted_keys = pa.array(lead_keys, pa.string())
    statement = sa.select(packs.c.first_claim_no, packs.c.content)
    if sync is not None:
        batch_no = packs.c.first_claim_no.bitwise_rshift(_BITS)
        statement = statement.where(batches.c.batch_no == batch_no, batches.c.sync == sync)
    found: set[int] = set()
    rows = connection.execute(statement, execution_options={"yield_per": _PACKS_AT_ONCE})
    for first, content in rows:
        held = _claims(content)
        is_theirs = pc.or_(
            pc.is_in(held["phone"], wanted_phones), pc.is_in(held["lead_key"], wanted_keys)
        )
        if pc.any(is_theirs).as_py():
            found.add(batch_number_of(first))
    return sorted(found)


def _of_batch(batch_no: int) -> sa.ColumnElement[bool]:
    return packs.c.first_claim_no.between(*numbers_of_batch(batch_no))


def _content(claims: pa.RecordBatch) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, PACKED, options=_WRITING) as writer:
        writer.write_batch(claims)
    return sink.getvalue().to_pybytes()


def _claims(content: bytes) -> pa.Table:
    with pa.ipc.open_stream(content, options=_READING) as reader:
        return reader.read_all()
