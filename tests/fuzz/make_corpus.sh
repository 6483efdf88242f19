#!/bin/sh
# Writes the seeds of every corpus: corpus/fuzz_X/NAME, where NAME says what it is. The same bytes
# each time. Files that the fuzzer found are named by their hash and stay as they are.
#
# Needs python3 and python3-cryptography, which stands for an implementation that is not ours.
set -eu
cd "$(dirname "$0")"
exec python3 - <<'PYTHON'
import base64
import datetime
import pathlib
import struct

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


def save(target, name, data):
    folder = pathlib.Path("corpus") / target
    folder.mkdir(parents=True, exist_ok=True)
    assert len(data) < 4096, name
    (folder / name).write_bytes(data)


# --- a little DER, for what no library writes ---

def tlv(tag, *parts):
    content = b"".join(parts)
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    digits = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(digits)]) + digits + content


def seq(*parts):
    return tlv(0x30, *parts)


def integer(value):
    return tlv(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def oid(text):
    first, second, *rest = (int(part) for part in text.split("."))
    out = b""
    for number in [first * 40 + second, *rest]:
        digits = [number & 0x7F]
        while number > 0x7F:
            number >>= 7
            digits.insert(0, 0x80 | number & 0x7F)
        out += bytes(digits)
    return tlv(0x06, out)


def utc(text):
    return tlv(0x17, text.encode())


def generalized(text):
    return tlv(0x18, text.encode())


def extension(number, value, critical=False):
    return seq(oid(number), tlv(0x01, b"\xff") if critical else b"", tlv(0x04, value))


def bits(content):
    return tlv(0x03, b"\0" + content)


ED25519 = seq(oid("1.3.101.112"))
ECDSA = seq(oid("1.2.840.10045.4.3.2"))
RSA = seq(oid("1.2.840.113549.1.1.11"), b"\x05\x00")
SHA256 = seq(oid("2.16.840.1.101.3.4.2.1"))
PSS = seq(oid("1.2.840.113549.1.1.10"),
          seq(tlv(0xA0, SHA256), tlv(0xA1, seq(oid("1.2.840.113549.1.1.8"), SHA256)),
              tlv(0xA2, integer(32))))
NAME = seq(tlv(0x31, seq(oid("2.5.4.3"), tlv(0x0C, b"CA"))))

# --- certificates and lists by python3-cryptography; Ed25519 signs without chance ---

ca_key = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
ee_key = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32, 64)))
start = datetime.datetime(2026, 1, 1)
end = datetime.datetime(2036, 1, 1)
day = datetime.timedelta(days=1)
ca_name = x509.Name([x509.NameAttribute(NameOID.COUNTRY_NAME, "JP"),
                     x509.NameAttribute(NameOID.COMMON_NAME, "Test CA")])


def certificate(subject, key, serial, extensions, until=end):
    builder = (x509.CertificateBuilder().issuer_name(ca_name).subject_name(subject)
               .public_key(key.public_key()).serial_number(serial)
               .not_valid_before(start).not_valid_after(until))
    for value, critical in extensions:
        builder = builder.add_extension(value, critical)
    return builder.sign(ca_key, None)


def usage(*names):
    every = ["digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
             "key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"]
    return x509.KeyUsage(**{name: name in names for name in every})


key_id = x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key())
authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key())
ca = certificate(ca_name, ca_key, 1, [
    (x509.BasicConstraints(True, 0), True), (usage("key_cert_sign", "crl_sign"), True),
    (key_id, False)])
responder = certificate(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Responder")]), ee_key,
                        2**159 - 1, [
    (usage("digital_signature"), True), (authority, False), (x509.OCSPNoCheck(), False),
    (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), False)])
person = certificate(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "甲野太郎")]), ee_key, 0x1234, [
    (usage("key_agreement", "decipher_only"), True), (x509.BasicConstraints(False, None), True),
    (x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier("1.2.392.200149"),
                                                      None)]), True)],
    datetime.datetime(2055, 1, 1))
for name, one in [("ca", ca), ("responder", responder), ("person_until_2055", person)]:
    save("fuzz_certificate", name, one.public_bytes(Encoding.DER))


def raw_certificate(algorithm, serial, extensions, spki=seq(ED25519, bits(bytes(32)))):
    tbs = seq(tlv(0xA0, integer(2)), integer(serial), algorithm, NAME,
              seq(utc("500101000000Z"), generalized("20500101000000Z")), NAME, spki,
              tlv(0xA3, seq(*extensions)) if extensions else b"")
    return seq(tbs, algorithm, bits(b"\x55" * 16))


save("fuzz_certificate", "pss_no_extensions", raw_certificate(PSS, 0, []))
save("fuzz_certificate", "ecdsa_negative_serial", raw_certificate(ECDSA, -129, [
    extension("2.5.29.15", tlv(0x03, b"\x07\x06\x80"), True),
    extension("2.5.29.35", seq(tlv(0x80, b"key"), tlv(0xA1, tlv(0xA4, NAME)), tlv(0x82, b"\1"))),
    extension("1.2.3", b"unknown", True)]))
save("fuzz_certificate", "rsa_key", raw_certificate(RSA, 7, [
    extension("2.5.29.19", seq(tlv(0x01, b"\xff"), integer(3)), True),
    extension("1.3.6.1.5.5.7.48.1.5", b"\x05\x00")],
    seq(seq(oid("1.2.840.113549.1.1.1"), b"\x05\x00"),
        bits(seq(integer(2**2047 + 1), integer(65537))))))


def crl(entries, number):
    builder = (x509.CertificateRevocationListBuilder().issuer_name(ca_name)
               .last_update(start).next_update(start + day)
               .add_extension(x509.CRLNumber(number), False).add_extension(authority, False))
    for serial, when, extensions in entries:
        one = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(when)
        for value in extensions:
            one = one.add_extension(value, False)
        builder = builder.add_revoked_certificate(one.build())
    return builder.sign(ca_key, None)


flags = [flag for flag in x509.ReasonFlags if flag.name != "remove_from_crl"]
everyday = [(1000 + i * 7, start - i * day, [x509.CRLReason(flags[i % len(flags)])] if i % 4 else [])
            for i in range(24)]
wide = [(2**(8 * w) - 1, start - w * day, [x509.InvalidityDate(start - 400 * day)] if w % 2 else [])
        for w in range(1, 20)]
for name, one in [("empty", crl([], 0)), ("everyday", crl(everyday, 2**159 - 1)),
                  ("every_width", crl(wide, 255))]:
    save("fuzz_crl", name, one.public_bytes(Encoding.DER))


def entry(serial, when, *extensions):
    return seq(integer(serial), when, seq(*extensions) if extensions else b"")


def reason(code):
    return extension("2.5.29.21", tlv(0x0A, bytes([code])))


def raw_crl(entries, *more, algorithm=ECDSA):
    tbs = seq(integer(1), algorithm, NAME, utc("260101000000Z"), generalized("20500101000000Z"),
              seq(*entries) if entries else b"",
              tlv(0xA0, seq(extension("2.5.29.20", integer(5)), *more)))
    return seq(tbs, algorithm, bits(b"\x55" * 16))


when = utc("251231235959Z")
odd = [entry(0, when), entry(-1, when, reason(1)), entry(255, when, reason(6)),
       entry(-2**159, when), entry(2**160 - 1, when, reason(10)), entry(-256, utc("500101000000Z")),
       entry(2**64, generalized("20500101000000Z"), reason(9)),
       entry(-2**64, generalized("20860206062815Z")),
       entry(3, when, reason(4), extension("2.5.29.24", generalized("19991231000000Z")))]
save("fuzz_crl", "zero_and_negative_serials", raw_crl(odd))
save("fuzz_crl", "duplicates", raw_crl(
    [entry(9, utc(f"2601{d:02}000000Z"), reason(r)) for d, r in enumerate([6, 0, 3, 4, 5, 9, 10, 2, 1], 1)]
    + [entry(9, utc("260131000000Z")), entry(2**80, when, reason(6)), entry(2**80, when)]))
# Duplicates in one group, none in the next: the writer's second round moves that group.
save("fuzz_crl", "duplicates_in_one_width", raw_crl(
    [entry(9, when)] * 10 + [entry(2**80, when), entry(0x3033303030 << 48, when)]))
save("fuzz_crl", "unknown_entry_extension", raw_crl([entry(1, when, extension("1.2.3", b"x"))]))
save("fuzz_crl", "critical_entry_extension_last", raw_crl(
    [entry(1, when), entry(2, when, extension("1.2.3", b"x", True))]))
save("fuzz_crl", "partitioned", raw_crl([], extension("2.5.29.28", seq(tlv(0x81, b"\xff")), True)))
save("fuzz_crl", "indirect", raw_crl([], extension("2.5.29.28", seq(tlv(0x84, b"\xff")), True)))
save("fuzz_crl", "delta", raw_crl(
    [entry(1, when, reason(8)), entry(2, when, reason(6)), entry(2, when, reason(8)), entry(3, when)],
    extension("2.5.29.27", integer(4), True)))
save("fuzz_crl", "delta_of_itself", raw_crl([], extension("2.5.29.27", integer(5), True)))
save("fuzz_crl", "municipality", raw_crl([entry(1, when)], extension(
    "2.5.29.28", seq(tlv(0xA0, tlv(0xA0, tlv(0xA4, NAME))), tlv(0x81, b"\xff")), True)))
save("fuzz_crl", "url_and_expired", raw_crl(
    [entry(1, when)], extension("2.5.29.28", seq(tlv(0xA0, tlv(0xA0, tlv(0x86, b"http://x/1")))), True),
    extension("2.5.29.60", generalized("20200401000000Z"))))
save("fuzz_crl", "pss_alt_name", raw_crl([entry(1, when)], extension("2.5.29.18", seq()),
                                         algorithm=PSS))
save("fuzz_crl", "pem", b"-----BEGIN X509 CRL-----\nMA==\n")

# --- OCSP ---

digests = {"sha1": hashes.SHA1(), "sha256": hashes.SHA256(), "sha384": hashes.SHA384(),
           "sha512": hashes.SHA512()}
requests = {}
for name, algorithm in digests.items():
    builder = ocsp.OCSPRequestBuilder().add_certificate(person, ca, algorithm)
    requests[name] = builder.build().public_bytes(Encoding.DER)
    requests[name + "_nonce"] = builder.add_extension(
        x509.OCSPNonce(bytes(range(32))), False).build().public_bytes(Encoding.DER)


def raw_cert_id(serial, size=20, algorithm=seq(oid("1.3.14.3.2.26"), b"\x05\x00")):
    return seq(algorithm, tlv(0x04, b"n" * size), tlv(0x04, b"k" * size), integer(serial))


def raw_request(*ids, before=b"", after=b"", signature=b""):
    return seq(seq(before, seq(*ids), after), signature)


NONCE = "1.3.6.1.5.5.7.48.1.2"
requests["several"] = raw_request(
    *[seq(raw_cert_id(n)) for n in (0, -1, 127, 128, 2**159, 2**64)])
requests["unknown_digest"] = raw_request(seq(raw_cert_id(1, 16, seq(oid("1.2.840.113549.2.5")))))
requests["service_locator"] = raw_request(seq(raw_cert_id(1), tlv(0xA0, seq(
    extension("1.3.6.1.5.5.7.48.1.7", seq(NAME), True)))))
requests["bare_nonce"] = raw_request(seq(raw_cert_id(1)), after=tlv(0xA2, seq(
    extension(NONCE, b"bare nonce"), extension("1.3.6.1.5.5.7.48.1.4", seq(oid("1.3.6.1.5.5.7.48.1.1"))))))
requests["nonce_128"] = raw_request(seq(raw_cert_id(1)), after=tlv(0xA2, seq(
    extension(NONCE, tlv(0x04, bytes(128))))))
requests["nonce_129"] = raw_request(seq(raw_cert_id(1)), after=tlv(0xA2, seq(
    extension(NONCE, tlv(0x04, bytes(129))))))
requests["signed_with_name"] = raw_request(
    seq(raw_cert_id(1)), before=tlv(0xA1, tlv(0xA4, NAME)),
    signature=tlv(0xA0, seq(ECDSA, bits(b"\x55" * 8), tlv(0xA0, seq(
        raw_certificate(ECDSA, 1, []))))))
requests["version_written_out"] = raw_request(seq(raw_cert_id(1)), before=tlv(0xA0, integer(0)))
for name, request in requests.items():
    save("fuzz_ocsp_request", name, request)


def raw_response(singles, extensions=b"", responder_id=tlv(0xA2, tlv(0x04, b"h" * 20))):
    data = seq(responder_id, generalized("20260101000000Z"), seq(*singles), extensions)
    basic = seq(data, ED25519, bits(b"\x55" * 64))
    return seq(tlv(0x0A, b"\0"), tlv(0xA0, seq(oid("1.3.6.1.5.5.7.48.1.1"), tlv(0x04, basic))))


def single(status, *rest):
    return seq(raw_cert_id(77), status, generalized("20260101000000Z"), *rest)


# python3-cryptography stamps producedAt with the clock, so the answers are written by hand.
NEXT = tlv(0xA0, generalized("20260102000000Z"))
REVOKED = tlv(0xA1, generalized("20251231000000Z"), tlv(0xA0, tlv(0x0A, b"\x01")))
responses = {
    "good": raw_response([single(tlv(0x80), NEXT)]),
    "revoked": raw_response([single(REVOKED, NEXT)]),
    "revoked_without_reason": raw_response([single(tlv(0xA1, generalized("20251231000000Z")))]),
    "unknown_by_name": raw_response([single(tlv(0x82), NEXT)], responder_id=tlv(0xA1, NAME)),
    "several_with_nonce": raw_response(
        [single(tlv(0x80), NEXT), single(REVOKED), single(tlv(0x82), tlv(0xA1, seq(extension("1.2.3", b"x"))))],
        tlv(0xA1, seq(extension(NONCE, tlv(0x04, bytes(16))),
                      extension("1.3.6.1.5.5.7.48.1.9", b"\x05\x00")))),
}
responses["nonce_twice"] = raw_response([single(tlv(0x80), NEXT)], tlv(0xA1, seq(
    extension(NONCE, tlv(0x04, b"aaaa")), extension(NONCE, tlv(0x04, b"bbbb")))))
for code in (1, 2, 3, 5, 6):
    responses[f"error_{code}"] = bytes([0x30, 3, 0x0A, 1, code])
for name, one in responses.items():
    save("fuzz_ocsp_response", name, one)

# --- base64 in a GET path ---

for name in ("sha1", "sha256_nonce"):
    save("fuzz_get", name, base64.b64encode(requests[name]))
    save("fuzz_get", name + "_url", base64.urlsafe_b64encode(requests[name]).rstrip(b"="))
for name, text in {"empty": b"", "one_octet": b"/w==", "two_octets": b"//8=", "url": b"-_-_",
                   "mixed": b"+-/_", "unused_bits": b"/x==", "too_short": b"A",
                   "padding_inside": b"AA==AAAA", "too_much_padding": b"AAA==",
                   "white_space": b"AAAA\n"}.items():
    save("fuzz_get", name, text)

# --- times ---

for text in ("500101000000Z", "491231235959Z", "000229000000Z", "010229000000Z", "251301000000Z",
             "2512310000Z", "251231000000+0900", "251231235960Z", "19000229000000Z",
             "20000229000000Z", "20500101000000Z", "99991231235959Z", "00000101000000Z",
             "20251231235959.5Z", "202512312359Z", "20860206062815Z"):
    save("fuzz_time", text.replace("+", "_plus_"), text.encode())

# --- DER: a bit of everything above, and the edges of lengths ---

save("fuzz_der", "certificate", ca.public_bytes(Encoding.DER))
save("fuzz_der", "crl", raw_crl(odd))
save("fuzz_der", "request", requests["signed_with_name"])
save("fuzz_der", "response", responses["several_with_nonce"])
for size in (0, 127, 128, 255, 256, 2000):
    save("fuzz_der", f"octets_{size}", tlv(0x04, bytes(size)))
deep = b""
for _ in range(70):
    deep = seq(deep)
for name, data in {
        "empty": b"", "deep": deep, "indefinite": b"\x30\x80\x00\x00", "long_length": b"\x04\x81\x01x",
        "leading_zero": b"\x04\x82\x00\x80" + bytes(128), "nine_octets": b"\x04\x89" + bytes(9),
        "length_2_63": b"\x04\x88\x80" + bytes(7), "high_tag": b"\x1f\x81\x01\x00",
        "algorithms": seq(PSS, RSA, ECDSA, ED25519, SHA256),
        "simple": b"\x01\x01\xff\x05\x00" + integer(-2**159) + integer(2**160 - 1) + integer(0)
                  + tlv(0x03, b"\x07\x80") + tlv(0x0A, b"\x01"),
}.items():
    save("fuzz_der", name, data)

# --- index files: index_format.hpp, written a second time. Checksums are left to the target. ---

M64 = 2**64 - 1


def mix(x):
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 & M64
    x = (x ^ x >> 27) * 0x94D049BB133111EB & M64
    return x ^ x >> 31


def index_key(serial):
    size = max((serial if serial >= 0 else ~serial).bit_length() + (serial < 0), 1)
    octets = serial.to_bytes((size + 7) // 8, "big", signed=serial < 0)
    group = max(len(octets) - 8, 0) + (13 if serial < 0 else 0)
    value = int.from_bytes(octets[-8:], "big", signed=serial < 0 and len(octets) <= 8) & M64
    tail = octets[:-8]
    if tail:
        padded = tail.ljust(12, b"\0")
        high, low = struct.unpack("<QI", padded)
        value += mix(high + 0x9E3779B97F4A7C15 & M64) + mix(low ^ 0xD1B54A32D192ED03)
    return group, mix(value & M64), tail


OVERLAY, SHARED, SERIALS = 1, 2, 4
NOT_GIVEN = -2**63


def index(entries, lists=1, flags=0, base=(0, 0), since=NOT_GIVEN):
    groups = {}
    for serial, seconds, why, *of in entries:
        group, lead, tail = index_key(serial)
        groups.setdefault(group, []).append((lead, tail, seconds, why, *(of or [0])))
    align = lambda n: (n + 63) // 64 * 64
    head = 192 + 160 * lists + 80 * len(groups)
    body = b""
    table = b""
    for group in sorted(groups):
        rows = sorted(groups[group])
        count = len(rows)
        buckets = (count + 4) // 5
        starts = [sum((row[0] * buckets >> 64) < b for row in rows) for b in range(buckets + 1)]
        table += struct.pack("<IIQQQ48x", group, 0, count, buckets, align(head) + len(body))
        status = not flags & SERIALS
        for section in (struct.pack(f"<{buckets + 1}I", *starts),
                        b"".join(struct.pack("<Q", row[0]) for row in rows),
                        b"".join(row[1] for row in rows),
                        b"".join(struct.pack("<I", row[2]) for row in rows if status),
                        bytes(row[3] for row in rows if status),
                        b"".join(struct.pack("<H", row[4]) for row in rows if status and lists > 1)):
            body += section.ljust(align(len(section)), b"\0")
    records = b"".join(
        bytes(19) + b"\5" + struct.pack("<Iqqq32x", 0, 1767225600, 1767312000 + n, len(entries))
        + bytes([n]) * 32 + struct.pack("<24xq16x", since) for n in range(lists))
    header = struct.pack("<8sIIIIQQQQqqq32sQQ56xQ", b"\x89TASHIKA", 2, lists, len(groups), flags,
                         align(head) + len(body), len(entries), len(entries), 1, 1767225600,
                         1767312000, 1767225600, b"k" * 32, *base, 0)
    return (header + records + table).ljust(align(head), b"\0") + body


save("fuzz_index", "no_entries", index([]))
save("fuzz_index", "one_entry", index([(0x1234, 2398377600, 1)]))
save("fuzz_index", "three_lists", index([(1, 5, 15, 2), (2, 6, 6, 0), (3, 7, 0, 1)], 3))
save("fuzz_index", "shared_serials", index([(n, n, n % 7, n % 2) for n in range(40)], 2, SHARED))
save("fuzz_index", "overlay", index([(1, 5, 8), (2, 6, 6), (-1, 7, 8)], 1, OVERLAY, (7, M64)))
save("fuzz_index", "removal_without_base", index([(1, 5, 8)]))
save("fuzz_index", "list_not_there", index([(1, 5, 1, 2)], 2))
save("fuzz_index", "issued_serials", index([(n * n, 0, 15) for n in range(40)], 1, SERIALS))
save("fuzz_index", "expired_since", index([(1, 5, 1)], since=1585699200))
save("fuzz_index", "counters", index([(n, n, n % 7) for n in range(1, 101)]))
save("fuzz_index", "wide", index([(2**159 + n * n, n, 15) for n in range(30)]))
save("fuzz_index", "both_signs", index([(-1, 1, 15), (255, 2, 6), (0, 3, 1), (-2**159, 4, 1),
                                        (2**64, 5, 9), (-2**63, 6, 10)]))
far = bytearray(index([(1, 1, 1)]))
far[64:72] = bytes(7) + b"\x80"  # nextUpdate far before any year that can be printed
save("fuzz_index", "date_out_of_range", bytes(far))
save("fuzz_index", "not_an_index", b"-----BEGIN")
save("fuzz_index", "another_version", b"\x89TASHIKA\1".ljust(192, b"\0"))

# --- the index writer: threads, lists and content, then groups of {octets, negative, count (2), spread, seed} ---


def mixture(threads, *groups):
    return bytes([threads]) + b"".join(struct.pack("<BBHBB", *group) for group in groups)


save("fuzz_index_writer", "small_groups", mixture(0, (1, 0, 200, 1, 1), (12, 1, 30, 3, 2)))
save("fuzz_index_writer", "spread", mixture(1, (8, 0, 6000, 8, 1), (20, 0, 6000, 2, 2)))
save("fuzz_index_writer", "spread_and_small", mixture(2, (8, 0, 5200, 2, 1), (20, 1, 9, 1, 3)))
save("fuzz_index_writer", "just_not_spread", mixture(0, (8, 0, 5119, 2, 1), (8, 1, 5120, 2, 1)))
save("fuzz_index_writer", "four_lists", mixture(11, (8, 0, 6000, 2, 1), (20, 1, 60, 1, 2)))
save("fuzz_index_writer", "issued_serials", mixture(37, (8, 0, 6000, 2, 1), (20, 1, 60, 1, 2)))
save("fuzz_index_writer", "one_serial", mixture(0, (3, 0, 5500, 0, 1)))

# --- consent tokens: "header\npayload", which the target signs, or a token as it is ---

HEADER = '{"alg":"ES256","typ":"consent+jwt","kid":"k"}'
CLAIMS = ('{"iss":"https://api.example.jp","aud":"https://api.example.jp/v1/attributes","sub":"sub_x",'
          '"client_id":"inst_x","jti":"tok_x","iat":1795230767,"nbf":1795230767,"exp":1822348800,"consent_id":"cns_x",'
          '"consent_version":1,"scope":"attr:name attr:address",'
          '"cnf":{"x5t#S256":"A9Zt0Ig1wco_EozOrNHzGslBYwlrIPRFroQoW8CDLXI"}}')
tokens = {"contract": (HEADER, CLAIMS), "no_claims": (HEADER, "{}"), "two_lines": ("", ""),
          "white_space": (HEADER.replace(":", " : "), CLAIMS.replace(",", ",\n\t\r ")),
          "escapes": (HEADER, CLAIMS.replace("sub_x", '\\u00e9\\ud83d\\ude00\\"\\\\\\/\\b\\f\\n\\r\\t')),
          "raw_text": (HEADER, CLAIMS.replace("sub_x", "確\U00020BB7")), "none": (HEADER.replace("ES256", "none"), CLAIMS),
          "alg_twice": (HEADER.replace("{", '{"alg":"none",'), CLAIMS), "jwk": (HEADER.replace("{", '{"jwk":{},'), CLAIMS),
          "other_type": (HEADER.replace("consent", "at"), CLAIMS), "other_key": (HEADER.replace('"k"', '"l"'), CLAIMS),
          "fraction": (HEADER, CLAIMS.replace("1822348800", "1822348800.0")),
          "exponent": (HEADER, CLAIMS.replace("1822348800", "1e9")),
          "huge": (HEADER, CLAIMS.replace("1822348800", "99999999999999999999")),
          "nul": (HEADER, CLAIMS.replace("sub_x", "\\u0000")), "lone": (HEADER, CLAIMS.replace("sub_x", "\\udc00")),
          "extra": (HEADER, CLAIMS.replace("{", '{"email":"x",', 1)), "bom": (HEADER, "\ufeff" + CLAIMS),
          "deep": (HEADER, '{"a":' * 60 + "1" + "}" * 60)}
for name, (header, payload) in tokens.items():
    save("fuzz_consent_token", name, header.encode() + b"\n" + payload.encode())
url = lambda text: base64.urlsafe_b64encode(text.encode()).rstrip(b"=")
save("fuzz_consent_token", "as_text", url(HEADER) + b"." + url(CLAIMS) + b"." + b"A" * 86)
save("fuzz_consent_token", "four_parts", b"e30.e30.AAAA.AAAA")

# --- the four items ---


def item(number, text, tag=0x0C):
    return tlv(0xA0, oid(f"1.2.392.200149.8.5.5.{number}"), tlv(0xA0, tlv(tag, text.encode())))


person_items = [item(1, "確野　太郎"), item(4, "319800229"), item(3, "1"), item(5, "東京都千代田区"), item(2, "00000"),
                item(6, "0000000")]
for name, names in {
        "whole": person_items, "name_alone": person_items[:1], "map_alone": [item(2, "0")],
        "long_map": [item(1, "a"), item(2, "0110")], "twice": [item(3, "1"), item(3, "2")],
        "unknown_day": [item(4, "319500700")], "no_such_day": [item(4, "319500230")],
        "no_birthdate": [item(4, "619500230")], "supplementary": [item(1, "\U00020BB7\U000E0100")],
        "printable": [item(1, "a", 0x13)], "empty_name": [item(1, "")], "line_break": [item(1, "a\nb")],
        "other_names": [tlv(0x82, b"host"), tlv(0xA4, NAME), item(7, "x"), item(1, "a")],
        "not_utf8": [tlv(0xA0, oid("1.2.392.200149.8.5.5.1"), tlv(0xA0, tlv(0x0C, b"\xed\xa0\x80")))],
        "no_names": []}.items():
    save("fuzz_four_information", name, seq(*names))
save("fuzz_four_information", "empty", b"")
PYTHON
