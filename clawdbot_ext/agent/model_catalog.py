"""The models that can be chosen, how they are named, and what they cost.

Three sources, best first: what the provider lists (fetched in the background, kept for an hour, old news served while
new is fetched), what the configuration says of a provider's models, and the built-in table ``known``. The methods
without ``await`` never do I/O: they answer from what has arrived.
"""

from __future__ import annotations

import asyncio
import difflib
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Protocol

from ..protocol.errors import NotFound
from . import known_models
from .model_listing import bare
from .providers.base import ModelInfo, Provider, ProviderError, Usage

if TYPE_CHECKING:
    from ..config import Config, ProviderConfig

log = logging.getLogger(__name__)

Model = ModelInfo
"""A chosen model; ``spec`` is how sessions store it."""

FRESH_S = 3600.0
RETRY_S = 60.0
"""Delay before a failed listing is tried again."""
REMEMBERED_S, MOST_REMEMBERED = 60.0, 256
"""How long, and of how many names, it is remembered which model they mean: a list of sessions asks a thousand times."""
FIRST_WAIT_S = 2.0
"""Time that the first message waits for the list of models; then the built-in table decides."""
DEFAULT_LINE, SMALL_LINE = "sonnet", "haiku"


class UnknownModel(NotFound):
    """No model of that name. ``facts["suggestions"]`` holds near ones."""

    reason = "UNKNOWN_MODEL"

    def __init__(self, spec: str, suggestions: Sequence[str]):
        near = f" Did you mean {', '.join(suggestions)}?" if suggestions else ""
        super().__init__(f"There is no model {spec!r}.{near}", spec=spec, suggestions=list(suggestions))


class ModelNotAllowed(UnknownModel):
    """The model exists, and ``models.allowed`` does not have it. ``facts["suggestions"]`` holds some that it has."""

    reason = "MODEL_NOT_ALLOWED"

    def __init__(self, spec: str, allowed: Sequence[str]):
        super().__init__(spec, ())
        self.message = f"The model {spec!r} is not allowed here (models.allowed)."
        self.args = (self.message,)
        self.facts["suggestions"] = list(allowed)[:3]


class PriceUnknown(UnknownModel):
    """There is a limit of cost (``limits.monthlyCost``), and it is not known what the model costs."""

    reason = "PRICE_UNKNOWN"

    def __init__(self, spec: str, priced: Sequence[str]):
        super().__init__(spec, ())
        self.message = f"The price of the model {spec!r} is not known, and there is a limit (limits.monthlyCost)."
        self.args = (self.message,)
        self.facts["suggestions"] = list(priced)[:3]


class Sources(Protocol):
    """The part of ``registry.Providers`` that the catalogue needs."""

    def current(self) -> Mapping[str, ProviderConfig | None]: ...
    def config(self) -> Config: ...
    async def get(self, name: str) -> Provider: ...


@dataclass
class _Listing:
    """One provider's list, the time of its request, and the request under way."""

    config: ProviderConfig | None
    models: Sequence[Model] | None = None
    asked_at: float = 0.0
    error: ProviderError | None = None
    task: asyncio.Task[None] | None = field(default=None, repr=False)

    def due(self, older_than_s: float) -> bool:
        """Report whether a request is due. One that failed is repeated sooner."""
        limit = older_than_s if self.error is None else min(older_than_s, RETRY_S)
        return not self.asked_at or time.monotonic() - self.asked_at > limit


class ModelCatalogue:
    """The models of all providers of one ``Providers``."""

    def __init__(self, sources: Sources):
        self._sources = sources
        self._listings: dict[str, _Listing] = {}
        self._found: dict[str, Model | None] = {}
        self._found_under: tuple[Config | None, float] = (None, 0.0)

    # -- without I/O ------------------------------------------------------------------------------------------------
    def offered(self) -> Sequence[Model]:
        """Every model that can be chosen as far as is known now: the default provider's first, each newest first."""
        return [model for name in self._sources.current() for model in self._of(name)]

    def default(self) -> Model:
        """The model of sessions that chose none: the configured one, else the newest active Sonnet, else any."""
        wished = self._sources.config()["agents.defaults.model"]
        return (self.find(wished) if wished else None) or self.find("default") or self._automatic()

    def remembered(self) -> Mapping[str, Model | None]:
        """The results of ``find`` so far: another object as soon as anything may have changed."""
        config, until = self._found_under
        if config is not self._sources.config() or time.monotonic() > until:
            self._forget()
        return self._found

    def _forget(self) -> None:
        self._found = {}
        self._found_under = (self._sources.config(), time.monotonic() + REMEMBERED_S)

    def find(self, spec: str | None) -> Model | None:
        """The model that ``spec`` names, or ``None``.

        ``spec`` is ``provider/id``, an id alone, a display name, a line (``sonnet``, ``opus``, ``haiku`` …: its newest
        active model), or ``default``. An id that a provider was never asked for is taken at its word.
        """
        spec = (spec or "").strip()
        self.remembered()
        if spec not in self._found:
            if len(self._found) >= MOST_REMEMBERED:
                self._forget()
            self._found[spec] = self._find(spec)
        return self._found[spec]

    def _find(self, spec: str) -> Model | None:
        if spec.lower() == "default":
            return self._automatic()
        found = self._exists(spec)
        if found is not None and not self.allows(found):  # a line may have another model that is allowed
            found = _named(spec, self.offered())
        return found

    def small(self, provider: str, model_id: str) -> Model:
        """The model for a little request beside a conversation with ``model_id``: the provider's newest small one that
        may be used, else that model itself."""
        offered = self._of(provider)
        active = [model for model in offered if not model.deprecated]
        same = next((model for model in offered if model.id == model_id), None)
        return _newest_of(SMALL_LINE, active) or same or bare(provider, model_id)

    def allows(self, model: Model) -> bool:
        """Report whether it may be used: whether ``models.allowed`` permits it and, under a limit of cost, its price is
        known. The demo is no model."""
        return model.provider == "demo" or (self._listed(model) and self._countable(model))

    def refusal(self, model: Model, spec: str = "") -> UnknownModel:
        """The error of a model that ``allows`` refuses; ``spec``: how it was asked for."""
        names = [each.spec for each in self.offered()]
        return (PriceUnknown if self._listed(model) else ModelNotAllowed)(spec or model.spec, names)

    def _listed(self, model: Model) -> bool:
        allowed = self._sources.config()["models.allowed"]
        names = (model.spec, model.id, _undated(model.id), model.line)
        return not allowed or any(fnmatchcase(n, p) for n in names for p in allowed)

    def _countable(self, model: Model) -> bool:
        limited = self._sources.config()["limits.monthlyCost"]
        return not limited or self.price(model.provider, model.id) is not None

    def _exists(self, spec: str) -> Model | None:
        """As ``find``, whether or not it may be used."""
        if not spec:
            return None
        provider, slash, model_id = spec.partition("/")
        everything = [model for name in self._sources.current() for model in self._all_of(name)]
        if slash and provider in self._sources.current():
            # The id of another provider's model may begin with this one's name: anthropic/… of a router.
            named = _named(model_id, self._all_of(provider)) or _with_id(spec, everything)
            return named or self._on_trust(provider, model_id)
        return _named(spec, everything) or self._on_trust(next(iter(self._sources.current())), spec)

    def resolve(self, spec: str) -> Model:
        """As ``find``. Where that is ``None``: raises ``ModelNotAllowed``, ``PriceUnknown``, or ``UnknownModel`` with
        near names."""
        model = self.find(spec)
        if model is None and (refused := self._exists(spec.strip())) is not None:
            raise self.refusal(refused, spec)
        if model is None:
            raise UnknownModel(spec, self._near(spec))
        return model

    def cost(self, provider: str, model_id: str, usage: Usage) -> dict[str, float]:
        """USD of one reply, in wire form; 0 and ``unknown`` where the price is not known. The demo costs nothing."""
        price = self._price(provider, model_id, usage)
        if price is None:
            nothing = {"input": 0.0, "output": 0.0, "cacheRead": 0.0, "cacheWrite": 0.0, "total": 0.0}
            return nothing if provider == "demo" else {**nothing, "unknown": True}
        parts = {
            "input": usage.input * price.input / 1e6,
            "output": usage.output * price.output / 1e6,
            "cacheRead": usage.cache_read * price.cache_read / 1e6,
            "cacheWrite": usage.cache_write * price.cache_write / 1e6,
        }
        return {**parts, "total": sum(parts.values())}

    def price(self, provider: str, model_id: str) -> known_models.Price | None:
        """USD per million tokens of a request with a short prompt; ``None`` where it is not known."""
        return self._price(provider, model_id, Usage())

    def problems(self) -> Mapping[str, ProviderError]:
        """Why the providers that could not be asked for their models could not."""
        return {name: listing.error for name, listing in self._listings.items() if listing.error is not None}

    # -- with I/O ---------------------------------------------------------------------------------------------------
    async def list(self) -> Sequence[Model]:
        """Every model that can be chosen. Waits for providers that were never asked; serves old news while fetching."""
        self._ask_all(FRESH_S)
        tasks = [entry.task for entry in self._listings.values() if entry.task and entry.models is None]
        if tasks:
            await asyncio.wait(tasks)
        return self.offered()

    async def choose(self, spec: str | None) -> Model:
        """The model for a turn: ``spec`` if it names one, else the default.

        The first turn waits up to ``FIRST_WAIT_S`` for the list of models, and an unlisted name for a new list.

        Raises:
            UnknownModel: ``spec`` names no model, or none any more.
            ModelNotAllowed, PriceUnknown: it may not be used, or none of the provider's may.
        """
        if spec and spec.startswith("demo/"):  # a session from the time before there was a key
            spec = None
        self._ask_all(FRESH_S)
        first = [entry.task for entry in self._listings.values() if entry.task and not entry.asked_at]
        if first and self.find(spec) not in self.offered():
            await asyncio.wait(first, timeout=FIRST_WAIT_S)
        if spec and self.find(spec) is None and (again := self._ask_all(RETRY_S)):
            await asyncio.wait(again, timeout=FIRST_WAIT_S)
        model = self.resolve(spec) if spec else self.default()
        if not self.allows(model):  # no model of the default provider is allowed
            raise self.refusal(model)
        return model

    async def refresh(self) -> None:
        """Ask every provider again, unless that was done within the last minute."""
        if tasks := self._ask_all(RETRY_S):
            await asyncio.wait(tasks)

    async def aclose(self) -> None:
        """Stop asking."""
        tasks = [listing.task for listing in self._listings.values() if listing.task]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def forget_removed(self) -> None:
        """The providers changed: drop what was listed under other settings."""
        current = self._sources.current()
        for name, listing in tuple(self._listings.items()):
            if name not in current or listing.config != current[name]:
                del self._listings[name]
                if listing.task:
                    listing.task.cancel()
        self._forget()

    # -- listings ---------------------------------------------------------------------------------------------------
    def _listing(self, name: str) -> _Listing:
        if name not in self._listings:
            self._listings[name] = _Listing(self._sources.current()[name])
        return self._listings[name]

    def _ask_all(self, older_than_s: float) -> Sequence[asyncio.Task[None]]:
        """Have the models fetched of which is known what is older than that; the tasks that fetch now."""
        listings = {name: self._listing(name) for name in self._sources.current()}
        for name, listing in listings.items():
            if listing.task is None and listing.due(older_than_s):
                listing.task = asyncio.create_task(self._fetch(name, listing), name=f"models of {name}")
        return tuple(listing.task for listing in listings.values() if listing.task)

    async def _fetch(self, name: str, listing: _Listing) -> None:
        try:
            listing.models = await (await self._sources.get(name)).list_models()
            listing.error = None
        except ProviderError as exc:
            listing.error = exc
            log.warning("the models of %s could not be listed: %s", name, exc)
        finally:
            listing.asked_at = time.monotonic()
            listing.task = None
            self._forget()

    def _of(self, name: str) -> Sequence[Model]:
        """The models of one provider that may be used, newest first."""
        return [model for model in self._all_of(name) if self.allows(model)]

    def _all_of(self, name: str) -> Sequence[Model]:
        """The models of one provider, newest first."""
        config = self._sources.current().get(name)
        listing = self._listings.get(name)
        listed = listing.models if listing else None
        configured = [_configured(name, entry, listed or ()) for entry in (config.models if config else ())]
        if configured:
            return configured
        if listed is not None:
            return listed
        if name == "demo":
            return (bare("demo", "demo", name="Demo", context_window=200_000, max_output=64_000, reasoning=True),)
        return _builtin() if name == "anthropic" else ()

    # -- choosing ---------------------------------------------------------------------------------------------------
    def _automatic(self) -> Model:
        name = next(iter(self._sources.current()))
        models = self._of(name)
        active = [model for model in models if not model.deprecated] or models
        return _newest_of(DEFAULT_LINE, active) or (active[0] if active else bare(name, self._named_in_policy(name)))

    def _named_in_policy(self, provider: str) -> str:
        """An id for a provider that lists none that may be used: the first that ``models.allowed`` spells out."""
        allowed = [spec.removeprefix(f"{provider}/") for spec in self._sources.config()["models.allowed"]]
        return next((id_ for id_ in allowed if not set("*?[/") & set(id_)), known_models.KNOWN[0].id)

    def _on_trust(self, provider: str, model_id: str) -> Model | None:
        """A model of a provider that was not asked yet, or cannot say: taken as named, if the name can be right."""
        listing = self._listings.get(provider)
        if provider == "demo" or not model_id or (listing is not None and listing.models is not None):
            return None
        return bare(provider, model_id) if provider != "anthropic" or model_id.startswith("claude-") else None

    def _near(self, spec: str) -> Sequence[str]:
        names = {model.line: model.line for model in self.offered() if model.line}
        for model in self.offered():
            names.update({model.spec.lower(): model.spec, model.id.lower(): model.id})
        wanted = spec.strip().lower()
        close = difflib.get_close_matches(wanted, names, n=3, cutoff=0.5)
        close += [name for name in names if wanted and wanted in name and name not in close]
        return tuple(dict.fromkeys(names[name] for name in close))[:3]

    def _price(self, provider: str, model_id: str, usage: Usage) -> known_models.Price | None:
        config = self._sources.current().get(provider)
        for entry in config.models if config else ():
            if isinstance(entry, Mapping) and entry.get("id") == model_id and isinstance(entry.get("cost"), Mapping):
                cost = entry["cost"]
                parts = ("input", "output", "cacheRead", "cacheWrite")
                return known_models.Price(*(float(cost.get(part) or 0) for part in parts))
        if provider != "anthropic" and not model_id.startswith("anthropic/"):
            return None  # a local server may call its model by any name
        row = known_models.lookup(model_id)
        if row is None:
            return None
        prompt = usage.input + usage.cache_read + usage.cache_write
        return row.long_price if row.long_price and prompt > row.long_prompt else row.price


def _named(name: str, models: Sequence[Model]) -> Model | None:
    """The model of that id, else of that id without its date, else of that name, else the newest of that line."""
    wanted = name.lower()
    for key in (lambda m: m.id, lambda m: _undated(m.id), lambda m: m.name):
        for model in models:
            if key(model).lower() in (wanted, _undated(wanted)):
                return model
    active = [model for model in models if not model.deprecated]
    return _newest_of(wanted, active) or _newest_of(wanted.removeprefix("claude-").removesuffix("-latest"), active)


def _with_id(model_id: str, models: Sequence[Model]) -> Model | None:
    """The model whose id is exactly that."""
    return next((model for model in models if model.id.lower() == model_id.lower()), None)


def _undated(model_id: str) -> str:
    row = known_models.lookup(model_id)
    return row.id if row else model_id


def _newest_of(line: str, models: Sequence[Model]) -> Model | None:
    """``models`` are newest first for each provider."""
    return next((model for model in models if model.line and model.line == line), None)


def _configured(provider: str, entry: Any, listed: Sequence[Model]) -> Model:
    """A model of ``models.providers.<name>.models``: an id, or an object as Clawdbot writes it."""
    facts: Mapping[str, Any] = entry if isinstance(entry, Mapping) else {"id": str(entry)}
    model_id = str(facts.get("id", ""))
    same = next((model for model in listed if model.id == model_id), None)
    return bare(
        provider,
        model_id,
        name=str(facts.get("name") or (same.name if same else "")),
        context_window=_size(facts.get("contextWindow")) or (same.context_window if same else 0),
        max_output=_size(facts.get("maxTokens")) or (same.max_output if same else 0),
        reasoning=facts.get("reasoning", same.reasoning if same else None),
        line=same.line if same else "",
        created_at_ms=same.created_at_ms if same else 0,
    )


def _size(value: Any) -> int:
    """A number of tokens as a file has it; 0 for anything else, since Clawdbot's file is not checked by us."""
    return int(value) if isinstance(value, int | float) and 0 < value < 2**53 else 0


def _builtin() -> Sequence[Model]:
    """Anthropic's models as the built-in table has them, without those that not everyone may use or that are gone."""
    today = datetime.now(timezone.utc).date().isoformat()
    rows = [row for row in known_models.KNOWN if row.line != "mythos" and not (row.retires and row.retires <= today)]
    return [bare("anthropic", row.id) for row in rows]
