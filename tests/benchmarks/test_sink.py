"""The sink answers what a run asks before it sends, so that no check warns while it is measured."""

import phonenumbers
import pytest

from benchmarks.peers.arena import open_sink
from dialnexa_pipeline.api import DialNexaClient


@pytest.mark.servers
def test_every_workflow_is_active_and_every_country_may_be_called() -> None:
    with open_sink() as base_url, DialNexaClient(base_url, "id:secret") as client:
        assert client.get_workflow("wf_07").status == "active"
        groups = client.enabled_network_groups()
    assert {group.country_iso for group in groups} == phonenumbers.SUPPORTED_REGIONS
    assert not any(group.prefixes for group in groups)
