"""The DialNexa client: GETs are retried, an upload is sent at most once."""

import time
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote

import httpx
import ijson

from dialnexa_pipeline.api.answers import (
    CALL_REFUSED,
    items_of,
    json_of,
    message_of,
    network_group,
    refusal,
)
from dialnexa_pipeline.api.errors import (
    ApiError,
    CallRefused,
    FileRefused,
    InDoubt,
    NothingHappened,
    RowsRefused,
)
from dialnexa_pipeline.api.lead_listing import Page
from dialnexa_pipeline.api.pace import Patience
from dialnexa_pipeline.api.reading import read_success
from dialnexa_pipeline.api.reads import Reads
from dialnexa_pipeline.api.results import (
    Accepted,
    ListedLead,
    NetworkGroup,
    SentRow,
    VisitedNode,
    Workflow,
    workflow_from,
)
from dialnexa_pipeline.api.row_errors import is_file_level, read_row_errors
from dialnexa_pipeline.errors import ConfigError

_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
# The request never left: no connection was made.
_NEVER_MADE = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_CONNECT_ATTEMPTS = 3
_PAGE_ROWS = 100
_CONTENT_TYPES = {
    "csv": "text/csv",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


class DialNexaClient:
    """One connection pool to DialNexa; use it as a context manager, from any thread.

    Args:
        base_url: with `/v1`; https, except on localhost.
        api_key: the whole `key_id:secret`.
        connect_timeout, read_timeout, write_timeout: seconds.
        max_wait: seconds that one call may wait on 429 answers before it gives up.

    Raises:
        ConfigError: the base URL is not https, or the key has not the form `key_id:secret`.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        connect_timeout: float = 5.0,
        read_timeout: float = 120.0,
        write_timeout: float = 60.0,
        max_wait: float = 300.0,
        user_agent: str = "dialnexa-pipeline",
    ) -> None:
        try:
            url = httpx.URL(base_url)
        except httpx.InvalidURL:
            raise ConfigError(
                "DIALNEXA_BASE_URL is not a URL; it looks like https://api.dialnexa.com/v1."
            ) from None
        if url.scheme != "https" and not (url.scheme == "http" and url.host in _LOCAL):
            raise ConfigError(
                f"DIALNEXA_BASE_URL is {_without_password(url)!r}; it must start with https:// "
                "(http:// only for localhost), because the API key travels with every request."
            )
        key_id, _, secret = api_key.partition(":")
        if not key_id or not secret or not api_key.isascii() or api_key != api_key.strip():
            raise ConfigError(
                "DIALNEXA_API_KEY does not have the form key_id:secret; copy the whole value from "
                "DialNexa's settings."
            )
        self._max_wait = max_wait
        self._http = httpx.Client(
            base_url=str(url).rstrip("/"),
            headers={"authorization": f"Bearer {api_key}", "user-agent": user_agent},
            timeout=httpx.Timeout(
                connect=connect_timeout,
                read=read_timeout,
                write=write_timeout,
                pool=connect_timeout,
            ),
        )
        self._reads = Reads(self._http, max_wait)

    def __enter__(self) -> "DialNexaClient":
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"DialNexaClient({str(self._http.base_url)!r})"

    def close(self) -> None:
        self._http.close()

    def upload_leads(
        self, workflow_id: str, filename: str, content: bytes, *, rows: Sequence[SentRow]
    ) -> Accepted:
        """POST a batch file; sent again only when it provably had no effect.

        Args:
            rows: what the file holds, in file order.

        Raises:
            NothingHappened: no connection could be made, or 429 for longer than `max_wait`.
            RowsRefused: 400 about rows; nothing was enrolled.
            FileRefused: 400 or 413 about the file.
            CallRefused: 401, 402, 403, 404.
            InDoubt: anything else; the rows may have been enrolled.
        """
        kind = _CONTENT_TYPES.get(filename.rsplit(".", 1)[-1], "application/octet-stream")
        path = f"/workflows/{quote(workflow_id, safe='')}/leads"
        response = self._post_once(path, {"file": (filename, content, kind)})
        status = response.status_code
        if status in {200, 201}:
            accepted = read_success(response.content, rows)
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
            errors, loose = read_row_errors(json_of(response), rows)
            if not errors and is_file_level(detail):
                raise FileRefused(detail, status=status)
            raise RowsRefused(detail, errors=errors, unattributed=loose)
        raise InDoubt(
            f"DialNexa answered {status}: {detail}. The rows may have been enrolled.",
            cause="status",
            status=status,
        )

    def _post_once(self, path: str, files: dict[str, Any]) -> httpx.Response:
        patience = Patience(self._max_wait)
        unconnected = 0
        while True:
            try:
                response = self._http.post(path, files=files)
            except _NEVER_MADE as error:
                unconnected += 1
                if unconnected >= _CONNECT_ATTEMPTS:
                    raise NothingHappened(
                        f"DialNexa at {self._http.base_url.host} cannot be reached "
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
            wait = patience.next_wait(response.headers)
            if wait is None:
                raise NothingHappened(
                    f"DialNexa asked to slow down (HTTP 429) for longer than {self._max_wait:.0f} "
                    "seconds.",
                    reason="rate_limited",
                    retry_after=patience.last,
                )
            time.sleep(wait)

    def list_leads(self, workflow_id: str) -> Iterator[ListedLead]:
        """Every lead of a workflow, streamed; both list forms are followed to their end.

        Raises:
            CallRefused: no such workflow, or not ours.
            ApiError: the list cannot be read to its end, so nothing may be concluded from it.
        """
        path = f"/workflows/{quote(workflow_id, safe='')}/leads"
        # The declared form has no pages and answers in one body; the older form answers in pages
        # and tells how many there are.
        params: dict[str, Any] = {}
        number = 1
        seen = 0
        while True:
            with self._reads.stream(path, params) as response:
                page = Page(response.iter_bytes())
                try:
                    yield from page
                except (httpx.HTTPError, ijson.JSONError, ValueError, RecursionError) as error:
                    # The parser's own words quote the body, so they are not chained.
                    raise ApiError(
                        f"The list of leads of workflow {workflow_id} broke off on page {number} "
                        f"({type(error).__name__}); nothing is concluded from it. Try again."
                    ) from None
            seen += page.leads
            if page.total_pages is None or number >= page.total_pages:
                if page.total is not None and seen < page.total:
                    raise ApiError(
                        f"The list of leads of workflow {workflow_id} holds {seen} of the "
                        f"{page.total} leads that it counts; nothing is concluded from it. "
                        "Try again."
                    )
                return
            number += 1
            params = {"page": number}

    def list_workflows(self) -> tuple[Workflow, ...]:
        """Every workflow of the workspace."""
        found: list[Workflow] = []
        number = 1
        while True:
            document = self._reads.json("/workflows", {"page": number, "limit": _PAGE_ROWS})
            found += [workflow_from(item) for item in items_of(document)]
            meta = document.get("meta") if isinstance(document, dict) else None
            pages = meta.get("totalPages") if isinstance(meta, dict) else None
            if not isinstance(pages, int) or number >= pages:
                return tuple(found)
            number += 1

    def get_workflow(self, workflow_id: str) -> Workflow:
        """One workflow.

        Raises:
            CallRefused: it does not exist or is not ours.
        """
        document = self._reads.object(f"/workflows/{quote(workflow_id, safe='')}")
        data = document.get("data")
        return workflow_from(data if isinstance(data, dict) else document)

    def set_workflow_status(self, workflow_id: str, action: str) -> Workflow:
        """`activate`, `deactivate`, `pause` or `resume` a workflow."""
        path = f"/workflows/{quote(workflow_id, safe='')}/status"
        try:
            response = self._http.patch(path, json={"action": action})
        except httpx.HTTPError as error:
            raise ApiError(
                f"Whether workflow {workflow_id} took {action!r} is unknown "
                f"({type(error).__name__}); look at its status."
            ) from error
        if response.status_code != 200:
            raise refusal(response)
        document = json_of(response)
        data = document.get("data", document) if isinstance(document, dict) else {}
        return workflow_from(data if isinstance(data, dict) else {})

    def delete_lead(self, workflow_id: str, lead_id: str) -> bool:
        """Remove a lead; False when it was gone (404) or finished (409) already."""
        path = f"/workflows/{quote(workflow_id, safe='')}/leads/{quote(lead_id, safe='')}"
        try:
            response = self._http.delete(path)
        except httpx.HTTPError as error:
            raise ApiError(
                f"Whether lead {lead_id} was removed is unknown ({type(error).__name__}); "
                "removing it again is safe."
            ) from error
        if response.status_code in {404, 409}:
            return False
        if response.status_code not in {200, 204}:
            raise refusal(response)
        return True

    def lead_history(self, workflow_id: str, lead_id: str) -> tuple[VisitedNode, ...]:
        """The nodes that a lead visited."""
        path = f"/workflows/{quote(workflow_id, safe='')}/leads/{quote(lead_id, safe='')}/history"
        data = self._reads.object(path).get("data")
        nodes = data.get("history") if isinstance(data, dict) else data
        return tuple(
            VisitedNode(
                str(node.get("node_id") or ""),
                str(node.get("node_type") or ""),
                str(node.get("status") or ""),
                node.get("call_id"),
            )
            for node in items_of(nodes)
        )

    def variable_keys(self, workflow_id: str) -> tuple[str, ...]:
        """Headers seen across the workflow's leads; both documented forms are read."""
        document = self._reads.object(
            f"/workflows/{quote(workflow_id, safe='')}/leads/variable-keys"
        )
        data = document.get("data")
        keys = data.get("keys") if isinstance(data, dict) else document.get("keys")
        return tuple(str(key) for key in keys) if isinstance(keys, list) else ()

    def enabled_network_groups(self) -> tuple[NetworkGroup, ...]:
        """Destinations that the workspace may call."""
        groups = self._reads.json("/phone-country-rules/enabled-network-groups")
        rules = [group.get("countryRule") for group in items_of(groups)]
        return tuple(network_group(rule) for rule in rules if isinstance(rule, dict))

    def country_rules(self) -> tuple[NetworkGroup, ...]:
        """The vendor's catalogue of countries."""
        return tuple(
            network_group(rule)
            for rule in items_of(self._reads.json("/phone-country-rules/countries"))
        )


def _without_password(url: httpx.URL) -> str:
    return str(url.copy_with(userinfo=b""))
