"""An upload is sent at most once: again only when it provably had no effect."""

import time
from collections.abc import Callable, Sequence
from urllib.parse import quote

import httpx

from dialnexa_pipeline.api.answers import CALL_REFUSED, json_of, message_of
from dialnexa_pipeline.api.errors import (
    CallRefused,
    FileRefused,
    InDoubt,
    NothingHappened,
    RowsRefused,
)
from dialnexa_pipeline.api.exchange import Exchange
from dialnexa_pipeline.api.reading import read_success
from dialnexa_pipeline.api.results import Accepted
from dialnexa_pipeline.api.row_errors import is_file_level, read_row_errors

# The request never left: no connection was made.
_NEVER_MADE = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_CONNECT_ATTEMPTS = 3
_CONTENT_TYPES = {
    "csv": "text/csv",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


def upload_leads(
    exchange: Exchange,
    workflow_id: str,
    filename: str,
    content: bytes,
    *,
    phones: Sequence[str],
    before_attempt: Callable[[], bool],
) -> Accepted:
    """POST a batch file; `DialNexaClient.upload_leads` says what is raised."""
    kind = _CONTENT_TYPES.get(filename.rsplit(".", 1)[-1], "application/octet-stream")
    path = f"/workflows/{quote(workflow_id, safe='')}/leads"
    response = _post(exchange, path, (filename, content, kind), before_attempt)
    status = response.status_code
    if status in {200, 201}:
        accepted = read_success(response.content, phones)
        if accepted is None:
            raise InDoubt(
                f"DialNexa answered {status} with a body that cannot be read.",
                cause="unreadable",
                status=status,
            )
        return accepted
    detail = message_of(response)
    if status in CALL_REFUSED:
        raise CallRefused(detail, status=status)
    if status == 413:
        raise FileRefused(detail, status=status)
    if status == 400:
        refused = read_row_errors(json_of(response), phones)
        if not refused.errors and is_file_level(detail):
            raise FileRefused(detail, status=status)
        raise RowsRefused(
            detail,
            errors=refused.errors,
            positions=refused.positions,
            unattributed=refused.unattributed,
        )
    raise InDoubt(
        f"DialNexa answered {status}: {detail}. The rows may have been enrolled.",
        cause="status",
        status=status,
    )


def _post(
    exchange: Exchange,
    path: str,
    file: tuple[str, bytes, str],
    before_attempt: Callable[[], bool],
) -> httpx.Response:
    unconnected = refused = 0
    while True:
        request = exchange.http.build_request("POST", path, files={"file": file})
        try:
            response = exchange.send(request, before_attempt=before_attempt)
        except _NEVER_MADE as error:
            unconnected += 1
            if unconnected >= _CONNECT_ATTEMPTS:
                raise NothingHappened(
                    f"DialNexa at {exchange.http.base_url.host} cannot be reached "
                    f"({type(error).__name__}).",
                    reason="connection",
                ) from error
            time.sleep(0.2 * unconnected)
            continue
        except httpx.HTTPError as error:
            raise InDoubt(
                f"The connection broke before DialNexa's answer was read "
                f"({type(error).__name__}). The rows may have been enrolled.",
                cause=type(error).__name__,
            ) from error
        if response.status_code != 429:
            return response
        exchange.slow_down(response.headers, attempt=refused)
        refused += 1
