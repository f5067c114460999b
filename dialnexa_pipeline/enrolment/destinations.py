"""Pre-flight of destinations: which leads the workspace's Telephony Config lets nobody call."""

# pyarrow.compute makes its functions when it is imported, so pyright cannot see them.
# pyright: reportAttributeAccessIssue=false

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from dialnexa_pipeline.api import NetworkGroup

COUNTRY = "invalid/unsupported_destination_country"
PREFIX = "invalid/unsupported_prefix"


@dataclass(frozen=True, slots=True)
class Barred:
    """Leads that may not be called: the reason, the ISO code of their country, and how many."""

    reason: str
    country: str
    leads: int

    @property
    def is_by_prefix(self) -> bool:
        """The country is enabled, the number's prefix is not."""
        return self.reason == PREFIX


class Destinations:
    """The countries and prefixes that are enabled, as DialNexa's network groups list them.

    Attributes:
        enforced: leads that may not be called are refused; otherwise they are only counted.
    """

    def __init__(self, groups: Sequence[NetworkGroup], *, enforced: bool) -> None:
        self.enforced = enforced
        self.countries = sorted({group.country_iso.upper() for group in groups})
        self._pattern = f"^(?:{'|'.join(_beginnings(groups))})" if groups else "^$"

    def reasons(self, leads: pa.Table) -> pa.Array:
        """Why each lead may not be called; null where it may, or where it has no country.

        Args:
            leads: with `phone` in E.164 form and `country` as ISO code.
        """
        country = leads["country"].combine_chunks()
        enabled = pc.is_in(country, pa.array(self.countries, pa.string()))
        prefixed = pc.match_substring_regex(leads["phone"].combine_chunks(), self._pattern)
        nothing = pa.scalar(None, pa.string())
        by_prefix = pc.if_else(pc.fill_null(prefixed, True), nothing, pa.scalar(PREFIX))
        by_country = pc.if_else(enabled, by_prefix, pa.scalar(COUNTRY))
        return pc.if_else(pc.is_valid(country), by_country, nothing)


def counted(reasons: pa.Array, countries: pa.Array) -> Counter[tuple[str, str]]:
    """(reason, country) → leads, of those that have a reason."""
    table = pa.table({"reason": reasons, "country": countries}).filter(pc.is_valid(reasons))
    grouped = table.group_by(["reason", "country"]).aggregate([([], "count_all")])
    return Counter(
        {(row["reason"], row["country"]): row["count_all"] for row in grouped.to_pylist()}
    )


def barred_of(counts: Counter[tuple[str, str]]) -> tuple[Barred, ...]:
    """Most leads first."""
    return tuple(Barred(*key, leads) for key, leads in counts.most_common())


def _beginnings(groups: Iterable[NetworkGroup]) -> Iterator[str]:
    """What the E.164 numbers of each group begin with; without prefixes, its calling code.

    The documented prefixes are national digits (`98`). One that repeats the calling code is taken
    as it stands too, and one that is no digits allows the country whole: refusing a number that
    DialNexa would call is the worse mistake.
    """
    for group in groups:
        code = re.sub(r"\D", "", group.calling_code)
        prefixes = [prefix.strip().lstrip("+") for prefix in group.prefixes]
        if not prefixes or not all(map(str.isdecimal, prefixes)):
            yield rf"\+{code}"
            continue
        yield rf"\+{code}(?:{'|'.join(prefixes)})"
        for prefix in prefixes:
            if prefix.startswith(code) and prefix != code:
                yield rf"\+{prefix}"
