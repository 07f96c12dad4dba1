"""The lines that a run leaves in the log: one for its start, each retry and its end. No text of a person or a model."""

from __future__ import annotations

import logging
import time

from ...agent.turn import Retrying
from ...protocol.clock import now_ms
from ...runtime.measures import MEASURES
from .active import ActiveRun
from .messages import RunOutcome

log = logging.getLogger(__name__)


class RunLog:
    """The lines, and the figures, of one run."""

    def __init__(self, active: ActiveRun):
        self._active, self._began = active, time.monotonic()
        self._shown = False
        log.info(
            "run %s of %s: started%s", active.run.run_id, active.run.session_key, " again" if active.prefix else ""
        )

    def shows(self) -> None:
        """There is something to show of the reply."""
        if not self._shown:
            self._shown = True
            MEASURES.first_token.add(time.monotonic() - self._began)

    def retries(self, event: Retrying) -> None:
        MEASURES.retries[event.reason] += 1
        log.warning(
            "run %s of %s: %s of %s failed (%s), try %d of %d in %d ms",
            self._active.run.run_id,
            self._active.run.session_key,
            self._active.reply.model,
            self._active.reply.provider,
            event.reason,
            event.attempt,
            event.max_attempts,
            event.wait_ms,
        )

    def ended(self, outcome: RunOutcome) -> None:
        MEASURES.ended[outcome.state] += 1
        reply = self._active.reply
        error = outcome.error or {}
        facts = [str(error[name]) for name in ("kind", "status", "requestId") if error.get(name)]
        if outcome.state == "failed" and outcome.message:
            facts.append(outcome.message)
        if outcome.state == "failed" and error:
            MEASURES.last_failure = {
                "at": now_ms(),
                "kind": str(error.get("kind", "")),
                "message": outcome.message,
                "provider": reply.provider,
                "model": reply.model,
                "sessionKey": self._active.run.session_key,
            }
        log.log(
            logging.WARNING if outcome.state in ("failed", "interrupted") else logging.INFO,
            "run %s of %s: %s%s; %s; %d tokens read, %d written; %.2f s",
            self._active.run.run_id,
            self._active.run.session_key,
            outcome.state,
            f" ({': '.join(facts)})" if facts else "",
            f"{reply.provider}/{reply.model}" if reply.model else "no model was asked",
            reply.usage.input + reply.usage.cache_read + reply.usage.cache_write,
            reply.usage.output,
            time.monotonic() - self._began,
        )
