"""After a lapse the authority is asked for the certificate that follows, until there is one, or no reason to ask any more."""
import time
from types import SimpleNamespace

import psycopg2
import pytest
from support import crl
from support.crl import Entry
from support.fake_authority import FakeAuthority
from support.metrics import Metrics
from support.pki import DAY, HOUR, MINUTE, NOW
from support.program import Server, free_port, toml_lines, wait_until
from support.tls import make_world
from support.watching import Watching

REVOKED = ["certificate.revoked", "subject.update_pending"]


@pytest.fixture
def authority(tmp_path, pki):
    made = FakeAuthority(make_world(tmp_path / "authority"), pki.ca.p256)
    yield made
    made.stop()


@pytest.fixture
def watching(publisher, cluster, authority):
    """A bank's certificates, with an authority behind; revoke() publishes the next list."""
    def make(timeout="2s", **consent):
        made = Watching(publisher(), cluster.database())
        with made.config.open("a") as config:
            config.write("[authority]\n" + toml_lines({**authority.table, "timeout": timeout}))
            config.write("[consent]\n" + toml_lines({"first_check": "1s", **consent}))
        made.lists = 0
        return made
    return make


def put(made, *serials):
    made.lists += 1
    made.publisher.put(f"{made.issuer}.crl", crl.make(made.publisher.authority, [Entry(serial, 3, NOW - DAY) for serial in serials],
                                                      made.lists, NOW - HOUR + MINUTE * made.lists / 60))


def revoke(made, *serials):
    put(made, *serials)
    made.publisher.publish()


def state(made, subject):
    return made.subject(subject)[0]


def test_the_next_certificate_is_found_and_watched(watching, authority):
    made = watching()
    revoke(made)
    known = made.register([0x11])[0x11]
    authority.says[0x11] = 0x7712
    with made.installation.serve():
        revoke(made, 0x11)
        wait_until(lambda: state(made, known[0]) == "available", what="an update")
        (*_, (kind, members)) = made.events(known[0])
        assert made.types(known[0]) == [*REVOKED, "subject.update_available"] and kind == "subject.update_available"
        assert members["state"] == "available" and members["subject_version"] == 3 and "available_until" in members
        before, after = made.query("SELECT known_certificate, watched_certificate FROM subject")[0]
        assert before == known[1] != after and made.status(after) == "good"
        assert (0x11, f"authority-{known[2]}") in authority.asked
        revoke(made, 0x11, 0x7712)  # moved again, before anybody fetched anything
        wait_until(lambda: made.types(known[0]) == [*REVOKED, "subject.update_available", *REVOKED], what="the second move")
        wait_until(lambda: authority.questions(0x7712) > 0, what="a question about the second certificate")


def test_a_successor_that_lapsed_is_passed_over(watching, authority):
    made = watching()
    revoke(made, 0x7713)
    known = made.register([0x13])[0x13]
    authority.says.update({0x13: 0x7713, 0x7713: 0x8813})
    with made.installation.serve():
        revoke(made, 0x13, 0x7713)
        wait_until(lambda: state(made, known[0]) == "available", what="an update")
    assert made.types(known[0]) == [*REVOKED, "subject.update_available"]
    assert made.query("SELECT count(*) FROM certificate") == [(3,)]


def test_a_successor_that_was_shown_before_is_watched_by_both(watching, authority):
    """Who consents with the new card before we learnt what it follows is somebody new; then both have the same certificate."""
    made = watching()
    made.query("INSERT INTO service VALUES (%s, 'svc_other', 'active', '2026-01-01')", made.institution)
    revoke(made)
    old, new = made.register([0x14])[0x14], made.register([0x7714])[0x7714]
    made.query("UPDATE consent SET service_id = 'svc_other' WHERE consent_id = %s", new[2])
    authority.says.update({0x14: 0x7714, 0x7714: 0x8814})
    with made.installation.serve():
        revoke(made, 0x14)
        wait_until(lambda: state(made, old[0]) == "available", what="an update")
        assert made.types(old[0]) == [*REVOKED, "subject.update_available"] and made.types(new[0]) == []
        revoke(made, 0x14, 0x7714)
        wait_until(lambda: made.types(old[0])[3:] == made.types(new[0]) == [*REVOKED, "subject.update_available"],
                   what="the second move, told to both")
    assert [members["subject_version"] for _, members in made.events(old[0])] == [1, 2, 3, 4, 5, 6]
    assert [members["subject_version"] for _, members in made.events(new[0])] == [1, 2, 3]
    assert made.query("SELECT count(DISTINCT watched_certificate) FROM subject") == [(1,)]


def test_of_two_consents_of_one_person_the_later_stays(watching, authority):
    made = watching()
    revoke(made)
    old, new = made.register([0x15])[0x15], made.register([0x7715])[0x7715]
    made.query("UPDATE consent SET received_at = received_at - interval '1 day' WHERE consent_id = %s", old[2])
    authority.says[0x15] = 0x7715
    with made.installation.serve():
        revoke(made, 0x15)
        wait_until(lambda: state(made, old[0]) == "available", what="an update")
    assert made.types(old[0]) == [*REVOKED, "consent.superseded"] and made.types(new[0]) == []
    assert made.query("SELECT status, replaced_by FROM consent WHERE consent_id = %s", old[2]) == [("superseded", new[2])]
    assert made.query("SELECT status FROM consent WHERE consent_id = %s", new[2]) == [("active",)]
    assert ("consent.superseded", old[2]) in made.query("SELECT verb, object FROM audit")


def test_a_successor_ends_when_none_can_last_longer(watching, authority):
    """Only when it was issued is known; after five years (certificate_years_max) the next one is asked for."""
    made = watching()
    revoke(made)
    known = made.register([0x16])[0x16]
    authority.says[0x16], authority.issued_at = 0x7716, "2021-06-30T12:00:00Z"
    with made.installation.serve():
        revoke(made, 0x16)
        wait_until(lambda: len(made.types(known[0])) == 4, what="the end of the successor")
        assert made.types(known[0]) == [*REVOKED, "subject.update_available", "subject.update_pending"]
        assert made.events(known[0])[-1][1]["reason"] == "expired"
        wait_until(lambda: authority.questions(0x7716) > 0, what="a question about what comes next")
    ends, = made.query("SELECT not_after FROM certificate WHERE certificate_id <> %s", known[1])[0]
    assert "2026-06-30" <= f"{ends:%Y-%m-%d}" <= "2026-07-02"


def test_not_yet_is_asked_again_and_given_up_in_the_end(watching, authority):
    made = watching()
    revoke(made)
    waiting, gone = (made.register([serial])[serial] for serial in (0x21, 0x22))
    authority.says[0x22] = "no_newer_information"
    with made.installation.serve():
        revoke(made, 0x21, 0x22)
        wait_until(lambda: authority.questions(0x21) >= 2, what="another question")
        assert state(made, waiting[0]) == "awaiting_certificate"
        made.query("UPDATE awaiting SET lapsed_at = lapsed_at - interval '2 years', next_check_at = lapsed_at WHERE subject_id = %s",
                   gone[0])
        wait_until(lambda: state(made, gone[0]) == "lapsed", what="the end of waiting")
        assert made.types(gone[0]) == [*REVOKED, "subject.update_lapsed"]
        checks, = made.query("SELECT checks FROM awaiting WHERE subject_id = %s", waiting[0])[0]
        assert checks >= 2
        authority.says[0x21] = 0x7721
        wait_until(lambda: state(made, waiting[0]) == "available", what="an update at last")


def test_a_server_whose_lists_are_behind_asks_again_soon(watching, authority):
    """Detection works with newer lists than this server has yet: what the authority says is not lost for an hour."""
    made = watching(first_check="1h")
    revoke(made)
    known = made.register([0x71])[0x71]
    due = "SELECT extract(epoch FROM next_check_at - now())::float FROM awaiting"
    with made.installation.serve():
        revoke(made, 0x71)
        wait_until(lambda: made.query("SELECT 1 FROM awaiting WHERE checks > 0"), what="the first answer")
        assert made.query(due)[0][0] > 2000
        made.query("UPDATE issuer SET target_generation = target_generation + 1")
        authority.says[0x71] = 0x7771
        made.query("UPDATE awaiting SET next_check_at = now()")
        wait_until(lambda: authority.questions(0x71) > 1, what="the second question")
        wait_until(lambda: 0 < made.query(due)[0][0] < 10, what="another question soon")
        assert state(made, known[0]) == "awaiting_certificate"
        made.query("UPDATE issuer SET target_generation = target_generation - 1")
        wait_until(lambda: state(made, known[0]) == "available", 20, "an update")


def test_what_the_authority_said_is_not_lost_if_others_are_in_the_way(watching, authority):
    made = watching(first_check="1h")
    revoke(made)
    known = made.register([0x72])[0x72]
    # Before lock_timeout (5 s), and late enough for this test to be a part of the deadlock by then.
    [[database]] = made.query("SELECT current_database()")
    made.query(f"ALTER DATABASE {database} SET deadlock_timeout = '3s'")
    with made.installation.serve() as server:
        revoke(made, 0x72)
        wait_until(lambda: made.query("SELECT 1 FROM awaiting WHERE checks > 0"), what="the first answer")
        authority.says[0x72] = 0x7772
        options = "-c search_path=tashika -c deadlock_timeout=30s"  # so that the server is the one that gives way
        with psycopg2.connect(made.url, options=options) as other, other.cursor() as cursor:
            cursor.execute("SELECT 1 FROM subject WHERE subject_id = %s FOR UPDATE", (known[0],))
            made.query("UPDATE awaiting SET next_check_at = now()")
            held = ("SELECT (classid::bigint::bit(32) || objid::bigint::bit(32))::bit(64)::bigint FROM pg_locks l WHERE "
                    "locktype = 'advisory' AND mode = 'ShareLock' AND EXISTS (SELECT FROM pg_locks w WHERE w.pid = l.pid AND NOT w.granted)")
            [[issuer]] = wait_until(lambda: made.query(held), what="the answer to wait for the subject")
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", (issuer,))
        other.close()
        wait_until(lambda: state(made, known[0]) == "available", 20, "an update")
        checks = Metrics(server.ops("/metrics")[1])
    assert checks.value("tashika_availability_checks_total", outcome="available") == 1


def test_without_consent_nobody_is_asked(watching, authority):
    made = watching()
    revoke(made)
    known = made.register([0x31])[0x31]
    made.query("UPDATE consent SET status = 'withdrawn'")
    with made.installation.serve():
        revoke(made, 0x31)
        wait_until(lambda: state(made, known[0]) == "lapsed", what="the end")
    assert made.events() == [] and authority.questions(0x31) == 0


def test_an_authority_that_is_away_costs_nothing(watching, authority):
    made = watching()
    revoke(made)
    known = made.register([0x41, 0x42])
    authority.says.update({0x41: 503, 0x42: 503})
    with made.installation.serve() as server:
        revoke(made, 0x41, 0x42)
        wait_until(lambda: 'outcome="authority_unavailable"} 0' not in server.ops("/metrics")[1] and authority.asked,
                   what="trouble")
        time.sleep(0.5)
        assert {checks for checks, in made.query("SELECT checks FROM awaiting")} == {0}
        authority.says.update({0x41: 0x7741, 0x42: 0x7742})
        wait_until(lambda: all(state(made, one[0]) == "available" for one in known.values()), 20, "the authority's return")
    assert all(made.types(one[0]) == [*REVOKED, "subject.update_available"] for one in known.values())


def test_questions_do_not_hold_up_detection(watching, authority):
    """An authority that takes its time, and a list that only the server can detect."""
    made = watching(timeout="60s")
    revoke(made)
    known = made.register([0x51, 0x52])
    authority.may_speak.clear()
    with made.installation.serve() as server:
        revoke(made, 0x51)
        wait_until(lambda: authority.questions(0x51) > 0, what="a question")
        made.break_database()
        put(made, 0x51, 0x52)
        assert made.installation.ingest().returncode == 1
        made.mend_database()
        wait_until(lambda: made.types(known[0x52][0]) == REVOKED, what="the server's detection")
        assert state(made, known[0x51][0]) == "awaiting_certificate"
        metrics = Metrics(server.ops("/metrics")[1])
        assert metrics.value("tashika_authority_connections", link="checks", state="in_use") > 0
    assert authority.questions(0x51) == 1  # the end did not wait for the answer, either


def test_one_question_that_is_rejected_harms_no_other(watching, authority):
    made = watching()
    revoke(made)
    malformed, nonsense, *others = made.register(range(0x60, 0x70)).values()
    authority.says.update({serial: serial + 0x10000 for serial in range(0x62, 0x70)})
    authority.says.update({0x60: 400, 0x61: "nonsense"})
    with made.installation.serve() as server:
        revoke(made, *range(0x60, 0x70))
        wait_until(lambda: all(state(made, one[0]) == "available" for one in others), what="all others")
        assert [authority.questions(serial) for serial in range(0x62, 0x70)] == [1] * 14
        for subject, *_ in (malformed, nonsense):
            wait_until(lambda: made.query("SELECT 1 FROM awaiting WHERE subject_id = %s AND checks >= 2", subject),
                       what="it to be asked less often")
            made.query("UPDATE awaiting SET lapsed_at = lapsed_at - interval '2 years', next_check_at = lapsed_at "
                       "WHERE subject_id = %s", subject)
            wait_until(lambda: state(made, subject) == "lapsed", what="the end of waiting")
        metrics = Metrics(server.ops("/metrics")[1])
        assert metrics.value("tashika_availability_checks_total", outcome="rejected") >= 4
        assert metrics.value("tashika_availability_checks_total", outcome="authority_unavailable") == 0


def test_two_servers_ask_once(watching, authority, tmp_path):
    # What is not answered in time is asked again, an hour later: here everything is, however busy the machine.
    made = watching(timeout="60s", first_check="1h")
    revoke(made)
    serials = range(0x5000, 0x5000 + 150)
    known = made.register(serials)
    authority.says.update({serial: serial + 0x10000 for serial in serials})
    first = made.installation
    second = SimpleNamespace(config=first.config.with_name("second.toml"), directory=tmp_path, ocsp_port=free_port(),
                             ops_port=free_port())
    second.config.write_text(first.config.read_text().replace(f":{first.ocsp_port}", f":{second.ocsp_port}")
                             .replace(f":{first.ops_port}", f":{second.ops_port}"))
    with first.serve(), Server(second):
        revoke(made, *serials)
        wait_until(lambda: all(state(made, one[0]) == "available" for one in known.values()), 60, "all updates")
    assert sorted(serial for serial, _ in authority.asked) == list(serials)
    assert all(made.types(one[0]) == [*REVOKED, "subject.update_available"] for one in known.values())
