"""The lihil command line: scaffold, serve, talk.

PYTEST_DONT_REWRITE: there is a pytest plugin in here, but what stands here are no tests.
"""

import os


def read_version() -> str:
    """The version in `lihil/version.py`, which is read as text: an import would run all of the package `lihil`."""
    houses = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    with open(os.path.join(houses, "lihil", "version.py"), encoding="utf-8") as source:
        return source.read().partition('VERSION = "')[2].partition('"')[0]
