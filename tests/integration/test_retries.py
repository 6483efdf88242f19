"""Queries that are sent again, or at once: one fee, one answer, whatever dies or gets lost in between."""
import threading
import uuid

import pytest
from support.consenting import lapse, lapsed
from support.database import connect
from support.program import seconds, wait_for_status, wait_until

CANARY_NAME = "加名鳥　歌子"
TOWN = dict(people=60)


def of_somebody_who_moved(town, *state):
    """A consent, whose certificate has lapsed; a newer one is there."""
    person = town.somebody()
    consent = town.consent(person)
    lapse(town, person)
    lapsed(town, consent, *state)
    return consent


def test_check_19_fifty_equal_queries_cost_one_fee(town):
    consent = of_somebody_who_moved(town)
    fee, key, answers = town.billing()["yen"], str(uuid.uuid4()), []

    def send():
        with town.a.client() as client:
            answers.append(town.query(client, consent["token"], key=key))

    threads = [threading.Thread(target=send) for _ in range(50)]
    [one.start() for one in threads]
    [one.join() for one in threads]
    assert {one.status for one in answers} <= {200, 409}
    assert len({one.json["disclosure_id"] for one in answers if one.status == 200}) == 1
    assert {one.json["code"] for one in answers if one.status == 409} <= {"idempotency-in-progress"}
    assert town.billing()["yen"] == fee + 20
    states = town.rows("SELECT state FROM disclosure WHERE consent_id = %s", consent["consent_id"])
    assert states == [("completed",)]
    with town.a.client() as client:
        assert town.query(client, consent["token"], key=key).json == next(one.json for one in answers if one.status == 200)
        answer = town.query(client, consent["token"], key=key, force=True)
        assert answer.is_problem("idempotency-key-reused", 422)


@pytest.mark.parametrize("theirs", ["the same body", "another body"])
def test_check_6_a_key_of_another_bank_is_another_key(town, theirs):
    """B may choose the key that A used, and gets its own answer: nothing tells it that the key is known."""
    person, key = town.somebody(), str(uuid.uuid4())
    with town.a.client() as a, town.b.client() as b:
        bodies = [town.registration(bank, person) for bank in (town.a, town.b)]
        mine, other = town.register(a, bodies[0], key), town.register(b, bodies[1], key)
        assert (mine.status, other.status) == (201, 201)
        assert {mine.json["consent_id"], mine.json["sub"]}.isdisjoint({other.json["consent_id"], other.json["sub"]})
        assert town.register(b, bodies[1], key).json == other.json != mine.json
        town.begin_term(mine.json["consent_id"]), town.begin_term(other.json["consent_id"])
        lapse(town, person)
        lapsed(town, mine.json), lapsed(town, other.json)
        fee, key = town.billing()["yen"], str(uuid.uuid4())
        attributes = ("name", "address") if theirs == "the same body" else ("birthdate",)
        first, second = town.query(a, mine.json["token"], key=key), town.query(b, other.json["token"], attributes, key=key)
        assert [one.json["outcome"] for one in (first, second)] == ["provided"] * 2
        assert first.json["disclosure_id"] != second.json["disclosure_id"] and second.json["sub"] == other.json["sub"]
        assert town.query(b, other.json["token"], attributes, key=key).json == second.json
        assert town.billing()["yen"] == fee + 40


def test_check_6_a_key_that_another_bank_is_busy_with_is_free(town):
    people, key, answers = [town.somebody() for _ in range(2)], str(uuid.uuid4()), []
    town.country.fail(path="/v1/consents", kind="delay", value=int(min(seconds(1.5), 4) * 1000), count=1)

    def send():
        with town.a.client() as a:
            answers.append(town.register(a, body, key))

    body, other = town.registration(town.a, people[0]), town.registration(town.b, people[1])
    thread = threading.Thread(target=send)
    thread.start()
    wait_until(lambda: town.rows("SELECT 1 FROM idempotency WHERE idempotency_key LIKE %s", f"%{key}%"), 5, "A to be under way")
    with town.b.client() as b:
        answer = town.register(b, other, key)
    assert answer.status == 201 and answers == [], "A's is still under way"
    thread.join()
    town.country.heal()
    assert answers[0].status == 201 and answers[0].json["consent_id"] != answer.json["consent_id"]


def test_check_19_an_answer_that_got_lost_is_given_again(town):
    person = town.somebody()
    consent = town.consent(person)
    lapse(town, person, "marriage", name=CANARY_NAME)
    lapsed(town, consent)
    fee, key = town.billing()["yen"], str(uuid.uuid4())
    town.country.fail(path="/v1/four-information", kind="delay", value=int(min(seconds(1.5), 4) * 1000), count=1)  # below [authority] timeout
    with town.a.client() as client:
        client.connection.timeout = seconds(0.5)
        with pytest.raises(OSError):
            town.query(client, consent["token"], key=key)
    ended = "SELECT 1 FROM disclosure WHERE consent_id = %s AND state = 'completed'"
    wait_until(lambda: town.rows(ended, consent["consent_id"]), 10, "the answer that nobody reads")
    with town.a.client() as client:
        again = town.query(client, consent["token"], key=key)
        assert again.status == 200 and again.json["verified_claims"]["claims"]["name"] == CANARY_NAME
        assert town.query(client, consent["token"], key=key).body == again.body
    assert town.billing()["yen"] == fee + 20
    kept = "SELECT response_sealed FROM idempotency WHERE idempotency_key = %s"
    ((sealed,),) = town.rows(kept, key)
    assert CANARY_NAME.encode() not in bytes(sealed)
    with town.a.client() as admin:
        assert town.withdraw(admin, consent["consent_id"]).status == 200
        assert town.query(admin, consent["token"], key=key).is_problem("consent-withdrawn", 403)
    assert town.rows(kept, key) == [(None,)], "what was given is kept no longer than the consent lasts"


def test_a_key_is_that_of_one_consent(town, client):
    """Bodies are the same for all customers: a key that is used twice must not give one the data of another."""
    consents = [town.consent(town.somebody()) for _ in range(2)]
    key = str(uuid.uuid4())
    assert town.query(client, consents[0]["token"], key=key).status == 200
    assert town.query(client, consents[1]["token"], key=key).is_problem("idempotency-key-reused", 422)
    assert town.withdraw(client, consents[0]["consent_id"]).status == 200
    assert town.query(client, consents[1]["token"], key=key).is_problem("idempotency-key-reused", 422)
    assert town.query(client, consents[1]["token"]).status == 200


def test_a_query_that_waited_for_the_end_of_another_costs_nothing(town, client):
    """It sees all that the other one was given, though its statement began before."""
    person = town.somebody()
    consent = town.consent(person)
    name = consent["consent_id"], consent["sub"]
    lapse(town, person)
    lapsed(town, consent)
    of_consent, of_subject = "known_certificate, newer_certificate, newer_items", "version, state, known_certificate, watched_certificate"

    def rows():
        return (town.rows(f"SELECT {of_consent} FROM consent WHERE consent_id = %s", name[0])[0],
                town.rows(f"SELECT {of_subject} FROM subject WHERE subject_id = %s", name[1])[0])

    def write(cursor, before):
        cursor.execute(f"UPDATE subject SET ({of_subject}) = (%s, %s, %s, %s) WHERE subject_id = %s", (*before[1], name[1]))
        cursor.execute(f"UPDATE consent SET ({of_consent}) = (%s, %s, %s) WHERE consent_id = %s", (*before[0], name[0]))

    before = rows()
    assert town.query(client, consent["token"]).json["outcome"] == "provided"
    after, fee, answers = rows(), town.billing()["yen"], []
    other = connect(town.platform.url)
    other.autocommit = False
    with other.cursor() as cursor:
        write(cursor, before)
        other.commit()
        write(cursor, after)
        thread = threading.Thread(target=lambda: answers.append(town.query(client, consent["token"])))
        thread.start()
        waits = ("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND (query LIKE '%%EXECUTE query_grounds(%%' OR "
                 "query LIKE '%%FROM subject s JOIN consent c%%')")
        wait_until(lambda: town.rows(waits), 5, "the query to wait")
        other.commit()
    thread.join()
    other.close()
    assert answers[0].json["outcome"] == "no_newer_information", answers[0].body
    assert town.billing()["yen"] == fee


def test_what_has_ended_is_not_ended_again(town, client):
    """A server that was taken for dead comes late: the books stay as they are."""
    consent = of_somebody_who_moved(town)
    key, answers = str(uuid.uuid4()), []
    town.country.fail(path="/v1/four-information", kind="delay", value=1000, count=1)
    thread = threading.Thread(target=lambda: answers.append(town.query(client, consent["token"], key=key)))
    thread.start()
    started = "SELECT disclosure_id FROM disclosure WHERE consent_id = %s AND state = 'started'"
    ((disclosure,),) = wait_until(lambda: town.rows(started, consent["consent_id"]), 5, "the question")
    town.rows("UPDATE disclosure SET state = 'completed', outcome = 'provided', yen = 20, billable = true, ended_at = now() WHERE "
              "disclosure_id = %s", disclosure)
    with town.a.client() as admin:
        assert town.withdraw(admin, consent["consent_id"]).status == 200
    used = town.rows("SELECT sum(uses), sum(yen) FROM usage")
    thread.join()
    town.country.heal()
    assert answers[0].is_problem("consent-withdrawn", 403)
    assert town.rows("SELECT verb FROM audit WHERE object = %s", disclosure) == []
    assert town.rows("SELECT sum(uses), sum(yen) FROM usage") == used
    assert town.rows("SELECT 1 FROM idempotency WHERE object_id = %s", disclosure) == [(1,)]


def test_questions_at_once_cost_one_fee(town):
    consent = of_somebody_who_moved(town)
    fee, answers = town.billing()["yen"], []
    town.country.fail(path="/v1/four-information", kind="delay", value=500, count=1)

    def send():
        with town.a.client() as client:
            answers.append(town.query(client, consent["token"]))

    threads = [threading.Thread(target=send) for _ in range(5)]
    [one.start() for one in threads]
    [one.join() for one in threads]
    town.country.heal()
    assert sum(one.status == 200 and one.json["outcome"] == "provided" for one in answers) == 1
    others = [one for one in answers if one.status != 200]
    assert others and all(one.is_problem("query-in-progress", 409) and one.headers["retry-after"] for one in others)
    assert town.billing()["yen"] == fee + 20


MEANWHILE = {
    "subject": "UPDATE subject SET version = version + 5 WHERE subject_id = '{sub}'",
    "consent": "UPDATE consent SET newer_items = '{{attr:name}}' WHERE consent_id = '{consent_id}'",
    "issuer": "UPDATE issuer SET numbering = numbering + 1",  # as if its lists began again
}


def ask_while(town, cluster, consent, change):
    """Whether the answer could not be what was expected of it, so that all was done step by step."""
    answers = []
    undone = cluster.log().count("not as required")
    town.country.fail(path="/v1/four-information", kind="delay", value=int(min(seconds(1.5), 4) * 1000), count=1)

    def send():
        with town.a.client() as client:
            answers.append(town.query(client, consent["token"]))

    thread = threading.Thread(target=send)
    thread.start()
    started = "SELECT 1 FROM disclosure WHERE consent_id = %s AND state = 'started'"
    wait_until(lambda: town.rows(started, consent["consent_id"]), 5, "the question")
    town.rows(change.format(**consent))
    thread.join()
    town.country.heal()
    assert answers[0].status == 200 and answers[0].json["outcome"] == "provided", answers[0].body
    return cluster.log().count("not as required") > undone


@pytest.mark.parametrize("what", MEANWHILE)
def test_what_changes_while_the_authority_is_asked_counts(town, cluster, what):
    """What was read before the question is right for the answer only if it still is."""
    of_subject = "SELECT version FROM subject WHERE subject_id = %s"
    for _ in range(3):  # the first certificate of each issuer is done step by step anyway
        consent = of_somebody_who_moved(town, "available")
        [[version]], fee = town.rows(of_subject, consent["sub"]), town.billing()["yen"]
        was_unexpected = ask_while(town, cluster, consent, MEANWHILE[what])
        assert town.billing()["yen"] == fee + 20
        assert town.rows(of_subject, consent["sub"]) == [(version + (6 if what == "subject" else 1),)]
        done = town.rows("SELECT disclosure_id, state, outcome FROM disclosure WHERE consent_id = %s", consent["consent_id"])
        assert [one[1:] for one in done] == [("completed", "provided")]
        assert town.rows("SELECT verb FROM audit WHERE object = %s", done[0][0]) == [("disclosure.completed",)]
        if was_unexpected:
            return
    assert False, "what had changed was not seen"


def test_lists_whose_numbers_begin_again_hold_nothing_up(town):
    """What was remembered of their issuer is of other numbers then, and much higher."""
    of_issuers = "SELECT issuer_key_hash, target_generation FROM issuer ORDER BY 1"
    consents = [of_somebody_who_moved(town) for _ in range(6)]
    before, fee = town.rows(of_issuers), town.billing()["yen"]
    town.rows("UPDATE issuer SET target_generation = target_generation + 1000")
    with town.a.client() as client:
        # The server's lists never get there; in the end the answer is given all the same. It has seen each issuer then.
        for consent in consents[:3]:
            assert town.query(client, consent["token"]).json["outcome"] == "provided"
        for issuer, target in before:
            town.rows("UPDATE issuer SET target_generation = %s, numbering = numbering + 1 WHERE issuer_key_hash = %s", target, issuer)
        for consent in consents[3:]:
            assert town.query(client, consent["token"]).json["outcome"] == "provided"
            state = town.rows("SELECT state FROM subject WHERE subject_id = %s", consent["sub"])
            assert state == [("delivered",)], "the newer certificate was not followed"
    assert town.billing()["yen"] == fee + 6 * 20


def test_a_service_that_ended_gets_nothing(town):
    """Its consents end in batches; until then they are refused."""
    person = town.somebody()
    consent = town.consent(person)
    service = town.rows("SELECT service_id FROM consent WHERE consent_id = %s", consent["consent_id"])[0][0]
    town.rows("UPDATE service SET status = 'ended' WHERE service_id = %s AND institution_id = %s", service, town.a.id)
    try:
        with town.a.client() as client:
            refused = town.query(client, consent["token"])
        assert refused.json["code"] in ("service-unknown", "consent-withdrawn"), refused.body
    finally:
        town.rows("UPDATE service SET status = 'active' WHERE service_id = %s AND institution_id = %s", service, town.a.id)


def test_check_19_the_server_dies_while_the_authority_is_asked(town):
    consent = of_somebody_who_moved(town)
    fee, key = town.billing()["yen"], str(uuid.uuid4())
    town.country.fail(path="/v1/four-information", kind="delay", value=1500, count=1)

    def send():
        try:
            with town.a.client() as client:
                town.query(client, consent["token"], key=key)
        except OSError:
            pass  # as it should be

    thread = threading.Thread(target=send)
    thread.start()
    started = "SELECT 1 FROM disclosure WHERE consent_id = %s AND state = 'started'"
    wait_until(lambda: town.rows(started, consent["consent_id"]), 5, "the question")
    town.server.process.kill()
    town.server.process.wait()
    thread.join()
    town.country.heal()
    town.restart()
    with town.a.client() as client:
        assert town.query(client, consent["token"], key=key).is_problem("idempotency-in-progress", 409)
        town.rows("UPDATE idempotency SET started_at = started_at - interval '1 minute' WHERE idempotency_key = %s", key)
        answer = town.query(client, consent["token"], key=key)
    assert answer.status == 200 and answer.json["outcome"] == "provided"
    assert town.billing()["yen"] == fee + 20


def test_whoever_was_overtaken_by_their_own_retry_leaves_nothing(town):
    """Its answer comes last: not one row of its transaction stays, and it says that another was first."""
    consent = of_somebody_who_moved(town)
    fee, key, answers = town.billing()["yen"], str(uuid.uuid4()), []
    town.country.fail(path="/v1/four-information", kind="delay", value=int(min(seconds(2), 4) * 1000), count=1)  # below [authority] timeout

    def send():
        with town.a.client() as client:
            answers.append(town.query(client, consent["token"], key=key))

    slow = threading.Thread(target=send)
    slow.start()
    started = "SELECT disclosure_id FROM disclosure WHERE consent_id = %s AND state = 'started'"
    ((disclosure,),) = wait_until(lambda: town.rows(started, consent["consent_id"]), 5, "the question")
    town.rows("UPDATE idempotency SET started_at = started_at - interval '1 minute' WHERE idempotency_key = %s", key)
    send()
    before = town.rows("SELECT verb, detail FROM audit WHERE object = %s", disclosure)
    used = town.rows("SELECT sum(uses), sum(yen) FROM usage WHERE institution_id = %s", town.a.id)
    told = town.events(consent["consent_id"])
    slow.join()
    town.country.heal()
    quick, overtaken = answers
    assert quick.status == 200 and quick.json["outcome"] == "provided"
    assert overtaken.is_problem("idempotency-in-progress", 409) and overtaken.headers["retry-after"]
    assert town.rows("SELECT verb, detail FROM audit WHERE object = %s", disclosure) == before
    assert [verb for verb, _ in before] == ["disclosure.completed"]
    assert town.rows("SELECT sum(uses), sum(yen) FROM usage WHERE institution_id = %s", town.a.id) == used
    assert town.events(consent["consent_id"]) == told and told[-1]["type"] == "subject.update_delivered"
    with town.a.client() as client:
        assert town.query(client, consent["token"], key=key).json == quick.json
    assert town.billing()["yen"] == fee + 20


def test_the_authority_is_away(town, client):
    consent = of_somebody_who_moved(town)
    fee, key = town.billing()["yen"], str(uuid.uuid4())
    town.country.fail(path="/v1/four-information", kind="status", value=503)
    try:
        answer = town.query(client, consent["token"], key=key)
        assert answer.is_problem("authority-unavailable", 503) and int(answer.headers["retry-after"]) >= 1
    finally:
        town.country.heal()
    wait_for_status(200, lambda: town.query(client, consent["token"], key=key))
    assert town.billing()["yen"] == fee + 20


def test_connections_that_died_while_they_were_idle_are_not_noticed(town, client):
    """What a transaction begins with is sent again on a new one, and nothing twice."""
    asked = [town.somebody() for _ in range(4)]
    consents = [town.consent(person) for person in asked]
    for person in asked:
        lapse(town, person)
    for consent in consents:
        lapsed(town, consent)
    fee = town.billing()["yen"]
    for consent in consents[:2] * 8:  # until each connection knows the statements
        assert town.query(client, consent["token"]).status == 200
    for consent in consents[2:]:
        town.rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tashika'")
        answer = town.query(client, consent["token"])
        assert answer.status == 200 and answer.json["outcome"] == "provided", answer.body
        town.rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tashika'")
        assert town.withdraw(client, consent["consent_id"]).status == 200
        registered = town.register(client, town.registration(town.a, town.somebody()))
        assert registered.status == 201, registered.body
        assert len(town.rows("SELECT 1 FROM audit WHERE object = %s", registered.json["consent_id"])) == \
            len(set(town.rows("SELECT verb FROM audit WHERE object = %s", registered.json["consent_id"])))
    assert town.billing()["yen"] - fee == 20 * len(consents)
