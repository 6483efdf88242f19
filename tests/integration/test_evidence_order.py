"""Evidence with two faults: the problem is that of the check that comes first. So a client that mends what it is told of gets
on, and nobody learns what a later check would have said of a certificate or signature that an earlier one refused."""
import base64
import itertools
import time
import uuid

import pytest
from support import crl
from support.card import Card, document, encoded, evidence
from support.consenting import NOTICE, PURPOSE, SERVICE
from support.country import format_time
from support.crl import Entry
from support.pki import DAY, HOUR, NOW
from support.platform import Platform
from support.program import Issuer, seconds

# What can be wrong, and the problem that tells of it alone.
PROBLEMS = {
    "envelope": ("evidence-malformed", 422),  # the certificate, or the CMS, is none
    "signature": ("evidence-signature-mismatch", 422),
    "kind": ("evidence-certificate-unsupported", 422),
    "issuer": ("evidence-certificate-unsupported", 422),
    "validity": ("evidence-certificate-not-valid", 422),
    "lists": ("status-stale", 503),
    "revocation": ("evidence-certificate-revoked", 422),
    "document": ("evidence-malformed", 422),  # is none
    "binding": ("evidence-document-mismatch", 422),
    "window": ("evidence-outside-window", 422),
    "service": ("service-unknown", 422),
    "replay": ("evidence-replayed", 409),
}
ORDER = ["envelope", "issuer", "kind", "validity", "signature", "lists", "revocation", "document", "binding", "window", "service", "replay"]
FORMS = ["raw", "cms"]
PAIRS = list(itertools.combinations(ORDER, 2))
REVOKED = 0x4D0001


@pytest.fixture(scope="module")
def platform(tmp_path_factory, cluster, pki):
    """Of two issuers; the lists of one have run out. Nobody is at the authority, so what is right stays pending."""
    made = Platform(tmp_path_factory.mktemp("order"), cluster, [Issuer(pki.ca.p256), Issuer(pki.ca.lent_a)],
                    authority={"timeout": "1s"})
    for authority in (pki.ca.p256, pki.ca.lent_a):
        (made.directory / f"{authority.name}.crl").write_bytes(crl.make(authority, [Entry(REVOKED, 1)]))
    made.tashika("ingest")
    with made.serve():
        ends = int(time.time() + seconds(3))
        (made.directory / "lent-a.crl").write_bytes(crl.make(pki.ca.lent_a, [Entry(REVOKED, 1)], 2, NOW - HOUR / 2,
                                                             NOW.fromtimestamp(ends, NOW.tzinfo)))
        made.tashika("ingest", "--issuer", "lent-a")
        made.used = {}
        for form in FORMS:
            answer = register(made, pki, form)
            assert answer.status == 202, answer.body
        time.sleep(max(0, ends + 2.2 - time.time()))  # the server looks for new lists each second
        yield made


def register(platform, pki, form, *faults):
    """Registers a consent that has these faults and no other."""
    authority = pki.ca.rsa if "issuer" in faults else pki.ca.lent_a if "lists" in faults else pki.ca.p256
    card = Card(authority, REVOKED if "revocation" in faults else None, for_signing="kind" not in faults,
                ends=-HOUR if "validity" in faults else 30 * DAY)
    at = format_time(NOW - DAY - HOUR if "window" in faults else NOW)
    service = "svc_none" if "service" in faults else SERVICE
    made = document(platform.a, service, PURPOSE, NOTICE, at)
    if "replay" in faults:
        made["nonce"] = platform.used[form]
    elif not faults:
        platform.used[form] = made["nonce"]
    body = {"service_id": service, "scopes": made["scopes"], "purpose": PURPOSE, "notice": NOTICE, "channel": "own_app",
            "consented_at": at}
    if "binding" in faults:
        made["purpose"] = "https://bank.example/another"
    if "document" in faults:
        made["unheard_of"] = 1
    octets = encoded(made)
    signed = card.sign(form, b"another document" if "signature" in faults else octets)
    if "envelope" in faults:
        signed["cms" if form == "cms" else "certificate"] = base64.b64encode(b"nothing of the kind").decode()
    body["evidence"] = evidence(form, octets, signed)
    with platform.a.client() as client:
        return client.call("POST", "/v1/consents", body, {"Idempotency-Key": str(uuid.uuid4())})


@pytest.mark.parametrize("fault", ORDER)
@pytest.mark.parametrize("form", FORMS)
def test_each_fault_alone_has_its_problem(platform, pki, form, fault):
    answer = register(platform, pki, form, fault)
    assert answer.is_problem(*PROBLEMS[fault])


@pytest.mark.parametrize("first, second", PAIRS)
@pytest.mark.parametrize("form", FORMS)
def test_of_two_faults_the_first_check_speaks(platform, pki, form, first, second):
    """Each pair of: the certificate (or the CMS with it) is readable, of an issuer that is configured, of the kind that signs,
    valid, and made the signature; there are lists in force, and it is not revoked; the document is one, says what the request
    says, is not too old, names a service that there is, and was not used before."""
    answer = register(platform, pki, form, first, second)
    assert answer.is_problem(*PROBLEMS[first])


@pytest.mark.parametrize("form", FORMS)
def test_evidence_with_every_fault_is_mended_one_problem_at_a_time(platform, pki, form):
    faults = list(ORDER)
    while faults:
        assert register(platform, pki, form, *faults).is_problem(*PROBLEMS[faults[0]])
        faults.pop(0)
    assert register(platform, pki, form).status == 202
