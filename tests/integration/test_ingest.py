"""Which lists are taken in, which are refused, and what is said about it."""
import re
import subprocess
from datetime import timezone
from types import SimpleNamespace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from support import crl, der
from support.crl import Entry
from support.pki import DAY, HOUR, MINUTE, NOW, Authority
from support.program import Installation, Issuer, lookup, said

SOON = NOW - 30 * MINUTE


# --- taken in -------------------------------------------------------------------------------------------------------

def test_a_list_is_published_as_a_generation(small):
    made = small(entries=[Entry(0x1234)])
    [index] = made.generations("p256")
    assert re.fullmatch(r"\d{12}\.tix", index.name)
    assert lookup(index, 0x1234, 0x1235) == ["revoked", "unlisted"]


def test_the_same_list_again_is_unchanged(small):
    made = small(entries=[Entry(0x1234)])
    before = made.generations("p256")
    result = made.ingest()
    assert result.returncode == 0
    assert "unchanged" in said(result)
    assert made.generations("p256") == before


def test_a_newer_list_is_published_as_the_next_generation(small, pki):
    made = small(entries=[Entry(1)])
    made.publish("p256", crl.make(pki.ca.p256, [Entry(2)], number=2, this_update=SOON))
    first, second = made.generations("p256")
    assert int(second.stem) > int(first.stem)
    assert lookup(second, 1, 2) == ["unlisted", "revoked"]


def test_an_empty_list_is_a_list(small):
    made = small(entries=[])
    assert lookup(made.generations("p256")[0], 1) == ["unlisted"]


def test_a_number_of_twenty_octets_is_compared_as_a_number(small, pki):
    made = small(number=2**152 + 5)
    made.publish("p256", crl.make(pki.ca.p256, number=2**152 + 6, this_update=SOON))
    made.provide("p256", crl.make(pki.ca.p256, number=2**151 + 7, this_update=SOON))
    assert made.ingest().returncode == 1


def test_one_refused_issuer_does_not_hold_the_others_back(tmp_path, pki):
    made = Installation(tmp_path, [Issuer(pki.ca.old), Issuer(pki.ca.p256)])
    made.provide("old", b"no list")
    made.provide("p256", crl.make(pki.ca.p256, [Entry(5)]))
    assert made.ingest().returncode == 1
    assert made.generations("old") == []
    assert lookup(made.generations("p256")[0], 5) == ["revoked"]


RSA = ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]
PSS = ["-sigopt", "rsa_padding_mode:pss"]
SIGNATURES = {
    "RSA, SHA-256": (RSA, "sha256"), "RSA, SHA-384": (RSA, "sha384"), "RSA, SHA-512": (RSA, "sha512"),
    "PSS, SHA-256": (RSA, "sha256", PSS + ["-sigopt", "rsa_pss_saltlen:32"]),
    "PSS, SHA-384": (RSA, "sha384", PSS + ["-sigopt", "rsa_pss_saltlen:48"]),
    "PSS, SHA-512, longest salt": (RSA, "sha512", PSS),
    "P-256": (["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"], "sha256"),
    "P-384": (["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"], "sha384"),
    "P-521": (["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"], "sha512"),
    "Ed25519": (["-algorithm", "ED25519"], "null"),
}


@pytest.mark.parametrize("signature", SIGNATURES)
def test_a_list_made_by_openssl_is_taken_in(tmp_path, signature):
    certificate, revocations = crl.by_openssl(tmp_path, *SIGNATURES[signature])
    made = Installation(tmp_path / "installation", [Issuer(SimpleNamespace(name="openssl", certificate_path=certificate))])
    made.publish("openssl", revocations.read_bytes())
    assert lookup(made.generations("openssl")[0], 0x1234, 0x1235) == ["revoked", "unlisted"]


def test_a_list_made_by_python_cryptography_is_taken_in(tmp_path, pki):
    def naive(moment):
        return moment.astimezone(timezone.utc).replace(tzinfo=None)
    one = (x509.RevokedCertificateBuilder().serial_number(0x4321).revocation_date(naive(NOW - DAY))
           .add_extension(x509.CRLReason(x509.ReasonFlags.superseded), False)
           .add_extension(x509.InvalidityDate(naive(NOW - 2 * DAY)), False).build())
    revocations = (x509.CertificateRevocationListBuilder().issuer_name(pki.ca.p256.certificate.subject)
                   .last_update(naive(NOW - HOUR)).next_update(naive(NOW + DAY)).add_revoked_certificate(one)
                   .add_extension(x509.CRLNumber(3), False)
                   .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(pki.ca.p256.key.public_key()), False)
                   .sign(pki.ca.p256.key, hashes.SHA384()))
    made = Installation(tmp_path, [Issuer(pki.ca.p256)])
    made.publish("p256", revocations.public_bytes(serialization.Encoding.DER))
    assert lookup(made.generations("p256")[0], 0x4321, 0x4322) == ["revoked", "unlisted"]


# --- refused --------------------------------------------------------------------------------------------------------

def partition(*fields):
    return der.extension(crl.PARTITION, der.sequence(*fields), critical=True)


def newer(pki, **options):
    """A list that would be welcome after number 10, but for the options."""
    return crl.make(pki.ca.old, **{"entries": [Entry(0x1002)], "number": 11, "this_update": SOON, **options})


def pem(content):
    return subprocess.run(["openssl", "crl", "-inform", "DER"], input=content, capture_output=True, check=True).stdout


USER_CERTIFICATES_ONLY, INDIRECT = der.tlv(0x81, b"\xff"), der.tlv(0x84, b"\xff")
CERTIFICATE_ISSUER = der.extension(crl.CERTIFICATE_ISSUER, der.sequence(der.tlv(0x82, b"x.example")), critical=True)
ODD = der.extension(crl.UNHEARD_OF, der.NULL, critical=True)
WHY = r"(offset|byte) \d+"
REFUSED = {
    "a lower number": (lambda pki: newer(pki, number=9), [r"\b9\b", r"\b10\b"]),
    "an equal number with other bytes": (lambda pki: newer(pki, number=10), [r"\b10\b", "same|equal|other|differ"]),
    "an older thisUpdate": (lambda pki: newer(pki, this_update=NOW - 2 * HOUR), ["this.?update"]),
    "another authority's signature": (lambda pki: newer(pki, signer=pki.ca.p256), ["signature"]),
    "another key under the same name": (lambda pki: crl.make(pki.ca.new, number=11, this_update=SOON), ["key|signature"]),
    "another issuer": (lambda pki: crl.make(pki.ca.p256, number=11, this_update=SOON), ["issuer"]),
    "a flipped bit": (lambda pki: newer(pki, number=300).replace(b"\x02\x02\x01\x2c", b"\x02\x02\x01\x2d"), ["signature"]),
    "a truncated list": (lambda pki: newer(pki)[:-10], [WHY]),
    "half a list": (lambda pki: newer(pki)[:100], [WHY]),
    "trailing bytes": (lambda pki: newer(pki) + b"\0", ["trailing", WHY]),
    "an expired list": (lambda pki: newer(pki, next_update=NOW - MINUTE), ["next.?update|expired"]),
    "no nextUpdate": (lambda pki: newer(pki, next_update=None), ["next.?update"]),
    "no number": (lambda pki: newer(pki, number=None), ["crl.?number"]),
    "a critical number": (lambda pki: newer(pki, number=None, extensions=der.extension(crl.NUMBER, der.integer(11), True)),
                          ["crl.?number", "critical"]),
    "a number of 21 octets": (lambda pki: newer(pki, number=2**160), ["crl.?number"]),
    "a delta": (lambda pki: newer(pki, extensions=der.extension(crl.DELTA, der.integer(10), True)), ["delta"]),
    "a partition": (lambda pki: newer(pki, extensions=partition(USER_CERTIFICATES_ONLY)), ["only a part", "partitions = 1"]),
    "an indirect list": (lambda pki: newer(pki, extensions=partition(INDIRECT)), ["indirect"]),
    "an entry of another issuer": (lambda pki: newer(pki, entries=[Entry(7, extensions=CERTIFICATE_ISSUER)]),
                                   ["indirect|certificate.?issuer", WHY]),
    "an unknown critical extension": (lambda pki: newer(pki, extensions=ODD), ["critical", WHY]),
    "an unknown critical entry extension": (lambda pki: newer(pki, entries=[Entry(7, extensions=ODD)]), ["critical", WHY]),
    "reason 7": (lambda pki: newer(pki, entries=[Entry(7, 7)]), ["reason", WHY]),
    "reason 11": (lambda pki: newer(pki, entries=[Entry(7, 11)]), ["reason", WHY]),
    "a serial of 21 octets": (lambda pki: newer(pki, entries=[Entry(2**160)]), ["serial", WHY]),
    "a SHA-1 signature": (lambda pki: newer(pki, digest="sha1"), ["sha-?1|signature.?algorithm"]),
    "PEM": (lambda pki: pem(newer(pki)), ["PEM", "DER"]),
    "an empty file": (lambda pki: b"", ["empty|truncated|short|end"]),
    "a web page": (lambda pki: b"<html>Service Unavailable</html>", [WHY]),
}


@pytest.fixture
def running(tmp_path, pki):
    """A server over list number 10, which revokes 0x1001 only: (installation, server)."""
    made = Installation(tmp_path / "refusals", [Issuer(pki.ca.old, pki.ca.old.as_responder())])
    made.publish("old", crl.make(pki.ca.old, [Entry(0x1001)], number=10))
    with made.serve() as server:
        yield made, server


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_the_old_generation_kept(running, pki, case):
    made, server = running
    content, patterns = REFUSED[case]
    before = made.generations("old")
    made.provide("old", content(pki))
    result = made.ingest()
    assert result.returncode == 1, said(result)
    for pattern in [*patterns, r"\bold\b", r"old\.crl"]:
        assert re.search(pattern, said(result), re.IGNORECASE), f"nothing like {pattern!r} in: {said(result)}"
    assert made.generations("old") == before
    assert [server.status(pki.ca.old, serial) for serial in (0x1001, 0x1002)] == ["revoked", "good"]


def test_a_file_that_is_missing_is_named(running, pki):
    made, server = running
    (made.directory / "old.crl").unlink()
    result = made.ingest()
    assert result.returncode == 1
    assert "old.crl" in said(result)
    assert re.search("no such file", said(result), re.IGNORECASE)
    assert server.status(pki.ca.old, 0x1001) == "revoked"


def test_an_authority_that_may_not_sign_lists_is_refused(tmp_path):
    authority = Authority(tmp_path, "unfit", signs_lists=False)
    made = Installation(tmp_path / "installation", [Issuer(authority)])
    made.provide("unfit", crl.make(authority))
    result = made.ingest()
    assert result.returncode == 1
    assert re.search("crl.?sign", said(result), re.IGNORECASE)
    assert made.generations("unfit") == []
