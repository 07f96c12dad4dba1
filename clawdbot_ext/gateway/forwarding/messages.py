"""The messages between gateways. A version of the package talks to itself alone: a field may be added at any place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from ...protocol.schema import PairingRequest
from ...store.api import Session
from ..access.identity import Identity
from ..connections.remote import ClientFacts


class _Message(msgspec.Struct, array_like=True, tag=True):
    """Base of the messages."""


class Clients(_Message):
    """Clients of the sender that have connected, or are others than before."""

    clients: Sequence[ClientFacts]
    whole: bool = False
    """There are no others."""


class Gone(_Message):
    """A client of the sender has disconnected."""

    conn_id: str


class Event(_Message):
    """An event for clients of the receiver."""

    name: str
    payload: bytes
    to: list[str]
    state_version: dict[str, int] | None = None


class Ask(_Message):
    """A request of one of the sender's clients, for the receiver to carry out."""

    number: int
    conn_id: str
    request_id: str
    method: str
    params: bytes
    session_key: str
    """The session whose home the receiver is taken for; empty: it is about something else that the receiver has."""


class Answer(_Message):
    """A response frame to an ``Ask``."""

    number: int
    frame: bytes


class Done(_Message):
    """No more comes to an ``Ask``; ``moved``: it was not carried out, since the receiver is not the home."""

    number: int
    moved: bool = False


class Close(_Message):
    """Close the socket of a client of the receiver."""

    conn_id: str
    code: int
    reason: str


class Subscribed(_Message):
    """The sessions that a client of the receiver is subscribed to have changed."""

    conn_id: str
    keys: Sequence[str]
    off: bool = False


class Congested(_Message):
    """Whether a client of the sender reads too slowly for deltas."""

    conn_id: str
    yes: bool


class Activity(_Message):
    """Sessions of the sender in which a reply is being written, or sends wait: key, running, number in line."""

    rows: Sequence[tuple[str, bool, int]]


class Temporary(_Message):
    """A temporary session of the sender, as it is now; without a session: no more."""

    key: str
    session: Session | None = None


class Beacon(_Message):
    """A device has told the sender of itself."""

    key: str
    row: dict[str, Any]


class Question(_Message):
    """A question that waits at the sender."""

    record: dict[str, Any]


class QuestionClosed(_Message):
    """A question waits no more."""

    id: str


class Ended(_Message):
    """A run has ended at the sender."""

    run_id: str


class LoginFailed(_Message):
    """A login at the sender was wrong; ``client`` is the key of its client."""

    client: str


class Pairing(_Message):
    """A device asks the sender to be let in."""

    asked: PairingRequest
    asker: Identity


class PairingClosed(_Message):
    """A device that asked was let in or turned away."""

    request_id: str


class NodePairing(_Message):
    """A node asks the sender to be let in."""

    request: dict[str, Any]


class NodePairingClosed(_Message):
    """A node that asked was let in or turned away."""

    request_id: str


class Changed(_Message):
    """Something that each gateway keeps in memory is another in the database or on the disk: load it anew."""

    what: str
    id: str = ""


class TakeUp(_Message):
    """Sessions with work that has not ended, which the receiver takes up, as soon as the sender has left."""

    sessions: Sequence[str]
    now: bool = False
    """The receiver is their home already."""


class Lost(_Message):
    """Messages of the receiver were lost on their way to the sender, which needs to be told everything anew."""


class Leaving(_Message):
    """The sender leaves in order: nothing that it sent is lost."""


Message = (
    Clients
    | Gone
    | Event
    | Ask
    | Answer
    | Done
    | Close
    | Subscribed
    | Congested
    | Activity
    | Temporary
    | Beacon
    | Question
    | QuestionClosed
    | Ended
    | LoginFailed
    | Pairing
    | PairingClosed
    | NodePairing
    | NodePairingClosed
    | Changed
    | TakeUp
    | Lost
    | Leaving
)

encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(list[Message]).decode
