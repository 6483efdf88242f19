"""POST /v1/certificates/status: what an institution's certificates are worth now, as the lists in force have it."""
import time
import uuid

import pytest
from support import crl
from support.consenting import Town, lapse, lapsed
from support.country import format_time
from support.crl import Entry
from support.database import connect, rows
from support.pki import DAY, HOUR, NOW
from support.platform import ROLES, Client, Platform
from support.program import Issuer, seconds, wait_until
from support.watching import register, start_driver

STATUS = "/v1/certificates/status"
NUMBER = 2**150 + 7  # of a list: more than any integer of JSON
WHEN = NOW - 2 * DAY
GOOD, MOVED, HELD, UNEXPLAINED, ENDED, MOVED_AND_ENDED, HELD_AND_ENDED = range(1, 8)
ENTRIES = [Entry(MOVED, 3, WHEN), Entry(HELD, 6, WHEN), Entry(UNEXPLAINED, None, WHEN), Entry(MOVED_AND_ENDED, 3, WHEN),
           Entry(HELD_AND_ENDED, 6, WHEN)]
CRT, CNS = 1, 2  # what register() tells of each


def publish(platform, authority, entries, number, **options):
    (platform.directory / f"{authority.name}.crl").write_bytes(crl.make(authority, entries, number, **options))
    platform.tashika("ingest", "--issuer", authority.name)


def registered(platform, bank, authority, serials, end="-"):
    return register(start_driver(platform.config, bank.id, authority.name), serials, end)


def install(directory, cluster, *authorities):
    made = Platform(directory, cluster, [Issuer(one) for one in authorities], api={"requests_per_second": 10_000})
    database = connect(made.url)
    for bank in (made.a, made.b):
        rows(database, "INSERT INTO service VALUES (%s, 'svc_test', 'active', '2026-01-01')", bank.id)
    database.close()
    return made


@pytest.fixture(scope="module")
def platform(tmp_path_factory, cluster, pki):
    made = install(tmp_path_factory.mktemp("status"), cluster, pki.ca.p256)
    publish(made, pki.ca.p256, ENTRIES, NUMBER)
    past = int((NOW - HOUR).timestamp())
    made.ours, made.theirs = ({**registered(made, bank, pki.ca.p256, range(GOOD, ENDED)),
                               **registered(made, bank, pki.ca.p256, range(ENDED, HELD_AND_ENDED + 1), past)}
                              for bank in (made.a, made.b))
    with made.serve():
        yield made


@pytest.fixture
def a(platform):
    with platform.a.client() as client:
        yield client


def ask(client, certificates=None, consents=None, **headers):
    body = {"certificate_ids": certificates, "consent_ids": consents}
    return client.call("POST", STATUS, {name: ids for name, ids in body.items() if ids is not None}, headers)


def results(*question, **headers):
    answer = ask(*question, **headers)
    assert answer.status == 200, answer.body
    return answer.json["results"]


def nobodys(prefix="crt_"):
    return prefix + uuid.uuid4().hex[:26].translate(str.maketrans("0189", "abcd"))


DATED = {"as_of": format_time(NOW - HOUR), "valid_until": format_time(NOW + 7 * DAY), "crl_number": str(NUMBER), "method": "crl"}
REVOKED_AT = {"revoked_at": format_time(WHEN)}
TRUTH = {GOOD: {"status": "good"}, MOVED: {"status": "revoked", "reason": "affiliationChanged", **REVOKED_AT},
         HELD: {"status": "held", "reason": "certificateHold", **REVOKED_AT}, UNEXPLAINED: {"status": "revoked", **REVOKED_AT},
         ENDED: {"status": "expired"}, MOVED_AND_ENDED: {"status": "revoked", "reason": "affiliationChanged", **REVOKED_AT},
         HELD_AND_ENDED: {"status": "expired"}}


# --- what is said -----------------------------------------------------------------------------------------------------

def test_each_status_has_the_dates_and_the_number_of_its_list(platform, a):
    ids = {serial: platform.ours[serial][CRT] for serial in TRUTH}
    assert results(a, [*ids.values()]) == [{"certificate_id": ids[serial], **truth, **DATED} for serial, truth in TRUTH.items()]


def test_by_consent_it_is_the_same_and_names_both(platform, a):
    ours = platform.ours
    assert results(a, None, [ours[serial][CNS] for serial in TRUTH]) == [
        {"certificate_id": ours[serial][CRT], "consent_id": ours[serial][CNS], **truth, **DATED} for serial, truth in TRUTH.items()]


def test_certificates_come_first_and_each_in_the_order_of_the_question(platform, a):
    certificates = [platform.ours[serial][CRT] for serial in (HELD, GOOD, MOVED)]
    consents = [platform.ours[serial][CNS] for serial in (MOVED, HELD, GOOD)]
    certificates.insert(1, nobodys())
    consents.insert(2, nobodys("cns_"))
    found = results(a, certificates, consents)
    assert [one.get("consent_id") or one["certificate_id"] for one in found] == certificates + consents
    assert [one.get("status") for one in found] == ["held", None, "good", "revoked", "revoked", "held", None, "good"]


def test_who_has_any_role_may_ask_and_nobody_else(platform):
    known = platform.ours[GOOD][CRT]
    for role in ROLES:
        with platform.a.client(role) as client:
            assert [one["status"] for one in results(client, [known])] == ["good"]
    with Client(platform, platform.anybody()) as stranger:
        assert ask(stranger, [known]).is_problem("client-certificate-unknown", 403)


def test_a_key_is_taken_and_ignored(platform, a):
    first, second = (results(a, [platform.ours[serial][CRT]], **{"Idempotency-Key": '"one"'}) for serial in (GOOD, MOVED))
    assert (first[0]["status"], second[0]["status"]) == ("good", "revoked")


# --- what belongs to others, and what is not there --------------------------------------------------------------------

def test_check_6_what_another_bank_registered_is_as_what_is_not_there(platform, a):
    ours, theirs = platform.ours, platform.theirs
    for serial in (GOOD, MOVED, ENDED):  # both banks have registered the same certificates
        answers = set()
        for certificate, consent in ((theirs[serial][CRT], theirs[serial][CNS]), (nobodys(), nobodys("cns_"))):
            answer = ask(a, [certificate, ours[serial][CRT]], [consent, ours[serial][CNS]])
            assert answer.status == 200
            assert answer.json["results"][::2] == [
                {"problem": {"code": "not-found", "status": 404}, "certificate_id": certificate},
                {"problem": {"code": "not-found", "status": 404}, "consent_id": consent}]
            headers = {name: value for name, value in answer.headers.items() if name not in ("x-request-id", "date", "ratelimit")}
            text = answer.body.decode().replace(certificate, "CERTIFICATE").replace(consent, "CONSENT")
            answers.add((text, tuple(sorted(headers.items()))))
        assert len(answers) == 1
    with platform.b.client() as other:
        assert {one["status"] for one in results(other, [theirs[serial][CRT] for serial in TRUTH])} == {
            "good", "revoked", "held", "expired"}


@pytest.mark.parametrize("odd", ["", "NULL", "{}", '"', "\\", "a,b", "','", "確か", "crt_" + "A" * 26, "x" * 64])
def test_what_is_no_id_is_not_found_and_moves_nothing_else(platform, a, odd):
    known = platform.ours[GOOD][CRT], platform.ours[MOVED][CRT]
    if not odd:
        answer = ask(a, [known[0], odd, known[1]])
        assert answer.is_problem("invalid-request", 400) and answer.json["errors"][0]["pointer"] == "/certificate_ids/1"
        return
    found = results(a, [known[0], odd, known[1]])
    assert [one["certificate_id"] for one in found] == [known[0], odd, known[1]]
    assert found[1]["problem"]["code"] == "not-found"
    assert [found[0]["status"], found[2]["status"]] == ["good", "revoked"]


# --- how much, and what is refused ------------------------------------------------------------------------------------

@pytest.mark.parametrize("certificates, consents", [(1000, 0), (0, 1000), (500, 500)])
def test_a_thousand_are_answered(platform, a, certificates, consents):
    by_name, by_consent = [nobodys() for _ in range(certificates)], [nobodys("cns_") for _ in range(consents)]
    known = platform.ours[HELD]
    by_name[-1:], by_consent[-1:] = [known[CRT]] if certificates else [], [known[CNS]] if consents else []
    found = results(a, by_name or None, by_consent or None)
    assert [one.get("consent_id") or one["certificate_id"] for one in found] == by_name + by_consent
    there = [place for place, one in enumerate(found, 1) if "status" in one]
    assert there == [place for place, count in ((certificates, certificates), (1000, consents)) if count]


@pytest.mark.parametrize("certificates, consents, pointer", [
    (1001, 0, "/certificate_ids"), (0, 1001, "/consent_ids"), (1, 1000, "/consent_ids"), (501, 500, "/consent_ids")])
def test_more_are_refused(a, certificates, consents, pointer):
    answer = ask(a, [nobodys() for _ in range(certificates)] or None, [nobodys("cns_") for _ in range(consents)] or None)
    assert answer.is_problem("invalid-request", 400)
    assert ("too_many", pointer) in [(one["code"], one["pointer"]) for one in answer.json["errors"]]


def test_no_id_comes_twice(platform, a):
    certificate, consent = platform.ours[GOOD][CRT:CNS + 1]
    for question, pointer in ((([certificate, certificate], None), "/certificate_ids/1"), ((None, [consent, consent]), "/consent_ids/1")):
        answer = ask(a, *question)
        assert answer.is_problem("invalid-request", 400)
        assert [(one["code"], one["pointer"]) for one in answer.json["errors"]] == [("duplicate", pointer)]
    assert len(results(a, [certificate], [consent])) == 2  # the same certificate by two names is two questions


@pytest.mark.parametrize("body", [{}, {"certificate_ids": []}, {"certificate_ids": [], "consent_ids": []}, [],
                                  {"certificate_ids": "crt_"}, {"certificate_ids": [7]}, {"certificate_ids": ["x" * 65]},
                                  {"certificate_id": ["crt_"]}], ids=str)
def test_a_question_must_be_one(a, body):
    assert a.call("POST", STATUS, body).is_problem("invalid-request", 400)


def test_one_of_the_two_may_be_empty(platform, a):
    assert [one["status"] for one in results(a, [platform.ours[GOOD][CRT]], [])] == ["good"]


# --- lists that change, run out, or are gone --------------------------------------------------------------------------

def statuses(client, made, *serials):
    return [one["status"] for one in results(client, [made[serial][CRT] for serial in serials])]


def test_an_answer_is_as_fresh_as_the_lists(tmp_path, cluster, pki):
    """What left the list was released, if it was held; but a revocation is for ever."""
    made = install(tmp_path / "fresh", cluster, pki.ca.p256)
    publish(made, pki.ca.p256, [Entry(MOVED, 3, WHEN), Entry(HELD, 6, WHEN)], 1)
    ours = registered(made, made.a, pki.ca.p256, [GOOD, MOVED, HELD])
    with made.serve(), made.a.client() as a:
        assert statuses(a, ours, GOOD, MOVED, HELD) == ["good", "revoked", "held"]
        publish(made, pki.ca.p256, [Entry(GOOD, 4, WHEN)], 2, this_update=NOW - HOUR / 2)
        wait_until(lambda: statuses(a, ours, GOOD, MOVED, HELD) == ["revoked", "revoked", "good"], 5, "the new list")
        reason, kept, released = results(a, [ours[serial][CRT] for serial in (GOOD, MOVED, HELD)])
        assert reason["reason"] == "superseded" and (reason["crl_number"], released["crl_number"]) == ("2", "2")
        assert reason["as_of"] == released["as_of"] == format_time(NOW - HOUR / 2)
        assert (kept["reason"], kept["revoked_at"], kept["as_of"]) == ("affiliationChanged", format_time(WHEN), format_time(NOW - HOUR))


def test_past_their_end_lists_say_nothing_but_what_cannot_change(tmp_path, cluster, pki):
    made = install(tmp_path / "stale", cluster, pki.ca.p256)
    publish(made, pki.ca.p256, ENTRIES, NUMBER)
    ours = registered(made, made.a, pki.ca.p256, range(GOOD, ENDED))
    ours |= registered(made, made.a, pki.ca.p256, range(ENDED, HELD_AND_ENDED + 1), int((NOW - HOUR).timestamp()))
    with made.serve(), made.a.client() as a:
        ends = int(time.time() + seconds(3))
        publish(made, pki.ca.p256, ENTRIES, NUMBER + 1, this_update=NOW - HOUR / 2, next_update=NOW.fromtimestamp(ends, NOW.tzinfo))
        time.sleep(max(0, ends + 0.1 - time.time()))
        question = [ours[serial][CRT] for serial in TRUTH]
        wait_until(lambda: results(a, question[:1])[0]["crl_number"] == str(NUMBER + 1), 5, "the list that ran out")
        dated = {name: value for name, value in DATED.items() if name != "valid_until"} | {
            "as_of": format_time(NOW - HOUR / 2), "crl_number": str(NUMBER + 1)}
        stale = {"status": "unknown", "unknown_because": "lists_stale"}
        assert results(a, question) == [
            {"certificate_id": ours[serial][CRT], **(stale if serial in (GOOD, HELD) else truth), **dated}
            for serial, truth in TRUTH.items()]
        publish(made, pki.ca.p256, ENTRIES, NUMBER + 2, this_update=NOW - HOUR / 3)
        wait_until(lambda: statuses(a, ours, GOOD, HELD) == ["good", "held"], 5, "fresh lists")


def test_without_lists_or_issuer_only_what_cannot_change_is_said(tmp_path, cluster, pki):
    made = install(tmp_path / "gone", cluster, pki.ca.p256, pki.ca.rsa)
    for authority in (pki.ca.p256, pki.ca.rsa):
        publish(made, authority, [Entry(MOVED, 3, WHEN)], 1)
    ours = registered(made, made.a, pki.ca.rsa, [GOOD, MOVED]) | registered(
        made, made.a, pki.ca.rsa, [ENDED], int((NOW - HOUR).timestamp()))
    with made.serve(), made.a.client() as a:
        assert statuses(a, ours, GOOD, MOVED, ENDED) == ["good", "revoked", "expired"]
    for change, why in ((forget_lists, "lists_missing"), (forget_issuer, "issuer_not_served")):
        change(made, pki.ca.rsa)
        with made.serve(ready="/livez"), made.a.client() as a:
            good, moved, ended = wait_until(lambda: ask(a, [one[CRT] for one in ours.values()]).json.get("results"), 10, "an answer")
            assert good == {"certificate_id": ours[GOOD][CRT], "status": "unknown", "unknown_because": why, "method": "crl"}
            assert moved == {"certificate_id": ours[MOVED][CRT], **TRUTH[MOVED], "as_of": format_time(NOW - HOUR), "method": "crl"}
            assert ended == {"certificate_id": ours[ENDED][CRT], "status": "expired", "method": "crl"}


def forget_lists(platform, authority):
    index = platform.directory / "index"
    (index / authority.name).rename(index / "lost")


def forget_issuer(platform, authority):
    text = platform.config.read_text()
    block = text[text.index(f'[[issuers]]\nname = "{authority.name}"'):]
    block = block[:block.find("[[issuers]]", 1)] if "[[issuers]]" in block[1:] else block
    platform.config.write_text(text.replace(block, ""))


# --- from a consent on ------------------------------------------------------------------------------------------------

def test_from_a_signature_to_the_next_certificate(tmp_path, cluster):
    """By the consent it is the certificate whose items the bank has; by its name, as the feed has it, the one that was."""
    town = Town(tmp_path / "town", cluster, people=20)
    try:
        person = town.somebody()
        consent = town.consent(person)
        consent_id, client = consent["consent_id"], town.clients[town.a.name]
        first, = results(client, None, [consent_id])
        assert (first["status"], first["consent_id"]) == ("good", consent_id) and first["as_of"] < first["valid_until"]
        lapse(town, person)
        lapsed(town, consent)
        event = next(one for one in town.events(consent_id) if one["type"] == "certificate.revoked")
        assert event["certificate_id"] == first["certificate_id"]
        by_name, by_consent = results(client, [event["certificate_id"]], [consent_id])
        assert by_consent == by_name | {"consent_id": consent_id}
        assert (by_name["status"], by_name["reason"]) == ("revoked", "affiliationChanged")
        assert by_name["revoked_at"] == event["status"]["revoked_at"]
        assert town.query(client, consent["token"], ("name", "address", "birthdate")).json["outcome"] == "provided"
        old, new = results(client, [event["certificate_id"]], [consent_id])
        assert (old["status"], new["status"]) == ("revoked", "good") and new["certificate_id"] != old["certificate_id"]
    finally:
        town.stop()
