"""What is asked and what is answered: RFC 6960, RFC 9654 (nonce), RFC 5280 (lists)."""
from datetime import timezone

import pytest
from conftest import SERIALS_AT_THE_EDGES
from support import der
from support.messages import REASONS, cert_id, nonce_extension, request
from support.pki import DAY, HOUR, NOW

UNHEARD_OF = "1.3.6.1.4.1.99999.7"
NAIVE_NOW = NOW.astimezone(timezone.utc).replace(tzinfo=None)


# --- CertID ---------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("null", [True, False], ids=["NULL", "absent"])
@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha384", "sha512"])
def test_a_certid_comes_back_byte_for_byte(server, pki, algorithm, null):
    asked = cert_id(pki.ca.p256, 0x5001, algorithm, null)
    answer = server.ask(request(asked))
    assert answer.cert_ids == [asked]
    assert answer.outcome == "revoked"


def test_several_certids_are_answered_in_order(server, pki):
    serials = [0x5001, 0x99, 0x5004, 0x5000, 0x98, 0x5001]
    asked = [cert_id(pki.ca.p256, serial, algorithm)
             for serial, algorithm in zip(serials, ["sha1", "sha256", "sha512", "sha384", "sha1", "sha256"])]
    answer = server.ask(request(*asked))
    assert answer.cert_ids == asked
    assert answer.outcomes == ["revoked", "good", "revoked", "revoked", "good", "revoked"]


def test_an_unknown_issuer_is_unauthorized(server, pki):
    nobody = cert_id(None, 1, name_hash=b"n" * 20, key_hash=b"k" * 20)
    assert server.ask(request(nobody)).outcome == "unauthorized"


@pytest.mark.parametrize("wrong", [{"key_hash": b"k" * 20}, {"name_hash": b"n" * 20}], ids=["key", "name"])
def test_an_issuer_is_known_by_name_and_key_together(server, pki, wrong):
    assert server.ask(request(cert_id(pki.ca.p256, 0x5001, **wrong))).outcome == "unauthorized"


def test_the_name_of_one_issuer_with_the_key_of_another_is_unauthorized(server, pki):
    crossed = cert_id(pki.ca.p256, 0x5001, key_hash=pki.ca.rsa.key_hash())
    assert server.ask(request(crossed)).outcome == "unauthorized"


@pytest.mark.parametrize("issuer, expected", [("p256", "good"), ("ed25519", "unknown")])
def test_an_unlisted_serial_is_what_the_policy_says(server, pki, issuer, expected):
    assert server.status(pki.authorities[issuer], 0x123456) == expected


@pytest.mark.parametrize("serial, old, new", [(0x1001, "revoked", "good"), (0x1002, "revoked", "revoked"),
                                              (0x1003, "good", "revoked")])
def test_a_rekeyed_authority_does_not_share_its_serials(server, pki, serial, old, new):
    assert server.status(pki.ca.old, serial) == old
    assert server.status(pki.ca.new, serial) == new


# --- several issuers ------------------------------------------------------------------------------------------------

def test_two_issuers_with_one_trusted_responder_are_answered_per_certid(server, pki):
    answer = server.ask(request(cert_id(pki.ca.lent_a, 0xA), cert_id(pki.ca.lent_b, 0xA), cert_id(pki.ca.lent_b, 0xB)))
    assert answer.outcomes == ["revoked", "good", "revoked"]
    answer.verify(pki.trusted.certificate)


@pytest.mark.parametrize("first, second", [("p256", "rsa"), ("old", "new"), ("lent-a", "p256")])
def test_two_issuers_that_no_one_responder_may_sign_for_are_unauthorized(server, pki, first, second):
    mixed = request(cert_id(pki.authorities[first], 1), cert_id(pki.authorities[second], 1))
    assert server.ask(mixed).outcome == "unauthorized"


def test_a_known_and_an_unknown_issuer_together_are_unauthorized(server, pki):
    mixed = request(cert_id(pki.ca.p256, 1), cert_id(None, 1, name_hash=b"n" * 20, key_hash=b"k" * 20))
    assert server.ask(mixed).outcome == "unauthorized"


def test_the_path_of_an_issuer_answers_only_for_that_issuer(server, pki):
    question = request(cert_id(pki.ca.p256, 0x5001))
    assert server.ask(question, "/ocsp/p256").outcome == "revoked"
    assert server.ask(question, "/ocsp/rsa").outcome == "unauthorized"


# --- responders -----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("issuer", ["p256", "rsa", "ed25519", "old", "lent-a"])
def test_the_responder_is_named_by_the_sha1_of_its_key_bits(server, pki, issuer):
    answer = server.ask(request(cert_id(pki.authorities[issuer], 1)))
    assert answer.responder_key_hash == pki.responders[issuer].key_hash()
    assert answer.responder_name is None
    answer.verify(pki.responders[issuer].certificate)


def test_the_responder_is_named_by_its_subject_where_configured(server, pki):
    answer = server.ask(request(cert_id(pki.ca.new, 1)))
    assert answer.responder_name == pki.ca.new.certificate.subject
    assert answer.responder_key_hash is None


@pytest.mark.parametrize("issuer", ["p256", "rsa", "ed25519"])
def test_a_delegated_responder_sends_its_certificate(server, pki, issuer):
    answer = server.ask(request(cert_id(pki.authorities[issuer], 1)))
    assert answer.certificates == [pki.responders[issuer].certificate]


# --- times and reasons ----------------------------------------------------------------------------------------------

def test_this_update_and_next_update_are_the_lists(server, pki):
    answer = server.ask(request(cert_id(pki.ca.p256, 0x5001)))
    assert answer.this_update == NAIVE_NOW - HOUR
    assert answer.next_update == NAIVE_NOW + 7 * DAY
    assert answer.this_update <= answer.produced_at <= answer.next_update


def test_next_update_does_not_pass_the_end_of_the_responder_certificate(server, pki):
    answer = server.ask(request(cert_id(pki.ca.ed25519, 1)))
    assert answer.next_update == pki.responders["ed25519"].certificate.not_valid_after


@pytest.mark.parametrize("reason", [1, 2, 3, 4, 5, 6, 9, 10])
def test_a_reason_is_handed_on(server, pki, reason):
    answer = server.ask(request(cert_id(pki.ca.p256, 0x5000 + reason)))
    assert answer.revocation_reason.name == REASONS[reason]
    assert answer.revocation_time == NAIVE_NOW - 2 * DAY


def test_an_entry_without_a_reason_is_answered_without_one(server, pki):
    answer = server.ask(request(cert_id(pki.ca.p256, 0x5000)))
    assert (answer.outcome, answer.revocation_reason) == ("revoked", None)


@pytest.mark.parametrize("place, serial", enumerate(SERIALS_AT_THE_EDGES), ids=[hex(s) for s in SERIALS_AT_THE_EDGES])
def test_a_serial_at_the_edge_is_revoked_at_its_own_time(server, pki, place, serial):
    answer = server.ask(request(cert_id(pki.ca.new, serial)))
    assert answer.outcome == "revoked"
    assert answer.revocation_time == NAIVE_NOW - 9 * DAY + place * HOUR


@pytest.mark.parametrize("serial", [255, 256, 128, -127, -255, -2, -2**63, 2**63 - 1, 2**64, 2**159 - 2, 1 - 2**159],
                         ids=hex)
def test_a_serial_beside_the_edge_is_not_mistaken_for_its_neighbour(server, pki, serial):
    assert server.status(pki.ca.new, serial) == "good"


def test_a_list_past_its_next_update_is_answered_try_later(stale, pki):
    server, before = stale
    assert before == "revoked"
    assert [server.status(pki.ca.p256, serial) for serial in (5, 6)] == ["tryLater", "tryLater"]


# --- nonce ----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("length", [1, 15, 16, 32, 64, 128])
def test_a_nonce_is_echoed(server, pki, length):
    nonce = bytes(range(length))
    assert server.ask(request(cert_id(pki.ca.p256, 1), nonce=nonce)).nonce == nonce


@pytest.mark.parametrize("length", [0, 129])
def test_a_nonce_of_a_wrong_length_is_malformed(server, pki, length):
    assert server.ask(request(cert_id(pki.ca.p256, 1), nonce=b"n" * length)).outcome == "malformedRequest"


def test_without_a_nonce_none_comes_back(server, pki):
    assert server.ask(request(cert_id(pki.ca.p256, 1))).nonce is None


def test_a_nonce_among_the_single_extensions_is_not_one(server, pki):
    answer = server.ask(request(cert_id(pki.ca.p256, 1), single_extensions=nonce_extension(b"n" * 16)))
    assert (answer.outcome, answer.nonce) == ("good", None)


def test_two_nonces_do_not_share_an_answer(server, pki):
    first, second = (server.ask(request(cert_id(pki.ca.p256, 1), nonce=nonce)) for nonce in (b"a" * 16, b"b" * 16))
    assert (first.nonce, second.nonce) == (b"a" * 16, b"b" * 16)


# --- syntax ---------------------------------------------------------------------------------------------------------

def certid(pki):
    return cert_id(pki.ca.p256, 0x99)


WELL_FORMED = {
    "an unknown extension": lambda pki: request(certid(pki), extensions=der.extension(UNHEARD_OF, der.NULL)),
    "an unknown single extension": lambda pki: request(certid(pki), single_extensions=der.extension(UNHEARD_OF, der.NULL)),
    "a requestorName without a signature": lambda pki: request(
        certid(pki), before_list=der.explicit(1, der.tlv(0x82, b"example.org"))),
    "acceptable responses": lambda pki: request(certid(pki), extensions=der.extension(
        "1.3.6.1.5.5.7.48.1.4", der.sequence(der.oid("1.3.6.1.5.5.7.48.1.1")))),
}
MALFORMED = {
    "nothing": lambda pki: b"",
    "not DER": lambda pki: b"hello",
    "an empty sequence": lambda pki: der.sequence(),
    "an empty requestList": lambda pki: request(),
    "trailing bytes": lambda pki: request(certid(pki)) + b"\0",
    "a missing byte": lambda pki: request(certid(pki))[:-1],
    "BER of indefinite length": lambda pki: b"\x30\x80" + der.read(request(certid(pki)))[1] + b"\0\0",
    "a length that is not minimal": lambda pki: b"\x30\x82\x00" + request(certid(pki))[1:2] + request(certid(pki))[2:],
    "a critical unknown extension": lambda pki: request(certid(pki), extensions=der.extension(UNHEARD_OF, der.NULL, True)),
    "a critical unknown single extension": lambda pki: request(
        certid(pki), single_extensions=der.extension(UNHEARD_OF, der.NULL, True)),
    "two nonces": lambda pki: request(certid(pki), nonce=b"n" * 16, extensions=nonce_extension(b"n" * 16)),
    "version 2": lambda pki: request(certid(pki), before_list=der.explicit(0, der.integer(1))),
    "a serial of no octets": lambda pki: request(der.sequence(der.read(certid(pki))[1][:-4], b"\x02\x00")),
    "a hash of a wrong length": lambda pki: request(cert_id(pki.ca.p256, 1, key_hash=b"k" * 19)),
}


@pytest.mark.parametrize("case", WELL_FORMED)
def test_well_formed(server, pki, case):
    assert server.ask(WELL_FORMED[case](pki)).outcome == "good"


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed(server, pki, case):
    answer = server.ask(MALFORMED[case](pki))
    assert answer.outcome == "malformedRequest"
    assert answer.body == bytes.fromhex("30030a0101")
