"""Names of users and groups, slugs, and who is allowed."""

from __future__ import annotations

import unicodedata
from types import SimpleNamespace

import pytest

from clawdbot_ext.server.users.principals import SLUG, is_allowed, name_of, slug_of

NAMES = [
    "alice",
    "Alice",
    "alice@example.org",
    "김철수",
    "../../etc",
    "pg_catalog",
    "a" * 256,
    "ÄÖÜ",
    "a/b",
    "a_b",
    "public",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_slug_is_a_name_for_files_and_schemas(name):
    slug = slug_of(name)
    assert SLUG.fullmatch(slug) and len(slug) <= 43


def test_no_two_names_share_a_slug():
    assert len({slug_of(name) for name in NAMES}) == len(NAMES)


def test_a_name_has_one_spelling():
    typed_on_a_mac = unicodedata.normalize("NFD", "김철수")
    assert name_of(f" {typed_on_a_mac} ") == "김철수"


@pytest.mark.parametrize(
    "text", ["", "  ", "*", "@students", "a\nb", "a\x00b", "a\u202eb", "a\u200bb", "\ud800", "a" * 257]
)
def test_what_cannot_be_a_name_is_none(text):
    assert name_of(text) is None


def user(name, *groups):
    return SimpleNamespace(name=name, groups=frozenset(groups))


def listed(allowed=(), blocked=()):
    return {"users.allowed": allowed, "users.blocked": blocked}


def test_everybody_is_allowed_without_a_list():
    assert is_allowed(listed(), user("alice"))


def test_names_and_groups_are_allowed():
    config = listed(allowed=("alice", "@staff"))
    assert is_allowed(config, user("alice")) and is_allowed(config, user("bob", "staff"))
    assert not is_allowed(config, user("bob", "students")) and not is_allowed(config, user("staff"))


def test_a_block_comes_first():
    config = listed(allowed=("alice", "@staff"), blocked=("alice", "@guests"))
    assert not is_allowed(config, user("alice")) and not is_allowed(config, user("bob", "staff", "guests"))
