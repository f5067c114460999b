"""A local DialNexa server with faults to order; it calls nobody and shares no code with `api`."""

from dialnexa_pipeline.sandbox.app import create_app
from dialnexa_pipeline.sandbox.server import DEFAULT_API_KEY, SandboxServer, run_sandbox

__all__ = ["DEFAULT_API_KEY", "SandboxServer", "create_app", "run_sandbox"]
