"""No stall, by the clock: a change is visible at most two seconds after its commit, whatever other transactions run."""
import random
import statistics
import threading
import time
import uuid
from base64 import b32encode

import pytest
from support.consenting import connect
from support.program import seconds, wait_until

CHANGES = "/v1/changes"
PROMISED = 2  # seconds
TOWN = dict(people=40)
PUT = ("INSERT INTO outbox (institution_id, event_id, consent_id, subject_id, type, occurred_at, members) VALUES (%s, %s, NULL, "
       "NULL, 'status.stale', now(), '{}')")


def told_by_nobody(town):
    """An event of another process that commits and ends: nothing of the server's knows that it is there."""
    event = "chg_" + b32encode(uuid.uuid4().bytes).decode().rstrip("=").lower()
    town.rows(PUT, town.a.id, event)
    return lambda item: item["id"] == event


def withdrawn(town, consent=None):
    consent = (consent or town.consent(town.somebody()))["consent_id"]
    assert town.withdraw(town.clients[town.a.name], consent).status == 200
    return lambda item: item["type"] == "consent.withdrawn" and item["consent_id"] == consent


@pytest.fixture(params=["alone", "beside a transaction that stays open"])
def others(request, town):
    """What else there is: perhaps a transaction that has written to the same tables, and will not end."""
    if request.param == "alone":
        yield
        return
    busy = connect(town.platform.url)
    busy.autocommit = False
    busy.cursor().execute(PUT, (town.b.id, "chg_" + b32encode(uuid.uuid4().bytes).decode().rstrip("=").lower()))
    busy.cursor().execute("SELECT pg_current_xact_id(), count(*) FROM change_feed")
    yield
    busy.rollback()
    busy.close()


def head(client):
    """The cursor behind all that is visible."""
    page = client.get(CHANGES).json
    while page["more"]:
        page = client.get(f"{CHANGES}?cursor={page['next_cursor']}").json
    return page["next_cursor"]


def seen(page, is_it):
    return any(is_it(item) for item in page.json["items"])


@pytest.mark.parametrize("happens", [withdrawn, told_by_nobody])
def test_what_was_committed_is_visible_within_two_seconds(town, others, happens):
    """To one who polls, and does not wait. At any moment of the server's own rhythm."""
    delays, dice = [], random.Random(4)
    with town.a.client("poller") as poller:
        for _ in range(7):
            cursor = head(poller)
            time.sleep(dice.random())
            is_it = happens(town)
            committed = time.monotonic()
            wait_until(lambda: seen(poller.get(f"{CHANGES}?cursor={cursor}"), is_it), 30, "the change")
            delays.append(time.monotonic() - committed)
    assert statistics.median(delays) <= seconds(PROMISED), delays


def test_who_waits_is_woken_within_two_seconds(town, others):
    """Once by each kind of change, and then again: long before the wait would have ended by itself."""
    delays = []
    with town.a.client("poller") as poller:
        for happens in (withdrawn, told_by_nobody, told_by_nobody) * 2:
            consent = town.consent(town.somebody())
            wait_until(lambda: not town.rows("SELECT 1 FROM outbox"), 10, "what came before to be published")
            cursor, answers = head(poller), []

            def wait():
                answers.append((poller.get(f"{CHANGES}?cursor={cursor}&wait=50"), time.monotonic()))

            waiting = threading.Thread(target=wait)
            waiting.start()
            wait_until(lambda: town.metrics().value("tashika_feed_waiters") == 1, 10, "the request to wait")
            is_it = happens(town, consent) if happens is withdrawn else happens(town)
            committed = time.monotonic()
            waiting.join()
            (page, woken), = answers
            assert page.status == 200 and seen(page, is_it), page.body
            delays.append(woken - committed)
    assert statistics.median(delays) <= seconds(PROMISED), delays
