"""Consents: evidence, registration, tokens, withdrawal; and the security checks about them, by number."""
import base64
import hashlib
import json
import subprocess
import threading
import time
import uuid
from datetime import datetime, timedelta, timezone

import pytest
from cryptography import x509
from jwcrypto import jwk, jws
from support.consenting import NOTICE, SCOPES
from support.country import format_time
from support.database import connect
from support.program import refuses, wait_until


def ago(**span):
    return format_time(datetime.now(timezone.utc) - timedelta(**span))


def decoded(part):
    return json.loads(base64.urlsafe_b64decode(part + "=="))


# --- registering ---

@pytest.mark.parametrize("form", ["raw", "cms"])
def test_a_signed_consent_becomes_active_and_has_a_token(town, client, form):
    answer = town.register(client, town.registration(town.a, 1, form, customer_ref="K-0001"))
    assert answer.status == 201, answer.body
    consent = answer.json
    assert consent["status"] == "active" and consent["status_reason"] is None and consent["scopes"] == SCOPES
    assert answer.headers["location"] == f"/v1/consents/{consent['consent_id']}"
    assert answer.headers["etag"] == f'"{consent["version"]}"'
    assert consent["valid_from"].endswith("T15:00:00Z") and consent["valid_until"].endswith("T14:59:59Z")
    assert int(consent["valid_until"][:4]) - int(consent["valid_from"][:4]) == 10
    read = client.get(f"/v1/consents/{consent['consent_id']}")
    assert read.status == 200 and read.json == {name: value for name, value in consent.items() if "token" not in name}
    assert read.json["customer_ref"] == "K-0001"
    assert [one["type"] for one in town.events(consent["consent_id"])][0] == "consent.activated"
    assert town.rows("SELECT count(*) FROM audit WHERE object = %s", consent["consent_id"])[0][0] >= 2


def test_a_token_is_what_independent_libraries_expect(town, client, tmp_path):
    consent = town.consent(2)
    keys = client.get("/.well-known/jwks.json").json
    header, payload, _ = consent["token"].split(".")
    key = next(one for one in keys["keys"] if one["kid"] == decoded(header)["kid"])
    token = jws.JWS()
    token.deserialize(consent["token"], jwk.JWK(**key))
    claims = json.loads(token.payload)
    assert decoded(header) == {"alg": "ES256", "typ": "consent+jwt", "kid": key["kid"]}
    assert claims["client_id"] == town.a.id and claims["consent_id"] == consent["consent_id"]
    assert claims["scope"] == " ".join(SCOPES) and claims["sub"] == consent["sub"]
    holder = town.a.holders["all"].certificate_path
    der = subprocess.run(["openssl", "x509", "-in", holder, "-outform", "DER"], capture_output=True, check=True).stdout
    thumbprint = base64.urlsafe_b64encode(hashlib.sha256(der).digest()).decode().rstrip("=")
    assert claims["cnf"] == {"x5t#S256": thumbprint}
    (tmp_path / "token").write_text(consent["token"])
    (tmp_path / "jwks").write_text(json.dumps(keys))
    subprocess.run(["jose", "jws", "ver", "-i", tmp_path / "token", "-k", tmp_path / "jwks", "-O", "/dev/null"],
                   check=True)


def test_one_person_has_one_name_in_a_bank_and_another_in_the_next(town):
    first, second = town.consent(3), town.consent(3)
    assert first["sub"] == second["sub"]
    assert town.consent(3, town.b)["sub"] != first["sub"]
    with town.a.client() as client:
        earlier = client.get(f"/v1/consents/{first['consent_id']}").json
    assert earlier["status"] == "superseded" and earlier["replaced_by"] == second["consent_id"]
    assert [one["type"] for one in town.events(first["consent_id"])] == ["consent.activated", "consent.superseded"]


# --- evidence, check by check ---

def test_evidence_that_cannot_be_read(town, client):
    for name in ("certificate", "document"):
        body = town.registration(town.a, 4)
        body["evidence"][name] = base64.b64encode(b"nothing of the kind").decode()
        problem = "evidence-malformed" if name == "certificate" else "evidence-signature-mismatch"
        assert town.register(client, body).is_problem(problem, 422)
    for document in (b"{}", b"[]", b'{"nonce":"a","nonce":"b"}', b'{"notice":{"a":1.5}}', b"\xef\xbb\xbf{}"):
        body = town.registration(town.a, 4, evidence=town.sign(4, document))
        answer = town.register(client, body)
        assert answer.is_problem("evidence-malformed", 422)
        assert all(one["pointer"].startswith("/evidence/document") for one in answer.json["errors"])


def test_the_certificate_must_be_one_that_signs(town, client):
    document = town.document(town.a)
    evidence = town.sign(4, document, seat="card authentication")
    body = town.registration(town.a, 4, evidence=evidence, consented_at=document["consented_at"])
    assert town.register(client, body).is_problem("evidence-certificate-unsupported", 422)


def test_the_signature_must_match(town, client):
    for form in ("raw", "cms"):
        body = town.registration(town.a, 4, form)
        document = json.loads(base64.b64decode(body["evidence"]["document"]))
        document["nonce"] += "0"
        body["evidence"]["document"] = base64.b64encode(json.dumps(document).encode()).decode()
        assert town.register(client, body).is_problem("evidence-signature-mismatch", 422)


@pytest.mark.parametrize("change", [
    {"service": "svc_another"}, {"scopes": ["attr:name"]}, {"purpose": "https://bank.example/other"},
    {"notice": NOTICE | {"version": "1999"}}, {"notice": NOTICE | {"sha256": "00" * 32}}], ids=lambda one: [*one][0])
def test_check_26_what_was_signed_must_be_what_is_requested(town, client, change):
    body = town.registration(town.a, 4, document=change, scopes=SCOPES)
    answer = town.register(client, body)
    assert answer.is_problem("evidence-document-mismatch", 422)
    assert all(one["pointer"].startswith(f"/evidence/document/{[*change][0]}") for one in answer.json["errors"])


def test_check_26_a_consent_for_one_bank_is_none_for_another(town):
    with town.b.client() as client:
        body = town.registration(town.a, 4)
        assert town.register(client, body).is_problem("evidence-document-mismatch", 422)


@pytest.mark.parametrize("when", [ago(hours=25), ago(hours=-1)])
def test_check_26_a_consent_is_registered_soon_after_it_was_given(town, client, when):
    body = town.registration(town.a, 4, document={"consented_at": when})
    assert town.register(client, body).is_problem("evidence-outside-window", 422)


@pytest.mark.parametrize("when, side", [("2001-01-01T00:00:00Z", "before"), ("2099-01-01T00:00:00Z", "after")])
def test_a_time_that_the_certificate_does_not_cover_is_what_is_named(town, client, when, side):
    answer = town.register(client, town.registration(town.a, 4, document={"consented_at": when}))
    assert answer.is_problem("evidence-certificate-not-valid", 422)
    assert side in answer.json["detail"] and answer.json["errors"][0]["pointer"] == "/consented_at"


def test_check_26_evidence_counts_once(town, client):
    body = town.registration(town.a, 4)
    assert town.register(client, body).status == 201
    assert town.register(client, body).is_problem("evidence-replayed", 409)
    nonce = json.loads(base64.b64decode(body["evidence"]["document"]))["nonce"]
    again = town.registration(town.a, 4, document={"nonce": nonce})
    assert town.register(client, again).is_problem("evidence-replayed", 409)


def test_a_revoked_certificate_signs_nothing(town, client):
    town.event(5, "card_returned")
    town.new_lists()
    wait_until(lambda: town.rows("SELECT 1 FROM issuer WHERE detected_generation > 1"), 10, "the new lists")
    body = town.registration(town.a, 5, evidence=town.sign(5, town.document(town.a), even_if_revoked=True))
    assert town.register(client, body).is_problem("evidence-certificate-revoked", 422)


def test_unknown_members_and_services_are_refused(town, client):
    assert town.register(client, town.registration(town.a, 6, scops=[])).is_problem("invalid-request", 400)
    body = town.registration(town.a, 6, document={"service": "svc_none"}, service_id="svc_none")
    assert town.register(client, body).is_problem("service-unknown", 422)
    answer = client.call("POST", "/v1/consents", town.registration(town.a, 6))
    assert answer.is_problem("idempotency-key-missing", 400)


def test_check_11_what_another_bank_registered_does_not_show(town):
    ours, theirs = town.consent(6), town.consent(6, town.b)
    assert {name for name in ours} == {name for name in theirs} and ours["status"] == theirs["status"] == "active"


# --- retries ---

def test_check_19_equal_requests_at_once_have_one_effect(town):
    body, key, answers = town.registration(town.a, 7), str(uuid.uuid4()), []

    def send():
        with town.a.client() as client:
            answers.append(town.register(client, body, key))

    threads = [threading.Thread(target=send) for _ in range(20)]
    [one.start() for one in threads]
    [one.join() for one in threads]
    assert {one.status for one in answers} <= {201, 409}
    made = {one.json["consent_id"] for one in answers if one.status == 201}
    assert len(made) == 1
    assert all(one.is_problem("idempotency-in-progress", 409) for one in answers if one.status == 409)
    with town.a.client() as client:
        assert town.register(client, body, key).json["consent_id"] in made
        other = town.registration(town.a, 7)
        assert town.register(client, other, key).is_problem("idempotency-key-reused", 422)
    consents = [one for one in town.country.ask("GET", "consents")["consents"] if one["person"] == 7]
    assert len(consents) == 1


# --- reading, listing ---

def test_check_6_what_is_anothers_is_as_what_is_not(town):
    consent = town.consent(9)["consent_id"]
    unknown = "cns_" + "a" * 26
    with town.b.client() as other:
        for path in ("", "/withdrawal", "/tokens"):
            method, body = ("GET", None) if not path else ("POST", {"reason": "service_discontinued"}
                                                           if path == "/withdrawal" else {})
            found = [other.call(method, f"/v1/consents/{one}{path}", body) for one in (consent, unknown)]
            assert found[0].is_problem("not-found", 404) and found[0].body == found[1].body
        assert town.status_of(consent) == "active"
        page = other.get("/v1/consents?limit=1")
        assert page.status == 200 and consent not in page.body.decode()


def test_pages_have_everything_once(town, client):
    want = {one for one, in town.rows("SELECT consent_id FROM consent WHERE institution_id = %s", town.a.id)}
    page = client.get("/v1/consents?limit=2").json
    assert page["resume_cursor"]
    assert client.get(f"/v1/changes?cursor={page['resume_cursor']}").status == 200
    found = [one["consent_id"] for one in page["items"]]
    while page["next_page_token"]:
        token = page["next_page_token"]
        page = client.get(f"/v1/consents?limit=2&page_token={token}").json
        assert "resume_cursor" not in page
        found += [one["consent_id"] for one in page["items"]]
    assert len(found) == len(set(found)) and set(found) == want
    assert client.get(f"/v1/consents?limit=2&status=active&page_token={token}").is_problem("value-out-of-range", 422)
    assert client.get(f"/v1/consents?page_token={token}A").json["errors"][0]["pointer"] == "page_token"
    with town.b.client() as other:
        assert other.get(f"/v1/consents?limit=2&page_token={token}").is_problem("value-out-of-range", 422)
    assert client.get("/v1/consents?limit=0").is_problem("value-out-of-range", 422)
    assert client.get("/v1/consents?status=gone").is_problem("value-out-of-range", 422)


# --- withdrawal and tokens ---

def test_a_withdrawal_takes_effect_at_once_and_reaches_the_authority(town, client):
    consent = town.consent(9)
    path = consent["consent_id"]
    assert town.withdraw(client, path, **{"If-Match": '"99"'}).is_problem("version-mismatch", 412)
    answer = town.withdraw(client, path, **{"If-Match": f'"{consent["version"]}"'})
    assert answer.status == 200 and answer.json["status"] == "withdrawn"
    assert answer.json["status_reason"]["initiated_by"] == "subject"
    assert town.withdraw(client, path).json == answer.json
    with town.a.client("query") as asker:
        assert town.query(asker, consent["token"]).status in (401, 403)
    assert [one["type"] for one in town.events(path)][-1] == "consent.withdrawn"
    assert client.call("POST", f"/v1/consents/{path}/tokens", {}).is_problem("consent-withdrawn", 403)

    def is_known():
        return any(one["person"] == 9 and "withdrawal" in one
                   for one in town.country.ask("GET", "consents")["consents"])

    wait_until(is_known, 10, "the authority to hear of it")


def test_how_a_withdrawal_was_asked_for_is_in_the_audit(town, client):
    consent = town.consent(9)["consent_id"]
    body = {"reason": "service_discontinued", "channel": "branch-12", "requested_at": ago(hours=3)}
    answer = client.call("POST", f"/v1/consents/{consent}/withdrawal", body)
    assert answer.status == 200 and answer.json["withdrawn_at"] == answer.json["status_reason"]["at"]
    ((detail,),) = town.rows("SELECT detail FROM audit WHERE object = %s AND verb = 'consent.withdrawn'", consent)
    detail = detail if isinstance(detail, dict) else json.loads(detail)
    assert (detail["reason"], detail["channel"], detail["requested_at"]) == tuple(body.values())


def test_check_15_a_withdrawal_in_the_persons_own_app_is_heard_of_once(town):
    consent = town.consent(10)
    town.withdraw_at_authority(10)
    wait_until(lambda: town.status_of(consent["consent_id"]) == "withdrawn", 10, "the poll")
    with town.a.client() as client:
        read = client.get(f"/v1/consents/{consent['consent_id']}").json
        assert read["status_reason"]["code"] == "withdrawn_by_subject_at_authority"
    town.rows("UPDATE platform_state SET value = '0' WHERE name = 'authority.withdrawals_heard'")
    heard = int(town.rows("SELECT max(seq) FROM audit WHERE institution_id = %s", town.a.id)[0][0])
    wait_until(lambda: int(town.rows("SELECT value FROM platform_state WHERE name = 'authority.withdrawals_heard'")
                           [0][0]) > 0, 10, "the poll to come again")
    types = [one["type"] for one in town.events(consent["consent_id"])]
    assert types.count("consent.withdrawn") == 1
    assert int(town.rows("SELECT max(seq) FROM audit WHERE institution_id = %s", town.a.id)[0][0]) == heard


def test_check_7_a_token_is_of_one_certificate(town, client):
    consent = town.consent(11)
    with town.a.client("query") as asker:
        assert town.query(asker, consent["token"]).is_problem("token-invalid", 401)
    from support.platform import thumbprint
    wanted = {"certificate_thumbprint": thumbprint(town.a.holders["query"]), "revoke_previous": True}
    answer = client.call("POST", f"/v1/consents/{consent['consent_id']}/tokens", wanted)
    assert answer.status == 201
    with town.a.client("query") as asker:
        assert town.query(asker, answer.json["token"]).status == 200
    assert town.query(client, consent["token"]).is_problem("token-invalid", 401)
    foreign = {"certificate_thumbprint": thumbprint(town.b.holders["query"])}
    answer = client.call("POST", f"/v1/consents/{consent['consent_id']}/tokens", foreign)
    assert answer.is_problem("invalid-request", 400)


def test_tokens_are_reissued_many_at_once(town, client):
    mine, theirs = town.consent(12)["consent_id"], town.consent(12, town.b)["consent_id"]
    body, key = {"consent_ids": [mine, theirs]}, {"Idempotency-Key": str(uuid.uuid4())}
    answer = client.call("POST", "/v1/consent-tokens/reissue", body, key)
    first, second = answer.json["results"]
    assert town.query(client, first["token"]).status == 200
    assert second["consent_id"] == theirs and second["problem"]["code"] == "not-found"
    assert client.call("POST", "/v1/consent-tokens/reissue", body, key).json == answer.json


def test_a_withdrawal_with_a_key_is_one_withdrawal(town, client):
    consent, other = town.consent(9), town.consent(10)
    key = {"Idempotency-Key": str(uuid.uuid4())}
    first = town.withdraw(client, consent["consent_id"], **key)
    again = town.withdraw(client, consent["consent_id"], **key)
    assert first.status == again.status == 200 and first.json == again.json and first.json["status"] == "withdrawn"
    changed = town.withdraw(client, consent["consent_id"], reason="service_discontinued", **key)
    assert changed.is_problem("idempotency-key-reused", 422)
    assert town.withdraw(client, other["consent_id"], **key).is_problem("idempotency-key-reused", 422)
    assert town.status_of(other["consent_id"]) == "active"
    assert town.withdraw(client, other["consent_id"]).status == 200, "without a key it is never held up"


# --- jobs ---

def test_terms_end_and_are_announced(town):
    consent = town.consent(1)["consent_id"]
    town.rows("UPDATE consent SET valid_until = now() + interval '10 days' WHERE consent_id = %s", consent)
    wait_until(lambda: "consent.expiring" in [one["type"] for one in town.events(consent)], 15, "the notice")
    town.rows("UPDATE consent SET valid_until = now() - interval '1 second' WHERE consent_id = %s", consent)
    wait_until(lambda: town.status_of(consent) == "expired", 10, "the end of the term")
    types = [one["type"] for one in town.events(consent)]
    assert types.count("consent.expiring") == types.count("consent.expired") == 1


def test_what_a_wrong_clock_put_off_for_years_is_told_now(town, client):
    consent = town.consent(1)["consent_id"]
    assert town.withdraw(client, consent).status == 200
    waits = "SELECT 1 FROM consent WHERE consent_id = %s AND relay_at IS NOT NULL"
    wait_until(lambda: not town.rows(waits, consent), 10, "the authority to be told")
    town.rows("UPDATE consent SET relay_at = now() + interval '10 years' WHERE consent_id = %s", consent)
    wait_until(lambda: not town.rows(waits, consent), 10, "the authority to be told again")


def test_with_a_service_its_consents_end(town):
    town.platform.tashika("institution", "service", "add", "bank-a", "svc_short")
    document = {"service": "svc_short"}
    with town.a.client() as client:
        answer = town.register(client, town.registration(town.a, 2, document=document, service_id="svc_short"))
        assert answer.status == 201
        town.platform.tashika("institution", "service", "end", "bank-a", "svc_short")
        wait_until(lambda: town.status_of(answer.json["consent_id"]) == "withdrawn", 10, "the end of the consent")
        read = client.get(f"/v1/consents/{answer.json['consent_id']}").json
    assert read["status_reason"]["code"] == "service_discontinued"

    def is_known():
        return any(one["service"] == "svc_short" and "withdrawal" in one
                   for one in town.country.ask("GET", "consents")["consents"])

    wait_until(is_known, 10, "the authority to hear of it")


def test_a_token_that_ends_soon_is_announced(town):
    consent = town.consent(2)["consent_id"]
    town.rows("UPDATE consent_token SET expires_at = now() + interval '1 day', reissue_told = false WHERE consent_id = %s",
              consent)
    wait_until(lambda: "token.reissue_needed" in [one["type"] for one in town.events(consent)], 15, "the notice")


def test_a_notice_about_a_token_waits_for_its_subject(town):
    """Else it could follow a withdrawal in the feed, with the version of before."""
    made = town.consent(11)
    consent = made["consent_id"]
    busy = connect(town.platform.url)
    busy.autocommit = False
    busy.cursor().execute("SELECT 1 FROM subject WHERE subject_id = %s FOR UPDATE", (made["sub"],))
    town.rows("UPDATE consent_token SET expires_at = now() + interval '1 day', reissue_told = false WHERE consent_id = %s",
              consent)
    waits = f"SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%%EXECUTE consent_lock_both(%%{consent}%%'"
    wait_until(lambda: town.rows(waits), 15, "the job to wait")
    assert [one["type"] for one in town.events(consent)] == ["consent.activated"]
    busy.rollback()
    busy.close()
    wait_until(lambda: "token.reissue_needed" in [one["type"] for one in town.events(consent)], 15, "the notice")


def test_what_an_operator_sees_of_the_jobs(town):
    jobs = ("relay", "hear_withdrawals", "expire", "remind", "tidy", "watch", "availability")
    wait_until(lambda: all(town.metrics().value("tashika_job_last_success_timestamp_seconds", job=job) > time.time() - 60
                           for job in jobs), 15, "all jobs to have run")
    ours = x509.load_pem_x509_certificate((town.country.directory / "operator.pem").read_bytes())
    for link in ("api", "checks"):
        assert town.metrics().value("tashika_authority_certificate_not_after_seconds", link=link) == \
            ours.not_valid_after.replace(tzinfo=timezone.utc).timestamp()
    before = town.metrics().value("tashika_job_failures_total", job="hear_withdrawals")
    town.country.fail(path="/v1/withdrawals", kind="status", value=503)
    try:
        wait_until(lambda: town.metrics().value("tashika_job_failures_total", job="hear_withdrawals") > before, 10, "a failure")
    finally:
        town.country.heal()


def test_how_far_the_banks_are_with_their_feeds(town, client):
    def status(name):
        return next(one for one in json.loads(town.platform.tashika("feed", "status", "--json")) if one["name"] == name)

    for person in (1, 2, 7):
        town.events(town.consent(person)["consent_id"])
    page = client.get("/v1/changes?limit=2").json
    assert status("bank-a")["acknowledged_pos"] is None
    silent = wait_until(lambda: town.metrics().value("tashika_feed_institutions_silent"), 15, "a measurement")
    assert client.call("PUT", "/v1/changes/acknowledgement", {"cursor": page["next_cursor"]}).status < 300
    said = status("bank-a")
    third = town.rows("SELECT extract(epoch FROM published_at)::int FROM change_feed WHERE institution_id = %s AND pos = %s",
                      town.a.id, page["last_pos"] + 1)[0][0]
    assert said["acknowledged_pos"] == page["last_pos"] and said["last_pos"] > said["acknowledged_pos"]
    assert datetime.fromisoformat(said["oldest_unacknowledged"].replace("Z", "+00:00")).timestamp() == third
    table = town.platform.tashika("feed", "status").splitlines()
    assert any(line.split()[:3] == ["bank-a", str(said["last_pos"]), str(page["last_pos"])] for line in table)
    wait_until(lambda: town.metrics().value("tashika_feed_institutions_silent") == silent - 1, 15, "the next measurement")
    metrics = town.metrics()
    assert metrics.value("tashika_feed_institutions_behind") == 1
    assert metrics.value("tashika_feed_unacknowledged_items") >= said["last_pos"] - page["last_pos"]


def test_the_end_waits_for_what_a_job_has_in_the_database(town):
    busy = connect(town.platform.url)
    busy.autocommit = False
    busy.cursor().execute("LOCK TABLE platform_state")
    wait_until(lambda: town.rows("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"), 10, "a job to wait")
    town.server.terminate()
    wait_until(lambda: refuses(town.platform.api_port), 10, "the listener to close")
    busy.rollback()
    busy.close()
    assert town.server.stop() == 0
    town.restart()


def test_the_audit_holds(town):
    rows, institutions = town.rows("SELECT count(*), count(DISTINCT institution_id) FROM audit")[0]
    said = town.platform.tashika("audit", "verify")  # fails if it finds a fault
    assert rows > 10 and institutions == 2 and str(rows) in said.replace(",", "")
