"""The DialNexa client: calls by their names, typed results and typed errors."""

import ssl
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import islice
from urllib.parse import quote

import httpx

from dialnexa_pipeline.api import uploads
from dialnexa_pipeline.api.answers import items_of, json_of, network_group
from dialnexa_pipeline.api.errors import ApiError
from dialnexa_pipeline.api.exchange import Exchange
from dialnexa_pipeline.api.lead_listing import Page
from dialnexa_pipeline.api.pace import Allowance, pace_of
from dialnexa_pipeline.api.repeatable import Repeatable
from dialnexa_pipeline.api.results import (
    Accepted,
    ListedLead,
    NetworkGroup,
    VisitedNode,
    Workflow,
    workflow_from,
)
from dialnexa_pipeline.errors import ConfigError

_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
_PAGE_ROWS = 100


class DialNexaClient:
    """One connection pool to DialNexa; use it as a context manager, from any thread.

    Args:
        base_url: with `/v1`; https, except on localhost.
        api_key: the whole `key_id:secret`.
        connect_timeout, read_timeout, write_timeout: seconds.
        max_wait: seconds that this client may wait in all because DialNexa limits the rate. The
            pace itself is shared by every client of the process with the same key.

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
        max_wait: float = 900.0,
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
        self._http = httpx.Client(
            base_url=str(url).rstrip("/"),
            headers={"authorization": f"Bearer {api_key}", "user-agent": user_agent},
            timeout=httpx.Timeout(
                connect=connect_timeout,
                read=read_timeout,
                write=write_timeout,
                pool=connect_timeout,
            ),
            verify=_tls_context(),
        )
        pace = pace_of(str(self._http.base_url), api_key)
        self._exchange = Exchange(self._http, pace, Allowance(max_wait))
        self._repeatable = Repeatable(self._exchange)

    def __enter__(self) -> "DialNexaClient":
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"DialNexaClient({str(self._http.base_url)!r})"

    def close(self) -> None:
        self._http.close()

    def upload_leads(
        self,
        workflow_id: str,
        filename: str,
        content: bytes,
        *,
        phones: Sequence[str],
        before_attempt: Callable[[], bool] = lambda: True,
    ) -> Accepted:
        """POST a batch file; sent again only when it provably had no effect.

        Args:
            phones: of the rows that the file holds, in file order.
            before_attempt: asked right before each attempt; False forbids it.

        Raises:
            NothingHappened: no connection could be made, or `max_wait` ended.
            Withheld: `before_attempt` forbade it; attempts before had no effect.
            RowsRefused: 400 about rows; nothing was enrolled.
            FileRefused: 400 or 413 about the file.
            CallRefused: 401, 402, 403, 404.
            InDoubt: anything else; the rows may have been enrolled.
        """
        return uploads.upload_leads(
            self._exchange,
            workflow_id,
            filename,
            content,
            phones=phones,
            before_attempt=before_attempt,
        )

    def list_leads(self, workflow_id: str) -> Iterator[ListedLead]:
        """Every lead of a workflow, streamed; both list forms are followed to their end.

        A lead may come twice in the form with pages, when leads move between them while they are
        read.

        Raises:
            CallRefused: no such workflow, or not ours.
            ApiError: the list cannot be read to its end, so nothing may be concluded from it.
        """
        path = f"/workflows/{quote(workflow_id, safe='')}/leads"
        # The declared form has no parameters and answers in one body; the older form answers in
        # pages and tells how many there are.
        params: dict[str, int] = {}
        number = 1
        seen = 0
        while True:
            # A small first page is thrown away, so its leads are kept back until it is larger.
            kept_back: list[ListedLead] = []
            with self._repeatable.stream(path, params) as response:
                page = Page(response.iter_bytes())
                try:
                    leads = iter(page)
                    if not params:
                        kept_back = list(islice(leads, _PAGE_ROWS))
                    if len(kept_back) == _PAGE_ROWS:
                        yield from kept_back
                        kept_back = []
                    yield from leads
                except (httpx.HTTPError, ValueError, RecursionError) as error:
                    # The parser's own words quote the body, so they are not chained.
                    raise ApiError(
                        f"The list of leads of workflow {workflow_id} broke off on page {number} "
                        f"({type(error).__name__}); nothing is concluded from it. Try again."
                    ) from None
            if not params and page.leads < _PAGE_ROWS and (page.total_pages or 1) > 1:
                params = {"page": 1, "limit": _PAGE_ROWS}
                continue
            yield from kept_back
            seen += page.leads
            if page.total_pages is None or number >= page.total_pages:
                if page.total is not None and seen < page.total:
                    raise ApiError(
                        f"The list of leads of workflow {workflow_id} holds {seen} of the "
                        f"{page.total} leads that it counts; nothing is concluded from it. "
                        "Try again."
                    )
                if page.has_more:
                    raise ApiError(
                        f"The list of leads of workflow {workflow_id} ends after {seen} leads and "
                        "says that there are more; nothing is concluded from it. Try again."
                    )
                return
            number += 1
            params = {**params, "page": number}

    def list_workflows(self) -> tuple[Workflow, ...]:
        """Every workflow of the workspace."""
        found: list[Workflow] = []
        number = 1
        while True:
            document = self._repeatable.json("/workflows", {"page": number, "limit": _PAGE_ROWS})
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
        document = self._repeatable.object(f"/workflows/{quote(workflow_id, safe='')}")
        data = document.get("data")
        return workflow_from(data if isinstance(data, dict) else document)

    def set_workflow_status(self, workflow_id: str, action: str) -> Workflow:
        """`activate`, `deactivate`, `pause` or `resume` a workflow.

        Raises:
            ApiError: refused, or not answered; look at the workflow's status then.
        """
        path = f"/workflows/{quote(workflow_id, safe='')}/status"
        document = json_of(self._repeatable.call("PATCH", path, json={"action": action}))
        data = document.get("data", document) if isinstance(document, dict) else {}
        return workflow_from(data if isinstance(data, dict) else {})

    def delete_lead(self, workflow_id: str, lead_id: str) -> bool:
        """Remove a lead; False when it was gone (404) or finished (409) already.

        It is also gone when an attempt removed it whose answer was lost.

        Raises:
            ApiError: refused, or not answered; removing it again is safe.
        """
        path = f"/workflows/{quote(workflow_id, safe='')}/leads/{quote(lead_id, safe='')}"
        fine = frozenset({200, 204, 404, 409})
        response = self._repeatable.call("DELETE", path, fine=fine)
        return response.status_code in {200, 204}

    def lead_history(self, workflow_id: str, lead_id: str) -> tuple[VisitedNode, ...]:
        """The nodes that a lead visited."""
        path = f"/workflows/{quote(workflow_id, safe='')}/leads/{quote(lead_id, safe='')}/history"
        data = self._repeatable.object(path).get("data")
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
        document = self._repeatable.object(
            f"/workflows/{quote(workflow_id, safe='')}/leads/variable-keys"
        )
        data = document.get("data")
        keys = data.get("keys") if isinstance(data, dict) else document.get("keys")
        return tuple(str(key) for key in keys) if isinstance(keys, list) else ()

    def enabled_network_groups(self) -> tuple[NetworkGroup, ...]:
        """Destinations that the workspace may call; none when it has none enabled.

        Raises:
            ApiError: refused, not answered, or the answer is no list of countries with calling
                codes: it would look as if nothing were enabled.
        """
        path = "/phone-country-rules/enabled-network-groups"
        document = self._repeatable.json(path)
        listed = document.get("data") if isinstance(document, dict) else document
        rules = [group.get("countryRule") for group in items_of(document)]
        found = tuple(network_group(rule) for rule in rules if isinstance(rule, dict))
        told = [group for group in found if len(group.country_iso) == 2 and group.calling_code]
        if not isinstance(listed, list) or len(told) < len(listed):
            raise ApiError(
                f"DialNexa's answer to GET {path} is not the list of countries that its API "
                "describes. Try again later."
            )
        return found

    def country_rules(self) -> tuple[NetworkGroup, ...]:
        """The vendor's catalogue of countries."""
        return tuple(
            network_group(rule)
            for rule in items_of(self._repeatable.json("/phone-country-rules/countries"))
        )


@cache
def _tls_context() -> ssl.SSLContext:
    """One for the process: reading all authorities' certificates is most of what a client costs."""
    return httpx.create_ssl_context()


def _without_password(url: httpx.URL) -> str:
    return str(url.copy_with(userinfo=b""))
