"""From a published list to events about watched certificates: each once, none missed, whatever happens in between."""
import os
import random
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from support import crl
from support.crl import Entry
from support.database import connect
from support.lists import complete, delta
from support.pki import DAY, HOUR, MINUTE, NOW
from support.program import KILLS, refuses, said, seconds, wait_until
from support.watching import Watching

LONG = os.environ.get("TASHIKA_LONG") == "1"
REVOKED = ["certificate.revoked", "subject.update_pending"]
WHEN = NOW - 2 * DAY


@pytest.fixture
def watching(publisher, cluster):
    def make(**options):
        return Watching(publisher(**options), cluster.database())
    return make


class Lists:
    """One complete list after the other: publish(revoked serials and reasons)."""

    def __init__(self, made):
        self.made, self.number, self.name = made, 0, f"{made.issuer}.crl"

    def put(self, entries, **options):
        self.number += 1
        self.made.publisher.put(self.name, crl.make(self.made.publisher.authority, entries, self.number,
                                                    NOW - HOUR + self.number * timedelta_seconds(1), **options))

    def publish(self, entries, **options):
        self.put(entries, **options)
        return self.made.publisher.publish()


def timedelta_seconds(number):
    return MINUTE * number / 60


def entries_of(serials, reason=3):
    return [Entry(serial, reason, WHEN) for serial in serials]


# --- what the events say --------------------------------------------------------------------------------------------

def test_revoked_held_and_released(watching):
    made = watching()
    lists = Lists(made)
    lists.publish(entries_of([0x99]))
    known = made.register([1, 2, 3, 4, 0x99])
    assert [status for *_, status in known.values()] == ["good"] * 4 + ["revoked"]
    moved, lost, untouched, found = (known[serial][0] for serial in (1, 2, 3, 4))

    result = lists.publish(entries_of([0x99, 1]) + entries_of([2, 4], 6))
    assert "changes detected: 1 revoked, 2 held, 0 released" in result.stdout
    (_, revoked), (_, pending) = made.events(moved)
    assert made.types(moved) == REVOKED
    assert revoked["subject_version"] == 1 and pending["subject_version"] == 2
    assert revoked["certificate_id"] == known[1][1]
    assert revoked["status"] == {"reason": "affiliationChanged", "revoked_at": WHEN.strftime("%Y-%m-%dT%H:%M:%SZ"),
                                 "crl_number": "2", "as_of": (NOW - HOUR + timedelta_seconds(2)).strftime("%Y-%m-%dT%H:%M:%SZ")}
    assert pending["state"] == "awaiting_certificate" and pending["reason"] == "revoked"
    assert made.subject(moved) == ("awaiting_certificate", 2)
    assert made.types(lost) == made.types(found) == ["certificate.held"]
    assert made.subject(lost) == ("unchanged", 1)

    lists.publish(entries_of([0x99, 1]) + entries_of([2], 1))
    assert made.types(found) == ["certificate.held", "certificate.released"]
    assert made.types(lost) == ["certificate.held", *REVOKED]
    assert made.subject(found) == ("unchanged", 2)
    assert made.subject(lost) == ("awaiting_certificate", 3)

    assert made.types(untouched) == [] and made.subject(untouched) == ("unchanged", 0)
    assert made.types(known[0x99][0]) == []
    assert [made.status(known[serial][1]) for serial in (1, 2, 3, 4)] == ["revoked", "revoked", "good", "good"]
    assert "certificates.changed" in {verb for verb, in made.query("SELECT verb FROM audit")}


def test_a_revocation_is_for_ever_and_a_new_reason_is_no_event(watching):
    made = watching()
    lists = Lists(made)
    lists.publish([])
    known = made.register([1, 2])
    lists.publish(entries_of([1, 2]))
    result = lists.publish(entries_of([2], 4))
    assert '"revoked_but_unlisted":1' in said(result)
    assert [made.status(known[serial][1]) for serial in (1, 2)] == ["revoked", "revoked"]
    assert made.types(known[1][0]) == made.types(known[2][0]) == REVOKED
    assert made.query("SELECT reason FROM certificate WHERE certificate_id = %s", known[2][1]) == [(4,)]


def test_a_held_certificate_that_ends_is_not_released(watching):
    """It leaves the list because it has ended."""
    made = watching()
    lists = Lists(made)
    lists.publish([])
    ended = made.register([1], end=int((NOW - HOUR).timestamp()))[1]
    lists.publish(entries_of([1], 6))
    lists.publish([])
    assert made.types(ended[0]) == ["certificate.held", "subject.update_pending"]
    assert made.events(ended[0])[1][1]["reason"] == "expired" and made.status(ended[1]) == "expired"


def test_each_institution_gets_its_own(watching):
    made = watching()
    lists = Lists(made)
    lists.publish([])
    other = made.add_institution("other-bank")
    ours, theirs = made.register([7])[7], made.register([7], institution=other)[7]
    lists.publish(entries_of([7]))
    assert made.types(ours[0]) == made.types(theirs[0]) == REVOKED
    assert ours[0] != theirs[0]
    assert made.query("SELECT DISTINCT institution_id FROM outbox WHERE subject_id = %s", theirs[0]) == [(other,)]


def test_withdrawn_consents_hear_nothing(watching):
    made = watching()
    lists = Lists(made)
    lists.publish([])
    known = made.register([1])[1]
    made.query("UPDATE consent SET status = 'withdrawn'")
    lists.publish(entries_of([1]))
    assert made.events() == []
    assert made.subject(known[0]) == ("awaiting_certificate", 2)


def test_parts_and_deltas(watching, pki):
    made = watching(crl=["lists"], delta_crl=["deltas"])
    authority = pki.ca.p256

    def part(place, entries, number, minutes):
        return complete(authority, entries, number, place, NOW - 2 * HOUR + minutes * MINUTE)

    def change(entries, number):
        return delta(authority, entries, number, 1, part="Uji-shi", published=NOW - HOUR + number * MINUTE)

    made.publisher.put_all({"lists/Tsu-shi.crl": part("Tsu-shi", entries_of([0x99]), 1, 0),
                            "lists/Uji-shi.crl": part("Uji-shi", entries_of([0x9A]), 1, 0),
                            "deltas/Uji-shi.crl": change([], 2)})
    made.publisher.publish()
    known = made.register([1, 2])
    made.publisher.put("lists/Tsu-shi.crl", part("Tsu-shi", entries_of([0x99, 1]), 2, 10))
    made.publisher.publish()
    assert made.types(known[1][0]) == REVOKED
    assert made.events(known[1][0])[0][1]["status"]["crl_number"] == "2"
    made.publisher.put("deltas/Uji-shi.crl", change(entries_of([2], 6), 3))
    made.publisher.publish()
    made.publisher.put("deltas/Uji-shi.crl", change(entries_of([2], 8), 4))
    made.publisher.publish()
    assert made.types(known[2][0]) == ["certificate.held", "certificate.released"]
    assert made.types(known[1][0]) == REVOKED


# --- trouble --------------------------------------------------------------------------------------------------------

def test_without_the_database_the_publish_stands(watching):
    made = watching()
    lists = Lists(made)
    lists.publish([])
    known = made.register([1, 2])
    made.break_database()
    lists.put(entries_of([1]))
    result = made.installation.ingest()
    assert result.returncode == 1
    assert "published generation" in result.stdout and "changes not detected yet" in result.stderr
    made.mend_database()
    assert made.events() == []
    assert made.installation.ingest().returncode == 0
    assert made.types(known[1][0]) == REVOKED


def test_when_generations_were_pruned_all_are_looked_up(watching):
    made = watching()
    lists = Lists(made)
    lists.publish(entries_of([3], 6))
    known = made.register([1, 2, 3])
    made.break_database()
    for revoked in ([1], [1, 5], [1, 5, 6]):
        lists.put(entries_of(revoked))
        assert made.installation.ingest().returncode == 1
    for path in made.publisher.generations()[:-1]:
        path.unlink()
    made.mend_database()
    result = made.installation.ingest()
    assert '"full_check":true' in said(result)
    assert made.types(known[1][0]) == REVOKED
    assert made.types(known[3][0]) == ["certificate.released"]
    assert made.types(known[2][0]) == []
    detected, target = made.position()
    assert detected == target == 4


def test_when_numbers_begin_again_nothing_is_missed(watching):
    made = watching()
    lists = Lists(made)
    for _ in range(3):
        lists.publish(entries_of([0x99]))
        lists.publish([])
    known = made.register([1, 2])
    clear_index(made)
    lists.publish(entries_of([1]))
    assert made.position() == (1, 1)
    assert made.types(known[1][0]) == REVOKED
    lists.publish(entries_of([1, 2]))
    assert made.types(known[2][0]) == REVOKED
    assert made.types(known[1][0]) == REVOKED


def clear_index(made):
    for path in (made.installation.index / made.issuer).iterdir():
        if path.is_file():
            path.unlink()


def test_when_numbers_begin_again_only_what_changes_is_written(watching):
    """Millions of rows could not be in one statement: somebody else's lock on a row must not be noticed."""
    made = watching()
    lists = Lists(made)
    for _ in range(3):
        lists.publish([])
    known = made.register([1, 2])
    clear_index(made)
    busy = connect(made.url)
    busy.autocommit = False
    busy.cursor().execute("SELECT 1 FROM certificate WHERE certificate_id = %s FOR UPDATE", (known[2][1],))
    lists.publish(entries_of([1]))
    assert made.position() == (1, 1) and made.types(known[1][0]) == REVOKED
    busy.rollback()
    busy.close()
    later = made.register([3])[3]  # checked against the new numbers
    lists.publish(entries_of([1, 2, 3]))
    assert made.types(known[2][0]) == made.types(later[0]) == made.types(known[1][0]) == REVOKED


def test_two_at_once(watching):
    made = watching()
    lists = Lists(made)
    lists.publish([])
    known = made.register(range(1, 301))
    made.break_database()
    lists.put(entries_of(range(1, 301, 2)))
    assert made.installation.ingest().returncode == 1
    made.mend_database()
    running = [made.installation.start_ingest(output=subprocess.PIPE) for _ in range(4)]
    for one in running:
        out, error = one.communicate(timeout=seconds(60))
        assert one.returncode == 0, out + error
    for serial, (subject, *_) in known.items():
        assert made.types(subject) == (REVOKED if serial % 2 else []), serial


def kill_after(made, pause):
    running = made.installation.start_ingest()
    time.sleep(pause)
    running.kill()
    running.wait()


def test_killed_at_any_moment(watching):
    """Three batches of differences, interrupted again and again, newer lists in between: each event exactly once."""
    made = watching()
    lists = Lists(made)
    dice = random.Random(7)
    # Turn by turn one half of these and then the other: many differences, and never so few entries that the list is held back.
    halves = [[dice.randrange(1 << 41, 1 << 42) for _ in range(11_000)] for _ in range(2)]
    lists.publish(entries_of(halves[1]))
    serials = dice.sample(range(1, 1 << 40), 400)
    known = made.register(serials)
    turned = {serial: [] for serial in serials}  # what must have happened, in order
    held, revoked = set(), set()
    for turn in range(max(3, KILLS // 6)):
        for serial in serials:
            if serial in revoked:
                continue
            what = dice.choice(["hold", "release", "revoke", "nothing", "nothing"])
            if what == "hold" and serial not in held:
                held.add(serial)
                turned[serial].append("certificate.held")
            elif what == "release" and serial in held:
                held.discard(serial)
                turned[serial].append("certificate.released")
            elif what == "revoke" and turn % 2:
                held.discard(serial)
                revoked.add(serial)
                turned[serial].extend(REVOKED)
        lists.put(entries_of(halves[turn % 2]) + entries_of(sorted(held), 6) + entries_of(sorted(revoked)))
        publish_killing(made, lists.number, dice)
        if turn % 3 != 1:  # otherwise what was begun is finished after the next list has come
            detect_all(made)
    detect_all(made)
    for serial, (subject, certificate, *_) in known.items():
        kinds = made.types(subject)
        assert made.status(certificate) == ("revoked" if serial in revoked else "held" if serial in held else "good")
        assert rounds_were_seen(turned[serial], kinds), f"{kinds} instead of {turned[serial]}"


def publish_killing(made, number, dice):
    """Ingests until list `number` is in force, and four times while its changes are detected; all of them are killed."""
    patience = 0.1
    for _ in range(40):
        kill_after(made, dice.uniform(0, patience))
        if made.publisher.numbers() == [number]:
            break
        patience = min(1.3 * patience, seconds(5))
    else:
        pytest.fail(f"list {number} never came in force: {said(made.installation.ingest())}")
    for _ in range(3):
        kill_after(made, dice.uniform(0, 2 * patience))


def detect_all(made):
    result = made.installation.ingest()
    assert result.returncode == 0, said(result)
    newest = made.publisher.info()["generation"]
    assert made.position() == (newest, newest)


def rounds_were_seen(expected, kinds):
    """A hold that was lifted before anybody looked may be missing: all else is there, in order, once."""
    if kinds == expected:
        return True
    at = 0
    for kind in kinds:
        while at < len(expected) and expected[at] != kind:
            if expected[at] in REVOKED:
                return False
            at += 1
        if at == len(expected):
            return False
        at += 1
    return kinds.count("certificate.revoked") == expected.count("certificate.revoked")


def test_registered_while_lists_are_published(watching):
    """Whoever is registered while revocations come in was either refused as revoked, or is told: never neither, never twice."""
    made = watching()
    lists = Lists(made)
    lists.publish([])
    dice = random.Random(11)
    serials = dice.sample(range(1, 1 << 40), 9000 if LONG else 900)
    doomed = dice.sample(serials, len(serials) * 5 // 9)

    def publish():
        for upto in range(0, len(doomed), 50):
            lists.put(entries_of(doomed[:upto]))
            made.installation.ingest()  # one that can't detect leaves it to the next

    with ThreadPoolExecutor(4) as pool:
        registering = [pool.submit(made.register, serials[part::3]) for part in range(3)]
        pool.submit(publish).result()
        known = {serial: row for one in registering for serial, row in one.result().items()}
    lists.publish(entries_of(doomed))
    told = {}
    for subject, kind in made.query("SELECT subject_id, type FROM outbox ORDER BY outbox_id"):
        told.setdefault(subject, []).append(kind)
    seen = set()
    for serial, (subject, certificate, _, registered_as) in known.items():
        expected = REVOKED if serial in doomed and registered_as == "good" else []
        assert told.get(subject, []) == expected, (serial, registered_as)
        assert made.status(certificate) == ("revoked" if serial in doomed else "good")
        seen.add((serial in doomed, registered_as))
    assert (False, "good") in seen and (True, "good") in seen


# --- the server -----------------------------------------------------------------------------------------------------

def test_the_server_makes_up_for_what_ingest_could_not(watching):
    made = watching()
    lists = Lists(made)
    lists.publish([])
    past = int((NOW - HOUR).timestamp())
    known = made.register([1, 2])
    ended = made.register([5], end=past)[5]
    with made.installation.serve() as server:
        wait_until(lambda: made.types(ended[0]) == ["subject.update_pending"], what="the end of a certificate")
        assert made.events(ended[0])[0][1]["reason"] == "expired"
        assert made.status(ended[1]) == "expired"
        url = made.config.read_text()
        made.break_database()
        lists.put(entries_of([1]))
        assert made.installation.ingest().returncode == 1
        made.config.write_text(url)
        wait_until(lambda: made.types(known[1][0]) == REVOKED, what="the server's detection")
        metrics = wait_until(lambda: (lambda text: "tashika_detection_changes_total" in text and text)(
            server.ops("/metrics")[1]), what="metrics")
        assert "tashika_watching_up 1" in metrics
        wait_until(lambda: 'tashika_detection_lag_generations{issuer="p256"} 0' in server.ops("/metrics")[1])
        wait_until(lambda: "tashika_subjects_awaiting 2" in server.ops("/metrics")[1])
    assert made.types(known[2][0]) == []


def test_the_end_does_not_wait_for_detection(watching):
    """SIGTERM while the server detects: the listener closes at once, and whoever comes next goes on."""
    made = watching()
    lists = Lists(made)
    lists.publish([])
    known = made.register([1, 2])
    busy = connect(made.url)
    busy.autocommit = False
    busy.cursor().execute("SELECT 1 FROM subject WHERE subject_id = %s FOR UPDATE", (known[1][0],))
    with made.installation.serve() as server:
        made.break_database()
        lists.put(entries_of([1]))
        assert made.installation.ingest().returncode == 1
        made.mend_database()
        wait_until(lambda: made.query("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"), what="detection to wait")
        server.terminate()
        wait_until(lambda: refuses(server.ocsp_port), what="the listener to close")
        assert server.process.poll() is None
        busy.rollback()
        busy.close()
    assert made.position() == (1, 2)  # the batch was the end
    assert made.installation.ingest().returncode == 0
    assert made.position() == (2, 2) and made.types(known[1][0]) == REVOKED and made.types(known[2][0]) == []


def test_lists_that_run_out_are_told_once(watching):
    made = watching()
    lists = Lists(made)
    made.add_institution("without-certificates")
    ends = int(time.time()) + 3
    lists.publish([], next_update=NOW.fromtimestamp(ends, NOW.tzinfo))
    made.register([1, 2])

    def stale():
        return made.query("SELECT institution_id, consent_id, members::json->>'issuer' FROM outbox WHERE type = 'status.stale'")

    with made.installation.serve(ready="/livez"):
        assert stale() == [] or time.time() >= ends
        wait_until(lambda: stale() == [(made.institution, None, made.issuer)], what="the stale notice")
        time.sleep(2.2)  # two more looks
    with made.installation.serve(ready="/livez"):
        time.sleep(1.5)
    assert len(stale()) == 1
    lists.publish([])
    with made.installation.serve():
        wait_until(lambda: made.query("SELECT stale_at FROM issuer") == [(None,)], what="fresh lists")
    assert len(stale()) == 1


def test_an_end_that_passed_is_noted_whatever_the_certificate_was(watching):
    made = watching()
    lists = Lists(made)
    lists.publish(entries_of([6]))
    past = int((NOW - HOUR).timestamp())
    names = made.register([6], end=past) | made.register([5], end=past)
    with made.installation.serve() as server:
        wait_until(lambda: made.query("SELECT count(*) FROM certificate WHERE NOT has_ended")[0][0] == 0, 20, what="the notes")
        time.sleep(1.5)  # another look
        _, metrics = server.ops("/metrics")
    assert dict(made.query("SELECT certificate_id, status FROM certificate")) == {names[6][1]: "revoked", names[5][1]: "expired"}
    assert made.query("SELECT count(*) FROM audit WHERE verb = 'certificates.changed'")[0][0] == 1
    assert 'tashika_job_failures_total{job="watch"} 0' in metrics
