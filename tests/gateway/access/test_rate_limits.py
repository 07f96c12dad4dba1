"""Failed logins are counted by a clock that cannot be set."""

from __future__ import annotations

import time

from clawdbot_ext.gateway.access.rate_limits import GLOBAL_FACTOR, KNOWN_BROWSER, Failures


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_client_waits_for_the_oldest_of_its_failures_and_no_longer():
    clock = Clock()
    failures = Failures(clock)
    for _ in range(3):
        assert failures.wait_ms(3, "a") == 0
        failures.add(3, "a")
        clock.now += 10
    assert failures.wait_ms(3, "a") == 30_000 and failures.wait_ms(3, "b") == 0
    clock.now += 30
    assert failures.wait_ms(3, "a") == 0


def test_a_wall_clock_that_is_set_back_a_day_locks_out_no_client(monkeypatch):
    failures = Failures()
    for _ in range(3):
        failures.add(3, "a")
    wall = time.time()
    monkeypatch.setattr(time, "time", lambda: wall - 86_400)
    assert 0 < failures.wait_ms(3, "a") <= 60_000


def test_all_clients_together_have_a_ceiling_and_a_known_browser_only_its_own():
    clock = Clock()
    failures = Failures(clock)
    for number in range(2 * GLOBAL_FACTOR):
        failures.add(2, f"address {number}")
    assert failures.wait_ms(2, "another") > 0
    assert failures.wait_ms(2, f"{KNOWN_BROWSER}known") == 0
    clock.now += 61
    failures.add(2, "a")
    assert len(failures._of) == 2  # what is over is forgotten
