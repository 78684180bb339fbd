"""The `golden` fixture and the option that makes it write."""

import pytest
from goldens import golden

__all__ = ["golden"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--golden", action="store_true", help="write what the golden tests expect")
