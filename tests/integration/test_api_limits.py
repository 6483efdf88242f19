"""What one party can take of the API's listener: connections, memory for bodies, descriptors. The others stay."""
import contextlib
import json
import resource
import socket
import threading
import uuid

import pytest
from support import crl
from support.database import connect as connect_database
from support.metrics import Metrics
from support.pki import DAY, NOW
from support.platform import Client, Platform
from support.program import Issuer, said, seconds, tashika, wait_for_status, wait_until
from support.tls import CLIENT, TlsConnection

CHANGES = "/v1/changes"
PLACES, PLACES_OF_ONE = 24, 4
BODY = 60_000  # four of them are what one certificate may have on their way, with the limits below


def install(directory, cluster, pki, **api):
    made = Platform(directory, cluster, [Issuer(pki.ca.p256)], api={"threads": 1, "request_timeout": "60s", **api})
    (directory / "p256.crl").write_bytes(crl.make(pki.ca.p256))
    made.tashika("ingest")
    return made


@pytest.fixture(scope="module")
def narrow(tmp_path_factory, cluster, pki):
    return install(tmp_path_factory.mktemp("narrow"), cluster, pki, connections_max=PLACES,
                   certificate_connections_max=PLACES_OF_ONE)


@pytest.fixture
def server(narrow):
    with narrow.serve() as running:
        yield running


def shortages(server, of):
    return Metrics(server.ops("/metrics")[1]).value("tashika_http_shortages_total", listener="api", of=of)


def connect(platform, holder):
    return TlsConnection(platform.api_port, Client(platform, holder).context, timeout=20)


@contextlib.contextmanager
def held(connections):
    try:
        yield connections
    finally:
        for one in connections:
            one.socket.close()


def test_who_would_not_get_in_is_not_registered(narrow):
    stranger = narrow.strangers.issue("bank-of-strangers", extensions=[CLIENT])
    result = tashika("institution", "certificate", "add", "bank-b", stranger.certificate_path, "--roles", "poller",
                     "--config", narrow.config)
    assert result.returncode == 1 and str(narrow.institutions.certificate_path) in said(result)
    early = narrow.anybody("early", starts=NOW + DAY)
    narrow.tashika("institution", "certificate", "add", "bank-b", early.certificate_path, "--roles", "poller")


def is_refused(response, code, status):
    assert (response.status, json.loads(response.body)["code"]) == (status, code)
    assert response.header("connection").lower() == "close" and int(response.header("retry-after")) > 0
    return True


def is_served(platform, bank):
    with bank.client() as client:
        return client.get(CHANGES).status == 200


@pytest.mark.parametrize("whose", ["a bank's", "nobody's"])
def test_one_certificate_takes_its_places_and_no_more(narrow, server, whose):
    holder = narrow.a.holders["all"] if whose == "a bank's" else narrow.anybody()
    with held([connect(narrow, holder) for _ in range(PLACES_OF_ONE)]) as taken:
        with connect(narrow, holder) as one_more:
            assert is_refused(one_more.response(), "rate-limited", 429)
        assert is_served(narrow, narrow.b)
        assert shortages(server, "certificate_connections") == 1
        assert '"of":"certificate_connections"' in server.log.read_text()
        taken.pop().socket.close()

        def is_in():
            with connect(narrow, holder) as again:
                again.send(b"GET /problems HTTP/1.1\r\nHost: localhost\r\n\r\n")
                return again.response().status == 200
        wait_until(is_in, what="the place that was given back")


def test_who_never_begins_tls_makes_room(narrow, server):
    silent = [socket.create_connection(("127.0.0.1", narrow.api_port)) for _ in range(PLACES + 5)]
    try:
        assert is_served(narrow, narrow.b)
        assert shortages(server, "handshakes") >= 1  # and not only after their time was over
        silent[0].settimeout(seconds(20))
        assert silent[0].recv(1) == b""  # the oldest
        silent[-1].setblocking(False)
        with pytest.raises(BlockingIOError):
            silent[-1].recv(1)
    finally:
        for one in silent:
            one.close()


def test_a_full_listener_says_so_and_goes_on(narrow, server):
    holders = [narrow.anybody(f"crowd-{number}") for number in range(PLACES // PLACES_OF_ONE)]
    with held([connect(narrow, holder) for holder in holders for _ in range(PLACES_OF_ONE)]) as taken:
        with socket.create_connection(("127.0.0.1", narrow.api_port)):
            wait_until(lambda: shortages(server, "connections") >= 1, what="the count")
            assert '"of":"connections"' in server.log.read_text()
            taken.pop().socket.close()
            taken.pop().socket.close()
            assert is_served(narrow, narrow.b)


def body_of(size, sent):
    return (f"POST /v1/attributes/query-batch HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Idempotency-Key: k\r\nContent-Length: {size}\r\n\r\n").encode() + b" " * sent


def test_bodies_of_one_certificate_do_not_take_all_memory(tmp_path, cluster, pki):
    platform = install(tmp_path / "bodies", cluster, pki, request_bytes_max=65536, batch_bytes_max=65536)
    holder = platform.a.holders["query"]
    with platform.serve() as server:
        def on_their_way():
            return Metrics(server.ops("/metrics")[1]).value("tashika_http_body_bytes", listener="api")
        with held([connect(platform, holder) for _ in range(4)]) as taken:
            for one in taken:
                one.send(body_of(BODY + 1, BODY))
            wait_until(lambda: on_their_way() == 4 * BODY, what="the bodies")
            with connect(platform, holder) as one_more:
                one_more.send(body_of(BODY, BODY))
                assert is_refused(one_more.response(), "overloaded", 503)
            assert shortages(server, "bodies") == 1
            with platform.b.client() as other:
                assert other.call("POST", "/v1/attributes/query-batch", b" " * BODY).is_problem("idempotency-key-missing", 400)
            taken[0].send(b" ")  # the last octet: it was received, and is answered
            assert taken[0].response().status == 400
        wait_until(lambda: on_their_way() == 0, what="the memory that was given back")


LARGE = {"as it comes": ({}, 256 << 10, 4 << 20), "configured": ({"request_bytes_max": 5000, "batch_bytes_max": 20_000}, 5000, 20_000)}


@pytest.mark.parametrize("limits", LARGE)
def test_check_24_a_body_may_be_as_large_as_it_says_and_not_an_octet_larger(tmp_path, cluster, pki, limits):
    """Where many items are taken, and where one is. What is too large is refused by its header, before it was sent."""
    api, one, many = LARGE[limits]
    platform = install(tmp_path / "large", cluster, pki, **api)
    head = ("POST {} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nIdempotency-Key: k\r\n"
            "Content-Length: {}\r\n\r\n")
    with platform.serve():
        for path, size in (("/v1/attributes/query", one), ("/v1/consents", one), ("/v1/attributes/query-batch", many),
                           ("/v1/consent-tokens/reissue", many), ("/v1/certificates/status", many)):
            with connect(platform, platform.a.holders["all"]) as connection:
                connection.send(head.format(path, size).encode() + b" " * size)
                response = connection.response()
                assert (response.status, json.loads(response.body)["code"]) == (400, "invalid-request"), path
                connection.send(head.format(path, size + 1).encode())
                response = connection.response()
                assert (response.status, json.loads(response.body)["code"]) == (413, "payload-too-large"), path
                assert response.header("connection").lower() == "close" and connection.is_closed()


@pytest.mark.parametrize("path, name, most, item", [
    ("/v1/attributes/query-batch", "items", 50, lambda n: {"token": f"token-{n}", "attributes": ["name"], "purpose": "liveness_check"}),
    ("/v1/consent-tokens/reissue", "consent_ids", 1000, lambda n: f"cns_{n:026}")])
def test_check_24_there_are_so_many_items_and_not_one_more(narrow, server, path, name, most, item):
    with narrow.a.client() as client:
        answers = [client.call("POST", path, {name: [item(number) for number in range(count)]},
                               {"Idempotency-Key": str(uuid.uuid4())}) for count in (most, most + 1, 0)]
    assert answers[0].status == 200, answers[0].body
    assert len(answers[0].json["results"]) == most
    assert {one["problem"]["code"] for one in answers[0].json["results"]} <= {"token-invalid", "not-found"}
    for answer, code in zip(answers[1:], ("too_many", "too_few")):
        assert answer.is_problem("invalid-request", 400)
        assert [(one["pointer"], one["code"]) for one in answer.json["errors"]] == [(f"/{name}", code)]


def test_check_24_where_too_much_waits_for_the_database_the_rest_is_told_at_once(tmp_path, cluster, pki):
    """Two connections, and a queue of two, before a table that is locked: the others need not wait for it."""
    platform = install(tmp_path / "queue", cluster, pki)
    text = platform.config.read_text()
    platform.config.write_text(text.replace("connections = 4\n", 'connections = 2\nqueue_max = 2\nstatement_timeout = "60s"\n'))
    answers, usage = [], "/v1/usage?from=2026-01-01&to=2026-01-02"

    def ask(client):
        answers.append(client.get(usage))

    with platform.serve() as server, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(platform.a.client()) for _ in range(12)]
        assert {one.get(usage).status for one in clients} == {200}  # each has its connection, and is known
        busy = connect_database(platform.url)
        busy.autocommit = False
        busy.cursor().execute("LOCK TABLE usage")
        askers = [threading.Thread(target=ask, args=(one,)) for one in clients]
        [one.start() for one in askers]
        wait_until(lambda: len(answers) >= 8, what="the refusals")
        early = list(answers)
        waiting = Metrics(server.ops("/metrics")[1])
        assert waiting.value("tashika_database_waiting") <= 2 and waiting.value("tashika_database_refused_total") >= 8
        busy.rollback()
        busy.close()
        [one.join() for one in askers]
        for one in early:
            assert one.status == 503 and one.json["code"] in ("database-unavailable", "overloaded") and one.json["retryable"]
            assert int(one.headers["retry-after"]) >= 1
        assert {one.status for one in answers} == {200, 503}, "who was in the queue is served"
        wait_for_status(200, lambda: clients[0].get(usage))


def test_too_few_descriptors_are_said_at_once(narrow):
    result = tashika("serve", "--config", narrow.config, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)))
    assert result.returncode == 1 and "only 64 files may be open" in said(result)


def test_few_descriptors_are_left_for_operators(tmp_path, cluster, pki):
    platform = install(tmp_path / "few", cluster, pki)
    few = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))
    with platform.serve(preexec_fn=few) as server:
        reduced = next(one for one in map(json.loads, server.log.read_text().splitlines())
                       if one["event"] == "fewer_connections")
        assert 0 < reduced["used"] < 100 and reduced["listener"] == "api"
        crowd = [socket.create_connection(("127.0.0.1", platform.api_port)) for _ in range(120)]
        wait_until(lambda: shortages(server, "handshakes") >= 1, what="the listener to be full")
        assert server.ops("/readyz")[0] == 200
        assert "accept_failed" not in server.log.read_text()
        for one in crowd:
            one.close()
