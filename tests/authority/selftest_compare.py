"""`/control/compare` against responders that others wrote: openssl's, and one made with Python's cryptography, which
can be told to lie. Usage: JLIS_STANDIN=PATH pytest selftest_compare.py
"""
import datetime
import subprocess
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509 import ocsp

from selftest_server import PHONE, REASONS, RSA, Standin, moment, truth

NAMES = {name: getattr(x509.ReasonFlags, name) for name in REASONS.values()}


@pytest.fixture(scope="module")
def standin(tmp_path_factory):
    running = Standin(tmp_path_factory.mktemp("compare"), "--seed", "5", "--pace", "20", people=60)
    running.control("advance", {"days": 10, "seconds": 1000})
    yield running
    running.stop()


class Responder:
    """Answers one serial a request, from the truth at the last midnight. `lie` may change what it says of one."""

    def __init__(self, standin, authority, issued=True):
        self.issuer = standin.certificate(authority)
        self.signer = standin.certificate(f"{authority}-responder")
        key = (standin.directory / f"{authority}-responder.key").read_bytes()
        self.key = serialization.load_pem_private_key(key, None)
        self.midnight = moment(standin.control("now")["now"]).replace(hour=0, minute=0, second=0)
        books = standin.books(authority)
        self.listed = truth(books, self.midnight)
        self.issued = {int(row["serial"], 16) for row in books}
        self.lie = lambda serial, status, date, reason, this_update: (status, date, reason, this_update)
        responder = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # head and body in one segment; else each answer waits for a delayed acknowledgement

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                answer = responder.answer(ocsp.load_der_ocsp_request(body))
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/ocsp"

    def answer(self, request):
        serial = request.serial_number
        status, date, reason = ocsp.OCSPCertStatus.GOOD, None, None
        if serial in self.listed:
            date, name = self.listed[serial]
            status, reason = ocsp.OCSPCertStatus.REVOKED, name and NAMES[name]
        elif serial not in self.issued:
            status = ocsp.OCSPCertStatus.UNKNOWN
        status, date, reason, this_update = self.lie(serial, status, date, reason, self.midnight)
        # cryptography's builder wants a certificate, where a serial number would do.
        builder = ocsp.OCSPResponseBuilder().add_response(
            self.with_serial(serial), self.issuer, hashes.SHA1(), status, this_update,
            this_update + datetime.timedelta(days=1), date, reason)
        builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, self.signer).certificates([self.signer])
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)

    def with_serial(self, serial):
        builder = x509.CertificateBuilder().subject_name(self.issuer.subject).issuer_name(self.issuer.subject)
        builder = builder.public_key(self.key.public_key()).serial_number(serial)
        builder = builder.not_valid_before(self.midnight).not_valid_after(self.midnight)
        return builder.sign(self.key, hashes.SHA256())


def compare(standin, responder, **more):
    return standin.control("compare", {"authority": RSA, "ocsp": responder.url, "batch": 1, "never_issued": 30} | more)


@pytest.fixture
def responder(standin):
    return Responder(standin, RSA)


def test_an_honest_responder_shows_no_difference(standin, responder):
    result = compare(standin, responder)
    held = sum(reason == "certificate_hold" for _, reason in responder.listed.values())
    assert held and len(responder.listed) > held, "too little happened to tell"
    assert result["difference_count"] == 0 and result["differences"] == []
    assert result["asked"] == len(responder.issued)
    assert (result["revoked"], result["held"]) == (len(responder.listed) - held, held)
    assert result["never_issued"] == {"good": 0, "unknown": 30, "revoked": 0}
    assert moment(result["oldest_this_update"]) == moment(result["newest_this_update"]) == responder.midnight


LIES = {
    "good": lambda status, date, reason, at: (ocsp.OCSPCertStatus.GOOD, None, None, at),
    "unknown": lambda status, date, reason, at: (ocsp.OCSPCertStatus.UNKNOWN, None, None, at),
    "a second later": lambda status, date, reason, at: (status, date + datetime.timedelta(seconds=1), reason, at),
    "another reason": lambda status, date, reason, at: (status, date, NAMES["key_compromise"], at),
    "no list's moment": lambda status, date, reason, at: (status, date, reason, at + datetime.timedelta(seconds=1)),
    "the future": lambda status, date, reason, at: (status, date, reason, at + datetime.timedelta(days=1)),
}


@pytest.mark.parametrize("lie", LIES)
def test_one_lie_is_found(standin, responder, lie):
    [victim, *_] = [serial for serial, (_, reason) in responder.listed.items() if reason == "affiliation_changed"]
    responder.lie = lambda serial, *said: LIES[lie](*said) if serial == victim else said
    result = compare(standin, responder)
    assert result["difference_count"] == 1
    assert int(result["differences"][0]["serial"], 16) == victim


def test_an_old_answer_is_judged_by_the_list_of_its_day_and_by_since(standin, responder):
    books = standin.books(RSA)
    responder.midnight -= datetime.timedelta(days=7)
    today, responder.listed = responder.listed, truth(books, responder.midnight)
    assert today != responder.listed
    assert compare(standin, responder)["difference_count"] == 0
    since = (responder.midnight + datetime.timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert compare(standin, responder, since=since)["difference_count"] == len(books)
    responder.listed = today  # today's truth under an old date
    assert compare(standin, responder)["difference_count"] > 0


def test_an_answer_by_a_stranger_is_no_answer(standin, responder):
    stranger = Responder(standin, PHONE)
    responder.key, responder.signer = stranger.key, stranger.signer
    code, text = standin.refusal("compare", {"authority": RSA, "ocsp": responder.url, "batch": 1})
    assert code == 502 and "signature" in text


def test_openssls_responder_gets_batches(standin, tmp_path):
    """Its thisUpdate is the real clock's, so every answer differs in that; the counts must be right all the same."""
    books = standin.books(RSA)
    listed = truth(books, moment(standin.control("now")["now"]))
    camel = {name: "".join([name.split("_")[0], *map(str.title, name.split("_")[1:])]) for name in NAMES}
    with open(tmp_path / "index.txt", "w") as index:
        for row in books:
            date, reason = listed.get(int(row["serial"], 16), (None, None))
            when = date and date.strftime("%y%m%d%H%M%SZ") + (f",{camel[reason]}" if reason else "")
            serial = row["serial"]
            index.write(f"{'R' if date else 'V'}\t310101000000Z\t{when or ''}\t{serial}\tunknown\t/CN={serial}\n")
    directory = standin.directory
    process = subprocess.Popen(
        ["openssl", "ocsp", "-port", "0", "-index", tmp_path / "index.txt", "-CA", directory / f"{RSA}.pem",
         "-rsigner", directory / f"{RSA}-responder.pem", "-rkey", directory / f"{RSA}-responder.key"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        port = process.stdout.readline().split()[1].rpartition(":")[2]  # ACCEPT [::]:34567 PID=...
        result = standin.control("compare", {"authority": RSA, "ocsp": f"http://127.0.0.1:{port}/", "batch": 20})
    finally:
        process.kill()
        process.wait()
    held = sum(reason == "certificate_hold" for _, reason in listed.values())
    assert (result["asked"], result["revoked"], result["held"]) == (len(books), len(listed) - held, held)
    assert result["difference_count"] == len(books)
    assert "list was published" in result["differences"][0]["expected"]
    assert result["never_issued"]["unknown"] == 500
