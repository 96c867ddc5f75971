"""The same plain loggers as for the server's own tests."""

from tests.lihil.server.conftest import _plain_loggers

__all__ = ["_plain_loggers"]
