"""The files of batches that were cut out of a refused one."""

import csv
import hashlib
import io

import pyarrow as pa

from dialnexa_pipeline.enrolment.filling import batch_path
from dialnexa_pipeline.enrolment.patience import patiently
from dialnexa_pipeline.errors import StoreError
from dialnexa_pipeline.failpoints import reach
from dialnexa_pipeline.leads import read_xlsx, render_csv, render_xlsx
from dialnexa_pipeline.ledger import Batch, Ledger, Plan
from dialnexa_pipeline.store import Store


def write_children(parent: Batch, ledger: Ledger, store: Store) -> list[Batch]:
    """Write the files of the parent's children out of its own file, and make them sendable.

    A number stands once in a batch, because its claim is unique in the workflow.
    """
    children = patiently(ledger.batches.children_of, parent.batch_id)
    reach("send.children_made")
    path = parent.file_path or ""
    file_format = path.rsplit(".", 1)[-1]
    table = _read(read_checked(parent, store), file_format)
    phones = table["phone_number"].to_pylist()
    plan = Plan(parent.plan_id, parent.sync, parent.partition_key, "")
    render = render_csv if file_format == "csv" else render_xlsx
    for child_id in children:
        wanted = {claim.e164 for claim in patiently(ledger.batches.claims_of, child_id)}
        kept = table.filter(pa.array([phone in wanted for phone in phones]))
        child_path = batch_path(plan, parent.workflow_id, child_id, file_format)
        stored = store.write(child_path, render(kept))
        patiently(
            ledger.plans.batch_is_on_disk,
            child_id,
            file_path=child_path,
            sha256=stored.sha256,
            file_bytes=stored.bytes,
        )
        reach("send.child_written")
    return [patiently(ledger.batches.get, child_id) for child_id in children]


def read_checked(batch: Batch, store: Store) -> bytes:
    """The file of a batch.

    Raises:
        StoreError: it is missing, or is not the one that was written.
    """
    content = store.read(batch.file_path or "")
    if hashlib.sha256(content).hexdigest() != batch.sha256:
        raise StoreError(
            f"Batch {batch.batch_id}: the file {batch.file_path} in the store is not the one "
            "that was written (SHA-256 differs). Nothing of it was sent. Run the sync again: "
            "it is planned anew."
        )
    return content


def _read(content: bytes, file_format: str) -> pa.Table:
    if file_format == "csv":
        # Python's own limit is 131,072 characters; the largest one that every platform takes.
        csv.field_size_limit(2**31 - 1)
        rows = list(csv.reader(io.StringIO(content.decode("utf-8"), newline="")))
    else:
        rows = read_xlsx(content)
    header, *body = rows
    columns = zip(*body, strict=True) if body else [()] * len(header)
    return pa.table(
        {
            name: pa.array(list(values), pa.string())
            for name, values in zip(header, columns, strict=True)
        }
    )
