"""The authority says that a consent is over, in answer to a question, before it told us by itself (security check 15)."""
import uuid
from types import SimpleNamespace

import pytest
from support import crl
from support.consenting import lapse, lapsed
from support.crl import Entry
from support.database import connect, rows
from support.fake_authority import FakeAuthority
from support.pki import DAY, HOUR, NOW
from support.platform import Platform
from support.program import Issuer, wait_until
from support.tls import make_world
from support.watching import register, start_driver

TOWN = dict(people=30, authority={"withdrawal_poll": "1h"}, consent={"first_check": "1h"})
ENDS = {"consent_withdrawn": {"status": "withdrawn", "problem": "consent-withdrawn",
                              "reason": {"initiated_by": "subject", "code": "withdrawn_by_subject_at_authority"}},
        "consent_expired": {"status": "expired", "problem": "consent-expired",
                            "reason": {"initiated_by": "authority", "code": "validity_ended"}}}


def told(town, consent_id, bank):
    """(the reason that the API gives, the types of the events, the verbs in the audit of the consent)"""
    with bank.client() as client:
        read = client.get(f"/v1/consents/{consent_id}").json
    wait_until(lambda: not town.rows("SELECT 1 FROM outbox"), 10, "the fan-out")
    types = [kind for kind, in town.rows("SELECT item::jsonb->>'type' FROM change_feed WHERE item::jsonb->>'consent_id' = %s "
                                         "ORDER BY pos", consent_id)]
    verbs = [verb for verb, in town.rows("SELECT verb FROM audit WHERE object = %s ORDER BY seq", consent_id)]
    reason = {name: value for name, value in read["status_reason"].items() if name != "at"}
    return SimpleNamespace(status=read["status"], reason=reason, types=types, verbs=verbs)


def disclosures(town, consent_id):
    """(state, outcome, billable, yen, the verbs of its audit) of each, in order."""
    return town.rows("SELECT state, outcome, billable, yen, (SELECT array_agg(verb ORDER BY seq) FROM audit WHERE object = "
                     "disclosure_id) FROM disclosure WHERE consent_id = %s ORDER BY started_at, disclosure_id", consent_id)


def usage(town):
    return town.rows("SELECT rule, sum(uses)::int, sum(yen)::int FROM usage GROUP BY rule ORDER BY rule")


# --- the stand-in's people, who withdraw in their own app -------------------------------------------------------------

def test_check_15_a_question_hears_of_a_withdrawal_before_the_poll_does(town, client):
    person = town.somebody()
    consent = town.consent(person)
    consent_id = consent["consent_id"]
    lapse(town, person)
    lapsed(town, consent)
    town.withdraw_at_authority(person)
    bill, used, key = town.billing(), usage(town), str(uuid.uuid4())
    assert town.status_of(consent_id) == "active", "the poll must not have heard of it"

    answer = town.query(client, consent["token"], key=key)
    assert answer.is_problem("consent-withdrawn", 403)
    assert answer.json.keys().isdisjoint({"verified_claims", "disclosure_id", "outcome"})
    assert disclosures(town, consent_id) == [("aborted", None, False, 0, ["disclosure.aborted"])]
    for again in (key, str(uuid.uuid4())):
        assert town.query(client, consent["token"], key=again).is_problem("consent-withdrawn", 403)
    assert len(disclosures(town, consent_id)) == 1 and town.billing() == bill and usage(town) == used
    assert client.call("POST", f"/v1/consents/{consent_id}/tokens", {}).is_problem("consent-withdrawn", 403)

    heard = told(town, consent_id, town.a)
    assert (heard.status, heard.reason) == ("withdrawn", ENDS["consent_withdrawn"]["reason"])
    assert heard.types.count("consent.withdrawn") == 1 and heard.types[-1] == "consent.withdrawn"

    # The poll, which comes at the start, hears of what is known.
    town.rows("UPDATE platform_state SET value = '0' WHERE name = 'authority.withdrawals_heard'")
    assert town.server.stop() == 0
    town.restart()
    wait_until(lambda: int(town.rows("SELECT coalesce(max(value), '0') FROM platform_state WHERE name = "
                                     "'authority.withdrawals_heard'")[0][0]) > 0, 15, "the poll")
    assert told(town, consent_id, town.a) == heard and usage(town) == used
    town.platform.tashika("audit", "verify")


def test_check_15_in_a_batch_the_others_are_answered(town, client):
    ended, lasting = town.somebody(), town.somebody()
    consents = [town.consent(ended), town.consent(lasting)]
    for person, consent in zip((ended, lasting), consents):
        lapse(town, person)
        lapsed(town, consent)
    town.withdraw_at_authority(ended)
    yen = town.billing()["yen"]
    items = [{"token": one["token"], "attributes": ["name"], "purpose": "liveness_check"} for one in consents]
    answer = client.call("POST", "/v1/attributes/query-batch", {"items": items}, {"Idempotency-Key": str(uuid.uuid4())})
    assert answer.status == 200, answer.body
    assert [one.get("outcome") or one["problem"]["code"] for one in answer.json["results"]] == ["consent-withdrawn", "provided"]
    assert town.billing()["yen"] == yen + 20
    assert [town.status_of(one["consent_id"]) for one in consents] == ["withdrawn", "active"]


# --- an authority that says it of whom it is told to ------------------------------------------------------------------

@pytest.fixture(scope="module")
def asked(tmp_path_factory, cluster, pki):
    """A platform before a FakeAuthority, which asks it soon after a certificate lapsed; rows() as a Town has it."""
    directory = tmp_path_factory.mktemp("asked")
    authority = FakeAuthority(make_world(directory / "authority"), pki.ca.p256)
    made = Platform(directory / "platform", cluster, [Issuer(pki.ca.p256)], consent={"first_check": "1s"},
                    authority={**authority.table, "withdrawal_poll": "1h", "timeout": "20s"})
    database = connect(made.url)
    town = SimpleNamespace(platform=made, a=made.a, authority=authority, lists=0, revoked=[],
                           rows=lambda *statement: rows(database, *statement))
    town.rows("INSERT INTO service VALUES (%s, 'svc_test', 'active', '2026-01-01')", made.a.id)

    def revoke(*serials):
        town.lists += 1
        town.revoked += serials
        entries = [Entry(serial, 3, NOW - DAY) for serial in town.revoked]
        (made.directory / "p256.crl").write_bytes(crl.make(pki.ca.p256, entries, town.lists, NOW - HOUR + town.lists * HOUR / 3600))
        made.tashika("ingest")

    town.revoke = revoke
    revoke()
    with made.serve():
        yield town
    database.close()
    authority.stop()


def watched(asked, serial):
    """(subject, consent) of somebody with that certificate."""
    subject, _, consent, _ = register(start_driver(asked.platform.config, asked.a.id, "p256"), [serial])[serial]
    asked.rows("UPDATE consent SET valid_from = valid_from - interval '2 days' WHERE consent_id = %s", consent)
    return subject, consent


def asking(asked, consent):
    """What sends a question about the consent, each time with another key unless one is given."""
    body = {"attributes": ["address"], "purpose": "liveness_check", "force": True}

    def ask(key=None):
        with asked.a.client() as client:
            return client.call("POST", "/v1/attributes/query", body, {"Authorization": f"Bearer {token}",
                                                                      "Idempotency-Key": key or str(uuid.uuid4())})

    with asked.a.client() as client:
        token = client.call("POST", f"/v1/consents/{consent}/tokens", {}).json["token"]
    return ask


@pytest.mark.parametrize("state, serial", [("consent_withdrawn", 0x51), ("consent_expired", 0x52)])
def test_check_15_what_the_authority_says_to_a_question_ends_the_consent(asked, state, serial):
    end = ENDS[state]
    _, consent = watched(asked, serial)
    asked.authority.says[serial] = state
    query = asking(asked, consent)
    for key in ("one", "one", None):
        assert query(key).is_problem(end["problem"], 403)
    with asked.a.client() as client:
        assert client.call("POST", f"/v1/consents/{consent}/tokens", {}).is_problem(end["problem"], 403)
    assert asked.authority.questions(serial) == 1
    assert disclosures(asked, consent) == [("aborted", None, False, 0, ["disclosure.aborted"])]
    assert usage(asked) == []
    heard = told(asked, consent, asked.a)
    assert (heard.status, heard.reason, heard.types) == (end["status"], end["reason"], [f"consent.{end['status']}"])


@pytest.mark.parametrize("state, serial", [("consent_withdrawn", 0x53), ("consent_expired", 0x54)])
def test_check_15_that_a_question_ended_a_consent_is_in_the_audit(asked, state, serial):
    """As it is if a withdrawal, the poll or the search for a newer certificate ended it; check 14 counts on it."""
    _, consent = watched(asked, serial)
    asked.authority.says[serial] = state
    assert asking(asked, consent)().is_problem(ENDS[state]["problem"], 403)
    assert told(asked, consent, asked.a).verbs.count(f"consent.{ENDS[state]['status']}") == 1


@pytest.mark.parametrize("state, serial", [("consent_withdrawn", 0x61), ("consent_expired", 0x62)])
def test_check_15_so_does_what_it_says_to_the_search_for_a_newer_certificate(asked, state, serial):
    end = ENDS[state]
    subject, consent = watched(asked, serial)
    asked.authority.says[serial] = state
    asked.revoke(serial)
    wait_until(lambda: asked.rows("SELECT status FROM consent WHERE consent_id = %s", consent) == [(end["status"],)], 20,
               "the question, and what follows")
    heard = told(asked, consent, asked.a)
    assert (heard.status, heard.reason) == (end["status"], end["reason"])
    assert heard.types == ["certificate.revoked", "subject.update_pending", f"consent.{end['status']}"]
    assert heard.verbs[-1] == f"consent.{end['status']}" and heard.verbs.count(f"consent.{end['status']}") == 1
    wait_until(lambda: asked.rows("SELECT state FROM subject WHERE subject_id = %s", subject) == [("lapsed",)], 20,
               "it to be left alone")
    assert asked.authority.questions(serial) == 1 and disclosures(asked, consent) == []


# --- what is not the consent's end ------------------------------------------------------------------------------------

@pytest.mark.parametrize("state, serial", [("consent_missing", 0x71), ("not_found", 0x72)])
def test_a_refusal_that_says_nothing_of_an_end_ends_nothing(asked, state, serial):
    """It is for operators: the authority does not know what it has confirmed."""
    _, consent = watched(asked, serial)
    asked.authority.says[serial] = state
    assert asking(asked, consent)().is_problem("internal-error", 500)
    with asked.a.client() as client:
        assert client.get(f"/v1/consents/{consent}").json["status"] == "active"
    assert [state for state, *_ in disclosures(asked, consent)] == ["failed"]
    assert asked.rows("SELECT 1 FROM change_feed WHERE item::jsonb->>'consent_id' = %s", consent) == []
