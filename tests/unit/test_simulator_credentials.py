"""Who calls the simulator, by what their requests carry."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from fleetpoll.simulator.config import Fault
from fleetpoll.simulator.credentials import ANYBODY, Session, caller_of

ACCOUNT, OTHER = "111122223333", "444455556666"
SIGNED = "AWS4-HMAC-SHA256 Credential={}{}/20260101/eu-west-1/batch/aws4_request, SignedHeaders=host, Signature=0"
SESSION = Session(ACCOUNT, "poller", "fleet", expires_ms=1_000)


def test_a_session_is_what_its_token_says() -> None:
    """It is let in up to the millisecond of its end, and is denied where the key is another account's."""
    caller = caller_of(SIGNED.format("ASIASIMU", ACCOUNT), SESSION.token())
    assert (caller.account_id, caller.region, caller.session) == (ACCOUNT, "eu-west-1", SESSION)
    assert [caller.trouble(now_ms) for now_ms in (999, 1_000)] == [None, Fault.EXPIRED]
    assert caller_of(SIGNED.format("ASIASIMU", OTHER), SESSION.token()).trouble(0) is Fault.DENIED


def test_a_long_term_key_needs_no_token() -> None:
    """Such a key is good for ever, and a key that only looks like ours is anybody's."""
    assert caller_of(SIGNED.format("AKIASIMU", ACCOUNT), "").trouble(2**50) is None
    assert caller_of(SIGNED.format("AKIASIMU", ACCOUNT[1:]), "") == caller_of(SIGNED.format("AKIA", ACCOUNT), "") == ANYBODY


@given(st.text() | st.binary().map(lambda raw: raw.decode("latin-1")) | st.builds(lambda: msgspec.json.encode("x").decode()))
def test_whatever_comes_as_a_token_is_an_answer(token: str) -> None:
    """Nonsense in a header is a denial, and never a failure of ours."""
    assert caller_of(SIGNED.format("ASIASIMU", ACCOUNT), token).trouble(0) is Fault.DENIED
    assert caller_of(token, token) is ANYBODY
