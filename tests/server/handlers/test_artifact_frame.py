"""The page for previews: no origin, no network, and nothing in it."""

from __future__ import annotations

import urllib.request


def test_the_frame_has_no_origin_and_no_network(standing_gateway):
    with urllib.request.urlopen(standing_gateway.url + "frame", timeout=60) as answer:
        policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("sandbox allow-scripts; default-src 'none'")
    assert "allow-same-origin" not in policy
    assert "frame-ancestors 'self'" in policy
    assert "connect-src" not in policy
