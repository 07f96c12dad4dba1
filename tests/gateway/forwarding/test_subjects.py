"""The table of what each method is about."""

from __future__ import annotations

import msgspec
import pytest

from clawdbot_ext.gateway.forwarding.subjects import ABOUT, About
from clawdbot_ext.protocol.schema import METHODS

NEEDS = {
    About.SESSIONS: {"keys"},
    About.CHANGE: {"id"},
    About.APPROVAL: {"id"},
    About.NODE: {"node_id"},
    About.INVOCATION: {"id"},
    About.TOLD: {"event"},
}
KEYS = {"key", "session_key", "session_id"}


def test_every_method_has_a_row_and_no_other():
    assert sorted(ABOUT) == sorted(METHODS)


@pytest.mark.parametrize("name", sorted(METHODS))
def test_a_method_has_the_parameters_that_its_subject_is_found_by(name: str):
    fields = {field.name for field in msgspec.structs.fields(METHODS[name].params)}
    about = ABOUT[name]
    if about in (About.SESSION, About.TEMPORARY):
        assert fields & KEYS
    else:
        assert NEEDS.get(about, set()) <= fields


def test_what_changes_something_of_one_session_goes_to_its_home():
    """A method of that kind which is not in the list has to be looked at by a person."""
    at_home = {name for name, about in ABOUT.items() if about not in (About.NOTHING, About.TEMPORARY)}
    named = {
        name
        for name, row in METHODS.items()
        if {field.name for field in msgspec.structs.fields(row.params)} & (KEYS | {"keys"})
        and row.scope not in ("operator.read", "operator.approvals")
    }
    assert named - at_home == {"config.apply", "config.patch", "update.run"}  # they name a session to be told
