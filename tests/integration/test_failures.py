"""What went wrong once: damage that must show, failures that must stay small, requests that must not be left waiting."""
import resource
import shutil
import socket
import time

import pytest
from support import crl
from support.crl import Entry
from support.messages import cert_id, request
from support.pki import MINUTE, NOW
from support.program import said, seconds, tashika, wait_until
from support.wire import Connection, head_bytes, post_bytes

LATER = 0x99


def two_generations(small, pki):
    """The second revokes LATER."""
    made = small(entries=[Entry(1)], number=1)
    made.publish("p256", crl.make(pki.ca.p256, [Entry(1), Entry(LATER)], number=2, this_update=NOW - 30 * MINUTE))
    return made


def damage(path):
    content = bytearray(path.read_bytes())
    content[len(content) * 3 // 4] ^= 1
    path.unlink()
    path.write_bytes(content)


def test_a_damaged_newest_index_is_not_ready_and_the_same_list_mends_it(small, pki):
    made = two_generations(small, pki)
    damage(made.generations("p256")[-1])
    with made.serve(ready="/livez") as server:
        status, text = server.ops("/readyz")
        assert status == 503 and "p256" in text and "refused" in text
        result = made.ingest()
        assert result.returncode == 0 and "published" in result.stdout, said(result)
        wait_until(lambda: server.ops("/readyz")[0] == 200)
        assert server.status(pki.ca.p256, LATER) == "revoked"


@pytest.mark.parametrize("generations", [1, 2])
def test_a_cleared_directory_is_filled_again_and_served(small, pki, generations):
    made = small(entries=[Entry(1)], number=5)
    if generations == 2:
        made.publish("p256", crl.make(pki.ca.p256, [Entry(1), Entry(2)], number=6, this_update=NOW - 40 * MINUTE))
    with made.serve() as server:
        shutil.rmtree(made.index)
        made.publish("p256", crl.make(pki.ca.p256, [Entry(LATER)], number=7, this_update=NOW - 30 * MINUTE))
        wait_until(lambda: server.status(pki.ca.p256, LATER) == "revoked", what="the new generation 1")


def test_an_index_under_another_number_is_refused_once(small, pki):
    made = two_generations(small, pki)
    with made.serve() as server:
        first, last = made.generations("p256")
        shutil.copy(first, last.with_name("000000000009.tix"))
        wait_until(lambda: "000000000009.tix" in server.log.read_text(), what="the refusal")
        time.sleep(seconds(1))
        assert server.log.read_text().count("000000000009.tix") == 1
        assert server.status(pki.ca.p256, LATER) == "revoked"


def test_a_broken_ingest_record_does_not_end_the_server(small, pki):
    made = small(entries=[Entry(1)])
    record = made.index / "p256" / "ingest.json"
    record.unlink()
    record.write_text('{"successes":"x"}')
    with made.serve() as server:
        assert server.ops("/metrics")[0] == 200
        assert server.status(pki.ca.p256, 1) == "revoked"


def test_a_scrape_without_descriptors_does_not_end_the_server(small, pki):
    made = small(entries=[Entry(1)])
    few = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (96, 96))
    with made.serve(preexec_fn=few) as server, Connection(server.ops_port) as scraper:
        scraper.send(head_bytes("GET", "/livez"))
        assert scraper.response().status == 200
        crowd = [socket.create_connection(("127.0.0.1", server.ocsp_port)) for _ in range(120)]
        time.sleep(seconds(0.3))
        scraper.send(head_bytes("GET", "/metrics"))
        assert scraper.response().status in (200, 500)
        for one in crowd:
            one.close()
        wait_until(lambda: server.status(pki.ca.p256, 1) == "revoked")


def test_every_pipelined_request_is_answered_however_much_the_answers_are(small, pki):
    made = small(entries=[Entry(1)])
    body = post_bytes(request(cert_id(pki.ca.p256, 1)))
    with made.serve() as server, Connection(server.ocsp_port) as connection:
        long_head = head_bytes("POST", "/ocsp", [("Content-Type", "application/ocsp-request"), ("X-Long", "x" * 15000),
                                                 ("Content-Length", "0")])
        connection.send(long_head + body * 600)
        assert [connection.response().status for _ in range(601)] == [200] * 601


def test_a_list_that_is_written_to_while_it_is_read_is_refused(small, pki):
    made = small(publish=False)
    path = made.directory / "p256.crl"
    content = crl.make(pki.ca.p256, [Entry(number) for number in range(1, 30_000)], number=1)
    path.write_bytes(content)
    outcomes = set()
    for _ in range(10):
        shutil.rmtree(made.index, ignore_errors=True)
        process = made.start_ingest()
        while process.poll() is None:
            with path.open("r+b") as out:  # the same bytes again: only that it is written to matters
                out.write(content[:4096])
        outcomes.add(process.returncode)
    assert outcomes <= {0, 1} and 1 in outcomes
    assert tashika("ingest", "--config", made.config).returncode == 0
