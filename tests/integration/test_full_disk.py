"""PostgreSQL's disk is full: nothing is half done, who asks is told to come back, and all goes on once there is room."""
import os
import subprocess

import psycopg2
import pytest
from support.consenting import Town
from support.database import Cluster, connect
from support.program import wait_for_status, wait_until

PEOPLE = 40


@pytest.fixture
def cluster():
    """On a small file system of its own."""
    def mount(directory):
        if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=160m,mode=0755", "none", directory],
                                               capture_output=True).returncode != 0:
            directory.rmdir()
            pytest.skip("mounting a small file system needs root")

    made = Cluster("max_wal_size = 32MB", "min_wal_size = 32MB", prepare=mount)
    yield made
    made.stop()
    subprocess.run(["umount", made.directory], check=True)
    made.remove()


@pytest.fixture
def town(tmp_path, cluster):
    town = Town(tmp_path / "town", cluster, people=60)
    yield town
    town.stop()


def fill(directory):
    """To the last octet."""
    with open(directory / "filler", "wb", buffering=0) as filler:
        for piece in (1 << 20, 4096, 1):
            try:
                while filler.write(bytes(piece)):
                    pass
            except OSError:
                pass


def want_room_for_the_log(town):
    """PostgreSQL can't go on without: it ends, and recovers if it can."""
    try:
        for _ in range(20):
            with connect(town.platform.url) as superuser:
                superuser.cursor().execute("SELECT pg_logical_emit_message(false, 'test', repeat('x', 1000)), pg_switch_wal()")
    except psycopg2.Error:
        return
    pytest.fail("the log found room")


@pytest.mark.parametrize("trouble", ["tables", "log"])
def test_what_was_answered_is_there_and_what_was_not_can_be_repeated(town, trouble):
    directory = town.platform.cluster.directory
    bodies = {f"key-{number}": town.registration(town.a, town.somebody()) for number in range(PEOPLE)}
    given = {}
    with town.a.client() as client:
        before = town.consent(town.somebody())
        fill(directory)
        if trouble == "log":
            want_room_for_the_log(town)
        refused = []
        for key, body in bodies.items():
            answer = town.register(client, body, key)
            if answer.status == 201:
                given[key] = answer.json["consent_id"]
            else:
                assert answer.is_problem("database-unavailable", 503) and answer.headers["retry-after"], answer.body
                refused.append(key)
        assert refused, "the disk was not full"
        assert town.query(client, before["token"], force=True).status in (200, 503)

        (directory / "filler").unlink()
        town.platform.cluster.start()  # where PostgreSQL ended
        for key, body in bodies.items():
            consent = wait_for_status(201, lambda: town.register(client, body, key), 30).json["consent_id"]
            assert given.setdefault(key, consent) == consent
        assert wait_for_status(200, lambda: town.query(client, before["token"], force=True), 30).json["outcome"] == "no_newer_information"
    town.database = connect(town.platform.url)
    wait_until(lambda: not town.rows("SELECT 1 FROM outbox"), 10, "the fan-out")
    feed = "SELECT count(*), max(pos), count(DISTINCT item::jsonb->>'consent_id') FROM change_feed WHERE institution_id = %s"
    assert town.rows(feed, town.a.id)[0] == (PEOPLE + 1,) * 3
    assert {consent for consent, in town.rows("SELECT consent_id FROM consent")} == {before["consent_id"], *given.values()}
    town.platform.tashika("audit", "verify")
