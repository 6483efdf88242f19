"""Check 30: many who wait and many who dawdle do not keep a bank from its answers."""
import re
import select
import threading
from datetime import datetime, timezone

from cryptography.hazmat.primitives import hashes
from support.platform import Client
from support.program import wait_until
from support.tls import CLIENT, TlsConnection

WAITING, DAWDLING, QUERIES = 200, 100, 100
WAITS_AN_INSTITUTION = 2  # more are refused
TOWN = dict(people=16)


def add_pollers(town, count):
    """Client certificates of as many new institutions, entered as `tashika institution` enters them."""
    now, holders = datetime.now(timezone.utc), []
    for number in range(count):
        holder = town.platform.institutions.issue(f"poller-{number}", extensions=[CLIENT])
        institution = f"inst_{'a' * 23}{chr(97 + number // 26 // 26)}{chr(97 + number // 26 % 26)}{chr(97 + number % 26)}"
        town.rows("INSERT INTO institution VALUES (%s, %s, 'active', %s)", institution, f"poller-{number}", now)
        town.rows("INSERT INTO feed (institution_id, retained_from) VALUES (%s, %s)", institution, now)
        town.rows("INSERT INTO client_certificate VALUES (%s, %s, 'CN=poller', %s, '{poller}', 'active', %s)", institution,
                  holder.certificate.fingerprint(hashes.SHA256()), datetime(2099, 1, 1, tzinfo=timezone.utc), now)
        holders.append(holder)
    return holders


def connect(town, holder):
    return TlsConnection(town.platform.api_port, Client(town.platform, holder).context, timeout=60)


def has_answer(connection):
    return bool(select.select([connection.socket], [], [], 0)[0])


class Dawdlers:
    """Connections whose requests never get finished: an octet now and then. Those that the server ends begin anew."""

    def __init__(self, open_one, count):
        self.open_one, self.ending = open_one, threading.Event()
        self.connections = [self.begin() for _ in range(count)]
        self.thread = threading.Thread(target=self.dawdle)
        self.thread.start()

    def begin(self):
        connection = self.open_one()
        connection.send(b"POST /v1/attributes/query HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        return connection

    def dawdle(self):
        while not self.ending.wait(0.3):
            for place, connection in enumerate(self.connections):
                try:
                    if has_answer(connection):
                        raise OSError("the server has ended it")
                    connection.send(b"a")
                except OSError:
                    connection.socket.close()
                    self.connections[place] = self.begin()

    def end(self):
        self.ending.set()
        self.thread.join()
        for connection in self.connections:
            connection.socket.close()


def test_check_30_queries_go_on_among_long_polls_and_slow_loris(town):
    consents = [town.consent(town.somebody()) for _ in range(2)]
    holders = add_pollers(town, WAITING // WAITS_AN_INSTITUTION)
    waiting, dawdlers = [], None
    try:
        for holder in holders:
            for _ in range(WAITS_AN_INSTITUTION):
                connection = connect(town, holder)
                connection.send(b"GET /v1/changes?wait=50 HTTP/1.1\r\nHost: localhost\r\n\r\n")
                waiting.append(connection)
        wait_until(lambda: waiters(town) == WAITING, 20, "all to wait")
        dawdlers = Dawdlers(lambda: connect(town, town.a.holders["all"]), DAWDLING)
        answers = []

        def ask(consent):
            with town.a.client() as client:
                answers.extend(town.query(client, consent["token"]) for _ in range(QUERIES // len(consents)))

        askers = [threading.Thread(target=ask, args=(consent,)) for consent in consents]
        [one.start() for one in askers]
        [one.join() for one in askers]
        assert [one.status for one in answers] == [200] * QUERIES
    finally:
        if dawdlers:
            dawdlers.end()
        for connection in waiting:
            connection.socket.close()
    wait_until(lambda: waiters(town) == 0, 20, "those who left to be forgotten")


def waiters(town):
    return int(re.search(r"^tashika_feed_waiters (\d+)", town.server.ops("/metrics")[1], re.M)[1])
