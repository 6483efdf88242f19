"""What people sign, and the four-information service over mutual TLS, against openssl, curl and Python's cryptography.

Usage: JLIS_STANDIN=PATH pytest selftest_upstream.py
"""
import base64
import datetime
import hashlib
import json
import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from selftest_server import Standin, curl, moment

DOCUMENT = "同意書\n".encode() + bytes(range(256))


@pytest.fixture(scope="module")
def standin(tmp_path_factory):
    running = Standin(tmp_path_factory.mktemp("upstream"), "--seed", "7", people=30)
    yield running
    running.stop()


def sign(standin, person, document=DOCUMENT, **options):
    return standin.control("sign", {"person": person, "document": base64.b64encode(document).decode()} | options)


def certificate_of(signed):
    return x509.load_der_x509_certificate(base64.b64decode(signed["certificate"]))


def ask(standin, path, body=None):
    """Status and answer of the four-information service; None if there was no whole answer."""
    directory = standin.directory
    data = [] if body is None else ["-d", json.dumps(body)]
    status, _, answer, code = curl("--cacert", str(directory / "tls-ca.pem"), "--cert", str(directory / "operator.pem"),
                                   "--key", str(directory / "operator.key"), *data,
                                   f"https://{standin.ports['upstream']}{path}")
    return status, json.loads(answer) if code == 0 and answer else None


def name_of(signed):
    return {member: signed[member] for member in ("issuer_key_hash", "serial")}


def agree(standin, person, institution="bank"):
    """A consent, and the certificate that signed it."""
    name = name_of(sign(standin, person))
    status, consent = ask(standin, "/v1/consents", {
        "institution": institution, "service": "accounts", "certificate": name, "items": ["name", "address"],
        "received_at": standin.control("now")["now"]})
    assert status == 201
    return consent["consent"], name


def check_raw(signed, digest):
    key, signature = certificate_of(signed).public_key(), base64.b64decode(signed["signature"])
    if isinstance(key, rsa.RSAPublicKey):
        key.verify(signature, DOCUMENT, padding.PKCS1v15(), digest)
    else:
        key.verify(signature, DOCUMENT, ec.ECDSA(digest))


def check_cms(standin, signed, authority, tmp_path):
    (tmp_path / "document").write_bytes(DOCUMENT)
    (tmp_path / "cms").write_bytes(base64.b64decode(signed["cms"]))
    now = moment(standin.control("now")["now"])
    at = int(now.replace(tzinfo=datetime.timezone.utc).timestamp())
    verify = ["openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", tmp_path / "cms", "-CAfile",
              standin.directory / f"{authority}.pem", "-purpose", "any", "-attime", str(at), "-out", tmp_path / "out"]
    verified = subprocess.run([*verify, "-content", tmp_path / "document"], capture_output=True, text=True)
    assert verified.returncode == 0, verified.stderr
    assert (tmp_path / "out").read_bytes() == DOCUMENT
    (tmp_path / "document").write_bytes(DOCUMENT[:-1])
    assert subprocess.run([*verify, "-content", tmp_path / "document"], capture_output=True).returncode != 0
    printed = subprocess.run(["openssl", "cms", "-cmsout", "-print", "-inform", "DER", "-in", tmp_path / "cms"],
                             capture_output=True, text=True).stdout
    assert "eContent: <ABSENT>" in printed
    assert now.strftime("%b %e %H:%M:%S %Y GMT").replace("  ", " ") in printed.replace("  ", " ")


@pytest.mark.parametrize("seat", ["card signing", "card authentication"])
def test_a_person_signs_with_the_current_certificate(standin, seat, tmp_path):
    signed = sign(standin, 1, seat=seat)
    current = standin.control("people/1")["current"][seat]
    assert signed["serial"] == current["serial"]
    assert certificate_of(signed).serial_number == int(signed["serial"], 16)
    issuer = standin.certificate(current["authority"]).public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.PKCS1)
    assert signed["issuer_key_hash"] == hashlib.sha256(issuer).hexdigest()
    check_raw(signed, hashes.SHA256())
    assert sign(standin, 1, seat=seat) == signed  # always the same
    check_cms(standin, sign(standin, 1, seat=seat, format="cms"), current["authority"], tmp_path)


def test_the_next_generation_signs_with_p384(tmp_path_factory, tmp_path):
    standin = Standin(tmp_path_factory.mktemp("next"), "--seed", "7", people=12)
    try:
        standin.advance(days=200)
        standin.control("event", {"person": 2, "kind": "renewal"})
        check_raw(sign(standin, 2), hashes.SHA384())
        check_cms(standin, sign(standin, 2, format="cms"), "card-signing-g4", tmp_path)
    finally:
        standin.stop()


def test_a_revoked_certificate_signs_only_if_asked_for(standin):
    before = sign(standin, 4)
    standin.control("event", {"person": 4, "kind": "move", "reissue_after_seconds": 3600})
    request = {"person": 4, "document": ""}
    assert standin.refusal("sign", request) == (400, "person 4 has no good certificate at 'card signing'")
    assert sign(standin, 4, even_if_revoked=True) == before
    standin.advance(seconds=3600)
    assert sign(standin, 4)["serial"] != before["serial"]


@pytest.mark.parametrize("wrong", [{"seat": "pocket"}, {"format": "xml"}, {"document": "a"}, {"person": 99}, {"document": None},
                                   {"document": "===="}])
def test_what_can_not_be_signed_is_refused(standin, wrong):
    assert standin.refusal("sign", {"person": 1, "document": ""} | wrong)[0] == 400


def test_a_request_id_is_answered_once(standin):
    consent, name = agree(standin, 3, institution="thrifty")
    standin.control("event", {"person": 3, "kind": "move", "reissue_after_seconds": 0})
    standin.control("event", {"person": 3, "kind": "reissue"})
    question = {"consent": consent, "certificate": name, "items": ["address"]}

    newer = ask(standin, "/v1/newer-certificate", question)
    assert newer[0] == 200 and newer[1]["state"] == "newer_certificate" and newer[1]["billable_yen"] == 0
    assert "items" not in newer[1] and "thrifty" not in standin.control("billing")["by_institution"]

    once = ask(standin, "/v1/four-information", question | {"request_id": "q1"})
    assert once[1]["state"] == "provided" and once[1]["certificate"] == newer[1]["certificate"]
    standin.advance(seconds=60)  # the answer says the same, its time too
    assert ask(standin, "/v1/four-information", question | {"request_id": "q1"}) == once
    assert standin.control("billing")["by_institution"]["thrifty"] == {"answers": 1, "yen": 20}
    status, answer = ask(standin, "/v1/four-information", question | {"request_id": "q1", "items": ["name"]})
    assert (status, answer["error"]) == (409, "request_id_conflict")
    status, answer = ask(standin, "/v1/consents", question | {"request_id": "q1"})
    assert (status, answer["error"]) == (409, "request_id_conflict")
    for request_id in ("", 7, "x" * 201):
        assert ask(standin, "/v1/four-information", question | {"request_id": request_id})[0] == 400
    ask(standin, "/v1/four-information", question | {"request_id": "q2"})
    ask(standin, "/v1/four-information", question)
    billing = standin.control("billing")
    assert billing["by_institution"]["thrifty"] == {"answers": 3, "yen": 60}
    assert billing["yen"] == 20 * billing["answers"] >= 60


def test_a_newer_certificate_has_the_states_of_the_question(standin):
    consent, name = agree(standin, 5)
    question = {"consent": consent, "certificate": name}

    def state(**changes):
        status, answer = ask(standin, "/v1/newer-certificate", question | changes)
        return status, answer["state"]

    assert state() == (200, "no_newer_information")
    assert state(consent="consent-999999") == (403, "consent_missing")
    assert state(certificate=name | {"serial": "7F"}) == (404, "not_found")
    standin.control("event", {"person": 5, "kind": "move", "reissue_after_seconds": 3600})
    assert state() == (200, "awaiting_certificate")
    standin.control("event", {"person": 5, "kind": "withdraw_consent"})
    assert state() == (403, "consent_withdrawn")
    assert ask(standin, "/v1/newer-certificate")[0] == 405
    assert ask(standin, "/v1/newer-certificate", {"consent": consent})[0] == 400


def test_consents_can_be_looked_at(standin):
    consent, _ = agree(standin, 6)
    [row] = [row for row in standin.control("consents")["consents"] if row["consent"] == consent]
    assert (row["person"], row["institution"], row["items"]) == (6, "bank", ["name", "address"])
    assert "withdrawal" not in row
    assert ask(standin, f"/v1/consents/{consent}/withdrawal", {})[0] == 200
    [row] = [row for row in standin.control("consents")["consents"] if row["consent"] == consent]
    assert row["withdrawal"]["channel"] == "institution"


def test_faults_strike_upstream_too(standin):
    path = "/v1/withdrawals"

    def answer(kind, **value):
        standin.control("fail", {"path": path, "kind": kind, "count": 1} | value)
        return ask(standin, path)

    sound = ask(standin, path)
    assert sound[0] == 200
    assert answer("status", value=503) == (503, {"error": "as_asked_for"})
    assert answer("truncate", value=5)[1] is None
    assert answer("reset", value=0)[1] is None
    assert answer("delay", value=50) == sound
    status, huge = answer("huge", value=100_000)
    assert status == 200 and len(json.dumps(huge)) > 99_000
    with pytest.raises(json.JSONDecodeError):
        answer("garbage")
    assert standin.refusal("fail", {"kind": "huge", "value": 10**12})[0] == 400
    assert ask(standin, path) == sound
