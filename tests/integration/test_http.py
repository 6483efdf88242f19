"""How a question travels: GET in every spelling, POST in every framing, methods, paths and connections."""
import random
from base64 import b64encode, urlsafe_b64encode
from urllib.parse import quote

import pytest
from support.messages import Answer, cert_id, request
from support.wire import Connection, exchange, get, head_bytes, post, post_bytes


@pytest.fixture(scope="module")
def question(pki):
    """A request whose base64 text has all of `/`, `+` and `=`: (text, CertID)."""
    numbers = random.Random(1)
    for _ in range(1000):
        asked = cert_id(pki.ca.p256, numbers.getrandbits(numbers.randrange(64, 150)))
        text = b64encode(request(asked)).decode()
        if all(character in text for character in "/+="):
            return text, asked
    raise AssertionError("no such request")


def outcomes(response):
    assert response.status == 200
    assert response.header("content-type") == "application/ocsp-response"
    return Answer(response.body).outcomes


# --- GET ------------------------------------------------------------------------------------------------------------

SPELLINGS = {
    "raw": lambda text: "/ocsp/" + text,
    "%2F": lambda text: "/ocsp/" + text.replace("/", "%2F"),
    "%2f": lambda text: "/ocsp/" + text.replace("/", "%2f"),
    "%2B": lambda text: "/ocsp/" + text.replace("+", "%2B"),
    "%3D": lambda text: "/ocsp/" + text.replace("=", "%3D"),
    "escaped wherever possible": lambda text: "/ocsp/" + quote(text, safe=""),
    "escaped letters too": lambda text: "/ocsp/" + "".join(f"%{ord(character):02X}" for character in text),
    "no padding": lambda text: "/ocsp/" + text.rstrip("="),
    "two slashes": lambda text: "/ocsp//" + text,
    "a trailing slash": lambda text: "/ocsp/" + text + "/",
    "base64url": lambda text: "/ocsp/" + text.replace("+", "-").replace("/", "_"),
    "base64url without padding": lambda text: "/ocsp/" + text.replace("+", "-").replace("/", "_").rstrip("="),
    "the path of the issuer": lambda text: "/ocsp/p256/" + text,
    "the path of the issuer and two slashes": lambda text: "/ocsp/p256//" + text,
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_get_understands(server, question, spelling):
    text, asked = question
    response = get(server.ocsp_port, SPELLINGS[spelling](text))
    assert outcomes(response) == ["good"]
    assert Answer(response.body).cert_ids == [asked]


@pytest.mark.parametrize("text", ["!!!!", "%", "%4", "%zz", "AAAA", "A", "MDAw=MDAw"])
def test_get_of_what_is_no_request_is_malformed(server, text):
    response = get(server.ocsp_port, "/ocsp/" + text)
    assert (response.status, Answer(response.body).outcome) == (200, "malformedRequest")


@pytest.mark.parametrize("count", [5, 20, 80])
def test_a_long_get_is_answered(server, pki, count):
    body = request(*(cert_id(pki.ca.p256, serial, "sha1") for serial in range(0x6000, 0x6000 + count)))
    response = get(server.ocsp_port, "/ocsp/" + quote(b64encode(body).decode(), safe=""))
    assert outcomes(response) == ["good"] * count


@pytest.mark.parametrize("headers", [[], [("If-None-Match", '"other"')]], ids=["plain", "conditional"])
def test_head_is_get_without_the_body(server, question, headers):
    path = "/ocsp/" + question[0]
    with Connection(server.ocsp_port) as connection:
        connection.send(head_bytes("GET", path, headers))
        full = connection.response()
        connection.send(head_bytes("HEAD", path, headers) + head_bytes("GET", path, headers))
        bare = connection.response(head=True)
        assert connection.response().body == full.body, "HEAD was followed by stray bytes"
    same = ["content-type", "content-length", "etag", "last-modified", "expires"]
    assert bare.status == 200
    assert [bare.header(name) for name in same] == [full.header(name) for name in same]


# --- POST -----------------------------------------------------------------------------------------------------------

def chunked(body, sizes, extension="", trailer=""):
    text, place = b"", 0
    for size in [*sizes, len(body) - sum(sizes)]:
        text += f"{size:X}{extension}\r\n".encode() + body[place:place + size] + b"\r\n"
        place += size
    return (head_bytes("POST", "/ocsp", [("Content-Type", "application/ocsp-request"), ("Transfer-Encoding", "chunked")])
            + text + f"0\r\n{trailer}\r\n".encode())


@pytest.mark.parametrize("options", [{"sizes": []}, {"sizes": [1, 1, 7]}, {"sizes": [3], "extension": ";name=value"},
                                     {"sizes": [3], "trailer": "X-After: yes\r\n"}], ids=str)
def test_a_chunked_body_is_understood(server, pki, options):
    body = request(cert_id(pki.ca.p256, 0x5001))
    assert outcomes(exchange(server.ocsp_port, chunked(body, **options))) == ["revoked"]


def test_a_request_may_come_byte_by_byte(server, pki):
    data = post_bytes(request(cert_id(pki.ca.p256, 0x5001)))
    with Connection(server.ocsp_port) as connection:
        for place in range(len(data)):
            connection.send(data[place:place + 1])
        assert outcomes(connection.response()) == ["revoked"]


def test_expect_100_continue_is_continued(server, pki):
    body = request(cert_id(pki.ca.p256, 0x5001))
    data = post_bytes(body, headers=[("Expect", "100-continue")])
    with Connection(server.ocsp_port) as connection:
        connection.send(data[:-len(body)])
        assert connection.response().status == 100
        connection.send(body)
        assert outcomes(connection.response()) == ["revoked"]


@pytest.mark.parametrize("content_type", ["application/ocsp-request", "Application/OCSP-Request",
                                          "application/ocsp-request; charset=binary"])
def test_the_media_type_is_compared_as_media_types_are(server, pki, content_type):
    assert outcomes(post(server.ocsp_port, request(cert_id(pki.ca.p256, 1)), content_type=content_type)) == ["good"]


@pytest.mark.parametrize("content_type", ["text/plain", "application/ocsp-response", "application/ocsp-requests"])
def test_another_media_type_is_415(server, pki, content_type):
    assert post(server.ocsp_port, request(cert_id(pki.ca.p256, 1)), content_type=content_type).status == 415


def test_an_empty_post_is_malformed(server):
    assert Answer(post(server.ocsp_port, b"").body).outcome == "malformedRequest"


# --- methods and paths ----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "PROPFIND", "NONSENSE"])
def test_another_method_is_405(server, method):
    response = get(server.ocsp_port, "/ocsp", method=method)
    assert response.status == 405
    assert {name.strip() for name in response.header("allow").split(",")} == {"GET", "HEAD", "POST"}
    assert response.header("cache-control") == "no-store"


@pytest.mark.parametrize("path", ["/", "/ocspx", "/metrics", "/readyz", "/favicon.ico", "/../ocsp"])
def test_another_path_is_404(server, path):
    response = get(server.ocsp_port, path)
    assert response.status == 404
    assert response.header("cache-control") == "no-store"


def test_the_path_of_an_issuer_that_is_not_is_404(server, pki):
    assert post(server.ocsp_port, request(cert_id(pki.ca.p256, 1)), path="/ocsp/nobody").status == 404


# --- connections ----------------------------------------------------------------------------------------------------

def test_a_connection_is_kept_alive(server, pki):
    with Connection(server.ocsp_port) as connection:
        for serial, expected in ((0x5001, "revoked"), (0x99, "good"), (0x5002, "revoked")):
            connection.send(post_bytes(request(cert_id(pki.ca.p256, serial))))
            assert outcomes(connection.response()) == [expected]


def test_connection_close_is_honoured(server, pki):
    with Connection(server.ocsp_port) as connection:
        connection.send(post_bytes(request(cert_id(pki.ca.p256, 1)), headers=[("Connection", "close")]))
        response = connection.response()
        assert outcomes(response) == ["good"]
        assert response.header("connection").lower() == "close"
        assert connection.is_closed()


def test_http_1_0_closes(server, pki):
    with Connection(server.ocsp_port) as connection:
        connection.send(post_bytes(request(cert_id(pki.ca.p256, 1)), version="1.0"))
        assert outcomes(connection.response()) == ["good"]
        assert connection.is_closed()


def test_http_1_0_without_a_host_is_answered(server, question):
    assert outcomes(exchange(server.ocsp_port, f"GET /ocsp/{question[0]} HTTP/1.0\r\n\r\n".encode())) == ["good"]


def test_http_1_0_keeps_alive_when_asked_to(server, pki):
    data = post_bytes(request(cert_id(pki.ca.p256, 1)), version="1.0", headers=[("Connection", "keep-alive")])
    with Connection(server.ocsp_port) as connection:
        for _ in range(2):
            connection.send(data)
            response = connection.response()
            assert outcomes(response) == ["good"]
            assert response.header("connection").lower() == "keep-alive"


def test_pipelined_requests_are_answered_in_order(server, pki):
    asked = [cert_id(pki.ca.p256, serial) for serial in range(0x5000, 0x5028)]
    data = b"".join(
        post_bytes(request(one)) if place % 3
        else head_bytes("GET", "/ocsp/" + urlsafe_b64encode(request(one)).decode())
        for place, one in enumerate(asked))
    with Connection(server.ocsp_port) as connection:
        connection.send(data)
        assert [Answer(connection.response().body).cert_ids[0] for _ in asked] == asked


def test_a_client_that_half_closes_still_gets_its_answer(server, pki):
    with Connection(server.ocsp_port) as connection:
        connection.send(post_bytes(request(cert_id(pki.ca.p256, 0x5001))))
        connection.finish_sending()
        assert outcomes(connection.response()) == ["revoked"]
        assert connection.is_closed()


@pytest.mark.parametrize("sent", [b"", b"G", b"GET /ocsp/MEk",
                                  b"POST /ocsp HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\nab"],
                         ids=["nothing", "one letter", "half a line", "half a body"])
def test_clients_that_leave_early_disturb_nobody(server, pki, sent):
    waiting = [Connection(server.ocsp_port) for _ in range(50)]
    for place, connection in enumerate(waiting):
        connection.send(sent)
        if place % 3 == 0:
            connection.reset()
        elif place % 3 == 1:
            connection.socket.close()
    for _ in range(10):
        assert server.status(pki.ca.p256, 0x5001) == "revoked"
    for connection in waiting:
        connection.socket.close()
    assert server.status(pki.ca.p256, 0x5001) == "revoked"


def test_a_client_that_never_reads_disturbs_nobody(server, pki):
    data = post_bytes(request(*(cert_id(pki.ca.p256, serial) for serial in range(60))))
    with Connection(server.ocsp_port) as deaf:
        deaf.socket.settimeout(1)
        try:
            for _ in range(2000):
                deaf.send(data)
        except TimeoutError:
            pass
        assert server.status(pki.ca.p256, 0x5001) == "revoked"
