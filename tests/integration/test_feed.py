"""The feed of changes on a real PostgreSQL: what the contract promises of it, and the security checks 6 and 16 to 18 (README.md)."""
import json
import re
import subprocess
import threading
import uuid
from base64 import b32encode
from collections import Counter, defaultdict
from types import SimpleNamespace

import pytest
from support.feed import DRIVER, TIMEOUT, Cluster, Driver
from support.program import PROGRAM, wait_until

INSTITUTIONS = 20


@pytest.fixture(scope="module")
def feeds(tmp_path_factory):
    """A cluster with institutions, of which each test takes its own, and one server."""
    directory = tmp_path_factory.mktemp("feed")
    cluster = Cluster(directory / "pg")
    try:
        key = directory / "kek"
        made = subprocess.run([DRIVER, "prepare", cluster.url, key, str(INSTITUTIONS)], check=True, text=True,
                              capture_output=True, timeout=TIMEOUT).stdout
        world = SimpleNamespace(cluster=cluster, key=key, directory=directory,
                                fresh=[json.loads(line) for line in made.splitlines()])
        world.other = world.fresh.pop()
        world.server = Driver(cluster.url, key, tick=20, measure_seconds=0)
        yield world
        world.server.end()
    finally:
        cluster.remove()


@pytest.fixture
def bank(feeds):
    return feeds.fresh.pop()


def random_id(prefix):
    return prefix + b32encode(uuid.uuid4().bytes).decode().rstrip("=").lower()


PUT = ("INSERT INTO outbox (institution_id, event_id, consent_id, subject_id, type, occurred_at, members) "
       "VALUES (%s, %s, %s, %s, %s, '2026-11-22T03:04:05Z', %s)")


def put(feeds, bank, count=1):
    for n in range(count):
        feeds.cluster.execute(PUT, bank, random_id("chg_"), random_id("cns_"), random_id("sub_"), "consent.withdrawn",
                              json.dumps({"n": n}))


def published(feeds, bank, count):
    """A page with all of them, once they are there."""
    def found():
        page = feeds.server.page(bank, limit=1000)
        return page if len(page["items"]) == count else None
    return wait_until(found, timeout=30, what=f"{count} items")


def cursor_at(feeds, bank, count):
    return feeds.server.page(bank, limit=count)["next_cursor"]


def page_of(future):
    return json.loads(future.result(TIMEOUT)["page"])


def epoch_of(feeds, bank):
    return feeds.cluster.execute("SELECT epoch FROM feed WHERE institution_id = %s", bank)[0][0]


# --- what a page is ---

def test_an_item_is_what_happened_and_nothing_else(feeds, bank):
    event, consent, subject = random_id("chg_"), random_id("cns_"), random_id("sub_")
    members = '{"subject_version":8,"status_reason":{"code":"引越し \\"x\\"","at":"2026-11-22T00:00:00Z"}}'
    feeds.cluster.execute(PUT, bank, event, consent, subject, "subject.update_available", members)
    feeds.cluster.execute(PUT, bank, random_id("chg_"), None, None, "status.stale", "{}")
    page = published(feeds, bank, 2)
    first, second = page["items"]
    assert list(first.items()) == [
        ("id", event), ("pos", 1), ("type", "subject.update_available"), ("occurred_at", "2026-11-22T03:04:05Z"),
        ("consent_id", consent), ("sub", subject), ("subject_version", 8),
        ("status_reason", {"code": '引越し "x"', "at": "2026-11-22T00:00:00Z"})]
    assert list(second) == ["id", "pos", "type", "occurred_at"]
    assert list(page) == ["items", "first_pos", "last_pos", "next_cursor", "more", "feed_epoch", "retained_from"]
    assert (page["first_pos"], page["last_pos"], page["more"], page["feed_epoch"]) == (1, 2, False, 1)


def test_pages_follow_each_other_and_may_be_read_again(feeds, bank):
    put(feeds, bank, 5)
    everything = published(feeds, bank, 5)["items"]
    first = feeds.server.page(bank, limit=2)
    second = feeds.server.page(bank, limit=2, cursor=first["next_cursor"])
    third = feeds.server.page(bank, limit=2, cursor=second["next_cursor"])
    last = feeds.server.page(bank, limit=2, cursor=third["next_cursor"])
    assert first["items"] + second["items"] + third["items"] == everything
    assert [page["more"] for page in (first, second, third, last)] == [True, True, False, False]
    assert (last["items"], last["first_pos"], last["last_pos"]) == ([], None, None)
    assert last["next_cursor"] == third["next_cursor"]
    assert feeds.server.page(bank, limit=2, cursor=first["next_cursor"]) == second


def test_a_page_without_cursor_of_an_empty_feed_gives_one(feeds, bank):
    empty = feeds.server.page(bank)
    assert empty["items"] == [] and not empty["more"]
    put(feeds, bank)
    published(feeds, bank, 1)
    assert feeds.server.page(bank, cursor=empty["next_cursor"])["first_pos"] == 1


def test_row_level_security_binds_the_page_whoever_connected(feeds, bank):
    put(feeds, bank)
    published(feeds, bank, 1)
    connection = feeds.cluster.connect()
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
        assert cursor.fetchone() == (True,)  # whom row-level security would not bind
        cursor.execute("SELECT items FROM feed_page(%s, 0, 10)", (bank,))
        assert cursor.fetchone()[0]
        for table in ("change_feed", "feed"):
            cursor.execute("SAVEPOINT before")
            cursor.execute(f"ALTER POLICY own_rows ON {table} USING (false)")
            cursor.execute("SELECT items FROM feed_page(%s, 0, 10)", (bank,))
            assert cursor.fetchone() == (None,)
            cursor.execute("ROLLBACK TO before")
        cursor.execute("SELECT current_user = session_user")
        assert cursor.fetchone() == (True,)
        connection.rollback()
        cursor.execute("SELECT coalesce(current_institution(), '')")
        assert cursor.fetchone() == ("",)
    connection.close()


# --- dense, no skip, at least once ---

class Reader(threading.Thread):
    """Polls one feed as a bank does, and notes whatever is not as it must be."""

    def __init__(self, server, bank):
        super().__init__()
        self.server, self.bank = server, bank
        self.items, self.faults = [], []
        self.last_round = threading.Event()

    def run(self):
        cursor = {}
        while True:
            is_last = self.last_round.is_set()
            page = self.server.page(self.bank, limit=7, **cursor)
            if page == "database-unavailable":
                continue
            if isinstance(page, str):
                self.faults.append(page)
                return
            positions = [item["pos"] for item in page["items"]]
            if positions != list(range(len(self.items) + 1, len(self.items) + 1 + len(positions))):
                self.faults.append((len(self.items), positions))
            self.items += page["items"]
            cursor = {"cursor": page["next_cursor"]}
            if is_last and not positions:
                return


def test_check_16_dense_and_each_once_through_rollbacks_and_crashes(feeds):
    banks = [feeds.fresh.pop() for _ in range(3)]
    publishers = [Driver(feeds.cluster.url, feeds.key, tick=5, batch=9) for _ in range(2)]
    readers = [Reader(feeds.server, bank) for bank in banks]
    for reader in readers:
        reader.start()
    writers = [subprocess.Popen([DRIVER, "write", feeds.cluster.url, f"w{n}", "70"], text=True, stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE) for n in range(6)]
    for writer in writers:
        writer.stdin.write("\n".join(banks) + "\n\n")
        writer.stdin.flush()
    outcomes = {}

    def follow(writer, lines):
        for line in lines:
            told = json.loads(line)
            outcomes[told["key"]] = told

    follow(writers[0], (writers[0].stdout.readline() for _ in range(20)))
    publishers[0].kill()
    follow(writers[0], (writers[0].stdout.readline() for _ in range(10)))
    feeds.cluster.crash()
    feeds.cluster.start()
    publishers[0] = Driver(feeds.cluster.url, feeds.key, tick=5, batch=9)
    for writer in writers:
        follow(writer, writer.stdout)
        assert writer.wait(TIMEOUT) == 0
    wait_until(lambda: feeds.cluster.execute("SELECT count(*) FROM outbox") == [(0,)], what="the outbox to be empty")
    for reader in readers:
        reader.last_round.set()
        reader.join(TIMEOUT)
    for publisher in publishers:
        publisher.end()

    assert [reader.faults for reader in readers] == [[], [], []]
    kinds = Counter(told["outcome"] for told in outcomes.values())
    assert kinds["committed"] > 200 and kinds["rolled back"] > 10, kinds
    seen = defaultdict(list)
    for bank, reader in zip(banks, readers):
        assert len({item["id"] for item in reader.items}) == len(reader.items)
        for item in reader.items:
            seen[item["key"]].append((item["n"], item["of"]))
            assert outcomes[item["key"]]["institution"] == bank
    for key, told in outcomes.items():
        whole = [(n, seen[key][0][1]) for n in range(seen[key][0][1])] if seen[key] else []
        assert seen[key] == whole, (told, seen[key])  # all of a transaction, once, in its order
        if told["outcome"] == "committed":
            assert whole, told
        if told["outcome"] in ("rolled back", "failed"):
            assert not whole, told


def test_unrelated_transactions_do_not_hold_up_the_feed(feeds, bank):
    other = feeds.other
    writing, reading = feeds.cluster.connect(), feeds.cluster.connect()
    with writing.cursor() as one, reading.cursor() as two:
        # Events that are older in the outbox, not committed; an acknowledgement; an old snapshot.
        one.execute(PUT, (bank, random_id("chg_"), None, None, "status.stale", "{}"))
        one.execute(PUT, (other, random_id("chg_"), None, None, "status.stale", "{}"))
        one.execute("INSERT INTO feed_acknowledgement VALUES (%s, 1, 0, '2026-11-22Z')", (bank,))
        two.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        two.execute("SELECT count(*) FROM feed")
        put(feeds, bank)
        assert published(feeds, bank, 1)["last_pos"] == 1
        writing.rollback()
    writing.close()
    reading.close()
    put(feeds, bank)
    assert published(feeds, bank, 2)["last_pos"] == 2


# --- waiting ---

def test_a_wait_ends_with_the_first_item_and_wakes_nobody_else(feeds, bank):
    other = feeds.other
    listening = feeds.cluster.connect()
    listening.autocommit = True
    listening.cursor().execute("LISTEN tashika_changes")
    waits = {one: feeds.server.begin("page", institution=one, wait=50) for one in (bank, other)}
    wait_until(lambda: feeds.server.ask("stats")["waiters"] == 2, what="waiters")
    put(feeds, bank)
    assert page_of(waits[bank])["first_pos"] == 1
    assert not waits[other].done()
    feeds.server.ask("gone", of=waits[other].number)
    assert page_of(waits[other])["items"] == []
    assert feeds.server.ask("stats")["waiters"] == 0
    wait_until(lambda: listening.poll() or listening.notifies, what="the notification")
    assert listening.notifies[0].payload == bank  # it says whom it concerns
    listening.close()


def test_a_lost_notification_is_made_up_for(feeds, bank):
    wait = feeds.server.begin("page", institution=bank, wait=50)
    wait_until(lambda: feeds.server.ask("stats")["waiters"] == 1, what="waiters")
    feeds.cluster.execute("WITH raised AS (UPDATE feed SET last_pos = 1 WHERE institution_id = %s) INSERT INTO change_feed "
                          "VALUES (%s, 1, now(), '{\"pos\":1}')", bank, bank)
    assert page_of(wait)["items"] == [{"pos": 1}]


def test_a_wait_without_anything_gives_the_same_cursor(feeds, bank):
    cursor = feeds.server.page(bank)["next_cursor"]
    page = feeds.server.page(bank, cursor=cursor, wait=1)
    assert (page["items"], page["next_cursor"], page["more"]) == ([], cursor, False)


def test_a_third_waiter_is_refused_and_draining_ends_the_others(feeds, bank):
    server = Driver(feeds.cluster.url, feeds.key, publish=False)
    cursor = server.page(bank)["next_cursor"]
    waits = [server.begin("page", institution=bank, wait=50, cursor=cursor) for _ in range(2)]
    wait_until(lambda: server.ask("stats")["waiters"] == 2, what="waiters")
    assert server.page(bank, wait=50) == "too-many-waiters"
    assert server.page(bank, wait=0)["items"] == []  # asking without waiting is allowed
    server.ask("drain")
    for wait in waits:
        page = page_of(wait)
        assert (page["items"], page["next_cursor"]) == ([], cursor)
    assert server.page(bank, wait=50, cursor=cursor)["next_cursor"] == cursor
    server.end()


def test_outbox_and_waiters_are_measured(feeds, bank):
    wait_until(lambda: "outbox_events 0\n" in feeds.server.ask("stats")["metrics"], what="an empty outbox")
    locked = feeds.cluster.connect()
    locked.cursor().execute("SELECT pg_advisory_xact_lock(7411)")  # as if another server published
    put(feeds, bank, 3)
    wait_until(lambda: "outbox_events 3\n" in feeds.server.ask("stats")["metrics"], what="three events in the outbox")
    metrics = feeds.server.ask("stats")["metrics"]
    for name in ("oldest_seconds [1-9]", "waiters 0", "published_total [1-9]", "failures_total ", "pruned_total "):
        assert re.search(f"^tashika_feed_(outbox_)?{name}", metrics, re.MULTILINE), metrics
    locked.rollback()
    locked.close()
    published(feeds, bank, 3)


# --- cursors ---

def test_check_6_and_18_a_cursor_is_of_no_use_elsewhere(feeds, bank):
    cursor = feeds.server.page(bank)["next_cursor"]
    assert feeds.server.page(feeds.other, cursor=cursor) == "cursor-invalid"
    elsewhere = Driver(feeds.cluster.url, feeds.key, environment="test", publish=False)
    assert elsewhere.page(bank, cursor=cursor) == "cursor-invalid"
    elsewhere.end()
    assert len(cursor) == 40
    for wrong in ("", cursor[:-1], cursor + "A", "A" * 40, cursor.swapcase()):
        assert feeds.server.page(bank, cursor=wrong) == "cursor-invalid"
        assert feeds.server.ask("acknowledge", institution=bank, cursor=wrong)["problem"] == "cursor-invalid"


def test_what_was_applied_is_noted_even_backwards(feeds, bank):
    put(feeds, bank, 3)
    published(feeds, bank, 3)
    for count in (3, 1):
        cursor = cursor_at(feeds, bank, count)
        assert "problem" not in feeds.server.ask("acknowledge", institution=bank, cursor=cursor)
        assert feeds.cluster.execute("SELECT epoch, pos FROM feed_acknowledgement WHERE institution_id = %s",
                                     bank) == [(1, count)]
    assert len(feeds.server.page(bank)["items"]) == 3  # it gates nothing


def test_what_is_too_old_goes_from_the_beginning_on(feeds, bank):
    put(feeds, bank, 6)
    published(feeds, bank, 6)
    cursors = [feeds.server.page(bank)["next_cursor"] if n == 6 else cursor_at(feeds, bank, n) for n in range(1, 7)]
    # The fifth is old, too, but comes after one that is kept: no holes.
    feeds.cluster.execute("UPDATE change_feed SET published_at = now() - interval '401 days' "
                          "WHERE institution_id = %s AND pos IN (1, 2, 3, 5)", bank)
    before = feeds.server.page(bank)["retained_from"]
    pruner = Driver(feeds.cluster.url, feeds.key, tick=5, prune_batch=2)
    wait_until(lambda: pruner.ask("stats")["pruned"] == 3, what="the pruning")
    pruner.end()
    page = feeds.server.page(bank)
    assert [item["pos"] for item in page["items"]] == [4, 5, 6]
    assert page["retained_from"] >= before
    assert [feeds.server.page(bank, cursor=cursor) == "cursor-expired" for cursor in cursors] == [True, True] + [False] * 4
    assert feeds.server.page(bank, cursor=cursors[2])["first_pos"] == 4


def test_check_17_after_a_restore_no_old_cursor_is_good(feeds, bank):
    put(feeds, bank, 3)
    published(feeds, bank, 3)
    cursors = [cursor_at(feeds, bank, n) for n in (1, 2, 3)]
    # What a backup brings back: the last two commits are missing.
    feeds.cluster.execute("DELETE FROM change_feed WHERE institution_id = %s AND pos > 1", bank)
    feeds.cluster.execute("UPDATE feed SET last_pos = 1 WHERE institution_id = %s", bank)
    assert feeds.server.page(bank, cursor=cursors[2]) == "feed-epoch-changed"  # even before the command
    config = feeds.directory / "tashika.toml"
    config.write_text('[index]\ndirectory = "index"\n[[issuers]]\nname = "ca"\ncertificate = "ca.pem"\ncrl = ["ca.crl"]\n'
                      f'[database]\nurl = "{feeds.cluster.url}"\nkey_encryption_key = "{feeds.key}"\n')
    told = subprocess.run([PROGRAM, "feed", "new-epoch", "--config", config], text=True, capture_output=True,
                          timeout=TIMEOUT)
    assert told.returncode == 0, told.stderr
    for cursor in cursors:
        assert feeds.server.page(bank, cursor=cursor) == "feed-epoch-changed"
        assert feeds.server.ask("acknowledge", institution=bank, cursor=cursor)["problem"] == "feed-epoch-changed"
    page = feeds.server.page(bank)
    assert page["feed_epoch"] > 20_000_000  # minutes: higher than any that the lost database can have had
    assert feeds.server.page(bank, cursor=page["next_cursor"])["items"] == []
    assert feeds.cluster.execute("SELECT verb, actor FROM audit WHERE institution_id = %s ORDER BY seq DESC LIMIT 1",
                                 bank) == [("feed.epoch_raised", "operator")]
    subprocess.run([PROGRAM, "feed", "new-epoch", "--config", config], check=True, capture_output=True)
    assert epoch_of(feeds, bank) == page["feed_epoch"] + 1 or epoch_of(feeds, bank) > page["feed_epoch"]
