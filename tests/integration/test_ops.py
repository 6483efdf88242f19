"""What an operator sees: /livez, /readyz and /metrics."""
import re
import shutil
import subprocess
import time

import pytest
from support import crl
from support.crl import Entry
from support.messages import cert_id, request
from support.metrics import Metrics
from support.pki import DAY, HOUR, NOW
from support.program import wait_until

OUTCOMES = ["good", "revoked", "unknown", "unauthorized", "malformed", "try_later", "internal_error"]


def metrics(server):
    status, text = server.ops("/metrics")
    assert status == 200
    return Metrics(text)


# --- livez and readyz -----------------------------------------------------------------------------------------------

def test_a_serving_server_is_live_and_ready(server):
    assert server.ops("/livez")[0] == 200
    assert server.ops("/readyz")[0] == 200


def test_the_operations_listener_knows_no_other_path(server):
    assert server.ops("/ocsp")[0] == 404


def test_a_server_without_an_index_is_live_says_why_it_is_not_ready_and_becomes_so(small, pki):
    made = small(publish=False)
    with made.serve(ready="/livez") as server:
        status, text = server.ops("/readyz")
        assert status == 503
        assert "p256" in text and re.search("no index|not.*ingested|missing", text, re.IGNORECASE)
        assert server.status(pki.ca.p256, 5) == "tryLater"
        made.publish("p256", crl.make(pki.ca.p256, [Entry(5)]))
        wait_until(lambda: server.ops("/readyz")[0] == 200, 2, "readiness")
        assert server.status(pki.ca.p256, 5) == "revoked"


def test_a_server_with_a_list_past_its_next_update_is_live_but_not_ready(stale):
    server, _ = stale
    assert server.ops("/livez")[0] == 200
    status, text = server.ops("/readyz")
    assert status == 503
    assert "p256" in text and re.search("next.?update|stale|expired", text, re.IGNORECASE)


# --- metrics --------------------------------------------------------------------------------------------------------

def test_the_metrics_please_promtool(server):
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed")
    result = subprocess.run(["promtool", "check", "metrics"], input=server.ops("/metrics")[1], capture_output=True,
                            text=True)
    assert (result.returncode, result.stderr.strip()) == (0, "")


def test_every_outcome_is_counted_from_the_start(small):
    with small().serve() as server:
        found = metrics(server)
        assert [found.value("tashika_ocsp_requests_total", outcome=outcome) for outcome in OUTCOMES] == [0] * len(OUTCOMES)


QUESTIONS = {
    "good": lambda pki: request(cert_id(pki.ca.p256, 0x99)),
    "revoked": lambda pki: request(cert_id(pki.ca.p256, 0x5001)),
    "unknown": lambda pki: request(cert_id(pki.ca.ed25519, 0x99)),
    "unauthorized": lambda pki: request(cert_id(pki.ca.p256, 1, key_hash=b"k" * 20)),
    "malformed": lambda pki: b"no request",
}


def assert_counted(server, outcome, body):
    def counts():
        found = metrics(server)
        return [found.value("tashika_ocsp_requests_total", outcome=one) for one in OUTCOMES]
    before = counts()
    for _ in range(3):
        server.ask(body)
    expected = [count + 3 * (one == outcome) for one, count in zip(OUTCOMES, before)]
    wait_until(lambda: counts() == expected, 3, f"{outcome} to rise by 3, and nothing else")


@pytest.mark.parametrize("outcome", QUESTIONS)
def test_an_answer_is_counted_by_its_outcome(server, pki, outcome):
    assert_counted(server, outcome, QUESTIONS[outcome](pki))


def test_try_later_is_counted(stale, pki):
    assert_counted(stale[0], "try_later", request(cert_id(pki.ca.p256, 5)))


@pytest.mark.parametrize("issuer", ["p256", "rsa", "ed25519", "old", "new", "lent-a", "lent-b"])
def test_the_gauges_of_an_issuer_are_those_of_its_list(server, pki, issuer):
    text = subprocess.run(["openssl", "crl", "-inform", "DER", "-in", pki.list_paths[issuer], "-noout", "-text"],
                          capture_output=True, text=True, check=True).stdout
    found = metrics(server)
    assert found.value("tashika_crl_number", issuer=issuer) == (77 if issuer == "p256" else 1)
    assert found.value("tashika_crl_entries", issuer=issuer) == text.count("Serial Number:")
    assert found.value("tashika_crl_this_update_timestamp_seconds", issuer=issuer) == (NOW - HOUR).timestamp()
    assert found.value("tashika_index_generation", issuer=issuer) >= 1
    if issuer != "lent-b":
        assert found.value("tashika_crl_next_update_timestamp_seconds", issuer=issuer) == (NOW + 7 * DAY).timestamp()


def test_durations_are_a_histogram(server, pki):
    server.status(pki.ca.p256, 1)
    found = metrics(server)
    assert found.types["tashika_ocsp_request_duration_seconds"] == "histogram"
    histograms = found.histograms()
    assert any(family == "tashika_ocsp_request_duration_seconds" for family, _ in histograms)
    for (family, labels), buckets in histograms.items():
        counts = [count for _, count in buckets]
        assert counts == sorted(counts), f"{family} is not cumulative"
        assert buckets[-1] == (float("inf"), found.samples[f"{family}_count", labels])


def test_a_refused_list_raises_a_metric(small, pki):
    made = small(number=5)
    with made.serve() as server:
        def failures():
            return {key: value for key, value in metrics(server).samples.items()
                    if key[0].startswith("tashika_ingest_") and ("issuer", "p256") in key[1]}
        before = failures()
        time.sleep(1.1)  # a timestamp has to have a chance to move
        made.provide("p256", crl.make(pki.ca.p256, number=4, this_update=NOW))
        assert made.ingest().returncode == 1
        wait_until(lambda: any(value > before.get(key, 0) for key, value in failures().items()), 5,
                   "a tashika_ingest_ metric to rise")


def test_no_metric_carries_a_serial_or_a_path(server, pki):
    server.status(pki.ca.p256, 0x123456789ABCDEF)
    text = server.ops("/metrics")[1].lower()
    assert "123456789abcdef" not in text and "/ocsp" not in text
