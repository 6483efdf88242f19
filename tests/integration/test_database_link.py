"""The connections to PostgreSQL end without a word, at the worst moment: nothing is lost, and nothing is done twice."""
import os
import shutil
import socket
import tempfile
import threading
import time
from urllib.parse import parse_qs, urlparse

import pytest
from support.consenting import Town, lapse, lapsed
from support.database import connect
from support.program import seconds, wait_until

ISSUER_LOCK = ("SELECT pg_advisory_xact_lock(('x' || encode(substr(issuer_key_hash, 1, 8), 'hex'))::bit(64)::bigint) "
               "FROM issuer ORDER BY issuer_key_hash")


class Proxy:
    """Before PostgreSQL's socket. It cuts all connections, or one right after a request whose answer then gets lost."""

    def __init__(self, host):
        self.directory = tempfile.mkdtemp(prefix="tashika-proxy-", dir="/tmp")
        os.chmod(self.directory, 0o755)
        self.target, self.pairs = host + "/.s.PGSQL.5432", []
        self.fatal = None  # which request is the last one of its connection
        self.silent = None
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.directory + "/.s.PGSQL.5432")
        self.listener.listen(50)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:  # closed
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(self.target)
            self.pairs.append((client, server))
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self.pump, args=(source, sink, source is client), daemon=True).start()

    def pump(self, source, sink, is_request):
        try:
            while octets := source.recv(65536):
                if is_request and self.fatal and self.fatal(octets):
                    self.fatal, self.silent = None, sink
                    sink.sendall(octets)
                    time.sleep(0.3)
                    break
                if source is not self.silent:
                    sink.sendall(octets)
        except OSError:
            pass
        self.end(source, sink)

    @staticmethod
    def end(*sockets):
        for one in sockets:
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut(self):
        for pair in self.pairs:
            self.end(*pair)
        self.pairs = []

    def close(self):
        self.listener.close()
        self.cut()
        shutil.rmtree(self.directory)


@pytest.fixture(scope="module")
def linked(tmp_path_factory, cluster):
    """A town whose server reaches its database through a proxy, by two connections."""
    town = Town(tmp_path_factory.mktemp("town"), cluster, people=60, database={"connections": 2})
    town.server.stop()
    host = parse_qs(urlparse(town.platform.url).query)["host"][0]
    proxy = Proxy(host)
    town.platform.config.write_text(town.platform.config.read_text().replace(host, proxy.directory))
    town.restart()
    yield town, proxy
    town.stop()
    proxy.close()


def commits_after(text):
    """The commit of what has this in it, or comes after that."""
    seen = []

    def is_it(octets):
        seen.extend([True] if text in octets else [])
        return bool(seen) and b"COMMIT" in octets

    return is_it


def test_connections_that_were_cut_without_a_word_are_not_noticed(linked):
    town, proxy = linked
    with town.a.client() as client:
        consents = [town.consent(town.somebody()) for _ in range(3)]
        for consent in consents:
            proxy.cut()
            time.sleep(0.2)
            assert [client.get("/v1/consents").status for _ in range(4)] == [200] * 4
            proxy.cut()
            time.sleep(0.2)
            assert town.withdraw(client, consent["consent_id"]).status == 200


def test_what_was_committed_is_not_done_again_when_the_answer_gets_lost(linked):
    town, proxy = linked
    told = "SELECT count(*) FROM audit WHERE verb = 'consent.withdrawal_relayed' AND object = %s"
    with town.a.client() as client:
        for number, consent in enumerate(town.consent(town.somebody()) for _ in range(9)):
            if number == 8:  # both connections know the statements by now, so that all of it travels together
                proxy.fatal = commits_after(b"consent.withdrawal_relayed")
            assert town.withdraw(client, consent["consent_id"]).status == 200
            wait_until(lambda: town.rows(told, consent["consent_id"])[0][0] >= 1, 15, "the authority to be told")
        assert proxy.fatal is None
        time.sleep(1)
        assert town.rows(told, consent["consent_id"])[0][0] == 1


def test_statements_that_travel_together_may_each_wait(linked):
    """A lock for four seconds each: less than a statement may take, more than one answer may."""
    town, _ = linked
    with town.a.client() as client, town.a.client() as other:
        person = town.somebody()
        consent = town.consent(person)
        lapse(town, person)
        lapsed(town, consent, "available")
        for _ in range(12):
            answer = town.query(client, consent["token"], force=True)
            assert answer.status == 200 and answer.json["outcome"] == "provided", answer.body
        issuer, row = connect(town.platform.url), connect(town.platform.url)
        issuer.autocommit = row.autocommit = False
        answers = []
        town.country.fail(path="/v1/four-information", kind="delay", value=1000, count=1)
        thread = threading.Thread(target=lambda: answers.append(town.query(other, consent["token"], force=True)))
        thread.start()
        time.sleep(0.6)
        issuer.cursor().execute(ISSUER_LOCK)
        row.cursor().execute("SELECT 1 FROM subject WHERE subject_id = %s FOR UPDATE", (consent["sub"],))
        time.sleep(4.4)
        issuer.rollback()
        time.sleep(4)
        row.rollback()
        thread.join(seconds(20))
        assert answers[0].status == 200, answers[0].body
        assert "database_stalled" not in town.server.log.read_text()
        issuer.close()
        row.close()
