"""Errors that say what is known: nothing happened, refused, or in doubt."""

from collections.abc import Mapping
from typing import ClassVar

from dialnexa_pipeline.api.results import PositionError, RowError
from dialnexa_pipeline.errors import DialNexaError


class ApiError(DialNexaError):
    """DialNexa could not be reached or refused; the sentence holds no phone number."""


class NothingHappened(ApiError):
    """The request provably had no effect: no connection was made, or 429 until patience ended."""

    def __init__(self, sentence: str, *, reason: str) -> None:
        super().__init__(sentence)
        self.reason = reason


class Withheld(ApiError):
    """The caller forbade the next attempt, so it was not made; attempts before did nothing."""


class RowsRefused(ApiError):
    """A 400 about rows: nothing was enrolled.

    Attributes:
        errors: rows that the answer names.
        positions: rows that the answer gives by position only, each once, in order; how it counts
            is not known.
        unattributed: sentences of the answer that name no row.
        detail: the vendor's message, masked.
    """

    def __init__(
        self,
        detail: str,
        *,
        errors: tuple[RowError, ...],
        positions: tuple[PositionError, ...],
        unattributed: tuple[str, ...],
    ) -> None:
        super().__init__(f"DialNexa refused {len(errors) or 'some'} rows: {detail}")
        self.errors = errors
        self.positions = positions
        self.unattributed = unattributed
        self.detail = detail


class FileRefused(ApiError):
    """A 400 or 413 about the file itself: a defect of ours, nothing was enrolled."""

    def __init__(self, detail: str, *, status: int) -> None:
        super().__init__(
            f"DialNexa refused the file (HTTP {status}): {detail}. "
            + (
                "Lower batch.max_bytes or batch.max_rows and run again."
                if status == 413
                else "Nothing was enrolled; this is a defect, please report it."
            )
        )
        self.status = status
        self.detail = detail


class CallRefused(ApiError):
    """401, 402, 403 or 404: the call is refused whatever the file holds."""

    MENDS: ClassVar[Mapping[int, str]] = {
        401: "Check DIALNEXA_API_KEY: it is missing, mistyped or revoked",
        402: "The wallet is empty: top it up in DialNexa",
        403: "The workflow belongs to another workspace, or the destination is blocked",
        404: "There is no such workflow: correct the sync's workflow",
    }

    def __init__(self, detail: str, *, status: int) -> None:
        super().__init__(
            f"DialNexa refused the call (HTTP {status}): {detail}. "
            f"{self.MENDS.get(status, 'Correct the request')}, then run the sync again; its rows "
            "are kept."
        )
        self.status = status
        self.detail = detail


class InDoubt(ApiError):
    """The request may have taken effect: never send it again before listing the workflow."""

    def __init__(self, sentence: str, *, cause: str, status: int | None = None) -> None:
        super().__init__(sentence)
        self.cause = cause
        self.status = status
