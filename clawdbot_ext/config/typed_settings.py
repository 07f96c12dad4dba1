"""The types of the settings by their dotted names.

Written by ``python -m scripts.generate`` from ``settings.py``: edit that. tests/test_docs.py compares.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, overload


class TypedSettings:
    """A mapping by dotted name. For mypy a name that is written out has the type of its setting, a wrong one is an
    error, and a name known only at run time is looked up with ``value``."""

    if TYPE_CHECKING:

        @overload
        def __getitem__(
            self,
            name: Literal[
                "gateway.port",
                "gateway.handshakeTimeoutMs",
                "gateway.maxPayloadBytes",
                "gateway.tickIntervalMs",
                "gateway.maxBufferedBytes",
                "gateway.loginAttemptsPerMinute",
                "gateway.requestsPerMinute",
                "gateway.connectionsPerAddress",
                "storage.backups",
                "storage.media.cacheBytes",
                "users.recheckSeconds",
                "users.idleMinutes",
                "users.maxOpen",
                "session.maxQueued",
                "agents.defaults.maxTokens",
                "agents.defaults.timeoutSeconds",
                "limits.monthlyTokens",
                "limits.dailyTokens",
                "hands.questionMinutes",
                "hands.keepDays",
                "media.image.maxEdge",
                "media.pdf.maxPages",
                "media.audio.maxMinutes",
                "media.audio.timeoutSeconds",
                "media.video.maxFrames",
                "media.maxBytes.image",
                "media.maxBytes.document",
                "media.maxBytes.audio",
                "media.maxBytes.video",
                "media.maxBytes.text",
                "media.maxCount",
                "media.maxTotalBytes",
                "media.maxStoredBytes",
                "media.orphanHours",
                "media.keepDays",
            ],
        ) -> int: ...
        @overload
        def __getitem__(self, name: Literal["gateway.listenWithJupyter"]) -> Literal["on", "off"]: ...
        @overload
        def __getitem__(self, name: Literal["gateway.bind"]) -> Literal["loopback", "lan", "tailnet", "custom"]: ...
        @overload
        def __getitem__(
            self,
            name: Literal[
                "gateway.customBindHost",
                "gateway.auth.token",
                "gateway.auth.password",
                "gateway.tls.certPath",
                "gateway.tls.keyPath",
                "gateway.controlUi.basePath",
                "gateway.remote.url",
                "gateway.remote.token",
                "gateway.remote.password",
                "gateway.remote.tlsFingerprint",
                "storage.url",
                "storage.media.url",
                "storage.media.endpoint",
                "storage.media.region",
                "storage.media.accessKeyId",
                "storage.media.secretAccessKey",
                "users.secret",
                "users.header",
                "users.groupsHeader",
                "users.signOutUrl",
                "users.directory",
                "session.mainKey",
                "agents.defaults.model",
                "agents.defaults.systemPrompt",
                "media.audio.baseUrl",
                "media.audio.apiKey",
                "media.audio.model",
                "media.audio.language",
            ],
        ) -> str: ...
        @overload
        def __getitem__(
            self, name: Literal["gateway.auth.mode"]
        ) -> Literal["token", "password", "tailscale", "jupyter"]: ...
        @overload
        def __getitem__(
            self,
            name: Literal[
                "gateway.auth.allowTailscale",
                "gateway.tls.enabled",
                "gateway.tls.autoGenerate",
                "gateway.tailscale.resetOnExit",
                "gateway.kernelsGetProviderKeys",
                "storage.readOnly",
                "agents.defaults.autoTitle",
                "agents.defaults.webSearch",
                "agents.defaults.webFetch",
            ],
        ) -> bool: ...
        @overload
        def __getitem__(
            self,
            name: Literal[
                "gateway.auth.owners",
                "gateway.trustedProxies",
                "gateway.allowedOrigins",
                "gateway.allowedHosts",
                "users.allowed",
                "users.blocked",
                "models.allowed",
                "media.audio.command",
            ],
        ) -> tuple[str, ...]: ...
        @overload
        def __getitem__(self, name: Literal["gateway.tailscale.mode"]) -> Literal["off", "serve", "funnel"]: ...
        @overload
        def __getitem__(self, name: Literal["storage.fileSystem"]) -> Literal["auto", "local", "network"]: ...
        @overload
        def __getitem__(self, name: Literal["users.from"]) -> Literal["", "headers", "hub"]: ...
        @overload
        def __getitem__(self, name: Literal["users.settings"]) -> Mapping[str, Mapping[str, Any]]: ...
        @overload
        def __getitem__(
            self, name: Literal["agents.defaults.thinking"]
        ) -> Literal["off", "minimal", "low", "medium", "high"]: ...
        @overload
        def __getitem__(self, name: Literal["limits.monthlyCost"]) -> float: ...
        @overload
        def __getitem__(
            self, name: Literal["policy.disabled"]
        ) -> tuple[Literal["tools", "uploads", "files", "temporary", "export", "import", "settings"], ...]: ...
        @overload
        def __getitem__(
            self, name: Literal["policy.maxHandsMode"]
        ) -> Literal["chat", "read", "plan", "ask", "edits", "notebook", "unattended"]: ...
        @overload
        def __getitem__(self, name: Literal["media.pdf.mode"]) -> Literal["auto", "pages", "text"]: ...
        @overload
        def __getitem__(
            self, name: Literal["media.audio.engine"]
        ) -> Literal["auto", "command", "http", "whisper", "off"]: ...
        @overload
        def __getitem__(self, name: Literal["media.audio.device"]) -> Literal["auto", "cpu", "cuda"]: ...
        @overload
        def __getitem__(self, name: Literal["logging.level"]) -> Literal["error", "warn", "info", "debug"]: ...
        @overload
        def __getitem__(self, name: Literal["ui.locale"]) -> Literal["", "en", "ko"]: ...

    def __getitem__(self, name: str) -> Any:
        """Return the effective value, the default included. Lists are tuples. Raises ``KeyError`` on an unknown
        name."""
        return self.value(name)

    def value(self, name: str) -> Any:
        """Return the same, by a name that is known only at run time."""
        raise NotImplementedError
