"""Problems that nothing else provokes: each by what its page names as its cause."""
import json
import uuid

import pytest
from support import crl
from support.database import connect
from support.platform import Client, Platform
from support.program import Issuer, duration, wait_until
from support.tls import TlsConnection

TOWN = dict(people=30, database={"statement_timeout": duration(20)})  # without match, as it comes


@pytest.fixture
def consent(town):
    return town.consent(town.somebody())


def test_a_term_that_is_over_counts_though_no_job_has_ended_the_consent_yet(town, client, consent):
    """The job waits for somebody who has another consent, of which it had heard before."""
    consent_id, another = consent["consent_id"], town.consent(town.somebody())
    ends = "UPDATE consent SET valid_until = now() - interval '5 seconds' WHERE consent_id = %s"
    busy = connect(town.platform.url)
    busy.autocommit = False
    try:
        busy.cursor().execute("SELECT 1 FROM subject WHERE subject_id = %s FOR UPDATE", (another["sub"],))
        town.rows(ends, another["consent_id"])
        wait_until(lambda: town.rows("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"), 15, "the job to wait")
        before = town.billing()
        town.rows(ends, consent_id)
        answer = town.query(client, consent["token"], force=True)
        assert answer.is_problem("consent-expired", 403) and answer.json["action"] == "ask_customer"
        assert town.status_of(consent_id) == "active", "no job has ended it"
        assert town.billing() == before and town.rows("SELECT 1 FROM disclosure WHERE consent_id = %s", consent_id) == []
    finally:
        busy.rollback()
        busy.close()
    wait_until(lambda: town.status_of(consent_id) == "expired", 20, "the end of the term")
    assert town.query(client, consent["token"]).is_problem("consent-expired", 403)
    assert client.call("POST", f"/v1/consents/{consent_id}/tokens", {}).is_problem("consent-expired", 403)


def test_a_consent_that_the_authority_has_not_confirmed_has_no_token(town, client):
    town.country.fail(path="/v1/consents", kind="status", value=503)
    try:
        answer = town.register(client, town.registration(town.a, town.somebody()))
        assert answer.status == 202, answer.body
        pending = answer.json["consent_id"]
        refused = client.call("POST", f"/v1/consents/{pending}/tokens", {})
        assert refused.is_problem("consent-pending", 409) and refused.json["retryable"]
        assert refused.json["action"] == "wait_for_feed"
        result, = client.call("POST", "/v1/consent-tokens/reissue", {"consent_ids": [pending]}).json["results"]
        assert result["problem"]["code"] == "consent-pending" and "token" not in result
    finally:
        town.country.heal()
    town.rows("UPDATE consent SET relay_at = relay_at - interval '1 hour' WHERE consent_id = %s", pending)
    wait_until(lambda: town.status_of(pending) == "active", 15, "the relay")
    assert client.call("POST", f"/v1/consents/{pending}/tokens", {}).status == 201


def test_comparing_is_off_unless_it_is_turned_on(town, client, consent):
    before = town.billing()
    answer = client.call("POST", "/v1/attributes/match", {"values": {"name": "somebody"}},
                         {"Authorization": f"Bearer {consent['token']}", "Idempotency-Key": str(uuid.uuid4())})
    assert answer.is_problem("match-not-enabled", 403)
    assert town.billing() == before
    assert town.rows("SELECT 1 FROM disclosure WHERE consent_id = %s", consent["consent_id"]) == []


def test_nothing_is_registered_while_there_are_no_lists_to_look_into(town):
    """Doubt is no answer: not "good", and not "revoked" either. The same evidence is good once the lists are there."""
    person = town.somebody()
    name = town.country.ask("GET", f"people/{person}")["current"]["card signing"]["authority"]
    index = town.platform.directory / "index"
    body = town.registration(town.a, person)
    assert town.server.stop() == 0
    (index / name).rename(index / f"{name}-away")
    town.server = town.platform.serve(ready="/livez")
    with town.a.client() as client:
        refused = wait_until(lambda: known(town.register(client, body)), 15, "an answer")
        assert refused.is_problem("status-stale", 503) and refused.json["retryable"]
        assert int(refused.headers["retry-after"]) >= 1
    assert town.rows("SELECT 1 FROM consent WHERE status = 'pending'") == []
    assert town.server.stop() == 0
    (index / f"{name}-away").rename(index / name)
    town.restart()
    with town.a.client() as client:
        assert town.register(client, body).status == 201


def known(answer):
    """An answer, once the database is one of those that the server knows."""
    return None if answer.status == 503 and answer.json["code"] == "database-unavailable" else answer


def test_a_request_that_does_not_arrive_is_ended(tmp_path, cluster, pki):
    """From its first octet to its last; in its header or in its body. Another connection is served meanwhile."""
    platform = Platform(tmp_path / "patient", cluster, [Issuer(pki.ca.p256)], api={"request_timeout": duration(1)})
    (platform.directory / "p256.crl").write_bytes(crl.make(pki.ca.p256))
    platform.tashika("ingest")
    halves = (b"GET /v1/changes HTTP/1.1\r\nHost: loc", b"POST /v1/certificates/status HTTP/1.1\r\nHost: localhost\r\n"
              b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
    with platform.serve(), platform.b.client() as other:
        for half in halves:
            context = Client(platform, platform.a.holders["all"]).context
            with TlsConnection(platform.api_port, context, timeout=20) as connection:
                connection.send(half)
                assert other.get("/v1/changes").status == 200
                response = connection.response()
                assert (response.status, response.header("content-type")) == (408, "application/problem+json")
                problem = json.loads(response.body)
                assert (problem["code"], problem["status"], problem["retryable"]) == ("request-timeout", 408, True)
                assert problem["instance"] == "urn:uuid:" + response.header("x-request-id")
                assert response.header("connection").lower() == "close" and connection.is_closed()
