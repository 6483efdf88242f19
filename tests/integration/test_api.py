"""What all of the API has in common: who gets in, what every answer has, and what is refused. The numbers are those of the
security checks that the API was designed with."""
import html.parser
import json
import os
import random
import re
import subprocess
import threading
import time

import pytest
from support import crl
from support.database import Cluster, connect, rows
from support.metrics import Metrics
from support.platform import Client, Platform
from support.program import Issuer, said, seconds, tashika, wait_for_status, wait_until
from support.tls import TlsConnection

CHANGES = "/v1/changes"
ACKNOWLEDGEMENT = "/v1/changes/acknowledgement"
ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"


@pytest.fixture(scope="module")
def server(platform):
    with platform.serve() as running:
        yield running


# --- what belongs to others, and what is not there (6, 10) ----------------------------------------------------------

def random_id(prefix):
    return prefix + "".join(random.choices(ALPHABET, k=26))


def test_6_a_cursor_of_another_institution_is_no_cursor(a, platform):
    cursor = a.get(CHANGES).json["next_cursor"]
    assert a.get(f"{CHANGES}?cursor={cursor}").status == 200
    with platform.b.client() as other:
        assert other.get(f"{CHANGES}?cursor={cursor}").is_problem("cursor-invalid", 400)


def test_10_what_is_not_there_gets_the_same_octets_whoever_asks_for_whatever(a, platform):
    paths = [f"/problems/{random_id('x')}" for _ in range(100)] + ["/", "/v2/consents", "/v1", "//", "/v1/%2e%2e/x"]
    with platform.b.client() as b:
        bodies = {client.get(path).body for path in paths for client in (a, b)}
    assert len(bodies) == 1
    assert a.get("/v1/nothing").is_problem("not-found", 404)


# --- every answer ---------------------------------------------------------------------------------------------------

def test_every_answer_names_its_request_and_what_is_left(a):
    ids = set()
    for path, status in ((CHANGES, 200), ("/nothing", 404), (f"{CHANGES}?limit=x", 422), ("/problems", 200)):
        answer = a.get(path)
        assert answer.status == status
        assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
                            answer.headers["x-request-id"])
        ids.add(answer.headers["x-request-id"])
        assert answer.headers["ratelimit-policy"] == '"requests";q=50000;w=10'
        assert re.fullmatch(r'"requests";r=\d+;t=\d+', answer.headers["ratelimit"])
        assert answer.headers["cache-control"] == ("public, max-age=300" if path == "/problems" else "no-store")
    assert len(ids) == 4


@pytest.mark.parametrize("sent, echoed", [("bank-4711.a:b_c", True), ("a b", False), ("x" * 65, False), ("<script>", False)])
def test_a_client_may_name_its_request(a, sent, echoed):
    assert a.get(CHANGES, X_Client_Request_Id=sent).headers.get("x-client-request-id") == (sent if echoed else None)


def test_an_address_says_which_methods_it_takes(a):
    for method in ("POST", "DELETE", "PATCH", "OPTIONS"):
        answer = a.call(method, CHANGES)
        assert answer.is_problem("method-not-allowed", 405)
        assert answer.headers["allow"] == "GET, HEAD"


def test_head_is_get_without_the_body(a):
    head, get = a.call("HEAD", "/problems"), a.get("/problems")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == str(len(get.body))
    assert head.headers["etag"] == get.headers["etag"]


def test_what_has_not_changed_is_not_sent_again(a):
    etag = a.get("/openapi.json").headers["etag"]
    again = a.get("/openapi.json", If_None_Match=f'"other", {etag}')
    assert (again.status, again.body) == (304, b"")


def test_json_does_not_depend_on_the_language(a):
    assert len({a.get("/nothing", Accept_Language=language).body for language in ("ja", "en", "fr;q=0.1")}) == 1


def test_an_answer_without_content_says_nothing_of_one(a):
    answer = a.call("PUT", ACKNOWLEDGEMENT, {"cursor": a.get(CHANGES).json["next_cursor"]})
    assert (answer.status, answer.body) == (204, b"")
    assert not answer.headers.keys() & {"content-length", "content-type"}  # RFC 9110 8.6


# --- what is refused (23, 24) ---------------------------------------------------------------------------------------

def test_23_tokens_in_addresses_are_refused(a, server):
    canary = "canary7tokenvalue"
    for query in (f"access_token={canary}", f"limit=1&Token={canary}", f"cursor=eyJhbGciOiJFUzI1NiJ9.{canary}.c2ln"):
        answer = a.get(f"{CHANGES}?{query}")
        assert answer.is_problem("token-in-url", 400)
        assert canary.encode() not in answer.body
    assert canary not in server.log.read_text() + server.ops("/metrics")[1]


@pytest.mark.parametrize("query, faults", [
    ("limt=5", [("limt", "unknown_parameter")]),
    ("limit=5&limit=5", [("limit", "duplicate_parameter")]),
    ("wait=%00&canary=1", [("wait", "bad_value"), ("canary", "unknown_parameter")]),
])
def test_parameters_are_known_and_come_once(a, query, faults):
    answer = a.get(f"{CHANGES}?{query}")
    assert answer.is_problem("invalid-request", 400)
    assert [(one["pointer"], one["code"]) for one in answer.json["errors"]] == faults


BAD_BODIES = {
    "nothing": b"", "no JSON": b"{", "two texts": b"{}{}", "a duplicate": b'{"cursor":"a","cursor":"b"}',
    "a duplicate inside": b'{"cursor":{"x":1,"\\u0078":2}}', "a bomb": b'{"a":' * 50_000,
    "arrays": b"[" * 100_000, "a float": b'{"cursor":1.0}', "an exponent": b'{"cursor":1e3}',
    "a large number": b'{"cursor":99999999999999999999}', "NUL": b'{"cursor":"\\u0000"}', "a raw NUL": b'{"cursor":"x"}\0',
    "a byte order mark": b'\xef\xbb\xbf{"cursor":"x"}', "no UTF-8": b'{"cursor":"\xff"}', "a lone surrogate":
    b'{"cursor":"\\ud800"}', "an array": b"[]", "an unknown member": b'{"cursor":"x","crusor":"y"}', "no member": b"{}",
    "a wrong type": b'{"cursor":7}', "a long text": b'{"cursor":"%s"}' % (b"x" * 65),
}


@pytest.mark.parametrize("name", BAD_BODIES)
def test_24_bodies_that_could_be_read_in_two_ways_are_refused(a, name):
    answer = a.call("PUT", ACKNOWLEDGEMENT, BAD_BODIES[name])
    assert answer.is_problem("invalid-request", 400)
    assert answer.json["errors"]
    assert a.get("/problems").status == 200  # the server lives, and so does the connection


def test_24_bodies_have_limits(server, platform):
    for path, size in ((ACKNOWLEDGEMENT, (256 << 10) + 1), ("/v1/nothing", 8193)):
        with platform.a.client() as client:
            answer = client.call("PUT", path, b" " * size)
            assert answer.is_problem("payload-too-large", 413)


def test_a_body_must_say_that_it_is_json_in_utf_8(a):
    def put(**headers):
        return a.call("PUT", ACKNOWLEDGEMENT, b'{"cursor":"x"}', {name.replace("_", "-"): value for name, value in headers.items()})
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/jsonx", "application/json; charset=shift_jis",
                 'application/json; a=b; charset="utf-16"'):
        assert put(Content_Type=kind).is_problem("unsupported-media-type", 415)
    assert put(Content_Encoding="gzip").is_problem("unsupported-media-type", 415)
    for kind in ("application/json;charset=UTF-8", 'application/json; a=b; charset="utf-8"'):
        assert put(Content_Type=kind, Content_Encoding="identity").is_problem("cursor-invalid", 400)


def test_a_get_takes_no_body(a):
    assert a.call("GET", CHANGES, b"{}").is_problem("invalid-request", 400)


def test_what_is_no_request_gets_a_problem_and_the_end(server, platform):
    context = Client(platform, platform.a.holders["all"]).context
    for text, status, code in ((b"GET / HTTP/1.1\r\nBad Header: 1\r\n\r\n", 400, "invalid-request"),
                               (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 20000 + b"\r\n\r\n", 431, "header-too-large"),
                               (b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: a\r\nAuthorization: b\r\n\r\n", 400,
                                "invalid-request")):
        with TlsConnection(platform.api_port, context) as connection:
            connection.send(text)
            response = connection.response()
            assert (response.status, response.header("content-type")) == (status, "application/problem+json")
            assert json.loads(response.body)["code"] == code


# --- public pages ---------------------------------------------------------------------------------------------------

class Page(html.parser.HTMLParser):
    """The tags, and what every open tag that needs one gets: its end."""
    VOID = {"meta", "br", "link"}

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.links = [], set(), []
        self.feed(text)
        self.close()
        assert self.open == [], self.open

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.links += [value for name, value in attributes if name == "href"]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_every_kind_of_problem_has_a_page_in_two_languages(a):
    listing = a.get("/problems")
    slugs = [link.removeprefix("/problems/") for link in Page(listing.body.decode()).links]
    contract = a.get("/openapi.json").json
    assert set(contract["components"]["examples"]) <= set(slugs) and len(slugs) >= 40
    for slug in slugs:
        answer = a.get(f"/problems/{slug}")
        assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        text = answer.body.decode()
        page = Page(text)
        assert "script" not in page.tags
        assert f"/problems/{slug}&quot;" in text and "意味" in text and "What to do" in text


def test_the_wanted_language_comes_first(a):
    order = {language: a.get("/problems/rate-limited", Accept_Language=language).body.decode() for language in ("ja", "en")}
    assert order["ja"].index("意味") < order["ja"].index("What it means")
    assert order["en"].index("意味") > order["en"].index("What it means")


def test_the_keys_are_public_and_nothing_else_of_them(a, platform):
    answer = a.get("/.well-known/jwks.json")
    keys = answer.json["keys"]
    assert len(keys) == 1
    assert keys[0].keys() == {"kty", "crv", "x", "y", "use", "alg", "kid"}
    jwk = pytest.importorskip("jwcrypto.jwk")
    assert not jwk.JWK.from_json(json.dumps(keys[0])).has_private


# --- limits ---------------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def slow(tmp_path_factory, cluster, pki):
    """Three requests a second, and OCSP beside the API."""
    directory = tmp_path_factory.mktemp("slow")
    made = Platform(directory, cluster, [Issuer(pki.ca.p256, pki.responders["p256"].as_responder())],
                    api={"requests_per_second": 3}, ocsp={})
    (directory / "p256.crl").write_bytes(crl.make(pki.ca.p256, [crl.Entry(5)]))
    made.tashika("ingest")
    return made


def test_requests_have_a_limit_that_others_do_not_feel(slow):
    with slow.serve(), slow.a.client() as a, slow.a.client("poller") as same, slow.b.client() as b:
        answers = [a.get(CHANGES) for _ in range(30)]
        left = [int(re.search(r"r=(\d+)", one.headers["ratelimit"])[1]) for one in answers]
        assert left == sorted(left, reverse=True) and left[0] == 29
        refused = wait_for_status(429, lambda: same.get(CHANGES), 5)
        assert refused.is_problem("rate-limited", 429)
        assert int(refused.headers["retry-after"]) >= 1
        assert b.get(CHANGES).status == 200
        with Client(slow, slow.anybody("flood")) as stranger:
            statuses = {stranger.get(CHANGES).status for _ in range(60)}
            assert statuses == {403, 429}


# --- the server around it -------------------------------------------------------------------------------------------

def test_the_server_starts_without_its_database_and_ocsp_does_not_notice(tmp_path, pki):
    cluster = Cluster()
    try:
        made = Platform(tmp_path / "lost", cluster, [Issuer(pki.ca.p256, pki.responders["p256"].as_responder())], ocsp={})
        (tmp_path / "lost/p256.crl").write_bytes(crl.make(pki.ca.p256, [crl.Entry(5)]))
        made.tashika("ingest")
        cluster.stop()
        with made.serve(ready="/livez") as server, made.a.client() as client:
            status, text = server.ops("/readyz")
            assert status == 503 and re.search("^database: .*reach", text, re.MULTILINE), text
            assert re.search("^p256: ready", text, re.MULTILINE)
            assert server.status(pki.ca.p256, 5) == "revoked"
            answer = client.get(CHANGES)
            assert answer.is_problem("database-unavailable", 503)
            assert int(answer.headers["retry-after"]) >= 1
            assert client.get("/problems").status == 200
            cluster.start()
            wait_until(lambda: server.ops("/readyz")[0] == 200, 20, "the database to be noticed")
            assert client.get(CHANGES).status == 200
            cluster.stop()
            wait_until(lambda: server.ops("/readyz")[0] == 503, 20, "its loss to be noticed")
            assert server.status(pki.ca.p256, 5) == "revoked"
            cluster.start()
            wait_until(lambda: server.ops("/readyz")[0] == 200, 20, "its return to be noticed")
            assert client.get(CHANGES).status == 200
    finally:
        cluster.remove()


def test_a_database_of_another_version_is_not_ready(slow):
    connection = connect(slow.url)
    try:
        rows(connection, "UPDATE migration SET sha256 = 'x' || sha256 WHERE name LIKE '0004%%'")
        with slow.serve(ready="/livez") as server:
            wait_until(lambda: "0004_row_level_security was applied with another text" in server.ops("/readyz")[1], 10,
                       "the fault")
            assert server.ops("/readyz")[0] == 503
            rows(connection, "UPDATE migration SET sha256 = substr(sha256, 2) WHERE name LIKE '0004%%'")
            wait_until(lambda: server.ops("/readyz")[0] == 200, 10, "readiness")
    finally:
        connection.close()


def test_waiting_requests_are_answered_when_the_server_ends(slow):
    with slow.serve() as server, slow.b.client() as client:
        answers = []
        waiting = threading.Thread(target=lambda: answers.append(client.get(f"{CHANGES}?wait=50")))
        waiting.start()
        wait_until(lambda: Metrics(server.ops("/metrics")[1]).value("tashika_feed_waiters") == 1, 10, "the request to wait")
        started = time.monotonic()
        assert server.stop() == 0
        waiting.join(seconds(10))
        assert time.monotonic() - started < seconds(8)
        assert answers[0].status == 200 and answers[0].json["items"] == []


def test_check_looks_at_the_files_of_the_api(platform, tmp_path):
    def check(**changes):
        text = platform.config.read_text()
        for key, value in changes.items():
            text = re.sub(rf"^{key} = .*$", f"{key} = {json.dumps(str(value))}", text, count=1, flags=re.MULTILINE)
        path = platform.directory / "changed.toml"
        path.write_text(text)
        return tashika("serve", "--config", path, "--check")
    assert check().returncode == 0
    (tmp_path / "empty").write_text("")
    for key, value in (("client_ca", tmp_path / "absent"), ("certificate", tmp_path / "empty"),
                       ("key_encryption_key", tmp_path / "absent"), ("base_url", "http://example.jp")):
        result = check(**{key: value})
        assert result.returncode == 2, key
        assert str(value) in said(result) or key in said(result)
    absent = {key: tmp_path / f"no-{key}" for key in ("certificate", "client_ca", "key_encryption_key", "ca")}
    result = check(**absent)
    assert result.returncode == 2
    assert [path for path in map(str, absent.values()) if path not in said(result)] == [], "not all at once"


def test_metrics_count_by_route_and_status_and_please_promtool(a, server):
    before = Metrics(server.ops("/metrics")[1])
    a.get(CHANGES)
    a.get("/v1/nothing")
    after = Metrics(server.ops("/metrics")[1])

    def rise(name, **labels):
        return after.value(name, **labels) - before.samples.get((name, frozenset(labels.items())), 0)
    assert rise("tashika_api_requests_total", method="GET", route=CHANGES, status="200") == 1
    assert rise("tashika_api_problems_total", code="not-found") == 1
    assert after.value("tashika_database_ready") == 1
    assert "tashika_api_request_duration_seconds" in after.types
    if os.path.exists("/usr/bin/promtool"):
        result = subprocess.run(["promtool", "check", "metrics"], input=server.ops("/metrics")[1], capture_output=True,
                                text=True)
        assert (result.returncode, result.stderr.strip()) == (0, "")


# --- secrets (13, 22) -----------------------------------------------------------------------------------------------

def test_13_institutions_that_share_connections_see_their_own(platform, server):
    """More requests than connections, of two institutions at once: each cursor is readable by its own alone."""
    def ask(bank, faults):
        with bank.client() as client:
            for _ in range(40):
                answer = client.get(CHANGES)
                again = client.get(f"{CHANGES}?cursor={answer.json['next_cursor']}")
                if again.status != 200:
                    faults.append(again.body)
    faults = []
    threads = [threading.Thread(target=ask, args=(bank, faults)) for bank in (platform.a, platform.b) * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    connection = connect(platform.url, "")
    assert rows(connection, "SELECT * FROM feed") == []


def test_22_nothing_that_was_sent_is_repeated(a, server, cluster):
    canary = "canary9secret"
    answers = [
        a.call("PUT", ACKNOWLEDGEMENT, {"cursor": canary}),
        a.call("PUT", ACKNOWLEDGEMENT, {"cursor": [canary]}),
        a.call("PUT", ACKNOWLEDGEMENT, {"cursor": canary * 9}),
        a.get(f"{CHANGES}?cursor={canary}"),
        a.get(f"{CHANGES}?limit={canary}"),
        a.get(f"/v1/{canary}"),
        a.call("GET", CHANGES, headers={"Authorization": f"Bearer {canary}", "X-Client-Request-Id": f"{canary} !",
                                        "Idempotency-Key": canary, "Cookie": canary}),
    ]
    assert all(canary.encode() not in answer.body for answer in answers)
    assert canary not in server.log.read_text() + server.ops("/metrics")[1] + cluster.log()


def test_curl_reads_the_feed(platform, server):
    holder = platform.a.holders["poller"]
    result = subprocess.run(["curl", "-sS", "--tlsv1.3", "--cacert", platform.servers.certificate_path, "--cert",
                             holder.certificate_path, "--key", holder.key_path, f"{platform.base_url}{CHANGES}"],
                            capture_output=True, text=True, timeout=seconds(30))
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["items"] == []
