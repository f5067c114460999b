"""All claims of a batch as an Arrow table, whether they are packed or rows."""

# pyarrow.compute makes its functions when it is imported, so pyright cannot see them.
# pyright: reportAttributeAccessIssue=false

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from dialnexa_pipeline.ledger.bulk import MOMENT
from dialnexa_pipeline.ledger.gathering import Gathering
from dialnexa_pipeline.ledger.numbering import OF_BATCH, range_of_batch
from dialnexa_pipeline.ledger.packs import packed_claims
from dialnexa_pipeline.ledger.tables import batches, claims

_ROWS = Gathering(
    sa.select(
        claims.c.claim_no,
        claims.c.lead_key,
        claims.c.phone,
        claims.c.state,
        claims.c.reason,
        claims.c.settled_at,
    )
    .where(OF_BATCH)
    .order_by(claims.c.claim_no)
)
_ANY_ROW = sa.select(sa.literal(1)).where(OF_BATCH).limit(1)
CLAIMS = pa.schema(
    [
        ("claim_no", pa.int64()),
        ("lead_key", pa.string()),
        ("phone", pa.int64()),
        ("state", pa.string()),
        ("reason", pa.string()),
        ("settled_at", MOMENT),
    ]
)


def claims_of_batch(connection: sa.Connection, batch_no: int) -> pa.Table:
    """The claims of a batch, in file order.

    Returns:
        `CLAIMS`: what each says of itself, null where it says what its batch does; `phone` is null
        once it is erased.
    """
    # Packs first: who unpacks them at this moment has written their rows when they are gone.
    packed = packed_claims(connection, batch_no)
    rows = _rows(connection, batch_no)
    if not rows.num_rows:
        return _silent(packed)
    if not packed.num_rows:
        return rows
    only_packed = packed.filter(pc.invert(pc.is_in(packed["claim_no"], rows["claim_no"])))
    return pa.concat_tables([_silent(only_packed), rows]).sort_by("claim_no")


def enrolled_claims(connection: sa.Connection, batch_no: int, *, enrolled: bool) -> pa.Table:
    """Enrolled and withdrawn claims of a batch (`CLAIMS`), in file order.

    Args:
        enrolled: the batch is, and so are the claims that say nothing themselves.
    """
    found = claims_of_batch(connection, batch_no)
    state = found["state"]
    if enrolled and state.null_count == found.num_rows:
        return found
    says_so = pc.or_(
        pc.equal(state, "enrolled"),
        # With a reason it was withdrawn before it was sent.
        pc.and_(pc.equal(state, "withdrawn"), pc.is_null(found["reason"])),
    )
    return found.filter(pc.fill_null(says_so, enrolled))


def still_enrolled(connection: sa.Connection, batch_no: int) -> pa.Table:
    """Claims of a batch that are enrolled and not withdrawn (`CLAIMS`), in file order."""
    state = sa.select(batches.c.state).where(batches.c.batch_no == batch_no)
    found = enrolled_claims(connection, batch_no, enrolled=connection.scalar(state) == "enrolled")
    return found.filter(pc.fill_null(pc.equal(found["state"], "enrolled"), True))


def _rows(connection: sa.Connection, batch_no: int) -> pa.Table:
    if connection.scalar(_ANY_ROW, range_of_batch(batch_no)) is None:
        return CLAIMS.empty_table()
    return _ROWS.read(connection, range_of_batch(batch_no))


def _silent(packed: pa.Table) -> pa.Table:
    nothing = {
        name: pa.nulls(packed.num_rows, CLAIMS.field(name).type)
        for name in ("state", "reason", "settled_at")
    }
    columns = {name: packed[name] for name in ("claim_no", "lead_key", "phone")}
    return pa.table({**columns, **nothing})
