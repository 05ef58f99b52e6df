"""Signatures of webhooks, and what an answer means."""

from __future__ import annotations

import base64
import subprocess
import sys

import pytest

from fleetpoll.errors import BadSignature, SettingsError
from fleetpoll.relay.parcels import Verdict
from fleetpoll.relay.webhook import judged, seconds_of
from fleetpoll.text import masked
from fleetpoll.webhook import ID, SIGNATURE, TIMESTAMP, key_of, new_secret, signed, verify

BODY = b'{"to": "FAILED"}'
NOW_S = 1_800_000_000
OLD, NEW = "whsec_" + base64.b64encode(b"o" * 32).decode(), "whsec_" + base64.b64encode(b"n" * 24).decode()


def headers(*secrets: str, **other: str) -> dict[str, str]:
    """Those of a message that is signed with these."""
    return signed("prod:1-0", BODY, [key_of(secret) for secret in secrets], NOW_S) | other


def test_a_known_message_has_the_signature_of_the_scheme() -> None:
    """The example of the Standard Webhooks specification's reference libraries."""
    secret, body = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", b'{"test": 2432232314}'
    made = signed("msg_p5jXN8AQM9LWM0D4loKWxJek", body, [key_of(secret)], 1614265330)
    assert made[SIGNATURE] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_message_is_verified_by_any_secret_that_both_know() -> None:
    """While secrets are changed sender and receiver may have two; names of headers come in any case."""
    sent = {name.title(): value for name, value in headers(NEW, OLD).items()}
    for known in ([OLD], [NEW], [new_secret(), OLD]):
        assert verify(sent, BODY, known, now_s=NOW_S + 299) == "prod:1-0"


@pytest.mark.parametrize(
    ("given", "body", "secrets", "now_s", "words"),
    [
        (headers(OLD), BODY + b" ", [OLD], NOW_S, "not signed with any"),
        (headers(OLD, **{ID: "prod:2-0"}), BODY, [OLD], NOW_S, "not signed with any"),
        (headers(OLD, **{TIMESTAMP: str(NOW_S + 1)}), BODY, [OLD], NOW_S, "not signed with any"),
        (headers(OLD), BODY, [NEW], NOW_S, "not signed with any"),
        (headers(OLD), BODY, [], NOW_S, "not signed with any"),
        (headers(OLD, **{SIGNATURE: "v1,\u00e9 v2,x"}), BODY, [OLD], NOW_S, "not signed with any"),
        (headers(OLD, **{SIGNATURE: "v1,\udce9"}), BODY, [OLD], NOW_S, "not signed with any"),
        (headers(OLD, **{ID: "\udce9"}), BODY, [OLD], NOW_S, "not signed with any"),
        (headers(OLD), BODY, [OLD], NOW_S + 301, "not from within 300 s"),
        (headers(OLD), BODY, [OLD], NOW_S - 301, "not from within 300 s"),
        (headers(OLD, **{TIMESTAMP: "soon"}), BODY, [OLD], NOW_S, "not in seconds"),
        (headers(), BODY, [OLD], NOW_S, "it has no webhook-signature"),
    ],
)
def test_what_is_not_from_the_sender_is_refused(
    given: dict[str, str], body: bytes, secrets: list[str], now_s: float, words: str
) -> None:
    """Another body, id, time or secret; one that was recorded long ago; one that is not signed."""
    with pytest.raises(BadSignature, match=words):
        verify(given, body, secrets, now_s=now_s)


@pytest.mark.parametrize("secret", ["", "hush", "whsec_", "whsec_aGk=", "whsec_%%%", OLD.removeprefix("whsec_")])
def test_what_is_no_secret_is_refused(secret: str) -> None:
    """With a sentence that says how to make one, and does not repeat it."""
    with pytest.raises(SettingsError, match="fleetpoll relay secret") as caught:
        key_of(secret)
    assert not secret or secret == "whsec_" or secret not in str(caught.value)


def test_secrets_are_random_and_masked() -> None:
    """No log has one."""
    assert len({new_secret() for _ in range(5)}) == 5
    assert masked(f"secret={OLD}, {NEW}") == "secret=***, ***"


def test_a_receiver_needs_nothing_but_the_standard_library() -> None:
    """The module loads none of what fleetpoll is made with."""
    program = "import sys, fleetpoll.webhook; print([m for m in ('redis', 'boto3', 'msgspec', 'click') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        *((status, Verdict.DELIVERED) for status in (200, 202, 204)),
        *((status, Verdict.REFUSED) for status in (400, 409, 413, 422)),
        *((status, Verdict.FAILED) for status in (301, 302, 401, 403, 404, 408, 410, 425, 500, 502, 503)),
        (429, Verdict.BUSY),
    ],
)
def test_what_an_answer_means(status: int, verdict: Verdict) -> None:
    """Refused is what is wrong with the transition, and not with us, the way, or the sink."""
    answer = judged(status, "7", "because", NOW_S)
    assert (answer.verdict, answer.words) == (verdict, f"HTTP {status}: because")
    assert answer.wait_s == (7.0 if verdict in (Verdict.FAILED, Verdict.BUSY) else None)


@pytest.mark.parametrize(
    ("text", "wait_s"),
    [("", None), ("120", 120.0), ("-5", None), ("soon", None), ("Fri, 15 Jan 2027 08:00:10 GMT", 10.0), ("9" * 400, None)],
)
def test_retry_after_is_seconds_or_a_date(text: str, wait_s: float | None) -> None:
    """What cannot be read is not there."""
    assert seconds_of(text, NOW_S) == wait_s
