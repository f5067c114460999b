"""The fixtures of components, for tests that start whole projects."""

from tests.components.conftest import project, sandbox

__all__ = ["project", "sandbox"]
