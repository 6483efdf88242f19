"""A database that stops to speak: no answer waits for it for ever, operations hear of it, and the server still ends."""
import os
import signal
import threading
import time
from pathlib import Path

import pytest
from support import crl
from support.database import Cluster, connect, rows
from support.platform import Platform
from support.program import Issuer, seconds, wait_until


def processes(cluster):
    """The postmaster's id and those of its children."""
    master = int((cluster.directory / "data/postmaster.pid").read_text().split()[0])
    children = [int(stat.parent.name) for stat in Path("/proc").glob("[0-9]*/stat") if parent(stat) == master]
    return [master, *children]


def parent(stat):
    try:
        return int(stat.read_text().rpartition(")")[2].split()[1])
    except OSError:  # it ended meanwhile
        return None


class Frozen:
    """PostgreSQL as behind a network that swallows everything: connections stand, and nobody answers."""

    def __init__(self, cluster):
        self.frozen = processes(cluster)

    def __enter__(self):
        for process in self.frozen:
            os.kill(process, signal.SIGSTOP)

    def __exit__(self, *_):
        for process in self.frozen:
            os.kill(process, signal.SIGCONT)


@pytest.fixture
def platform(tmp_path, pki):
    cluster = Cluster()
    made = Platform(tmp_path, cluster, [Issuer(pki.ca.p256)],
                    database={"statement_timeout": "500ms", "connect_timeout": "2s", "connections": 2})
    (tmp_path / "p256.crl").write_bytes(crl.make(pki.ca.p256))
    made.tashika("ingest")
    yield made
    cluster.remove()


def test_a_frozen_database_is_noticed_and_answers_come(platform):
    answers = []

    def ask():
        with platform.a.client() as client:
            answers.append(client.get("/v1/consents"))

    with platform.serve() as server:
        with platform.a.client() as client:
            assert client.get("/v1/consents").status == 200
        with Frozen(platform.cluster):
            askers = [threading.Thread(target=ask) for _ in range(6)]
            [one.start() for one in askers]
            [one.join(seconds(30)) for one in askers]
            assert len(answers) == 6, "somebody waits for ever"
            assert all(one.is_problem("database-unavailable", 503) and one.headers["retry-after"] for one in answers)
            wait_until(lambda: server.ops("/readyz")[0] == 503, 20, "operations to be told")
        wait_until(lambda: server.ops("/readyz")[0] == 200, 20, "the recovery")
        with platform.a.client() as client:
            assert client.get("/v1/consents").status == 200
    assert "database_stalled" in server.log.read_text()


def test_the_server_ends_while_its_database_is_frozen(platform):
    server = platform.serve()
    with Frozen(platform.cluster):
        asker = threading.Thread(target=lambda: platform.a.client().get("/v1/consents"), daemon=True)
        asker.start()
        time.sleep(0.3)
        assert server.stop() == 0
    asker.join(seconds(10))


def test_a_read_only_standby_is_no_fault_of_ours(platform):
    with platform.serve() as server, platform.a.client() as client:
        database = platform.url.removeprefix("postgresql:///").partition("?")[0]
        rows(connect(platform.url), f"ALTER DATABASE {database} SET default_transaction_read_only = on")
        rows(connect(platform.url), "SET default_transaction_read_only = off; SELECT pg_terminate_backend(pid) FROM "
                                    "pg_stat_activity WHERE application_name = 'tashika'")
        body = {"consent_ids": ["cns_" + "a" * 26]}
        refused = client.call("POST", "/v1/consent-tokens/reissue", body, {"Idempotency-Key": '"standby"'})
        assert refused.is_problem("database-unavailable", 503)
        wait_until(lambda: server.ops("/readyz")[0] == 503, 10, "operations to be told")
        owner = connect(platform.url)
        rows(owner, "SET default_transaction_read_only = off")
        rows(owner, f"ALTER DATABASE {database} RESET ALL")
        wait_until(lambda: server.ops("/readyz")[0] == 200, 10, "the recovery")
        assert client.call("POST", "/v1/consent-tokens/reissue", body, {"Idempotency-Key": '"standby"'}).status == 200
        assert server.ops("/livez")[0] == 200
