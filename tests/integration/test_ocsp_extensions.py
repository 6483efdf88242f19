"""What an answer says beside its status: the list that it is of, how far back lists go, and that a serial was never issued.
Read by OpenSSL's program and by python-cryptography."""
import re
import subprocess
from datetime import datetime, timezone

import pytest
from cryptography import x509
from cryptography.x509.oid import ObjectIdentifier
from support import crl, der
from support.crl import Entry
from support.messages import cert_id, request
from support.pki import DAY, HOUR, NOW
from support.program import Installation, Issuer

CRL_ID = ObjectIdentifier("1.3.6.1.5.5.7.48.1.3")
ARCHIVE_CUTOFF = ObjectIdentifier("1.3.6.1.5.5.7.48.1.6")
EXTENDED_REVOKE = "1.3.6.1.5.5.7.48.1.9"
EXPIRED_CERTS_ON_CRL = "2.5.29.60"
LISTED, ISSUED, NEVER_ISSUED = 0x51, 0x52, 0x53


@pytest.fixture
def serve(tmp_path, pki):
    """serve(option=…, extensions=…): a server of p256 with one entry on its list, number 4711."""
    running = []

    def start(extensions=b"", issued=None, **options):
        if issued is not None:
            (tmp_path / "issued.txt").write_text("".join(f"{serial:X}\n" for serial in issued))
            options["issued"] = str(tmp_path / "issued.txt")
        made = Installation(tmp_path / "served", [Issuer(pki.ca.p256, pki.responders["p256"].as_responder(), options)])
        made.publish("p256", crl.make(pki.ca.p256, [Entry(LISTED, 4)], number=4711, extensions=extensions))
        running.append(made.serve())
        return running[-1]
    yield start
    for server in running:
        server.stop()


def ask(server, pki, serial):
    return server.ask(request(cert_id(pki.ca.p256, serial)))


def extensions(answer):
    """{OID: DER} of the only single response, by python-cryptography."""
    return {one.oid: one.value.public_bytes() for one in answer.parsed.single_extensions}


def text(answer, tmp_path):
    """What `openssl ocsp -resp_text` prints."""
    path = tmp_path / "response.der"
    path.write_bytes(answer.body)
    return subprocess.run(["openssl", "ocsp", "-respin", str(path), "-resp_text", "-noverify"], capture_output=True,
                          text=True, check=True).stdout


def when(moment):
    return f"{moment:%b} {moment.day:2} {moment:%H:%M:%S %Y} GMT"


def test_without_options_an_answer_has_no_extensions(serve, pki):
    server = serve()
    for serial in (LISTED, ISSUED):
        assert extensions(ask(server, pki, serial)) == {}


def test_an_answer_names_its_list(serve, pki, tmp_path):
    server = serve(crl_id=True)
    expected = der.sequence(der.explicit(1, der.integer(4711)),
                            der.explicit(2, der.tlv(0x18, f"{NOW - HOUR:%Y%m%d%H%M%SZ}".encode())))
    for serial in (LISTED, ISSUED):
        answer = ask(server, pki, serial)
        assert extensions(answer) == {CRL_ID: expected}
        printed = text(answer, tmp_path)
        assert re.search(r"OCSP CRL ID:\s+crlNum: 1267\s+crlTime: " + re.escape(when(NOW - HOUR)), printed), printed


def test_a_fixed_archive_cutoff_counts_back_from_produced_at(serve, pki, tmp_path):
    answer = ask(serve(archive_cutoff="365d"), pki, ISSUED)
    cutoff = answer.produced_at.replace(tzinfo=timezone.utc) - 365 * DAY
    assert extensions(answer) == {ARCHIVE_CUTOFF: der.tlv(0x18, f"{cutoff:%Y%m%d%H%M%SZ}".encode())}
    assert re.search(r"OCSP Archive Cutoff:\s+" + re.escape(when(cutoff)), text(answer, tmp_path))


def test_the_archive_cutoff_of_the_list_is_what_it_says(serve, pki):
    since = datetime(2015, 1, 1, tzinfo=timezone.utc)
    extension = der.extension(EXPIRED_CERTS_ON_CRL, der.tlv(0x18, f"{since:%Y%m%d%H%M%SZ}".encode()))
    answer = ask(serve(extensions=extension, archive_cutoff="list"), pki, LISTED)
    assert extensions(answer) == {ARCHIVE_CUTOFF: der.tlv(0x18, b"20150101000000Z")}


def test_a_list_that_says_nothing_gives_no_archive_cutoff(serve, pki):
    assert extensions(ask(serve(archive_cutoff="list"), pki, LISTED)) == {}


# RFC 6960 2.2
def test_a_serial_that_was_never_issued_is_said_to_be_revoked(serve, pki, tmp_path):
    server = serve(issued=[LISTED, ISSUED], not_issued="revoked", unlisted="unknown", crl_id=True)
    assert ask(server, pki, LISTED).outcome == "revoked"
    assert ask(server, pki, ISSUED).outcome == "good"
    answer = ask(server, pki, NEVER_ISSUED)
    assert answer.outcome == "revoked"
    assert answer.revocation_time == datetime(1970, 1, 1)
    assert answer.revocation_reason == x509.ReasonFlags.certificate_hold
    assert extensions(answer) == {}
    assert list(answer.extensions_by_oid) == [der.oid(EXTENDED_REVOKE)]
    assert re.search(r"Response Extensions:\s+valid:", text(answer, tmp_path))  # as OpenSSL names that arc
    for serial in (LISTED, ISSUED):
        assert ask(server, pki, serial).extensions_by_oid == {}


def test_a_serial_that_was_never_issued_is_unknown_unless_configured(serve, pki):
    server = serve(issued=[LISTED, ISSUED])
    assert ask(server, pki, NEVER_ISSUED).outcome == "unknown"
    assert ask(server, pki, ISSUED).outcome == "good"
    assert server.ask(request(cert_id(pki.ca.p256, ISSUED, key_hash=b"k" * 20))).outcome == "unauthorized"
