"""The narrow interface between the gateway and whatever keeps its data.

A *session* is a key (``agent:main:main``) with settings and one current *transcript* (the wire's ``sessionId``); older
transcripts of the key stay archived. A *message* is one row of a transcript, kept as the JSON text that goes over the
wire. A *run* is one accepted ``chat.send``, named by its idempotency key.

Each method is one transaction: when it returns, its effect is on disk (SQLite: WAL, synchronous=FULL). Times are
milliseconds since the epoch, given by the caller. Keys are canonical (``protocol.keys.canonical``).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec

from .batches import NewMessage, Places
from .failures import SchemaTooNew, StoreDamaged
from .found import MakeRecord, Media, RecordChange, StoredHit, UsageRecord
from .health import StorageHealth
from .tables import Overviews, Session

__all__ = [
    "FINAL_STATES",
    "Accepted",
    "BranchPoint",
    "DeletedMessage",
    "Finished",
    "HistoryPage",
    "Media",
    "Message",
    "Run",
    "RunState",
    "SchemaTooNew",
    "Session",
    "Siblings",
    "Store",
    "StoreDamaged",
    "StoredHit",
    "Transcript",
    "UsageRecord",
]

RunState = Literal["queued", "running", "done", "failed", "aborted", "interrupted"]
FINAL_STATES: frozenset[str] = frozenset({"done", "failed", "aborted", "interrupted"})


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One stored message: its place, and its wire JSON (with ``id``, ``seq`` and ``runId`` inside)."""

    session_id: str
    seq: int
    id: str
    parent_seq: int
    """The message before it on its branch; 0 for the first."""
    shown: bool
    """It is on the path that is shown, not on another branch."""
    run_id: str | None
    role: str
    created_at: int
    body: msgspec.Raw


class Siblings(msgspec.Struct, frozen=True, kw_only=True):
    """A shown message that has alternatives: all of them, itself included, oldest first."""

    message_id: str
    ids: Sequence[str]


class BranchPoint(msgspec.Struct, frozen=True, kw_only=True):
    """The place of a run in the tree, if not at the end of what is shown.

    ``regenerate``: its reply is an alternative to the reply ``message_id``. ``continue``: so too, and begins with that
    one's text. ``edit``: its user message is an alternative to the user message ``message_id``.
    """

    kind: Literal["regenerate", "edit", "continue"]
    message_id: str


class Run(msgspec.Struct, frozen=True, kw_only=True):
    run_id: str
    session_key: str
    session_id: str
    state: RunState
    request_hash: str
    message: msgspec.Raw
    """The user message as accepted (wire JSON without ``seq``); appended to the transcript when the run starts.
    ``{}`` once the run has ended: the conversation is then in the transcript only, and goes when that goes."""
    options: Mapping[str, Any]
    """Options of the sender: thinking, locale, client name."""
    created_at: int
    started_at: int | None = None
    ended_at: int | None = None
    text: str = ""
    """The reply so far, flushed at most every 250 ms."""
    thinking: str = ""
    result: Mapping[str, Any] | None = None
    """The result of the run, as ``chat.send`` repeats it on a resend."""


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """The result of ``accept_run``. ``existing``: the key was known, nothing was written."""

    run: Run
    existing: bool
    session: Session
    message: Message | None = None
    """The user message as appended, when the run was started at once."""


class Finished(msgspec.Struct, frozen=True, kw_only=True):
    session: Session
    """As it is now. Epoch 0: it was deleted meanwhile (so too in ``Accepted``, for a resend)."""
    message: Message | None


class HistoryPage(msgspec.Struct, frozen=True, kw_only=True):
    """Messages oldest first, with what is needed to ask for the page before."""

    session: Session | None
    session_id: str | None
    messages: Sequence[Message]
    has_more: bool
    branches: Sequence[Siblings] = ()
    """Of the messages given, those that have alternatives."""


class Transcript(msgspec.Struct, frozen=True, kw_only=True):
    """One transcript of a session, current or archived."""

    session_id: str
    session_key: str
    created_at: int
    archived_at: int | None
    """``None`` for the current one."""
    message_count: int
    title: str
    preview: str


class DeletedMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message that was deleted."""

    session: Session
    undo_until: int


Interrupted = Callable[[Run], Mapping[str, Any]]
"""Makes the fields of the message that ends a run which a crash cut off."""
OnlySessions = Collection[str] | None
"""The keys of the sessions that a call is limited to; ``None``: it is for all of them."""


class Store(Protocol):
    """Interface of the gateway's storage. All methods may raise ``protocol.errors.StorageFull`` when writing."""

    @property
    def health(self) -> StorageHealth:
        """Condition of what keeps the data."""
        ...

    @property
    def overviews(self) -> Overviews:
        """Answers about many sessions or replies at once."""
        ...

    async def open(self) -> None:
        """Open and migrate. Raises ``SchemaTooNew``, ``StoreDamaged``, ``StorageFull`` (no room even to read)."""
        ...

    async def close(self) -> None:
        """Flush and close; safe to call twice."""
        ...

    async def look(self, *, locked: bool = True) -> None:
        """Look whether the file is still ours; called every second. ``locked``: no other process can have the lock."""
        ...

    async def set_read_only(self, on: bool) -> None:
        """Refuse every write from now on (``STORAGE_READ_ONLY``), or take them again. When it returns, none that was
        taken before is under way."""
        ...

    async def back_up(self, target: Path) -> str:
        """Copy everything to a new file; what is wrong with the copy, or an empty text. Raises ``OSError``."""
        ...

    # -- runs -------------------------------------------------------------------------------------------------------
    async def accept_run(
        self,
        *,
        run_id: str,
        session_key: str,
        request_hash: str,
        message: Mapping[str, Any],
        options: Mapping[str, Any],
        start: bool,
        now: int,
        place: BranchPoint | None = None,
    ) -> Accepted:
        """Record a send. Creates the session if there is none. ``message`` carries ``role``, ``content``,
        ``timestamp``; the store adds ``id``, ``seq``, ``runId`` on appending. With ``start`` the user message is
        appended and the run is ``running``, else it waits as ``queued``.

        With ``place`` (and ``start``) what is shown then ends where the run's first message will stand. Nothing is
        appended for ``regenerate`` and ``continue``; for ``continue``, ``run.text`` is the text kept.

        Raises:
            IdempotencyConflict: ``run_id`` is known with another ``request_hash`` or ``session_key``.
            SendDenied: the session's ``sendPolicy`` is ``deny`` and the send is no command.
            NotFound: there is no message ``place.message_id``.
            InvalidRequest: it is no reply, or no user message (``WRONG_ROLE``); it answers nothing
                (``NOTHING_TO_ANSWER``); it is to be continued and was not cut (``NOT_CUT``).
        """
        ...

    async def start_run(self, run_id: str, *, now: int) -> Accepted | None:
        """queued → running: append the user message to the transcript that is current *now*. ``None`` if the run is no
        longer queued."""
        ...

    async def save_partial(self, run_id: str, *, text: str, thinking: str) -> None:
        """Keep the reply so far of a running run (last write wins; ignored when the run has ended)."""
        ...

    async def append_step(self, run_id: str, message: Mapping[str, Any], *, now: int) -> Finished:
        """Append one message of a running run that goes on: a reply that calls tools, or what one gave back. The text
        so far (``save_partial``) is forgotten: it is in the message. Raises ``NotFound`` when the run has ended."""
        ...

    async def fold_run(self, run_id: str, into: str, *, now: int) -> Finished | None:
        """Append the message of a run that waits as a step of ``into``, which is running and answers it too; the run
        ends as ``done``. ``None``: it does not wait (any more), or ``into`` has ended."""
        ...

    async def finish_run(
        self,
        run_id: str,
        *,
        state: RunState,
        message: Mapping[str, Any] | None,
        result: Mapping[str, Any],
        now: int,
    ) -> Finished:
        """End a run: append ``message`` (the assistant's, with ``usage`` in wire form, or ``None``) to the transcript
        the run started in (even if archived since), add up the counters, set the state. A second call is a no-op
        that returns the first one's message. When a run that was to write an alternative ends without a message, what
        it was an alternative to is shown again."""
        ...

    async def get_run(self, run_id: str) -> Run | None: ...

    async def edit_queued(self, run_id: str, message: Mapping[str, Any], options: Mapping[str, Any]) -> Run | None:
        """Replace the user message and the options of a run that waits. ``None`` if it does not wait (any more)."""
        ...

    async def queued_runs(self, session_key: str | None = None) -> Sequence[Run]:
        """Runs waiting, oldest first."""
        ...

    async def unanswered_calls(self, run_id: str) -> Sequence[Mapping[str, Any]]:
        """The tool calls of a run (``toolCall`` blocks) that have no result, in their order."""
        ...

    async def recover(
        self, *, now: int, interrupted: Interrupted, spare: Collection[str] = (), sessions: OnlySessions = None
    ) -> Sequence[Run]:
        """After a start: every ``running`` run but those of ``spare``, which go on, ends as ``interrupted``. Tool calls
        without a result get one that says so (``toolMessage`` of ``interrupted(run)``), and its partial text appended
        as an assistant message made of ``interrupted(run)`` plus content (also when the text is empty, so that the turn
        shows as cut). With ``sessions`` only their runs. Returns those that were ended."""
        ...

    # -- messages ---------------------------------------------------------------------------------------------------
    async def append(
        self,
        *,
        session_key: str,
        message: Mapping[str, Any],
        now: int,
        run_id: str | None = None,
        create: bool = False,
        under: str | None = None,
    ) -> Finished:
        """Append one message outside a run (inject, command result, import).

        What is shown then ends with it; with ``under`` it stands under the message of that id (empty: under none)
        instead of the last one shown. Raises ``NotFound`` for that, and for the session unless ``create``."""
        ...

    async def append_batch(self, key: str, batch: Sequence[NewMessage], before: Places) -> Places:
        """Append messages outside runs, all or none, in a session that is created; the places of these alone."""
        ...

    async def history(
        self,
        *,
        session_key: str | None = None,
        session_id: str | None = None,
        limit: int,
        before_seq: int | None = None,
        since_seq: int | None = None,
        max_bytes: int | None = None,
        whole: bool = False,
    ) -> HistoryPage:
        """The newest ``limit`` messages (before ``before_seq``, exclusive; after ``since_seq``, exclusive), oldest
        first; fewer when their bodies would exceed ``max_bytes`` (the newest one is always given). An unknown session
        gives an empty page with ``session=None``. ``whole``: of all branches, without ``branches``."""
        ...

    async def show_branch(self, key: str, message_id: str, *, now: int) -> Session:
        """Show the branch with that message, to its newest end. Raises ``NotFound``."""
        ...

    async def delete_message(self, key: str, message_id: str, *, undo_until: int, now: int) -> DeletedMessage:
        """Take one message out; what was said to it is shown under the one before. A last one gives way to its
        nearest alternative. Again: nothing, while it can come back. Raises ``NotFound``."""
        ...

    async def undelete_message(self, key: str, message_id: str, *, busy: bool, now: int) -> Session:
        """Put a deleted message back where it was; it is shown again if it was. Raises ``NotFound`` when it is too
        late, ``Unavailable`` (``BUSY``) if ``busy``, a reply being written, and another branch would be shown."""
        ...

    async def search(self, query: str, *, limit: int, before: int | None = None) -> Sequence[StoredHit]:
        """The newest messages of users and models, archived ones too, that have all words of ``query``; the last word
        may be the beginning of one. ``before`` is the ``position`` of the last hit of the page before."""
        ...

    # -- sessions ---------------------------------------------------------------------------------------------------
    async def get_session(self, key: str) -> Session | None: ...

    async def find_session(self, *, session_id: str | None = None, label: str | None = None) -> Session | None: ...

    async def list_sessions(
        self,
        *,
        limit: int | None = None,
        active_since: int | None = None,
        search: str | None = None,
        label: str | None = None,
        archived: bool = True,
    ) -> Sequence[Session]:
        """Newest first by ``updated_at``; without those set ``archived`` if that is false. ``search`` matches key,
        label and title, case-insensitively."""
        ...

    async def count_sessions(self) -> int: ...

    async def know_elsewhere(self, key: str, session: Session | None) -> None:
        """Have a temporary session of another gateway in lists, as it is now; ``None``: no more."""
        ...

    async def create_session(self, key: str, *, settings: Mapping[str, Any], now: int) -> Session:
        """Raises ``InvalidRequest`` (reason ``EXISTS``) when the key is taken."""
        ...

    async def patch_session(self, key: str, changes: Mapping[str, Any], *, now: int) -> Session:
        """Merge into ``settings`` (``None`` removes); creates the session when there is none. Labels are unique:
        raises ``InvalidRequest`` (reason ``LABEL_TAKEN``)."""
        ...

    async def new_transcript(self, key: str, *, now: int) -> Session:
        """Archive the current transcript and start an empty one under the same key, settings kept. Creates the session
        when there is none. An empty current transcript is replaced, not archived."""
        ...

    async def clear(self, key: str, *, undo_until: int, now: int) -> Session:
        """Empty the current transcript, session id kept; the messages are recoverable by ``undo_clear`` until
        ``undo_until`` and are purged after. Raises ``NotFound``."""
        ...

    async def undo_clear(self, key: str, *, now: int) -> Session:
        """Put back what ``clear`` took (in front of anything said since). Raises ``NotFound`` when there is nothing."""
        ...

    async def transcripts(self, key: str) -> Sequence[Transcript]:
        """The key's transcripts, newest first."""
        ...

    async def restore(self, session_id: str, *, now: int) -> Session:
        """Make an archived transcript the current one of its key (the present one is archived). Raises ``NotFound``."""
        ...

    async def delete_session(
        self, key: str, *, delete_transcript: bool, now: int, undo_until: int = 0
    ) -> Sequence[str]:
        """Remove the session row; its transcripts are out of sight at once and removed by ``sweep`` after
        ``undo_until``, or kept archived when not ``delete_transcript``. Returns the ids of those kept. Raises
        ``NotFound``."""
        ...

    async def undelete_session(self, key: str, *, now: int) -> Session:
        """Bring a deleted session back; archived where the key is in use again. Raises ``NotFound``."""
        ...

    async def fork(
        self, key: str, new_key: str, *, message_id: str | None = None, label: str | None = None, now: int
    ) -> Session:
        """Copy what is shown, up to a message (of any branch), into a new session with the settings of the old one.
        Returns ``new_key`` as it is if there is one. Raises ``NotFound``, ``InvalidRequest`` (``LABEL_TAKEN``)."""
        ...

    async def sweep(self, *, now: int) -> int | None:
        """Remove a little of what can no longer be undone. Returns when to call again (in the past when there is more
        to do), ``None`` when nothing waits."""
        ...

    # -- the gateway's own records ------------------------------------------------------------------------------------
    async def get_record(self, kind: str, id_: str) -> Mapping[str, Any] | None: ...

    async def list_records(self, kind: str) -> Sequence[Mapping[str, Any]]: ...  # oldest first

    async def record_times(self, kind: str) -> Sequence[tuple[str, int]]:
        """Id and time of the last write of each, the longest untouched first."""
        ...

    async def put_record(self, kind: str, id_: str, body: Mapping[str, Any], *, now: int) -> None:
        """Write a small JSON document, in the place of one that is there."""
        ...

    async def change_record(self, kind: str, id_: str, make: MakeRecord, *, now: int) -> RecordChange:
        """Write what ``make`` makes of a document, which nothing else, at no gateway, changes meanwhile. ``make`` is
        called in a thread of the store, perhaps more than once; what it raises is raised here."""
        ...

    async def delete_record(self, kind: str, id_: str) -> None:
        """Remove a document, if it is there."""
        ...

    async def add_usage(
        self, key: str, session_id: str, *, provider: str, model: str, spent: Mapping[str, Any], now: int
    ) -> None:
        """Add what a request beside the conversation (a title) cost: ``spent`` is ``usage`` in wire form."""
        ...

    async def spent(self, *, since: int, session_key: str | None = None) -> Sequence[UsageRecord]:
        """Usage of every reply since then, oldest first; kept when its conversation is deleted."""
        ...

    # -- changes ------------------------------------------------------------------------------------------------------
    async def put_change(self, session_key: str, body: Mapping[str, Any]) -> None:
        """Write a change that the assistant made, in the place of the one with its ``id``; ``path`` of the body says in
        which file. The oldest changes of the session make room."""
        ...

    async def get_change(self, id_: str) -> Mapping[str, Any] | None: ...

    async def list_changes(
        self, *, session_key: str | None = None, path: str | None = None, limit: int
    ) -> Sequence[Mapping[str, Any]]:
        """Changes of a session, of a path, or all; newest first."""
        ...

    # -- media ------------------------------------------------------------------------------------------------------
    async def add_media(self, given: Media) -> Media:
        """Write down a file; returns the row that is there already for the same bytes, user and name, given anew."""
        ...

    async def get_media(self, id_: str) -> Media | None: ...

    async def find_media(self, sha256: str, owner: str) -> Media | None:
        """The newest that the user gave with these bytes and that is still here."""
        ...

    async def media_wanted(self, id_: str, *, temporary: bool = True) -> bool:
        """Report whether a message, or a send that waits, refers to it. ``temporary``: of temporary sessions, too."""
        ...

    async def media_in_use(self, sha256: str) -> bool:
        """Report whether any row needs the file with these bytes."""
        ...

    async def facts(self) -> Mapping[str, Any]: ...  # for status: the engine, its version, the bytes that it takes

    async def mark_media_seen(self, id_: str, cache_key: str) -> None: ...  # what the model was given of it last

    async def orphaned_media(self, *, before: int) -> Sequence[Media]:
        """Files given before then that no message refers to, oldest first."""
        ...

    async def media_given(self, *, before: int) -> Sequence[Media]:
        """Files given before then that are still here, oldest first."""
        ...

    async def renew_media(self, id_: str, *, now: int) -> Media | None:
        """Have a file count as given now; ``None``: it is removed, or was never here."""
        ...

    async def remove_media(self, ids: Sequence[str], *, now: int, before: int, named: bool = False) -> Sequence[str]:
        """Forget files given before then. A row that a message speaks of stays, with ``removed_at`` if ``named``.
        Returns the SHA-256 of each file that no row needs any more."""
        ...

    async def media_bytes(self) -> int: ...
