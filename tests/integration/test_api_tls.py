"""The files of the API's listener change while it serves: who is served, by which certificate, and who gets in."""
import ssl
from datetime import timezone

import pytest
from support import crl
from support.metrics import Metrics
from support.platform import Client, Platform
from support.program import Issuer, wait_until
from support.tls import CLIENT, HERE, SERVER, TlsConnection

CHANGES = "/v1/changes"


@pytest.fixture
def platform(tmp_path, cluster, pki):
    """Its TLS files are its own copies, to be replaced at will."""
    made = Platform(tmp_path / "changing", cluster, [Issuer(pki.ca.p256)])
    text = made.config.read_text()
    for name, original in (("server.pem", made.directory / "server-servers.pem"), ("server.key", made.directory / "server-servers.key"),
                           ("clients.pem", made.institutions.certificate_path)):
        put(made, name, original.read_bytes())
        text = text.replace(str(original), name)
    made.config.write_text(text)
    (made.directory / "p256.crl").write_bytes(crl.make(pki.ca.p256))
    made.tashika("ingest")
    return made


def put(platform, name, content):
    """Replaces a file as one should: whole."""
    path = platform.directory / name
    path.with_suffix(".new").write_bytes(content)
    path.with_suffix(".new").rename(path)


def metric(server, name):
    return Metrics(server.ops("/metrics")[1]).value(f"tashika_tls_{name}", listener="api")


def served_serial(platform):
    with TlsConnection(platform.api_port, Client(platform, platform.a.holders["all"]).context) as connection:
        return connection.server_serial


def outcome(platform, holder):
    """What somebody new is told: a status, or why TLS ends."""
    with TlsConnection(platform.api_port, Client(platform, holder).context) as connection:
        try:
            connection.send(f"GET {CHANGES} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            return connection.response().status
        except ssl.SSLError as error:
            return error.reason


def test_a_new_server_certificate_is_taken_over_and_old_connections_live(platform):
    fresh = platform.servers.issue("server-2", key="rsa", extensions=[SERVER, HERE])
    with platform.serve() as server, platform.a.client() as old:
        assert old.get(CHANGES).status == 200
        before = served_serial(platform)
        put(platform, "server.pem", fresh.certificate_path.read_bytes())
        put(platform, "server.key", fresh.key_path.read_bytes())
        wait_until(lambda: served_serial(platform) == fresh.serial, what="the new certificate")
        held = old.connection.sock
        assert old.get(CHANGES).status == 200 and old.connection.sock is held, "it is the connection of before"
        assert before != fresh.serial and outcome(platform, platform.a.holders["all"]) == 200
        assert metric(server, "reloads_total") == 1
        ends = fresh.certificate.not_valid_after.replace(tzinfo=timezone.utc)
        assert metric(server, "certificate_not_after_seconds") == ends.timestamp()


def test_a_new_client_ca_counts_for_new_connections(platform):
    """Who is let in by TLS is not let in by that alone: the certificate must be registered, too."""
    bank, stranger = platform.a.holders["all"], platform.strangers.issue("bank", extensions=[CLIENT])
    with platform.serve() as server, platform.a.client() as old:
        assert old.get(CHANGES).status == 200
        assert outcome(platform, stranger) == "TLSV1_ALERT_UNKNOWN_CA"
        put(platform, "clients.pem", platform.strangers.certificate_path.read_bytes())
        wait_until(lambda: outcome(platform, stranger) == 403, what="the new CA")
        assert outcome(platform, bank) == "TLSV1_ALERT_UNKNOWN_CA"
        held = old.connection.sock
        assert old.get(CHANGES).status == 200 and old.connection.sock is held
        put(platform, "clients.pem", platform.strangers.certificate_path.read_bytes()
            + platform.institutions.certificate_path.read_bytes())
        wait_until(lambda: outcome(platform, bank) == 200, what="both CAs")
        platform.tashika("institution", "certificate", "add", "bank-a", stranger.certificate_path, "--roles", "poller")
        wait_until(lambda: outcome(platform, stranger) == 200, what="the registration to be known")
        assert metric(server, "reloads_total") == 2


def test_what_is_broken_keeps_the_old(platform):
    good = {name: (platform.directory / name).read_bytes() for name in ("server.pem", "server.key", "clients.pem")}
    foreign = platform.servers.issue("another", extensions=[SERVER, HERE]).key_path.read_bytes()
    with platform.serve() as server:
        serial = served_serial(platform)
        for count, (name, content) in enumerate((("clients.pem", b""), ("server.key", foreign), ("server.pem", b"")), 1):
            put(platform, name, content)
            wait_until(lambda: metric(server, "reload_failures_total") == count, what=f"{name} to be noticed")
            assert name in server.log.read_text() and metric(server, "files_refused") == 1
            assert served_serial(platform) == serial and outcome(platform, platform.a.holders["all"]) == 200
        assert server.ops("/readyz")[0] == 200
        for name, content in good.items():
            put(platform, name, content)
        wait_until(lambda: metric(server, "files_refused") == 0, what="the fault to be mended")
        assert outcome(platform, platform.a.holders["all"]) == 200
