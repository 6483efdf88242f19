"""Lists, manifests and issued serials from web servers: what is asked for, what is said when it fails, and --every."""
import ipaddress
import subprocess

import pytest
from cryptography import x509
from support.crl import Entry
from support.lists import complete, delta
from support.pki import MINUTE, NOW, Authority
from support.program import PROGRAM, duration, free_port, said, seconds, wait_until
from support.webserver import WebServer

LATER = NOW - 30 * MINUTE
QUICK = {"attempts": 2, "backoff": "10ms", "connect_timeout": duration(5), "stall_timeout": duration(2),
         "timeout": duration(6)}


@pytest.fixture
def web():
    with WebServer() as site:
        yield site


@pytest.fixture
def desk(publisher, pki, web):
    """List 1, by http."""
    made = publisher(fetch=QUICK, crl=[web.url("/all.crl")])
    web.files["/all.crl"] = complete(pki.ca.p256, [Entry(1)])
    made.publish()
    return made


# --- what is asked for ----------------------------------------------------------------------------------------------

def test_a_list_is_asked_for_again_only_if_it_changed(desk, pki, web):
    result = desk.installation.ingest()
    assert result.returncode == 0 and "unchanged" in result.stdout, said(result)
    [(first, _), (second, status)] = web.asked("/all.crl")
    assert "If-None-Match" not in first
    assert (second["If-None-Match"], status) == (web.etag("/all.crl"), 304)
    web.files["/all.crl"] = complete(pki.ca.p256, [Entry(2)], 2, published=LATER)
    desk.publish()
    assert desk.statuses(1, 2) == ["unlisted", "revoked"]
    assert web.asked("/all.crl")[-1][1] == 200


def test_a_manifest_names_its_neighbours(publisher, pki, web):
    made = publisher(fetch=QUICK, crl=None, crl_manifest=web.url("/lists/manifest.txt?of=today"))
    for number, name in enumerate(["/lists/0.crl", "/lists/deep/1.crl", "/2.crl", "/3.crl"]):
        web.files[name] = complete(pki.ca.p256, [Entry(0x10 + number)], part=f"Part {number}")
    web.files["/lists/manifest.txt?of=today"] = f"# today\n0.crl\ndeep/1.crl\n/2.crl\n{web.url('/3.crl')}\n".encode()
    web.types["/lists/manifest.txt?of=today"] = "text/plain"
    made.publish()
    assert made.statuses(0x10, 0x11, 0x12, 0x13, 0x14) == ["revoked"] * 4 + ["unlisted"]


def test_delta_and_issued_serials_come_by_http_too(publisher, pki, web):
    made = publisher(fetch=QUICK, crl=[web.url("/all.crl")], delta_crl=[web.url("/delta.crl")], issued=web.url("/issued.txt"))
    web.files |= {"/all.crl": complete(pki.ca.p256, [Entry(1)]), "/issued.txt": b"01\n02\n03\n",
                  "/delta.crl": delta(pki.ca.p256, [Entry(2)], 2, 1, published=LATER)}
    made.publish()
    with made.serve() as server:
        assert [made.ask(server, serial).outcome for serial in (1, 2, 3, 4)] == ["revoked", "revoked", "good", "unknown"]


def test_a_list_that_came_damaged_is_fetched_whole_the_next_time(desk, pki, web):
    right = complete(pki.ca.p256, [Entry(2)], 2, published=LATER)
    web.etags["/all.crl"] = '"one tag for both"'
    web.files["/all.crl"] = right[:-1] + bytes([right[-1] ^ 1])
    desk.refuse("signature", "/all.crl")
    web.files["/all.crl"] = right
    desk.publish()
    assert desk.statuses(2) == ["revoked"]


# --- https ----------------------------------------------------------------------------------------------------------

@pytest.fixture
def secure(tmp_path):
    """(a server by https, the file with its authority's certificate)."""
    (tmp_path / "tls").mkdir()
    authority = Authority(tmp_path / "tls", "web", common_name="The web's own authority")
    name = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    holder = authority.issue("server", extensions=[(name, False)])
    with WebServer((str(holder.certificate_path), str(holder.key_path))) as site:
        yield site, str(authority.certificate_path)


def test_https_by_an_authority_of_its_own(publisher, pki, secure):
    site, anchor = secure
    site.files["/all.crl"] = complete(pki.ca.p256, [Entry(1)])
    publisher("trusting", fetch={**QUICK, "ca": anchor}, crl=[site.url("/all.crl")]).publish()
    publisher("wary", fetch=QUICK, crl=[site.url("/all.crl")]).refuse(site.url("/all.crl"), "certificate", r"\[fetch\]")


# --- what fails -----------------------------------------------------------------------------------------------------

FAILURES = {
    "not found": (lambda web: web.statuses.update({"/all.crl": 404}), ["404", "no such list"]),
    "forbidden": (lambda web: web.statuses.update({"/all.crl": 403}), ["403", "refuses us"]),
    "an error of the server": (lambda web: web.statuses.update({"/all.crl": 503}), ["503", "2 attempts"]),
    "too slow": (lambda web: web.delays.update({"/all.crl": seconds(20)}), ["time|slow"]),
    "a web page": (lambda web: web.types.update({"/all.crl": "text/html"}), ["web page"]),
    "empty": (lambda web: web.files.update({"/all.crl": b""}), ["empty"]),
}


@pytest.mark.parametrize("how", FAILURES)
def test_the_index_in_force_is_kept_when_the_answer_is(desk, pki, web, how):
    spoil, patterns = FAILURES[how]
    web.files["/all.crl"] = complete(pki.ca.p256, [Entry(2)], 2, published=LATER)
    spoil(web)
    desk.refuse(web.url("/all.crl"), *patterns)
    web.statuses, web.delays, web.types = {}, {}, {}
    web.files["/all.crl"] = complete(pki.ca.p256, [Entry(2)], 2, published=LATER)
    desk.publish()
    assert desk.statuses(1, 2) == ["unlisted", "revoked"]


def test_a_server_that_is_not_there_is_named(desk):
    url = f"http://127.0.0.1:{free_port()}/all.crl"
    desk.configure(crl=[url])
    desk.refuse(url, "refused|connect")


def test_one_list_that_is_missing_keeps_the_others_waiting(publisher, pki, web):
    names = [f"/{number}.crl" for number in range(5)]
    made = publisher(fetch=QUICK, crl=[web.url(name) for name in names])
    for number, name in enumerate(names):
        web.files[name] = complete(pki.ca.p256, [], part=f"Part {number}")
    missing = web.files.pop(names[3])
    made.refuse(web.url(names[3]), "404")
    web.files[names[3]] = missing
    made.publish()
    assert [status for name in names for _, status in web.asked(name)] == [200, 304, 200, 304, 200, 304, 404, 200, 200, 304]


# --- again and again ------------------------------------------------------------------------------------------------

def start_every(desk, name):
    return subprocess.Popen([PROGRAM, "ingest", "--config", str(desk.installation.config), "--every", "1s"],
                            stdin=subprocess.DEVNULL, stdout=(desk.directory / name).open("w"), stderr=subprocess.STDOUT)


def stop(process):
    process.terminate()
    return process.wait(seconds(20))


def test_every_second_takes_up_what_is_new_and_asks_politely(desk, pki, web):
    process = start_every(desk, "every.log")
    try:
        wait_until(lambda: len(web.asked("/all.crl")) >= 3, 20, "the second round")
        web.files["/all.crl"] = complete(pki.ca.p256, [Entry(2)], 2, published=LATER)
        wait_until(lambda: desk.statuses(2) == ["revoked"], 20, "the new list")
        after = len(web.asked("/all.crl"))
        wait_until(lambda: len(web.asked("/all.crl")) > after, 20, "another round")
    finally:
        assert stop(process) == 0
    asked = web.asked("/all.crl")
    assert all("If-None-Match" in headers for headers, _ in asked[1:])
    assert [status for _, status in asked].count(200) == 2
    assert len(desk.generations()) == 2


def test_a_failure_does_not_end_the_rounds(desk, pki, web):
    web.statuses["/all.crl"] = 404
    process = start_every(desk, "every.log")
    try:
        wait_until(lambda: "404" in (desk.directory / "every.log").read_text(), 20, "the failure")
        web.files["/all.crl"] = complete(pki.ca.p256, [Entry(2)], 2, published=LATER)
        web.statuses.clear()
        wait_until(lambda: desk.statuses(2) == ["revoked"], 20, "the new list")
    finally:
        assert stop(process) == 0


def test_two_at_once_never_fight(desk, pki, web):
    processes = [start_every(desk, name) for name in ("one.log", "other.log")]
    try:
        for number in range(2, 6):
            web.files["/all.crl"] = complete(pki.ca.p256, [Entry(number)], number, published=LATER + number * MINUTE)
            wait_until(lambda: desk.statuses(number) == ["revoked"], 20, f"list {number}")
    finally:
        codes = [stop(process) for process in processes]
    assert codes == [0, 0]
    logs = [(desk.directory / name).read_text() for name in ("one.log", "other.log")]
    assert sum(log.count("published generation") for log in logs) == 4
    assert not any(word in log for log in logs for word in ("refused", "failed", "kept", "error"))
    assert len(desk.generations()) == 5
