"""Queries: tokens, the latest four information, retries, withdrawals in flight; and the security checks, by number."""
import base64
import json
import os
import random
import threading
import uuid
from collections import deque
from datetime import datetime, timezone

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from jwcrypto import jwk, jws
from support.consenting import lapse, lapsed
from support.program import wait_for_status, wait_until

LONG = os.environ.get("TASHIKA_LONG") == "1"
CANARY_NAME, CANARY_ADDRESS = "加名鳥　歌子", "東京都千代田区加名鳥町９９９番地"
TOWN = dict(people=80, consent={"match": True, "usable_from": "day_after"})


def unpadded(octets):
    return base64.urlsafe_b64encode(octets).decode().rstrip("=")


# --- answers ---

def test_nothing_has_changed(town, client):
    person = town.somebody()
    consent, before = town.consent(person), town.billing()
    answer = town.query(client, consent["token"])
    assert answer.status == 200 and answer.json["outcome"] == "no_newer_information" and not answer.json["billable"]
    assert answer.json["sub"] == consent["sub"] and "verified_claims" not in answer.json
    forced = town.query(client, consent["token"], force=True)
    assert forced.json["outcome"] == "no_newer_information"
    assert town.billing() == before


def test_no_transaction_is_undone_where_nobody_is_in_the_way(town, client, cluster):
    """What is expected, and so not asked for first, is right: also if the newer certificate was found before."""
    people = [town.somebody() for _ in range(3)]
    consents = [town.consent(person) for person in people]
    for person in people:
        lapse(town, person)
    for consent in consents:
        lapsed(town, consent, "available")

    def undone():
        return [cluster.log().count(error) for error in ("duplicate key", "not as required")]

    before = undone()
    for consent in consents:
        assert town.query(client, consent["token"]).json["outcome"] == "provided"
        assert town.query(client, consent["token"]).json["outcome"] == "no_newer_information"
    assert undone() == before
    key = str(uuid.uuid4())
    answers = [town.query(client, consents[0]["token"], key=key) for _ in range(2)]
    assert answers[0].json == answers[1].json and undone() == [before[0] + 1, before[1]], "a retry is found so"


def test_the_address_changes_and_is_given_once(town, client):
    person = town.somebody()
    consent, fee = town.consent(person), town.billing()["yen"]
    lapse(town, person, "marriage", name=CANARY_NAME)
    lapsed(town, consent)
    answer = town.query(client, consent["token"], ("name", "address", "birthdate", "gender"))
    assert answer.status == 200, answer.body
    told = answer.json
    assert told["outcome"] == "provided" and told["billable"]
    claims = told["verified_claims"]["claims"]
    assert claims["name"] == CANARY_NAME and claims["address"].keys() == {"formatted"}
    assert claims[f"{town.platform.base_url}/claims/name_substitutions"].strip("01") == ""
    assert "gender" not in claims and told["not_provided"] == [{"attribute": "gender", "reason": "not_consented"}]
    verification = told["verified_claims"]["verification"]
    assert verification["trust_framework"].endswith("/trust_framework/jp_jpki")
    assert verification["evidence"][0]["check_details"][0]["check_id"] == told["disclosure_id"]
    assert town.billing()["yen"] == fee + 20
    assert town.query(client, consent["token"]).json["outcome"] == "no_newer_information"
    assert town.billing()["yen"] == fee + 20
    events = town.events(consent["consent_id"])
    assert "subject.update_delivered" in [one["type"] for one in events]
    versions = [one["subject_version"] for one in events if "subject_version" in one]
    assert versions == sorted(versions)


def test_what_was_not_asked_for_can_be_asked_for_later(town, client):
    person = town.somebody()
    consent = town.consent(person)
    lapse(town, person)
    lapsed(town, consent)
    first = town.query(client, consent["token"], ("address",)).json
    assert first["verified_claims"]["claims"].keys() >= {"address"} and "name" not in first["verified_claims"]["claims"]
    assert town.query(client, consent["token"], ("address",)).json["outcome"] == "no_newer_information"
    assert town.query(client, consent["token"], ("name", "birthdate")).json["outcome"] == "provided"
    assert town.query(client, consent["token"]).json["outcome"] == "no_newer_information"


def test_a_certificate_is_awaited(town, client):
    person = town.somebody()
    consent = town.consent(person)
    town.event(person, "move")
    town.new_lists()
    lapsed(town, consent)
    answer = town.query(client, consent["token"])
    assert answer.status == 200 and answer.json["outcome"] == "awaiting_certificate" and not answer.json["billable"]


@pytest.mark.parametrize("person, trait", [(3, "unknown_birth_day"), (4, "unknown_sex"), (12, "unknown_birthdate"),
                                           (11, "long_serial"), (9, "surrogate_pair"), (2, "map_of_other_length")])
def test_awkward_people_are_given_as_they_are(town, client, person, trait):
    consent = town.consent(person, document={"scopes": ["attr:address", "attr:birthdate", "attr:gender", "attr:name"]})
    lapse(town, person)
    lapsed(town, consent)
    claims = town.query(client, consent["token"], ("name", "birthdate", "gender")).json["verified_claims"]["claims"]
    parts = f"{town.platform.base_url}/claims/birthdate_parts"
    if trait in ("unknown_birth_day", "unknown_birthdate"):
        assert "birthdate" not in claims or len(claims["birthdate"]) == 4
        assert parts in claims or len(claims["birthdate"]) == 4
    else:
        assert len(claims["birthdate"]) == 10
    assert claims["gender"] == "unknown" if trait == "unknown_sex" else claims["gender"] in ("male", "female")


def test_check_21_only_what_was_consented(town, client):
    person = town.somebody()
    consent = town.consent(person, document={"scopes": ["attr:name"]})
    assert town.query(client, consent["token"], ("address",)).is_problem("scope-not-granted", 403)
    lapse(town, person, address=CANARY_ADDRESS)
    lapsed(town, consent)
    answer = town.query(client, consent["token"], ("name", "address"))
    assert answer.json["outcome"] == "provided" and CANARY_ADDRESS not in answer.body.decode()


def test_before_and_after_the_term(town, client):
    person = town.somebody()
    consent = town.consent(person)
    town.rows("UPDATE consent SET valid_from = now() + interval '1 day' WHERE consent_id = %s", consent["consent_id"])
    assert town.query(client, consent["token"]).is_problem("consent-not-yet-valid", 409)


# --- tokens: checks 1 to 6 ---

def forged(town, token):
    """(what it is, the token) for tokens that are none of ours."""
    header, payload, signature = token.split(".")
    claims = base64.urlsafe_b64decode(payload + "==")
    good = json.loads(base64.urlsafe_b64decode(header + "=="))
    with town.a.client() as client:
        key = jwk.JWK(**client.get("/.well-known/jwks.json").json["keys"][0])
    raw = base64.urlsafe_b64decode(signature + "==")
    other = ec.generate_private_key(ec.SECP256R1())

    def with_header(text):
        return f"{unpadded(text.encode())}.{payload}.{signature}"

    yield "1 none", with_header(json.dumps(good | {"alg": "none"}))
    yield "1 no signature", f"{unpadded(json.dumps(good | {'alg': 'none'}).encode())}.{payload}."
    public = jwk.JWK(kty="oct", k=unpadded(key.export_to_pem()))
    confused = jws.JWS(claims)
    confused.add_signature(public, "HS256", json.dumps(good | {"alg": "HS256"}))
    yield "1 HS256 with our public key", confused.serialize(compact=True)
    yield "1 lower case", with_header(json.dumps(good | {"alg": "es256"}))
    yield "1 ES384", with_header(json.dumps(good | {"alg": "ES384"}))
    yield "2 a member twice", with_header(f'{{"alg":"ES256","typ":"consent+jwt","kid":"{good["kid"]}","alg":"none"}}')
    for extra in ("jwk", "jku", "x5u", "x5c", "crit"):
        yield f"3 {extra}", with_header(json.dumps(good | {extra: "https://127.0.0.1:1/"}))
    der = other.sign(b"x", ec.ECDSA(hashes.SHA256()))
    yield "4 DER", f"{header}.{payload}.{unpadded(der)}"
    yield "4 r is 0", f"{header}.{payload}.{unpadded(bytes(32) + raw[32:])}"
    yield "4 too short", f"{header}.{payload}.{unpadded(raw[:63])}"
    yield "4 too long", f"{header}.{payload}.{unpadded(raw + bytes(1))}"
    yield "4 padded", f"{header}.{payload}.{signature}=="
    yield "4 with a space", f"{header}.{payload}. {signature}"
    yield "5 another type", with_header(json.dumps(good | {"typ": "at+jwt"}))
    stranger = jws.JWS(claims)
    stranger.add_signature(jwk.JWK.from_pyca(other), "ES256", json.dumps(good))
    yield "another's key", stranger.serialize(compact=True)
    yield "28 unknown key", with_header(json.dumps(good | {"kid": "1999-01-zzzz"}))
    yield "too long", token + "A" * 4096


def test_checks_1_to_5_tokens_that_are_none(town, client):
    person = town.somebody()
    token = town.consent(person)["token"]
    bodies = set()
    for what, one in forged(town, token):
        answer = town.query(client, one)
        assert answer.is_problem("token-invalid", 401), what
        bodies.add(tuple(sorted((name, value) for name, value in answer.json.items() if name != "instance")))
    assert len(bodies) == 1, "why a token failed does not show"
    assert town.query(client, token).status == 200


def test_check_6_another_banks_token(town):
    person = town.somebody()
    consent = town.consent(person)
    with town.b.client() as other:
        assert town.query(other, consent["token"]).is_problem("token-invalid", 401)
        answer = other.get(f"/v1/disclosures?consent_id={consent['consent_id']}")
        assert answer.is_problem("not-found", 404)
    with town.a.client("poller") as poller:
        assert town.query(poller, consent["token"]).is_problem("role-missing", 403)


# --- withdrawal in flight ---

def test_check_14_no_disclosure_is_completed_after_a_withdrawal(town):
    rounds = 10_000 if LONG else 200
    dice = random.Random(14)
    people, resting = deque(town.somebody() for _ in range(24)), deque()
    for person in people:
        town.consent(person)
    told, refused = set(), set()
    with town.a.client() as asker:
        for _ in range(rounds):
            if resting and resting[0][0] < datetime.now(timezone.utc):
                people.append(resting.popleft()[1])
            person, moves = people.popleft(), len(people) > 4 and dice.randrange(4) == 0
            answer = race(town, dice, person, asker, moves)
            if moves:  # the authority's clock is ahead of ours, and the new certificate begins by theirs
                resting.append((town.country.now, person))
            else:
                people.append(person)
            if answer.status == 200:
                told.add(answer.json["disclosure_id"])
            else:
                refused.add(answer.json["code"])
                assert answer.json.keys().isdisjoint({"verified_claims", "disclosure_id", "outcome"})
    assert refused <= {"token-invalid", "consent-withdrawn"}
    late = town.rows("""
        SELECT d.seq, w.seq FROM audit d
          JOIN disclosure x ON x.disclosure_id = d.object
          JOIN audit w ON w.institution_id = d.institution_id AND w.object = x.consent_id
                      AND w.verb = 'consent.withdrawn'
         WHERE d.verb = 'disclosure.completed' AND d.seq > w.seq""")
    assert late == []
    ends = {}
    for disclosure, state in town.rows("SELECT disclosure_id, state FROM disclosure JOIN consent USING (institution_id, "
                                       "consent_id) WHERE status = 'withdrawn'"):
        ends.setdefault(state, set()).add(disclosure)
    assert told and ends.pop("completed") == told, "who was told, and who should have been, are the same"
    assert ends.pop("aborted"), "some withdrawals must come while the authority is asked"
    assert not ends


def race(town, dice, person, asker, moves):
    """The answer to a query that is under way while the consent is withdrawn. Of people who move there is something to tell."""
    consent = town.consent(person)
    if moves:
        town.move(person)
    town.country.fail(path="/v1/four-information", kind="delay", value=dice.randrange(0, 12), count=1)
    pause, answers = dice.random() * 0.03, []
    thread = threading.Thread(target=lambda: answers.append(town.query(asker, consent["token"], force=True)))
    thread.start()
    threading.Event().wait(pause)
    withdrawal = town.withdraw(town.clients[town.a.name], consent["consent_id"])
    thread.join()
    town.country.heal()
    assert withdrawal.status == 200, withdrawal.body
    return answers[0]


# --- many, comparing, records ---

def test_a_batch_has_an_end_for_each(town, client):
    one, another = town.somebody(), town.somebody()
    good, bad = town.consent(one), town.consent(another)
    town.withdraw(client, bad["consent_id"])
    items = [{"token": one, "attributes": ["name"], "purpose": "liveness_check"}
             for one in (good["token"], bad["token"], "nonsense", good["token"])]
    answer = client.call("POST", "/v1/attributes/query-batch", {"items": items},
                         {"Idempotency-Key": str(uuid.uuid4())})
    assert answer.status == 200, answer.body
    results = answer.json["results"]
    assert [one.get("outcome") or one["problem"]["code"] for one in results] == [
        "no_newer_information", "consent-withdrawn", "token-invalid", "no_newer_information"]


def test_the_key_of_a_batch_is_that_of_all_its_items(town, client):
    """Else a longer batch with the same key would run, and cost, what it has more."""
    first, second = (town.consent(town.somebody()) for _ in range(2))
    key = {"Idempotency-Key": str(uuid.uuid4())}

    def send(*consents):
        items = [{"token": one["token"], "attributes": ["name"], "purpose": "liveness_check"} for one in consents]
        return client.call("POST", "/v1/attributes/query-batch", {"items": items}, key)

    answer = send(first)
    assert answer.status == 200 and send(first).json == answer.json
    assert send(first, second).is_problem("idempotency-key-reused", 422)
    assert town.rows("SELECT 1 FROM disclosure WHERE consent_id = %s", second["consent_id"]) == []


def test_what_was_not_consented_is_listed_whatever_the_outcome(town, client):
    person = town.somebody()
    consent = town.consent(person)
    wanted = [{"attribute": "gender", "reason": "not_consented"}]
    for options in ({}, {"force": True}):  # by ourselves, and by the authority
        answer = town.query(client, consent["token"], ("name", "gender"), **options).json
        assert answer["outcome"] == "no_newer_information" and answer["not_provided"] == wanted
    town.event(person, "move")  # without a new certificate
    town.new_lists()
    lapsed(town, consent, "awaiting_certificate")
    answer = town.query(client, consent["token"], ("name", "gender")).json
    assert answer["outcome"] == "awaiting_certificate" and answer["not_provided"] == wanted


def test_check_20_comparing_tells_four_words_and_has_a_budget(town, client):
    person = town.somebody()
    consent = town.consent(person)
    lapse(town, person, "marriage", name=CANARY_NAME)
    lapsed(town, consent, "available")  # the budget is one of each version of the subject
    values = {"name": CANARY_NAME.replace("　", " "), "address": {"formatted": "どこか"}, "gender": "male"}

    def match():
        return client.call("POST", "/v1/attributes/match", {"values": values, "normalization": "jp-2026-1"},
                           {"Authorization": f"Bearer {consent['token']}", "Idempotency-Key": str(uuid.uuid4())})

    answer = match()
    assert answer.status == 200, answer.body
    assert answer.json["outcome"] == "compared" and answer.json["results"]["name"] == "match"
    assert answer.json["results"]["address"] in ("mismatch", "indeterminate")
    assert answer.json["results"]["gender"] == "not_consented"
    assert CANARY_NAME not in answer.body.decode()
    values["birthdate"] = "2026-99-99"
    answer = match()
    assert answer.is_problem("value-out-of-range", 422) and answer.json["errors"][0]["pointer"] == "/values/birthdate"
    del values["birthdate"]
    answers = [match() for _ in range(5)]
    assert [one.status for one in answers] == [200] * 4 + [429]
    assert answers[-1].is_problem("match-budget-exhausted", 429) and answers[-1].json["action"] == "query"
    kinds = town.rows("SELECT DISTINCT kind FROM disclosure WHERE consent_id = %s", consent["consent_id"])
    assert kinds == [("match",)]


def test_a_comparison_that_the_authority_did_not_answer_is_none(town, client):
    """Nothing was told, so nothing is counted; with its key it can still be made, and then it counts."""
    person = town.somebody()
    consent = town.consent(person)
    lapse(town, person)
    lapsed(town, consent, "available")
    keys = [str(uuid.uuid4()) for _ in range(6)]

    def match(key):
        return client.call("POST", "/v1/attributes/match", {"values": {"name": "誰か"}, "normalization": "jp-2026-1"},
                           {"Authorization": f"Bearer {consent['token']}", "Idempotency-Key": key})

    town.country.fail(path="/v1/four-information", kind="status", value=503)
    assert {match(key).status for key in keys} == {503}
    town.country.heal()
    wait_for_status(200, lambda: match(keys[0]))
    answers = [match(key) for key in keys[1:]]
    assert [one.status for one in answers] == [200] * 4 + [429]
    assert answers[-1].is_problem("match-budget-exhausted", 429)
    assert match(keys[0]).status == 200, "it is the answer of before"


@pytest.mark.parametrize("scheme", ["bearer", "BEARER"])
def test_the_scheme_of_a_token_is_written_in_any_case(town, client, scheme):
    consent = town.consent(town.somebody())
    answer = client.call("POST", "/v1/attributes/query", {"attributes": ["name"], "purpose": "liveness_check"},
                         {"Authorization": f"{scheme} {consent['token']}", "Idempotency-Key": str(uuid.uuid4())})
    assert answer.status == 200, answer.body


@pytest.mark.parametrize("field", ["Basic eDp5", "Bearer", "Token abc"])
def test_another_scheme_is_no_token(town, client, field):
    answer = client.call("POST", "/v1/attributes/query", {"attributes": ["name"], "purpose": "liveness_check"},
                         {"Authorization": field, "Idempotency-Key": str(uuid.uuid4())})
    assert answer.is_problem("token-missing", 401) and answer.headers["www-authenticate"] == "Bearer"


def test_records_of_what_was_given(town, client):
    person = town.somebody()
    consent = town.consent(person)
    for _ in range(3):
        town.query(client, consent["token"])
    page = client.get(f"/v1/disclosures?consent_id={consent['consent_id']}&limit=2").json
    assert len(page["items"]) == 2 and page["items"][0]["attributes"] == ["name", "address"]
    rest = client.get(f"/v1/disclosures?consent_id={consent['consent_id']}&limit=2&page_token={page['next_page_token']}")
    assert len(rest.json["items"]) == 1 and rest.json["next_page_token"] is None
    with town.b.client() as other:
        answer = other.get(f"/v1/disclosures?limit=2&page_token={page['next_page_token']}")
        assert answer.is_problem("value-out-of-range", 422) and answer.json["errors"][0]["pointer"] == "page_token"
    usage = client.get("/v1/usage?from=2020-01-01&to=2020-12-31")
    assert usage.status == 200 and usage.json["items"] == []
    today = town.rows("SELECT (now() AT TIME ZONE 'Asia/Tokyo')::date::text")[0][0]
    items = client.get(f"/v1/usage?from={today}&to={today}").json["items"]
    assert any(one["rule"] == "provided" and one["yen"] == 20 * one["uses"] for one in items)
    for day in ("tomorrow", "0000-01-01", "0000-12-31", "0001-01-01"):
        for path in (f"/v1/usage?from={day}&to={day}", f"/v1/disclosures?from={day}", f"/v1/disclosures?to={day}"):
            assert client.get(path).is_problem("value-out-of-range", 422)
    assert client.get("/v1/usage?from=0001-01-02&to=0001-01-03").json["items"] == []
    assert client.get("/v1/disclosures?from=0001-01-02").status == 200


def test_what_nobody_finished_is_closed(town):
    person = town.somebody()
    consent = town.consent(person)
    with town.a.client() as client:
        disclosure = town.query(client, consent["token"]).json["disclosure_id"]
    town.rows("UPDATE disclosure SET state = 'started', ended_at = NULL, outcome = NULL, started_at = now() - interval "
              "'11 minutes' WHERE disclosure_id = %s", disclosure)
    wait_until(lambda: town.rows("SELECT state FROM disclosure WHERE disclosure_id = %s", disclosure) == [("failed",)],
               15, "the job")


def test_checks_21_and_22_nobody_wrote_down_what_passed_through(town, tmp_path):
    town.platform.tashika("audit", "verify")
    dump = tmp_path / "dump.sql"
    from support.database import connect
    tables = [name for name, in town.rows("SELECT table_name FROM information_schema.tables WHERE table_schema = 'tashika'")]
    with connect(town.platform.url) as database, dump.open("w") as out:
        for name in tables:
            with database.cursor() as cursor:
                cursor.copy_expert(f"COPY {name} TO STDOUT", out)
    serials = [one["serial"] for number in range(1, 20)  # long ones: eight digits are found in ciphertext, now and then
               for one in town.country.ask("GET", f"people/{number}")["certificates"] if len(one["serial"]) >= 16]
    assert serials
    places = [dump, town.server.log, *town.platform.directory.rglob("*.log")]
    metrics = town.server.ops("/metrics")[1]
    for canary in (CANARY_NAME, CANARY_ADDRESS, CANARY_NAME.split("　")[0], *serials):
        for place in places:
            assert canary.lower() not in place.read_text(errors="replace").lower(), f"{place} has it"
        assert canary not in metrics
