"""Consents on their way to the authority: while it is away, refuses, or hears of them late."""
import threading
import time

from support.program import wait_until


def test_the_authority_is_away_and_comes_back(town, client):
    town.country.fail(path="/v1/consents", kind="status", value=503)
    try:
        answer = town.register(client, town.registration(town.a, 8))
        assert answer.status == 202 and answer.json["status"] == "pending" and "token" not in answer.json
        assert answer.json["valid_until"] is None
    finally:
        town.country.heal()
    consent = answer.json["consent_id"]
    town.rows("UPDATE consent SET relay_at = relay_at - interval '1 hour' WHERE consent_id = %s", consent)
    wait_until(lambda: town.status_of(consent) == "active", 10, "the relay")
    assert [one["type"] for one in town.events(consent)] == ["consent.activated"]
    token = client.call("POST", f"/v1/consents/{consent}/tokens", {})
    assert token.status == 201 and token.json["token"].count(".") == 2


def test_the_consent_signed_last_stays(town, client):
    """Though the authority hears of an earlier, wider one later; that one is withdrawn there as well."""
    town.country.fail(path="/v1/consents", kind="status", value=503)
    try:
        earlier = town.register(client, town.registration(town.a, 9)).json
        assert earlier["status"] == "pending"
    finally:
        town.country.heal()
    time.sleep(1.1)  # times are whole seconds
    answer = town.register(client, town.registration(town.a, 9, document={"scopes": ["attr:address"]}))
    assert answer.status == 201 and answer.json["sub"] == earlier["sub"], answer.body
    later = answer.json
    town.rows("UPDATE consent SET relay_at = relay_at - interval '1 hour' WHERE consent_id = %s", earlier["consent_id"])
    wait_until(lambda: town.status_of(earlier["consent_id"]) == "superseded", 10, "the relay")
    assert town.status_of(later["consent_id"]) == "active"
    assert client.get(f"/v1/consents/{earlier['consent_id']}").json["replaced_by"] == later["consent_id"]

    def withdrawn():
        return [sorted(one["items"]) for one in town.country.ask("GET", "consents")["consents"]
                if one["person"] == 9 and "withdrawal" in one]

    wait_until(lambda: ["address", "birthdate", "name"] in withdrawn(), 15, "the withdrawal at the authority")
    assert ["address"] not in withdrawn()


def pending(town, *people):
    """Registrations that the authority was too busy for."""
    town.country.fail(path="/v1/consents", kind="status", value=503)
    try:
        with town.a.client() as client:
            answers = [town.register(client, town.registration(town.a, person)) for person in people]
    finally:
        town.country.heal()
    assert {one.status for one in answers} == {202}
    return [one.json["consent_id"] for one in answers]


def test_a_registration_that_is_never_confirmed_is_rejected_in_the_end(town):
    town.country.fail(path="/v1/consents", kind="status", value=400)
    try:
        with town.a.client() as client:
            answer = town.register(client, town.registration(town.a, 8))
        assert answer.status == 202 and answer.json["status"] == "pending"
        consent = answer.json["consent_id"]
        town.rows("UPDATE consent SET received_at = received_at - interval '23 hours' WHERE consent_id = %s", consent)
        told = town.metrics().value("tashika_job_last_success_timestamp_seconds", job="expire")
        wait_until(lambda: town.metrics().value("tashika_job_last_success_timestamp_seconds", job="expire") > told + 1, 10,
                   "a look at what is pending")
        assert town.status_of(consent) == "pending"
        town.rows("UPDATE consent SET received_at = received_at - interval '2 hours' WHERE consent_id = %s", consent)
        wait_until(lambda: town.status_of(consent) == "rejected", 10, "the end of waiting")
    finally:
        town.country.heal()
    event, = town.events(consent)
    assert event["type"] == "consent.rejected"
    assert event["status_reason"] | {"at": ""} == {"initiated_by": "platform", "code": "confirmation_timeout", "at": ""}
    # It may have arrived all the same: the authority is told that it is over.
    town.rows("UPDATE consent SET relay_at = relay_at - interval '1 hour' WHERE consent_id = %s", consent)
    wait_until(lambda: town.rows("SELECT 1 FROM consent WHERE consent_id = %s AND relay_at IS NULL", consent), 10, "the relay")
    assert town.status_of(consent) == "rejected"


def test_one_registration_that_cannot_be_sent_keeps_no_other_from_it(town):
    broken, whole = pending(town, 3, 4)
    seal, = town.rows("SELECT serial_sealed FROM certificate JOIN consent ON certificate_id = signed_with WHERE consent_id = %s",
                      broken)[0]
    damage = "UPDATE certificate SET serial_sealed = %s FROM consent WHERE certificate_id = signed_with AND consent_id = %s"
    town.rows(damage, b"\0" * len(seal), broken)
    for consent, hours in ((broken, 2), (whole, 1)):
        town.rows("UPDATE consent SET relay_at = relay_at - %s * interval '1 hour' WHERE consent_id = %s", hours, consent)
    wait_until(lambda: town.status_of(whole) == "active", 10, "the other one")
    wait_until(lambda: town.rows("SELECT 1 FROM consent WHERE consent_id = %s AND relay_attempts > 1", broken), 10,
               "it to be put off")
    assert town.status_of(broken) == "pending"
    assert town.metrics().value("tashika_job_failures_total", job="relay") > 0
    town.rows(damage, bytes(seal), broken)
    town.rows("UPDATE consent SET relay_at = relay_at - interval '1 hour' WHERE consent_id = %s", broken)
    wait_until(lambda: town.status_of(broken) == "active", 10, "the mended one")


def test_a_withdrawal_that_is_faster_than_its_registration_is_not_lost(town):
    town.country.fail(path="/v1/consents", kind="delay", value=1500, count=1)
    answers = []

    def send():
        with town.a.client() as client:
            answers.append(town.register(client, town.registration(town.a, 10)))

    def is_there():
        return any(one["person"] == 10 for one in town.country.ask("GET", "consents")["consents"])

    thread = threading.Thread(target=send)
    thread.start()
    wait_until(is_there, 5, "the authority to have it")
    town.withdraw_at_authority(10)
    thread.join()
    town.country.heal()
    consent = answers[0].json
    assert answers[0].status == 201 and consent["status"] == "withdrawn" and "token" not in consent
    types = [one["type"] for one in town.events(consent["consent_id"])]
    assert types == ["consent.activated", "consent.withdrawn"]
