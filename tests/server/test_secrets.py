"""``gateway.auth`` by itself: what time and changes do to cookies, links and the count of failures."""

from __future__ import annotations

import dataclasses

import pytest

from clawdbot_ext import config
from clawdbot_ext.gateway.access import auth, links, passwords, rate_limits
from clawdbot_ext.gateway.access.identity import GUEST_SCOPES, Identity
from clawdbot_ext.protocol.errors import RateLimited, Unauthorized
from clawdbot_ext.protocol.schema import ConnectAuth
from tests.support.wire import run


class Clock:
    now = 1_000_000.0

    def __call__(self):
        return self.now


class Case:
    """An ``Auth`` on a state directory of its own, with a configuration and a clock that the test turns."""

    def __init__(self, folder, **settings):
        self.folder, self.settings, self.clock = folder, settings, Clock()
        self.auth = auth.Auth(self.config, self.clock)

    def config(self):
        names = {name.replace("__", "."): value for name, value in self.settings.items()}
        return config.load({"CLAWDBOT_STATE_DIR": str(self.folder)}, flags=names)


@pytest.fixture
def case(tmp_path):
    return Case(tmp_path, gateway__auth__token="the-token")


def test_a_cookie_ends_after_30_days_and_no_earlier(case):
    value = case.auth.issue_cookie(Identity("ann", "token"))
    case.clock.now += auth.COOKIE_SECONDS - 1
    known = case.auth.read_cookie(value)
    assert (known.user, known.via, known.kind, known.is_account) == ("ann", "cookie", "token", True)
    case.clock.now += 2
    assert case.auth.read_cookie(value) is None


def test_a_link_ends_after_60_seconds(case):
    code, ends = run(case.auth.links.create(auth.by_token()))
    assert ends == int((case.clock.now + 60) * 1000)
    case.clock.now += 61
    assert run(case.auth.links.redeem(code)) is None
    code, _ = run(case.auth.links.create(auth.by_token()))
    case.clock.now += 59
    assert run(case.auth.links.redeem(code)) == Identity(auth.owner(), "link", issuer="token")


def test_unused_links_are_bounded(case):
    codes = [run(case.auth.links.create(auth.by_token()))[0] for _ in range(links.MAX_LINKS + 1)]
    first, second = (run(case.auth.links.redeem(code)) for code in codes[:2])
    assert first is None and second is not None


@pytest.mark.parametrize(
    "change",
    [{"gateway__auth__token": "another"}, {"gateway__auth__mode": "password", "gateway__auth__password": "pw"}],
)
def test_a_changed_secret_voids_cookies_and_links(case, change):
    value, code = case.auth.issue_cookie(Identity("ann", "token")), run(case.auth.links.create(auth.by_token()))[0]
    before = case.auth.generation()
    case.settings.update(change)
    assert case.auth.generation() != before
    assert case.auth.read_cookie(value) is None and run(case.auth.links.redeem(code)) is None


def test_a_cookie_of_another_gateway_or_of_nobody_is_none(case, tmp_path_factory):
    other = Case(tmp_path_factory.mktemp("other"), **case.settings)
    value = other.auth.issue_cookie(Identity("ann", "token"))
    for forged in (value, "", ".", "x", "x.y", value[:-1], value + "x", "é.ü", "\udc80.x", "." + value.split(".")[1]):
        assert case.auth.read_cookie(forged) is None, forged


def test_a_cookie_survives_a_new_process_but_not_a_new_signing_key(case):
    value = case.auth.issue_cookie(Identity("ann", "token"))
    assert auth.Auth(case.config, case.clock).read_cookie(value) is not None
    (case.config().home / "secrets" / "cookie").unlink()
    assert auth.Auth(case.config, case.clock).read_cookie(value) is None


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("127.0.0.1", "::ffff:127.0.0.1", True),
        ("::ffff:9.9.9.9", "9.9.9.9", True),
        ("::1", "::1%lo", True),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("9.9.9.9", "9.9.9.8", False),
        ("", "", True),
        ("/run/x.sock", "/run/y.sock", False),
    ],
)
def test_one_client_is_counted_once_however_its_address_is_written(one, other, same):
    assert (rate_limits.client_key(one) == rate_limits.client_key(other)) is same


def fail(case, client, times=1):
    for _ in range(times):
        with pytest.raises((Unauthorized, RateLimited)) as refused:
            case.auth.check_connect(ConnectAuth(token="wrong"), client)
    return refused.value


def test_all_clients_together_are_limited_too_and_memory_is_bounded(case):
    case.settings["gateway__loginAttemptsPerMinute"] = 3
    results = [fail(case, f"10.0.{n // 256}.{n % 256}") for n in range(1000)]
    tried = [r for r in results if isinstance(r, Unauthorized)]
    assert len(tried) == 3 * rate_limits.GLOBAL_FACTOR
    assert all(0 < r.retry_after_ms <= 60_000 for r in results if isinstance(r, RateLimited))
    assert sum(map(len, case.auth._failures._of.values())) <= 2 * len(tried), "each by its client, and in all"


def test_while_it_is_limited_nothing_is_compared_so_that_a_right_guess_shows_nothing(case):
    case.settings["gateway__loginAttemptsPerMinute"] = 2
    assert isinstance(fail(case, "1.1.1.1", 3), RateLimited)
    with pytest.raises(RateLimited):
        case.auth.check_connect(ConnectAuth(token="the-token"), "1.1.1.1")
    with pytest.raises(RateLimited):
        case.auth.check_bearer("Bearer the-token", "1.1.1.1")
    assert case.auth.check_connect(ConnectAuth(token="the-token"), "1.1.1.2").via == "token"


def test_asking_without_a_credential_is_no_guess(case):
    for nothing in (None, ConnectAuth(), ConnectAuth(token="", password="")):
        with pytest.raises(Unauthorized):
            case.auth.check_connect(nothing, "1.1.1.1")
    for header in ("", "Bearer", "Bearer ", "Basic dGhlLXRva2Vu", "the-token", "Bearer a b", "Bearerthe-token"):
        with pytest.raises(Unauthorized):
            case.auth.check_bearer(header, "1.1.1.1")
    assert case.auth._failures is None


def test_an_empty_secret_never_matches(tmp_path):
    case = Case(tmp_path, gateway__auth__mode="password")
    for given in ("", " ", "\0"):
        with pytest.raises(Unauthorized):
            case.auth.check_connect(ConnectAuth(token=given, password=given), "1.1.1.1")


def test_a_hashed_password_is_proved_once_and_then_quickly(tmp_path, monkeypatch):
    case = Case(tmp_path, gateway__auth__password=passwords.hash_password("비밀번호 하나"))
    assert case.auth.check_connect(ConnectAuth(password="비밀번호 하나"), "1.1.1.1").via == "password"
    monkeypatch.setattr(passwords, "scrypt", None)  # would be called for anything not proved
    assert case.auth.check_connect(ConnectAuth(password="비밀번호 하나"), "1.1.1.1").via == "password"


@pytest.mark.parametrize(
    "stored", ["scrypt:", "scrypt:14:8:1:x", "scrypt:30:8:1:AAAA:AAAA", "scrypt:14:8:1:AAAA:AAAA", "scrypt:a:b:c:d:e"]
)
def test_a_hash_that_is_none_is_refused_at_the_start_and_lets_nobody_in_later(tmp_path, stored):
    case = Case(tmp_path, gateway__auth__password=stored)
    with pytest.raises(config.ConfigError):
        passwords.check_secret(case.config(), exposed=False)
    with pytest.raises(Unauthorized):
        case.auth.check_connect(ConnectAuth(password=stored), "1.1.1.1")


@pytest.mark.parametrize(
    ("settings", "exposed", "good"),
    [
        ({}, True, True),
        ({"gateway__auth__token": "short"}, False, True),
        ({"gateway__auth__token": "short"}, True, False),
        ({"gateway__auth__token": "sixteen-bytes-ok"}, True, True),
        ({"gateway__auth__password": "password"}, True, False),
        ({"gateway__auth__password": "password"}, False, True),
        ({"gateway__auth__password": "long enough"}, True, True),
        ({"gateway__auth__mode": "password"}, False, False),
    ],
)
def test_how_good_a_secret_must_be_depends_on_who_can_reach_it(tmp_path, settings, exposed, good):
    given = Case(tmp_path, **settings).config()
    if good:
        passwords.check_secret(given, exposed=exposed)
    else:
        with pytest.raises(config.ConfigError):
            passwords.check_secret(given, exposed=exposed)


def test_an_identity_shows_no_secret(case):
    identity = case.auth.check_connect(ConnectAuth(token="the-token"), "1.1.1.1")
    assert "the-token" not in repr(dataclasses.asdict(identity))


def test_kernels_may_be_given_a_providers_key_and_never_the_gateways_secret():
    ours, all_ = config.secret_variables(provider_keys=False), config.secret_variables()
    assert "CLAWDBOT_GATEWAY_TOKEN" in ours and "CLAWDBOT_GATEWAY_PASSWORD" in ours
    assert all_ - ours == {"ANTHROPIC_API_KEY"}


def test_s5_tailscales_word_counts_where_it_is_served_and_never_from_the_internet(tmp_path):
    said = auth.RequestCredentials(
        client_key="127.0.0.1", external=auth.ExternalIdentity("owner@example.com", "tailscale")
    )

    def who(**settings):
        return Case(tmp_path, **settings).auth.identify(said)

    serve, funnel = {"gateway__tailscale__mode": "serve"}, {"gateway__tailscale__mode": "funnel"}
    password = {"gateway__auth__mode": "password", "gateway__auth__password": "correct horse"}
    known = Identity("owner@example.com", "tailscale", GUEST_SCOPES)
    assert who(**serve) == known and who(**serve, gateway__auth__mode="tailscale") == known
    assert who(**serve, **password) is None and who(**serve, **password, gateway__auth__allowTailscale=True) == known
    assert who(**serve, gateway__auth__allowTailscale=False) is None
    for settings in ({}, funnel, {**funnel, **password, "gateway__auth__allowTailscale": True}):
        assert who(**settings) is None
    case = Case(tmp_path, **serve)
    cookie = case.auth.issue_cookie(known)
    read = case.auth.read_cookie(cookie)
    assert (read.user, read.kind, read.scopes, read.is_account) == (known.user, "tailscale", GUEST_SCOPES, False)
    case.clock.now += auth.EXTERNAL_LOGIN_SECONDS + 1
    assert case.auth.read_cookie(cookie) is None
    again = case.auth.issue_cookie(known)
    case.settings["gateway__tailscale__mode"] = "off"
    assert case.auth.read_cookie(again) is None


def test_in_the_mode_of_jupyter_no_token_counts_but_that_of_this_accounts_programs(tmp_path):
    case = Case(tmp_path, gateway__auth__mode="jupyter", gateway__auth__token="the-token")
    own = (case.config().home / "secrets" / "client").read_text().strip()
    assert case.auth.modes() == [] and case.auth.check_bearer(f"Bearer {own}", "1.1.1.1").via == "token"
    for token in ("the-token", ""):
        with pytest.raises(Unauthorized):
            case.auth.check_connect(ConnectAuth(token=token), "1.1.1.1")


def test_a_bucket_gives_a_minutes_worth_at_once_and_then_evenly():
    clock = Clock()
    bucket = rate_limits.Bucket(60, clock)
    assert [bucket.consume() for _ in range(60)] == [0] * 60 and not bucket.full
    assert bucket.consume() == 1000
    clock.now += 1
    assert bucket.consume() == 0 and bucket.consume() > 0
    clock.now += 60
    assert bucket.full


def test_a_limit_that_was_raised_is_in_force_at_once():
    bucket = rate_limits.Bucket(60, Clock())
    assert [bucket.consume(60) for _ in range(60)] == [0] * 60 and bucket.consume(60) > 0
    assert [bucket.consume(100) for _ in range(40)] == [0] * 40 and bucket.consume(100) > 0
    assert bucket.consume(60) > 0 and bucket.consume(61) == 0


def test_users_and_addresses_that_are_gone_are_forgotten():
    requests, connections = rate_limits.RequestLimits(), rate_limits.Connections()
    for number in range(1000):
        assert requests.consume(f"user {number}", 6_000_000) == 0  # full again at once
    assert len(requests._of) < 1000
    connections.opened("a", 1, known=True)
    connections.opened("a", 2, known=False)
    connections.opened("a", 3, known=False)
    assert not connections.room("a", 3) and connections.room("b", 3)
    assert connections.oldest_anonymous("a") == 2 and connections.oldest_anonymous("b") is None
    connections.mark_authenticated("a", 2)
    connections.mark_authenticated("b", 2)
    assert connections.oldest_anonymous("a") == 3
    for number in (1, 2, 3, 3):
        connections.closed("a", number)
    assert connections.room("a", 1) and not connections._of
