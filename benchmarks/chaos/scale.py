"""How large a world is, and the seconds that go with that size."""

from dataclasses import dataclass

_REFERENCE = 10_000


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds that children are given, and those by which things come late.

    A request whose effect comes later than the settle time after its doubt arose is outside the
    protocol's promise; the delays keep well within it on a machine that is not starved.

    Attributes:
        settle_without_refs: without a reference in the list a late effect cannot be told from a
            second request.
        longest_delay: of the network; longer than `read_timeout`.
        slow: how late an answer is.
        hidden: how long a list lacks a lead that is enrolled.
        longest_run: within which runs are signalled, paused and joined by others.
        patience: after which a child counts as hung.
    """

    read_timeout: float = 0.4
    settle: float = 0.8
    settle_without_refs: float = 1.6
    lease: float = 0.8
    max_wait: float = 2.0
    longest_delay: float = 0.6
    slow: tuple[float, ...] = (0.1, 0.3, 0.6)
    hidden: tuple[float, ...] = (0.2, 0.4)
    longest_run: float = 0.5
    patience: float = 60.0


@dataclass(frozen=True, slots=True)
class Scale:
    """How much of everything a world has; tuples are what chance picks from.

    Attributes:
        rows, rows_b: of the first table and of the second.
        max_rows: of a batch.
        numbers: how many different ones the world can hand out, 100,000 at most.
        refused: share of rows with a number that DialNexa refuses.
        refused_unnamed: the same where its 400 names no row.
        foreign, shared: leads at most that somebody else enrols in a workflow, and how many of
            ours are enrolled there by others too.
        longest_body: bytes that pass, at most, before the network spoils a connection.
    """

    timing: Timing = Timing()
    rows: tuple[int, ...] = (3, 8, 20, 45)
    rows_b: tuple[int, ...] = (2, 10, 25)
    max_rows: tuple[int, ...] = (2, 4, 7, 15)
    changes: tuple[int, ...] = (0, 0, 0, 1, 4)
    numbers: int = 5_000
    refused: float = 0.07
    refused_unnamed: float = 0.07
    foreign: int = 4
    shared: int = 2
    longest_body: int = 4_000


SMALL = Scale()


def large(leads: int) -> Scale:
    """A scale whose first table has so many rows, 1,000 to 50,000.

    The seconds were measured with two histories at a time on two cores and leave room for as much
    again.
    """
    size = leads / _REFERENCE
    return Scale(
        timing=Timing(
            read_timeout=0.4 + 2.1 * size,
            settle=1.0 + 5.0 * size,
            settle_without_refs=1.6 + 7.0 * size,
            lease=0.8 + 1.7 * size,
            max_wait=2.0 + 3.0 * size,
            longest_delay=0.6 + 2.4 * size,
            slow=(0.1, 0.3 + size, 0.6 + 2.4 * size),
            hidden=(0.2, 0.4 + size),
            longest_run=0.5 + 3.5 * size,
            patience=60.0 + 120.0 * size,
        ),
        rows=(leads,),
        rows_b=(leads // 20, leads // 5, leads // 2),
        max_rows=(leads // 30, leads // 14, leads // 10, leads // 5),
        changes=(0, 0, 0, 1, leads // 50),
        numbers=100_000,
        # A 400 that names no row is answered by halving, within 64 posts: they settle three
        # refused rows among 2,000 for certain, and what they do not settle is rejected unresolved.
        refused_unnamed=1 / _REFERENCE,
        foreign=leads // 100,
        shared=leads // 200,
        longest_body=leads * 20,
    )
