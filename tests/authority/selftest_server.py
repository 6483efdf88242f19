"""`jlis-standin serve` against clients that others wrote: openssl, curl, Python's cryptography.

What lists must say is worked out here anew from the books, which the control port tells.
Usage: JLIS_STANDIN=PATH pytest selftest_server.py
"""
import datetime
import json
import os
import subprocess
import time
import urllib.error
import urllib.request

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

PROGRAM = os.environ["JLIS_STANDIN"]
START = "2026-04-01T00:00:00Z"
PARTITIONS = 12
RSA, ELLIPTIC, PHONE = "card-signing-g3", "card-authentication-g4", "phone-authentication-g3"
REASONS = {1: "key_compromise", 3: "affiliation_changed", 4: "superseded", 5: "cessation_of_operation",
           6: "certificate_hold"}


class Standin:
    def __init__(self, directory, *options, people=400):
        self.directory = directory
        self.process = subprocess.Popen(
            [PROGRAM, "serve", "--directory", directory, "--start", START, "--people", str(people),
             "--municipalities", str(PARTITIONS), "--deltas", *options])
        self.ports = None
        while self.ports is None:
            assert self.process.poll() is None, "jlis-standin ended"
            if (directory / "ports.json").exists():
                self.ports = json.loads((directory / "ports.json").read_text())
            time.sleep(0.02)

    def stop(self):
        self.process.terminate()
        assert self.process.wait(10) == 0

    def control(self, path, body=None, method=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://{self.ports['control']}/control/{path}", data, method=method)
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.load(answer)

    def refusal(self, path, body):
        with pytest.raises(urllib.error.HTTPError) as caught:
            self.control(path, body)
        return caught.value.code, json.load(caught.value)["error"]

    def advance(self, **step):
        return moment(self.control("advance", step)["now"])

    def url(self, authority, file):
        return f"http://{self.ports['http']}/crl/{authority}/{file}"

    def get(self, authority, file):
        with urllib.request.urlopen(self.url(authority, file)) as answer:
            return answer.read()

    def crl(self, authority, file):
        """The list, verified with the authority's key."""
        crl = x509.load_der_x509_crl(self.get(authority, file))
        certificate = self.certificate(authority)
        assert crl.is_signature_valid(certificate.public_key())
        assert crl.issuer == certificate.subject
        return crl

    def certificate(self, name):
        return x509.load_pem_x509_certificate((self.directory / f"{name}.pem").read_bytes())

    def books(self, authority):
        return self.control(f"books/{authority}")["certificates"]


def moment(text):
    return datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ")


def number_of(crl):
    return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


def extension(crl, kind):
    try:
        return crl.extensions.get_extension_for_class(kind)
    except x509.ExtensionNotFound:
        return None


def entries_of(crl):
    """{serial: (date, reason name or None)}"""
    entries = {}
    for entry in crl:
        reason = extension(entry, x509.CRLReason)
        entries[entry.serial_number] = (entry.revocation_date, reason and reason.value.reason.name)
    assert len(entries) == len(list(crl)), "a serial stands on a list twice"
    return entries


def truth(books, at, partition=None):
    """What a list made at a moment must say, from the books alone."""
    listed = {}
    for certificate in books:
        lines = [line for line in certificate["history"] if moment(line["at"]) <= at]
        if not lines or lines[-1]["condition"] == "good" or moment(certificate["not_after"]) < at:
            continue
        if partition in (None, certificate["partition"]):
            reason = 6 if lines[-1]["condition"] == "held" else lines[-1].get("reason")
            listed[int(certificate["serial"], 16)] = (moment(lines[-1]["revocation_date"]), REASONS.get(reason))
    return listed


def apply_delta(entries, delta):
    combined = dict(entries)
    for serial, (date, reason) in entries_of(delta).items():
        combined.pop(serial, None)
        if reason != "remove_from_crl":
            combined[serial] = (date, reason)
    return combined


def curl(*arguments):
    """Status, header fields in lower case, body."""
    run = subprocess.run(["curl", "-sS", "-i", "--max-time", "20", *arguments], capture_output=True)
    head, _, body = run.stdout.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    fields = dict((line.split(": ", 1)[0].lower(), line.split(": ", 1)[1]) for line in lines[1:])
    return int(lines[0].split()[1]) if head else 0, fields, body, run.returncode


@pytest.fixture(scope="module")
def standin(tmp_path_factory):
    running = Standin(tmp_path_factory.mktemp("standin"), "--seed", "7", "--pace", "5")
    yield running
    running.stop()


def test_authorities_share_names_but_no_keys(standin):
    authorities = standin.control("authorities")["authorities"]
    assert len(authorities) == 14
    keys, names = set(), {}
    for authority in authorities:
        certificate = standin.certificate(authority["name"])
        keys.add(certificate.public_key().public_bytes(serialization.Encoding.DER,
                                                       serialization.PublicFormat.SubjectPublicKeyInfo))
        names.setdefault((authority["purpose"], authority["medium"]), set()).add(certificate.subject)
        assert "Tashika Test" in certificate.subject.rfc4514_string()
    assert len(keys) == 14
    assert [len(same) for same in names.values()] == [1] * 4
    assert len(set().union(*names.values())) == 4


@pytest.mark.parametrize("name", [RSA, ELLIPTIC, PHONE])
def test_openssl_accepts_responders_and_peoples_certificates(standin, name, tmp_path):
    directory = standin.directory
    subprocess.run(["openssl", "verify", "-x509_strict", "-purpose", "ocsphelper", "-CAfile", directory / f"{name}.pem",
                    directory / f"{name}-responder.pem"], check=True, capture_output=True)
    if name == ELLIPTIC:  # issues nothing yet
        return
    serial = standin.books(name)[-1]["serial"]
    with urllib.request.urlopen(f"http://{standin.ports['control']}/control/certificates/{name}/{serial}") as answer:
        (tmp_path / "person.pem").write_bytes(answer.read())
    # Authentication certificates carry critical policies of our own; openssl knows no others.
    verified = subprocess.run(["openssl", "verify", "-attime", "1775001600", "-CAfile", directory / f"{name}.pem",
                               tmp_path / "person.pem"], capture_output=True, text=True)
    assert verified.returncode == 0, verified.stderr


@pytest.mark.parametrize("file", ["full.crl", "delta.crl", "partitions/0003.crl", "partitions/0003.delta.crl"])
@pytest.mark.parametrize("name", [RSA, ELLIPTIC, PHONE])
def test_lists_verify_and_carry_their_extensions(standin, name, file, tmp_path):
    (tmp_path / "list.crl").write_bytes(standin.get(name, file))
    verified = subprocess.run(["openssl", "crl", "-inform", "DER", "-in", tmp_path / "list.crl", "-noout", "-CAfile",
                               standin.directory / f"{name}.pem"], capture_output=True, text=True)
    assert "verify OK" in verified.stderr
    crl = standin.crl(name, file)
    key = extension(standin.certificate(name), x509.SubjectKeyIdentifier).value.digest
    assert extension(crl, x509.AuthorityKeyIdentifier).value.key_identifier == key
    assert not extension(crl, x509.CRLNumber).critical
    delta = extension(crl, x509.DeltaCRLIndicator)
    assert (delta is not None) == ("delta" in file)
    if delta:
        assert delta.critical and delta.value.crl_number < number_of(crl)
    point = extension(crl, x509.IssuingDistributionPoint)
    assert (point is not None) == ("partitions" in file)
    if point:
        assert point.critical
        common_name = point.value.full_name[0].value.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value
        assert common_name.endswith(" CRLDP")


def test_a_persons_certificate_names_the_list_it_stands_on(standin):
    for name in (RSA, PHONE):
        for row in standin.books(name)[:20]:
            with urllib.request.urlopen(
                    f"http://{standin.ports['control']}/control/certificates/{name}/{row['serial']}") as answer:
                certificate = x509.load_pem_x509_certificate(answer.read())
            assert certificate.serial_number == int(row["serial"], 16)
            [point] = extension(certificate, x509.CRLDistributionPoints).value
            crl = standin.crl(name, f"partitions/{row['partition']:04}.crl")
            assert extension(crl, x509.IssuingDistributionPoint).value.full_name == point.full_name


def test_lists_say_what_the_books_say_day_after_day(tmp_path_factory):
    """Complete lists, partitions, and deltas over their base, at many moments; two base ages."""
    for base_age in (0, 2):
        standin = Standin(tmp_path_factory.mktemp("days"), "--seed", "11", "--pace", "30", "--base-age", str(base_age),
                          people=120)
        try:
            check_days(standin, base_age)
        finally:
            standin.stop()


def check_days(standin, base_age):
    complete = {}  # (authority, file): {number: entries}
    newest = {}  # (authority, file): number
    seen = set()
    # The first dozen live by hand: they lose phones and find them again, a day later or between two lists.
    *losers, scatterbrain = [row["person"] for row in standin.books(PHONE) if row["person"] <= 12]
    for step in range(16):
        now = standin.advance(seconds=[86400, 900, 20700, 1000][step % 4] if step else 0)
        for person, kind in {1: [(losers[step // 4 - 1], "phone_found")] if step > 4 else [],
                             2: [(losers[step // 4], "phone_lost")],
                             3: [(scatterbrain, "phone_lost"), (scatterbrain, "phone_found")] if step < 4 else []}.get(step % 4, []):
            standin.control("event", {"person": person, "kind": kind})
        midnight = now.replace(hour=0, minute=0, second=0)
        quarter = now - datetime.timedelta(seconds=(now - midnight).seconds % 900)
        for name in (RSA, PHONE, "phone-signing-g3"):
            books = standin.books(name)
            scopes = [(None, "full.crl", "delta.crl")]
            scopes += [(i, f"partitions/{i:04}.crl", f"partitions/{i:04}.delta.crl") for i in (0, PARTITIONS - 1)]
            for partition, full_file, delta_file in scopes:
                full, delta = standin.crl(name, full_file), standin.crl(name, delta_file)
                assert full.last_update == midnight and delta.last_update == quarter
                assert entries_of(full) == truth(books, midnight, partition)
                complete.setdefault((name, full_file), {})[number_of(full)] = entries_of(full)
                for file, crl in ((full_file, full), (delta_file, delta)):
                    assert number_of(crl) >= newest.get((name, file), 0)
                    newest[name, file] = number_of(crl)
                base = extension(delta, x509.DeltaCRLIndicator).value.crl_number
                age = (number_of(delta) - 1) // 96 - (base - 1) // 96  # in days
                assert age == base_age + (1 if quarter == midnight else 0)
                if base in complete[name, full_file]:
                    combined = apply_delta(complete[name, full_file][base], delta)
                    assert combined == truth(books, quarter, partition)
                    seen |= {reason for _, reason in entries_of(delta).values()}
    assert {"remove_from_crl", "certificate_hold", "affiliation_changed"} <= seen, "the deltas were too quiet to tell"


def test_partitions_add_up_to_the_whole(standin):
    manifest = standin.get(RSA, "partitions.txt").decode().splitlines()
    files = [line for line in manifest if not line.startswith("#")]
    assert files == [f"partitions/{i:04}.crl" for i in range(PARTITIONS)]
    together = {}
    for file in files:
        entries = entries_of(standin.crl(RSA, file))
        assert not together.keys() & entries.keys()
        together |= entries
    assert together and together == entries_of(standin.crl(RSA, "full.crl"))
    deltas = standin.get(RSA, "partition-deltas.txt").decode().splitlines()[1:]
    assert deltas == [f"partitions/{i:04}.delta.crl" for i in range(PARTITIONS)]


def test_issued_serials_are_those_of_the_books(standin):
    issued = standin.get(RSA, "issued.txt").decode().split()
    assert issued == [row["serial"] for row in standin.books(RSA)]


def test_conditions_and_ranges(standin):
    url = standin.url(RSA, "full.crl")
    whole = standin.get(RSA, "full.crl")
    status, fields, body, _ = curl(url)
    assert (status, body, fields["content-length"]) == (200, whole, str(len(whole)))
    tag, date = fields["etag"], fields["last-modified"]
    assert tag.startswith('"') and fields["content-type"] == "application/pkix-crl"
    assert curl(url, "-H", f"If-None-Match: {tag}")[:3:2] == (304, b"")
    assert curl(url, "-H", 'If-None-Match: "other"')[0] == 200
    assert curl(url, "-H", f"If-Modified-Since: {date}")[0] == 304
    assert curl(url, "-H", "If-Modified-Since: Tue, 31 Mar 2026 00:00:00 GMT")[0] == 200
    assert curl(url, "-H", 'If-None-Match: "other"', "-H", f"If-Modified-Since: {date}")[0] == 200
    for value, part in (("10-19", whole[10:20]), ("100-", whole[100:]), ("-5", whole[-5:]), ("0-99999999", whole)):
        status, fields, body, _ = curl(url, "-H", f"Range: bytes={value}")
        assert (status, body) == (206, part)
        assert fields["content-range"].endswith(f"/{len(whole)}")
    status, fields, _, _ = curl(url, "-H", f"Range: bytes={len(whole)}-")
    assert (status, fields["content-range"]) == (416, f"bytes */{len(whole)}")
    assert curl(url, "-H", "Range: bytes=9-1")[0] == 200
    assert curl(url, "-H", "Range: bytes=5-", "-H", f"If-Range: {tag}")[0] == 206
    assert curl(url, "-H", "Range: bytes=5-", "-H", f"If-Range: {date}")[0] == 206
    assert curl(url, "-H", "Range: bytes=5-", "-H", 'If-Range: "other"')[:3:2] == (200, whole)
    status, fields, body, _ = curl("--head", url)
    assert (status, fields["content-length"], body) == (200, str(len(whole)), b"")
    assert curl("-X", "POST", url)[0] == 405
    for missing in ("crl/nobody/full.crl", f"crl/{RSA}/partitions/9999.crl", f"crl/{RSA}/partitions/3.crl", ""):
        assert curl(f"http://{standin.ports['http']}/{missing}")[0] == 404


def test_https_gives_the_same_lists_and_upstream_wants_a_certificate(standin):
    trust = ["--cacert", str(standin.directory / "tls-ca.pem")]
    url = f"https://{standin.ports['https']}/crl/{RSA}/full.crl"
    assert curl(*trust, url)[2] == standin.get(RSA, "full.crl")
    assert curl(url)[3] == 60, "curl trusts an authority nobody told it of"
    assert curl(*trust, "--tls-max", "1.1", url)[3] == 35
    upstream = f"https://{standin.ports['upstream']}/v1/withdrawals?after=0"
    assert curl(*trust, upstream)[3] != 0
    mine = ["--cert", str(standin.directory / "operator.pem"), "--key", str(standin.directory / "operator.key")]
    status, _, body, _ = curl(*trust, *mine, upstream)
    assert status == 200 and json.loads(body)["withdrawals"] == []
    assert curl(*trust, *mine, "-d", "{", upstream)[0] == 400


def test_faults_strike_where_and_as_often_as_asked(standin):
    url, other = standin.url(RSA, "full.crl"), standin.url(PHONE, "full.crl")
    whole = standin.get(RSA, "full.crl")

    def fail(kind, value=None, count=1):
        fault = {"path": f"/crl/{RSA}/", "kind": kind, "count": count}
        standin.control("fail", fault if value is None else fault | {"value": value})

    fail("status", 503, count=2)
    assert [curl(other)[0], curl(url)[0], curl(url)[0], curl(url)[0]] == [200, 503, 503, 200]
    fail("truncate", 50)
    status, fields, body, code = curl(url)
    assert (status, int(fields["content-length"]), body, code) == (200, len(whole), whole[:50], 18)
    fail("reset", 0)
    assert curl(url)[3] in (18, 56)
    fail("wrong_signature")
    _, fields, body, _ = curl(url)
    key = standin.certificate(RSA).public_key()
    assert len(body) == len(whole) and not x509.load_der_x509_crl(body).is_signature_valid(key)
    assert fields["etag"] != curl(url)[1]["etag"]
    fail("old_list", 2)
    old = x509.load_der_x509_crl(curl(url)[2])
    assert old.is_signature_valid(key)
    assert number_of(old) == number_of(standin.crl(RSA, "full.crl")) - 2 * 96
    for kind, value in (("delay", 400), ("drip", 2 * len(whole))):
        fail(kind, value)
        began = time.monotonic()
        assert curl(url)[2] == whole
        assert time.monotonic() - began > 0.35, kind
    fail("status", 500, count=100)
    standin.control("fail", method="DELETE")
    assert curl(url)[2] == whole
    assert standin.refusal("fail", {"kind": "earthquake"})[0] == 400


def test_requests_are_remembered(standin):
    before = standin.control("requests")["next"]
    curl(standin.url(RSA, "full.crl"), "-H", 'If-None-Match: "x"', "-A", "selftest")
    [entry] = standin.control(f"requests?after={before}")["requests"]
    assert (entry["method"], entry["path"], entry["status"]) == ("GET", f"/crl/{RSA}/full.crl", 200)
    assert entry["headers"]["if-none-match"] == '"x"' and entry["headers"]["user-agent"] == "selftest"
    assert entry["bytes"] == len(standin.get(RSA, "full.crl"))


def test_control_says_what_is_wrong(standin):
    assert "forward" in standin.refusal("advance", {"to": "2020-01-01T00:00:00Z"})[1]
    assert standin.refusal("advance", {"to": "tomorrow"})[0] == 400
    assert standin.refusal("nothing", {})[0] == 404
    assert "card-signing-g1" in standin.refusal("compare", {"authority": "x", "ocsp": "http://127.0.0.1:1/"})[1]
    assert standin.refusal("compare", {"authority": RSA, "ocsp": "http://127.0.0.1:1/"})[0] == 502


def test_the_seed_and_the_clock_decide_everything(tmp_path_factory):
    files = ["full.crl", "delta.crl", "partitions.txt", "issued.txt"]
    files += [f"partitions/{i:04}.crl" for i in range(PARTITIONS)]

    def everything(seed, steps):
        standin = Standin(tmp_path_factory.mktemp("same"), "--seed", seed)
        try:
            for step in steps:
                standin.advance(**step)
            return {(name, file): standin.get(name, file)
                    for name in (RSA, ELLIPTIC, "card-signing-g4", PHONE) for file in files}
        finally:
            standin.stop()

    once = everything("3", [{"days": 200}, {"seconds": 4000}])
    assert once == everything("3", [{"days": 1}] * 200 + [{"seconds": 1000}] * 4)
    assert once != everything("4", [{"days": 200}, {"seconds": 4000}])
