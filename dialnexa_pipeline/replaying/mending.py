"""What a corrected sheet mends: its rows held against the ledger and the source, one by one."""

# pyarrow.compute makes its functions when it is imported, so pyright cannot see them.
# pyright: reportAttributeAccessIssue=false

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from dialnexa_pipeline.enrolment import SampleRow, fits
from dialnexa_pipeline.errors import SourceError
from dialnexa_pipeline.leads import REASONS, screen, text_of
from dialnexa_pipeline.ledger import Correction, Ledger
from dialnexa_pipeline.phones import normalise_phones
from dialnexa_pipeline.replaying.sheet import SheetRow, as_typed
from dialnexa_pipeline.replaying.standing import Standing, Verdict
from dialnexa_pipeline.sources import Source
from dialnexa_pipeline.sync import SyncConfig


@dataclass(frozen=True, slots=True)
class Said:
    """What becomes of a row of the sheet, in a sentence whose personal data are masked."""

    row: int
    lead_key: str
    verdict: Verdict
    sentence: str


@dataclass(frozen=True, slots=True)
class Mending:
    """A sheet, row by row.

    Attributes:
        said: a sentence for each row of the sheet, in its order.
        rows: mended rows that screening lets through: the source's columns as text.
        leads: the same rows, screened.
        corrections: what the sheet says of each of them.
    """

    said: list[Said]
    rows: pa.RecordBatch = field(repr=False)
    leads: pa.Table = field(repr=False)
    corrections: list[Correction] = field(repr=False)

    def without(self, lead_keys: Collection[str]) -> "Mending":
        """The same sheet, of which some leads are neither corrected nor sent."""
        corrections = [each for each in self.corrections if each.lead_key not in lead_keys]
        stays = pc.invert(pc.is_in(self.leads["lead_key"], pa.array([*lead_keys], pa.string())))
        stays = stays.combine_chunks()
        return Mending(self.said, self.rows.filter(stays), self.leads.filter(stays), corrections)


def mend(
    sheet: Iterable[SheetRow],
    config: SyncConfig,
    *,
    source: Source,
    ledger: Ledger,
    note_read: Callable[[int], None] = lambda _rows: None,
) -> Mending:
    """Lay the sheet over the source's rows; nothing is claimed, kept or sent.

    A touched phone or country takes the place of the source's; a workflow or a variable only where
    the source's is blank. What nobody touched is the source's, however old the sheet is.

    Args:
        note_read: takes how many rows of the source were read by now.

    Raises:
        SourceError: the source cannot be read, or its key is not unique.
    """
    desk = _Desk(config, ledger, list(sheet))
    desk.read(source, note_read)
    return desk.mended()


@dataclass(frozen=True, slots=True)
class _Laid:
    """A row of the sheet over its row of the source.

    Attributes:
        values: the source's row, as text.
        changed: the columns that are to be something else.
    """

    row: SheetRow
    lead_key: str
    values: Mapping[str, str] = field(repr=False)
    changed: Mapping[str, str] = field(repr=False)


class _Desk:
    """The sheet, and what ledger and source know of its leads."""

    def __init__(self, config: SyncConfig, ledger: Ledger, sheet: Sequence[SheetRow]) -> None:
        self._config = config
        self._sheet = sheet
        self._asked = {text for row in sheet for text in (row.lead_key, as_typed(row.lead_key))}
        self._standing = Standing(ledger, config.name, self._asked)
        made, _newest = ledger.corrections.of_sync(config.name)
        self._corrections = {each.lead_key: each for each in made}
        self._found: dict[str, dict[str, str]] = {}
        self._met: dict[str, int] = {}

    def read(self, source: Source, note_read: Callable[[int], None]) -> None:
        """Pick the source's rows of these leads."""
        key = self._config.source.key
        asked = pa.array(sorted(self._asked), pa.string())
        rows = 0
        for batch in source.batches():
            rows += batch.num_rows
            for row in _texts(batch.filter(pc.is_in(text_of(batch.column(key)), asked))):
                if row[key] in self._found:
                    raise SourceError(
                        "source.key must be unique, but more than one row has the key of lead "
                        f"{_shown(row[key])}. Nothing was sent; mend the source."
                    )
                self._found[row[key]] = row
            note_read(rows)

    def mended(self) -> Mending:
        """Every row of the sheet judged; those that were mended are screened."""
        said: dict[int, Said] = {}
        laid: list[_Laid] = []
        for row in self._sheet:
            judged = self._lay(row)
            if isinstance(judged, Said):
                said[row.number] = judged
            else:
                laid.append(judged)
        columns = self._config.source_columns
        rows = pa.RecordBatch.from_pylist(
            [{**each.values, **each.changed} for each in laid],
            schema=pa.schema([(name, pa.string()) for name in columns]),
        )
        leads = screen(rows, self._config.screening)
        corrections: list[Correction] = []
        for each, reason, workflow, phone in zip(
            laid,
            *(leads[name].to_pylist() for name in ("reason", "workflow_id", "phone_key")),
            strict=True,
        ):
            if reason is not None:
                text = f"cannot be called as it is now, {reason}: {REASONS[reason]}"
                said[each.row.number] = _said(each.row, each.lead_key, "refused", text)
                continue
            said[each.row.number] = _said(
                each.row, each.lead_key, "mended", f"is mended, for workflow {workflow}."
            )
            was = {name: each.values[name] for name in each.changed}
            corrections.append(Correction(each.lead_key, phone, was, each.changed))
        passed = pc.is_null(leads["reason"]).combine_chunks()
        in_order = [said[row.number] for row in self._sheet]
        return Mending(in_order, rows.filter(passed), leads.filter(passed), corrections)

    def _lay(self, row: SheetRow) -> _Laid | Said:
        key = row.lead_key if row.lead_key in self._found else as_typed(row.lead_key)
        refusal = self._refusal(row, key)
        if refusal is not None:
            return _said(row, key, *refusal)
        values = self._found[key]
        known = dict(values)
        correction = self._corrections.get(key)
        if correction is not None and fits(correction, values):
            known.update(correction.became)
        phone = self._config.source.phone
        refused = (self._standing.rows[key].raw_phone or "").strip()
        is_touched = row.raw_phone not in ("", refused)
        now = {values[phone].strip(), known[phone].strip()}
        if is_touched and not now & {refused, row.raw_phone}:
            return _said(
                row, key, "waiting", "was changed at the source since; the next run reads it."
            )
        typed = self._typed(row, known, is_touched=is_touched)
        changed = {n: text for n, text in {**known, **typed}.items() if text != values[n]}
        if not changed:
            return _said(row, key, "unchanged", "is unchanged; nothing in its row was mended.")
        return _Laid(row, key, values, changed)

    def _refusal(self, row: SheetRow, key: str) -> tuple[Verdict, str] | None:
        """Why nothing of a row is looked at any further."""
        if not key:
            return "unknown", "has no lead_key."
        earlier = self._met.setdefault(key, row.number)
        if earlier != row.number:
            return "refused", f"stands in row {earlier} as well; keep one of the two rows."
        held = self._standing.refusal(key)
        if held is not None:
            return held
        if key not in self._found:
            return "unknown", "is not in the source."
        if key not in self._standing.rows:
            return "unknown", "is not among the sync's refused rows; the next run reads it."
        return None

    def _typed(
        self, row: SheetRow, known: Mapping[str, str], *, is_touched: bool
    ) -> Mapping[str, str]:
        """Source column → what the sheet says of it."""
        source = self._config.source
        typed: dict[str, str] = {}
        if is_touched:
            typed[source.phone] = row.raw_phone
        if row.country and source.country is not None:
            typed[source.country] = row.country
        elif row.country:
            # The source has no column for it, so the number is written with its country.
            text = typed.get(source.phone, known[source.phone])
            number = _international(text, row.country, self._config.screening.phone_types)
            if number is not None:
                typed[source.phone] = number
        column = self._config.workflow_column
        if column is not None and row.workflow_id and not known[column].strip():
            typed[column] = row.workflow_id
        for header, text in row.variables.items():
            column = self._config.variables[header]
            if text and not known[column].strip():
                typed[column] = text
        return typed


def _international(text: str, country: str, phone_types: frozenset[str]) -> str | None:
    phones = normalise_phones(
        pa.array([text], pa.string()),
        pa.array([country], pa.string()),
        default_country=None,
        allowed_types=phone_types,
    )
    number: str | None = phones["phone"][0].as_py()
    return number


def _texts(batch: pa.RecordBatch) -> Iterator[dict[str, str]]:
    columns = [[text or "" for text in text_of(column).to_pylist()] for column in batch.columns]
    for values in zip(*columns, strict=True):
        yield dict(zip(batch.schema.names, values, strict=True))


def _said(row: SheetRow, key: str, verdict: Verdict, text: str) -> Said:
    shown = _shown(key)
    return Said(row.number, shown, verdict, f"Row {row.number}: lead {shown} {text}")


def _shown(key: str) -> str:
    return SampleRow.masked(key, None, "").lead_key
