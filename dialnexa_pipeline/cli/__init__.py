"""The `dialnexa` command."""

from dialnexa_pipeline.cli.main import app

__all__ = ["app"]
