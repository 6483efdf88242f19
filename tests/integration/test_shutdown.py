"""How the server ends, and how it lives through a shortage of file descriptors."""
import os
import resource
import time

import pytest
from support.messages import Answer, cert_id, request
from support.program import duration, refuses, seconds, wait_until
from support.wire import Connection, post_bytes


@pytest.fixture
def serving(small):
    made = small(entries=[], ocsp={"request_timeout": duration(3)})
    with made.serve() as server:
        yield server


def test_a_request_in_flight_is_answered_before_the_end(serving, pki):
    data = post_bytes(request(cert_id(pki.ca.p256, 1)))
    with Connection(serving.ocsp_port) as connection:
        connection.send(data[:-20])
        time.sleep(seconds(0.2))
        serving.terminate()
        wait_until(lambda: refuses(serving.ocsp_port), what="the listener to close")
        connection.send(data[-20:])
        response = connection.response()
        assert Answer(response.body).outcome == "good"
        assert response.header("connection").lower() == "close"
        assert connection.is_closed()
    assert serving.stop() == 0


def test_an_idle_connection_does_not_hold_up_the_end(serving, pki):
    with Connection(serving.ocsp_port) as fresh, Connection(serving.ocsp_port) as used:
        used.send(post_bytes(request(cert_id(pki.ca.p256, 1))))
        assert used.response().status == 200
        started = time.monotonic()
        assert serving.stop() == 0
        assert time.monotonic() - started < seconds(2)
        assert fresh.is_closed() and used.is_closed()


def test_half_a_request_holds_up_the_end_no_longer_than_its_time_limit(serving):
    with Connection(serving.ocsp_port) as connection:
        connection.send(b"POST /ocsp HTTP/1.1\r\n")
        time.sleep(seconds(0.2))
        started = time.monotonic()
        assert serving.stop() == 0
        assert time.monotonic() - started < seconds(6)


def test_the_server_starts_again_on_the_same_port_at_once(small, pki):
    made = small(entries=[])
    for _ in range(3):
        with made.serve() as server:
            assert server.status(pki.ca.p256, 1) == "good"


def limit_descriptors():
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))


def processor_seconds(process):
    fields = open(f"/proc/{process.pid}/stat").read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_a_shortage_of_descriptors_passes(small, pki):
    made = small(entries=[])
    with made.serve(preexec_fn=limit_descriptors) as server:
        crowd = [Connection(server.ocsp_port) for _ in range(150)]
        time.sleep(seconds(0.5))
        before = processor_seconds(server.process)
        time.sleep(1)
        assert processor_seconds(server.process) - before < 0.5, "the server spins while it cannot accept"
        for connection in crowd:
            connection.socket.close()
        wait_until(lambda: server.status(pki.ca.p256, 1) == "good", what="an answer")
        assert server.ops("/livez")[0] == 200
