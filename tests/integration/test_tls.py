"""OCSP by mutual TLS: who gets in, what TLS does to connections, and files that change meanwhile."""
import os
import re
import shutil
import socket
import ssl
import subprocess
import threading
import time
from datetime import timezone

import pytest
from support import crl
from support.crl import Entry
from support.messages import Answer, cert_id, request
from support.metrics import Metrics
from support.pki import DAY, HOUR, NOW
from support.program import Installation, Issuer, duration, said, seconds, tashika, wait_until
from support.tls import HERE, SERVER, TlsConnection, client_context, make_world
from support.wire import Connection, post_bytes

LARGE = 400_000


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return make_world(tmp_path_factory.mktemp("tls-world"))


def install(directory, pki, world, **ocsp):
    """An installation whose TLS files are its own copies, to be replaced at will."""
    directory.mkdir(parents=True, exist_ok=True)
    for source, name in ((world.server.certificate_path, "server.pem"), (world.server.key_path, "server.key"),
                         (world.institutions.certificate_path, "clients.pem")):
        shutil.copy(source, directory / name)
    made = Installation(directory, [Issuer(pki.ca.p256, pki.responders["p256"].as_responder())],
                        {"access": "mtls", "certificate": "server.pem", "key": "server.key", "client_ca": "clients.pem",
                         **ocsp})
    made.publish("p256", crl.make(pki.ca.p256, [Entry(0x5001, 1)]))
    return made


@pytest.fixture(scope="module")
def closed(tmp_path_factory, pki, world):
    """A server that only institutions may ask."""
    made = install(tmp_path_factory.mktemp("closed"), pki, world, request_timeout=duration(2), request_bytes_max=LARGE)
    with made.serve() as running:
        yield running


@pytest.fixture
def question(pki):
    return post_bytes(request(cert_id(pki.ca.p256, 0x5001)))


def connect(server, world, holder="bank", **options):
    return TlsConnection(server.ocsp_port, client_context(world, getattr(world, holder) if holder else None), **options)


def outcome(connection):
    response = connection.response()
    assert response.status == 200
    return Answer(response.body).outcome


def handshakes(server, end):
    return Metrics(server.ops("/metrics")[1]).value("tashika_tls_handshakes_total", end=end, listener="ocsp")


# --- who gets in ----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("holder", ["bank", "rsa_bank"])
def test_an_institution_gets_its_answer(closed, world, question, holder):
    with connect(closed, world, holder) as connection:
        assert connection.tls.version() == "TLSv1.3"
        connection.send(question)
        assert outcome(connection) == "revoked"


@pytest.mark.parametrize("holder, alert, end", [
    (None, "TLSV13_ALERT_CERTIFICATE_REQUIRED", "no_certificate"),
    ("stranger", "TLSV1_ALERT_UNKNOWN_CA", "certificate_refused"),
    ("expired", "SSLV3_ALERT_CERTIFICATE_EXPIRED", "certificate_refused"),
    ("early", "SSLV3_ALERT_BAD_CERTIFICATE", "certificate_refused"),
    ("not_a_client", "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE", "certificate_refused"),
])
def test_nobody_else_does_and_is_told_why(closed, world, question, holder, alert, end):
    before = handshakes(closed, end)
    # In TLS 1.3 the client is through with its part before the server has looked at the certificate.
    with connect(closed, world, holder) as connection:
        connection.send(question)
        assert connection.pending_alert() == alert
        assert connection.buffer == b""
    wait_until(lambda: handshakes(closed, end) == before + 1, what="the count")


def curl(server, world, *options, holder="bank", body=b""):
    identity = ["--cert", getattr(world, holder).certificate_path, "--key", getattr(world, holder).key_path] if holder else []
    return subprocess.run(["curl", "-sS", "--max-time", str(seconds(10)), "--cacert", str(world.server_ca.certificate_path),
                           *map(str, identity), "-H", "Content-Type: application/ocsp-request", "--data-binary", "@-",
                           *options, f"https://localhost:{server.ocsp_port}/ocsp"], input=body, capture_output=True)


def test_curl_asks(closed, world, pki):
    body = request(cert_id(pki.ca.p256, 0x5001))
    result = curl(closed, world, "--http2", body=body)  # offers h2 and http/1.1
    assert Answer(result.stdout).outcome == "revoked", result.stderr
    assert curl(closed, world, holder=None, body=body).returncode in (35, 55, 56)


@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_older_versions_of_tls_are_refused(closed, world, version):
    before = handshakes(closed, "failed")
    result = curl(closed, world, "--tlsv1.0", "--tls-max", version, "--ciphers", "DEFAULT:@SECLEVEL=0")
    assert result.returncode == 35, result
    wait_until(lambda: handshakes(closed, "failed") == before + 1, what="the count")


def s_client(server, world, *options, **more):
    return ["openssl", "s_client", "-connect", f"127.0.0.1:{server.ocsp_port}", "-CAfile", world.server_ca.certificate_path,
            "-cert", world.bank.certificate_path, "-key", world.bank.key_path, *options]


def test_openssl_sees_one_protocol_and_no_tickets(closed, world):
    result = subprocess.run(s_client(closed, world, "-alpn", "h2,http/1.1", "-sess_out", "/dev/null"), input=b"",
                            capture_output=True, timeout=seconds(20))
    text = result.stdout.decode()
    assert "Verify return code: 0 (ok)" in text, result
    assert "ALPN protocol: http/1.1" in text
    assert "New, TLSv1.3" in text
    assert "Session Ticket" not in text
    assert "O = Integration tests, CN = CA institutions" in text, "the client is not told which CA it needs"


def test_another_protocol_is_refused(closed, world):
    result = subprocess.run(s_client(closed, world, "-alpn", "h2"), input=b"", capture_output=True, timeout=seconds(20))
    assert b"no application protocol" in result.stderr


def test_keys_may_be_updated_and_nothing_is_renegotiated(closed, world, question):
    with subprocess.Popen(s_client(closed, world), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT) as client:
        def until(text):
            seen = b""
            while text not in seen:
                piece = os.read(client.stdout.fileno(), 65536)
                assert piece, seen
                seen += piece
        until(b"---\n")
        for command, echo in ((b"K\n", b"KEYUPDATE"), (b"k\n", b"KEYUPDATE"), (b"R\n", b"RENEGOTIATING")):
            time.sleep(0.05)  # s_client looks at the first letter of what it reads at once
            client.stdin.write(command)
            client.stdin.flush()
            until(echo)
        client.stdin.close()
        client.wait(seconds(10))
    with connect(closed, world) as connection:
        connection.send(question)
        assert outcome(connection) == "revoked"


def test_gnutls_asks(closed, world, question):
    if shutil.which("gnutls-cli") is None:
        pytest.skip("gnutls-cli is not installed")
    command = ["gnutls-cli", "--x509cafile", world.server_ca.certificate_path, "--x509certfile",
               world.bank.certificate_path, "--x509keyfile", world.bank.key_path, "-p", str(closed.ocsp_port), "localhost"]
    closing = question.replace(b"Host:", b"Connection: close\r\nHost:", 1)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as client:
        client.stdin.write(closing)
        client.stdin.flush()
        text = client.stdout.read()  # until the server has closed
        client.stdin.close()
        client.wait(seconds(10))
    assert b"Version: TLS1.3" in text or b"TLS1.3" in text, text
    assert b"HTTP/1.1 200 OK" in text and b"application/ocsp-response" in text, text


def test_nothing_is_resumed(closed, world, question):
    context = client_context(world, world.bank)
    session = None
    for _ in range(2):
        with socket.create_connection(("127.0.0.1", closed.ocsp_port)) as plain:
            with context.wrap_socket(plain, server_hostname="localhost", session=session) as client:
                assert not client.session_reused
                client.sendall(question)
                assert client.recv(65536).startswith(b"HTTP/1.1 200")
                session = client.session
                assert not session.has_ticket


# --- what is sent, and how ------------------------------------------------------------------------------------------

@pytest.mark.parametrize("piece", [1, 7])
def test_handshake_and_request_may_come_byte_by_byte(closed, world, question, piece):
    with connect(closed, world, piece=piece) as connection:
        connection.send(question)
        assert outcome(connection) == "revoked"


def test_a_request_may_be_many_records(closed, world, question):
    with connect(closed, world) as connection:
        for place in range(len(question)):
            connection.send(question[place:place + 1])
        assert outcome(connection) == "revoked"


def test_pipelined_requests_are_answered_in_order(closed, world, pki):
    asked = [cert_id(pki.ca.p256, serial) for serial in range(0x4FE0, 0x5028)]
    with connect(closed, world) as connection:
        connection.send(b"".join(post_bytes(request(one)) for one in asked))
        assert [Answer(connection.response().body).cert_ids[0] for _ in asked] == asked


def test_more_answers_than_the_socket_takes(closed, world, pki):
    """The server has to wait for a client that reads late, in the middle of a record."""
    data = post_bytes(request(*(cert_id(pki.ca.p256, serial) for serial in range(60))))
    count = 1500
    with connect(closed, world) as connection:
        sealed = connection.seal(data * count)
        sender = threading.Thread(target=connection.socket.sendall, args=(sealed,))
        sender.start()
        time.sleep(0.5)
        first = connection.response().body
        for _ in range(count - 1):
            assert connection.response().body == first
        sender.join()


@pytest.mark.parametrize("size", [20_000, LARGE])
def test_a_large_body_is_read(closed, world, size):
    with connect(closed, world) as connection:
        connection.send(post_bytes(b"\x30" * size))
        assert outcome(connection) == "malformedRequest"
        connection.send(post_bytes(b"\x30" * size))
        assert outcome(connection) == "malformedRequest"


def test_a_larger_one_is_refused_and_the_refusal_arrives(closed, world):
    with connect(closed, world) as connection:
        connection.send(post_bytes(b"\x30" * (LARGE + 1)))
        response = connection.response()
        assert (response.status, response.header("connection").lower()) == (413, "close")
        assert connection.is_closed()
        assert connection.was_notified


def test_a_client_that_said_close_notify_still_gets_its_answer(closed, world, question):
    with connect(closed, world) as connection:
        connection.send(question)
        connection.finish_sending()
        assert outcome(connection) == "revoked"
        assert connection.is_closed() and connection.was_notified


def test_so_does_one_that_only_closed_its_side_of_tcp(closed, world, question):
    with connect(closed, world) as connection:
        connection.send(question)
        connection.socket.shutdown(socket.SHUT_WR)
        assert outcome(connection) == "revoked"
        assert connection.is_closed()


def test_connection_close_ends_with_close_notify(closed, world, pki):
    with connect(closed, world) as connection:
        connection.send(post_bytes(request(cert_id(pki.ca.p256, 1)), headers=[("Connection", "close")]))
        assert outcome(connection) == "good"
        assert connection.is_closed() and connection.was_notified


def test_half_a_request_is_408_in_the_end(closed, world, question):
    with connect(closed, world) as connection:
        connection.send(question[:-10])
        assert connection.response().status == 408
        assert connection.is_closed() and connection.was_notified


def test_a_false_record_ends_the_connection(closed, world, question):
    with connect(closed, world) as connection:
        sealed = bytearray(connection.seal(question))
        sealed[-1] ^= 1
        connection.socket.sendall(sealed)
        assert connection.pending_alert() == "SSLV3_ALERT_BAD_RECORD_MAC"
        assert connection.buffer == b""


# --- what is no handshake -------------------------------------------------------------------------------------------

HELLO_BEGINS = bytes.fromhex("160301020001 0001fc0303")


def test_a_slow_handshake_is_ended(closed):
    before, started = handshakes(closed, "abandoned"), time.monotonic()
    slow = [Connection(closed.ocsp_port) for _ in range(3)]
    for connection, sent in zip(slow, (b"", b"\x16", HELLO_BEGINS), strict=True):
        connection.send(sent)
    for connection in slow:
        assert connection.is_closed()
        connection.socket.close()
    assert time.monotonic() - started > seconds(0.5)
    wait_until(lambda: handshakes(closed, "abandoned") == before + 3, what="the count")


@pytest.mark.parametrize("sent", [b"GET / HTTP/1.1\r\n\r\n", b"\0" * 100, bytes(range(256)) * 300,
                                  b"\x16\x03\x01\xff\xff" + b"\x01" * 70000], ids=["http", "zeros", "noise", "long hello"])
def test_garbage_is_no_handshake(closed, world, question, sent):
    with Connection(closed.ocsp_port) as connection:
        try:
            connection.send(sent)
        except OSError:
            pass
        connection.buffer = b""
        data = b""
        try:
            while piece := connection.socket.recv(65536):
                data += piece
        except ConnectionResetError:
            pass
        assert b"HTTP" not in data
    with connect(closed, world) as connection:
        connection.send(question)
        assert outcome(connection) == "revoked"


# --- files that change ----------------------------------------------------------------------------------------------

@pytest.fixture
def changing(tmp_path, pki, world):
    made = install(tmp_path / "changing", pki, world)
    with made.serve() as running:
        yield running


def put(server, name, content):
    """Replaces a file as one should: whole."""
    path = server.installation.directory / name
    path.with_suffix(".new").write_bytes(content)
    path.with_suffix(".new").rename(path)


def tls_metric(server, name):
    return Metrics(server.ops("/metrics")[1]).value(f"tashika_tls_{name}", listener="ocsp")


def served_serial(server, world):
    with connect(server, world) as connection:
        return connection.server_serial


def test_a_new_certificate_is_taken_over_and_old_connections_live(changing, world, question):
    fresh = world.server_ca.issue("server-2", key="rsa", extensions=[SERVER, HERE])
    with connect(changing, world) as old:
        put(changing, "server.pem", fresh.certificate_path.read_bytes())
        put(changing, "server.key", fresh.key_path.read_bytes())
        wait_until(lambda: served_serial(changing, world) == fresh.serial, what="the new certificate")
        old.send(question)
        assert outcome(old) == "revoked"
        assert old.server_serial == world.server.serial
    assert tls_metric(changing, "reloads_total") == 1
    ends = fresh.certificate.not_valid_after.replace(tzinfo=timezone.utc)
    assert tls_metric(changing, "certificate_not_after_seconds") == ends.timestamp()


def test_a_new_client_ca_counts_for_new_connections(changing, world, question):
    def alert_for(holder):
        with connect(changing, world, holder) as connection:
            connection.send(question)
            try:
                return outcome(connection)
            except ssl.SSLError as error:
                return error.reason
    assert alert_for("stranger") == "TLSV1_ALERT_UNKNOWN_CA"
    with connect(changing, world) as old:
        put(changing, "clients.pem", world.strangers.certificate_path.read_bytes())
        wait_until(lambda: alert_for("stranger") == "revoked", what="the new CA")
        assert alert_for("bank") == "TLSV1_ALERT_UNKNOWN_CA"
        old.send(question)
        assert outcome(old) == "revoked"
    put(changing, "clients.pem", world.strangers.certificate_path.read_bytes()
        + world.institutions.certificate_path.read_bytes())
    wait_until(lambda: alert_for("bank") == "revoked", what="both CAs")
    assert alert_for("stranger") == "revoked"


def test_what_is_broken_keeps_the_old(changing, world):
    good = {name: (changing.installation.directory / name).read_bytes() for name in ("server.pem", "server.key", "clients.pem")}
    # Each before the one that is looked at earlier, so that it is the first fault.
    broken = [("clients.pem", None), ("server.key", world.bank.key_path.read_bytes()), ("server.pem", b"")]
    for count, (name, content) in enumerate(broken, 1):
        if content is None:
            (changing.installation.directory / name).unlink()
        else:
            put(changing, name, content)
        wait_until(lambda: tls_metric(changing, "reload_failures_total") == count, what=f"{name} to be noticed")
        assert name in changing.log.read_text()
        assert tls_metric(changing, "files_refused") == 1
        assert served_serial(changing, world) == world.server.serial
    assert changing.ops("/readyz")[0] == 200
    for name, content in good.items():
        put(changing, name, content)
    wait_until(lambda: tls_metric(changing, "files_refused") == 0, what="the fault to be mended")
    assert changing.log.read_text().count("tls_files_refused") == len(broken), "a fault is logged once"


# --- the beginning and the end --------------------------------------------------------------------------------------

def faults(world):
    server, other = world.server, world.bank
    encrypted = subprocess.run(["openssl", "pkey", "-in", server.key_path, "-aes128", "-passout", "pass:x"],
                               capture_output=True, check=True).stdout
    expired = world.server_ca.issue("server-old", extensions=[SERVER, HERE], valid_for=-HOUR,
                                    starts=NOW - 2 * DAY)
    return {
        "a key of another certificate": ("server.key", other.key_path.read_bytes(), "is not the key of"),
        "a key with a password": ("server.key", encrypted, "without a password"),
        "no key": ("server.key", None, "No such file"),
        "an empty certificate": ("server.pem", b"", "holds no certificate"),
        "half a certificate": ("server.pem", server.certificate_path.read_bytes()[:-100], "can't be read"),
        "a client's certificate": ("server.pem", other.certificate_path.read_bytes(), "not one for TLS servers"),
        "an expired certificate": ("server.pem", expired.certificate_path.read_bytes(), "has expired"),
        "no CA": ("clients.pem", b"\n", "holds no certificate"),
        "a CA that is none": ("clients.pem", other.certificate_path.read_bytes(), "is no CA's"),
    }


def test_check_names_the_file_and_what_is_wrong(tmp_path, pki, world):
    made = install(tmp_path / "faulty", pki, world)
    assert tashika("serve", "--check", "--config", made.config).returncode == 0
    for case, (name, content, text) in faults(world).items():
        path = made.directory / name
        before = path.read_bytes()
        path.unlink() if content is None else path.write_bytes(content)
        result = tashika("serve", "--check", "--config", made.config)
        assert result.returncode == 2, case
        assert str(path) in said(result) and text in said(result), (case, said(result))
        path.write_bytes(before)


def refuses(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=seconds(2)).close()
        return False
    except ConnectionRefusedError:
        return True


def test_a_request_in_flight_is_answered_before_the_end(tmp_path, pki, world, question):
    with install(tmp_path / "ending", pki, world).serve() as server:
        with connect(server, world) as busy, connect(server, world) as idle, Connection(server.ocsp_port) as silent:
            busy.send(question[:-20])
            with Connection(server.ocsp_port):
                pass
            time.sleep(seconds(0.2))
            started = time.monotonic()
            server.terminate()
            wait_until(lambda: refuses(server.ocsp_port), what="the listener to close")
            assert idle.is_closed() and idle.was_notified
            assert silent.is_closed()
            busy.send(question[-20:])
            response = busy.response()
            assert Answer(response.body).outcome == "revoked"
            assert response.header("connection").lower() == "close"
            assert busy.is_closed() and busy.was_notified
        assert server.stop() == 0
        assert time.monotonic() - started < seconds(5)


def test_secrets_and_clients_are_not_in_the_log(closed):
    text = closed.log.read_text()
    assert "client_certificate_refused" in text
    assert not re.search(r"PRIVATE|bank|stranger|127\.0\.0\.1:\d+ ->", text)
