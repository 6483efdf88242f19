"""What caches are told: RFC 9110 and 9111 by way of RFC 9919 (the profile for many clients)."""
import re
from base64 import b64encode
from datetime import timezone
from email.utils import parsedate_to_datetime

import pytest
from support.messages import Answer, cert_id, request
from support.wire import get, post

IMF_FIXDATE = re.compile(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} "
                         r"\d\d:\d\d:\d\d GMT")


def path_of(body):
    return "/ocsp/" + b64encode(body).decode().replace("/", "%2F").replace("+", "%2B").replace("=", "%3D")


@pytest.fixture(scope="module")
def path(pki):
    return path_of(request(cert_id(pki.ca.p256, 0x5002)))


def moment(text):
    assert IMF_FIXDATE.fullmatch(text), f"{text!r} is no IMF-fixdate"
    return parsedate_to_datetime(text)


def assert_not_stored(response):
    assert "no-store" in response.cache_control
    assert "public" not in response.cache_control
    for name in ("etag", "last-modified", "expires"):
        assert response.header(name) is None, f"{name} on an answer that must not be stored"


@pytest.mark.parametrize("issuer", ["p256", "lent-b", "ed25519"])
def test_an_answer_is_fresh_for_at_most_max_age_and_never_to_its_next_update(server, pki, issuer):
    response = get(server.ocsp_port, path_of(request(cert_id(pki.authorities[issuer], 0x42))))
    next_update = Answer(response.body).next_update.replace(tzinfo=timezone.utc)
    date, expires = moment(response.header("date")), moment(response.header("expires"))
    max_age = int(response.cache_control["max-age"])
    assert 0 < max_age <= 3600
    assert date.timestamp() + max_age < next_update.timestamp()
    assert date < expires < next_update


def test_an_answer_may_be_cached_by_all_and_changed_by_none(server, path):
    assert {"public", "no-transform", "must-revalidate"} <= set(get(server.ocsp_port, path).cache_control)


def test_last_modified_is_this_update(server, path):
    response = get(server.ocsp_port, path)
    this_update = Answer(response.body).this_update.replace(tzinfo=timezone.utc)
    assert moment(response.header("last-modified")) == this_update


def test_the_etag_is_strong_and_the_same_for_the_same_bytes(server, path):
    answers = [get(server.ocsp_port, path) for _ in range(12)]
    tags = {response.header("etag") for response in answers}
    assert len(tags) == 1
    assert re.fullmatch(r'"[!#-~]+"', *tags)
    assert len({response.body for response in answers}) == 1


def test_the_etag_differs_between_questions(server, pki):
    tags = {get(server.ocsp_port, path_of(request(cert_id(pki.ca.p256, serial, algorithm)))).header("etag")
            for serial in (0x5001, 0x5002) for algorithm in ("sha1", "sha256")}
    assert len(tags) == 4


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("condition, status", [
    ("{tag}", 304), ("*", 304), ('"a", {tag}', 304), ('"a",{tag}, "b"', 304), ("W/{tag}", 304), ('W/"a", W/{tag}', 304),
    ('"a"', 200), ('W/"a"', 200), ('"a, b", "c"', 200)])
def test_if_none_match(server, path, method, condition, status):
    first = get(server.ocsp_port, path)
    tag = first.header("etag")
    second = get(server.ocsp_port, path, [("If-None-Match", condition.format(tag=tag))], method)
    assert second.status == status
    assert second.header("etag") == tag
    assert {"max-age", "public", "no-transform", "must-revalidate"} <= set(second.cache_control)
    assert moment(second.header("date")) and moment(second.header("expires"))
    if status == 304:
        assert second.header("content-length") in (None, str(len(first.body)))


def test_an_answer_with_a_nonce_is_not_stored(server, pki):
    assert_not_stored(get(server.ocsp_port, path_of(request(cert_id(pki.ca.p256, 1), nonce=b"n" * 16))))


@pytest.mark.parametrize("send", [
    lambda server, pki: get(server.ocsp_port, "/ocsp/AAAA"),
    lambda server, pki: post(server.ocsp_port, b"no request"),
    lambda server, pki: get(server.ocsp_port, path_of(request(cert_id(None, 1, name_hash=b"n" * 20, key_hash=b"k" * 20)))),
    lambda server, pki: get(server.ocsp_port, "/elsewhere"),
    lambda server, pki: get(server.ocsp_port, "/ocsp", method="DELETE"),
    lambda server, pki: post(server.ocsp_port, b"text", content_type="text/plain"),
], ids=["malformed GET", "malformed POST", "unauthorized", "404", "405", "415"])
def test_an_error_is_not_stored(server, pki, send):
    assert_not_stored(send(server, pki))


def test_try_later_is_not_stored(stale, pki):
    assert_not_stored(get(stale[0].ocsp_port, path_of(request(cert_id(pki.ca.p256, 5)))))


def test_get_and_post_give_the_same_statuses(server, pki):
    body = request(cert_id(pki.ca.p256, 0x5002), cert_id(pki.ca.p256, 7))
    responses = get(server.ocsp_port, path_of(body)), post(server.ocsp_port, body)
    by_get, by_post = (Answer(response.body) for response in responses)
    assert by_get.outcomes == by_post.outcomes == ["revoked", "good"]
