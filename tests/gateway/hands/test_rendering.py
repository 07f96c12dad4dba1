"""The language of a notebook decides whether its code can be looked into."""

from __future__ import annotations

from typing import Any

import pytest

from clawdbot_ext.gateway.hands.rendering import is_python


@pytest.mark.parametrize(
    ("found", "python"),
    [
        ({"language": "python", "kernel": {"name": "my-env", "language": "python"}}, True),
        ({"language": None, "kernel": {"name": "python3"}}, True),
        ({"language": "python", "kernel": {"name": "my-env"}}, True),
        ({"language": None, "kernel": {"name": "ir"}}, False),
        ({"language": "R", "kernel": None}, False),
        ({"language": "python", "kernel": {"name": "ir", "language": "R"}}, False),
        ({"language": None, "kernel": None}, True),
    ],
)
def test_it_is_python_only_where_notebook_and_kernel_are(found: dict[str, Any], python: bool) -> None:
    assert is_python(found) is python
