"""Who gets into the API, by a certificate (security checks 8 and 9)."""
import json
import ssl
import time

import pytest
from support.pki import DAY, HOUR, NOW
from support.platform import Client
from support.program import wait_for_status
from support.tls import CLIENT, SERVER, TlsConnection

CHANGES = "/v1/changes"
ACKNOWLEDGEMENT = "/v1/changes/acknowledgement"


@pytest.fixture(scope="module")
def server(platform):
    with platform.serve() as running:
        yield running


def test_8_a_registered_certificate_gets_in(a):
    assert a.get(CHANGES).status == 200


def test_8_a_certificate_that_nobody_registered_does_not(server, platform):
    with Client(platform, platform.anybody()) as stranger:
        for method, path in (("GET", CHANGES), ("PUT", ACKNOWLEDGEMENT)):
            assert stranger.call(method, path, b"{" if method == "PUT" else None).is_problem(
                "client-certificate-unknown", 403)
        assert stranger.get("/problems").status == 200  # what is public


@pytest.mark.parametrize("options", [{"valid_for": -HOUR, "starts": NOW - 2 * DAY}, {"extensions": [SERVER]}],
                         ids=["expired", "not for clients"])
def test_8_tls_refuses_what_is_no_client_certificate_now(server, platform, options):
    with Client(platform, platform.anybody("wrong", **options)) as client, pytest.raises((ssl.SSLError, OSError)):
        client.get(CHANGES)


def test_8_tls_refuses_who_has_no_certificate_or_one_of_others(server, platform):
    for holder in (None, platform.strangers.issue("bank", extensions=[CLIENT])):
        with Client(platform, holder) as client, pytest.raises((ssl.SSLError, OSError)):
            client.get(CHANGES)


def test_8_the_certificate_is_not_taken_from_a_header(server, platform):
    pem = platform.a.holders["all"].certificate_path.read_text().replace("\n", "%0A")
    with Client(platform, platform.anybody("claims")) as stranger:
        for name in ("X-Client-Certificate", "X-Client-Cert", "X-SSL-Client-Cert", "X-Forwarded-Client-Cert", "Client-Cert"):
            answer = stranger.call("GET", CHANGES, headers={name: pem, "X-SSL-Client-Verify": "SUCCESS"})
            assert answer.is_problem("client-certificate-unknown", 403)


@pytest.mark.parametrize("label, allowed", [("poller", True), ("query", False), ("consent-admin", False), ("all", True)])
def test_8_a_role_opens_its_own_doors(server, platform, label, allowed):
    with platform.a.client(label) as client:
        answer = client.get(CHANGES)
        assert answer.status == 200 if allowed else answer.is_problem("role-missing", 403)


def head_of(method, path, length=100_000, **headers):
    lines = {"Host": "localhost", "Content-Type": "application/json", "Content-Length": length, **headers}
    return f"{method} {path} HTTP/1.1\r\n{''.join(f'{name}: {value}{chr(13)}{chr(10)}' for name, value in lines.items())}\r\n".encode()


@pytest.mark.parametrize("expect", [{"Expect": "100-continue"}, {}], ids=["with Expect", "without"])
def test_8_who_is_not_let_in_is_told_before_the_body_is_read(server, platform, expect):
    cases = [(platform.anybody(), "POST", "/v1/consents", "client-certificate-unknown"),
             (platform.a.holders["poller"], "POST", "/v1/consents", "role-missing"),
             (platform.a.holders["query"], "POST", "/v1/consent-tokens/reissue", "role-missing"),
             (platform.a.holders["consent-admin"], "PUT", ACKNOWLEDGEMENT, "role-missing")]
    for holder, method, path, code in cases:
        with TlsConnection(platform.api_port, Client(platform, holder).context) as connection:
            connection.send(head_of(method, path, **expect))
            answer = connection.response()
            assert (answer.status, json.loads(answer.body)["code"]) == (403, code)
            assert answer.header("connection") == "close"
            if code == "role-missing":
                assert f'"institution":"{platform.a.id}"' in server.log.read_text().splitlines()[-1], "who pays for it"
            connection.send(b" " * 50_000)  # it may be on its way already, and costs us nothing
            assert connection.is_closed()


def test_8_who_is_let_in_sends_the_body_then(server, platform):
    """In pieces, twice on one connection; and once without waiting for our word."""
    body = json.dumps({"cursor": "A" * 60}).ljust(3000).encode()
    head = head_of("PUT", ACKNOWLEDGEMENT, len(body), Expect="100-continue")
    with TlsConnection(platform.api_port, Client(platform, platform.a.holders["poller"]).context) as connection:
        for _ in range(2):
            connection.send(head)
            assert connection.response().status == 100
            for at in range(0, len(body), 1000):
                connection.send(body[at:at + 1000])
                time.sleep(0.02)
            answer = connection.response()
            assert (answer.status, json.loads(answer.body)["code"]) == (400, "cursor-invalid")
        connection.send(head.replace(b"Expect: 100-continue\r\n", b"") + body[:10])
        time.sleep(0.05)
        connection.send(body[10:])
        assert connection.response().status == 400


def test_8_a_body_for_what_is_not_there_is_not_waited_for(server, platform):
    for method, path, status in (("POST", "/v1/nothing", 404), ("DELETE", "/v1/consents", 405)):
        with TlsConnection(platform.api_port, Client(platform, platform.a.holders["all"]).context) as connection:
            connection.send(head_of(method, path, 5000))
            assert connection.response().status == status and connection.is_closed()


def test_9_a_revoked_certificate_is_out_on_its_open_connection(server, platform):
    platform.b.add_certificate("to-be-revoked", ["poller"])
    with platform.b.client("to-be-revoked") as client:
        assert client.get(CHANGES).status == 200
        platform.b.revoke("to-be-revoked")
        wait_for_status(403, lambda: client.get(CHANGES), 5)
        assert client.get(CHANGES).is_problem("client-certificate-revoked", 403)


def test_9_a_disabled_institution_is_out_and_comes_back(server, platform):
    with platform.b.client() as client:
        assert client.get(CHANGES).status == 200
        platform.tashika("institution", "disable", "bank-b")
        wait_for_status(403, lambda: client.get(CHANGES), 5)
        assert client.get(CHANGES).is_problem("institution-disabled", 403)
        platform.tashika("institution", "enable", "bank-b")
        wait_for_status(200, lambda: client.get(CHANGES), 5)


def test_9_a_certificate_that_is_registered_gets_in_soon(server, platform):
    holder = platform.anybody("later")
    with Client(platform, holder) as client:
        assert client.get(CHANGES).status == 403
        platform.tashika("institution", "certificate", "add", "bank-b", holder.certificate_path, "--roles", "poller")
        wait_for_status(200, lambda: client.get(CHANGES), 5)


def test_9_no_session_is_resumed(server, platform):
    context = Client(platform, platform.a.holders["all"]).context
    with TlsConnection(platform.api_port, context) as first:
        first.send(b"GET /problems HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert first.response().status == 200
        assert first.tls.session is None or not first.tls.session.has_ticket
        assert not first.tls.session_reused
