"""Checks people's certificates with clients that others wrote: OpenSSL's command line and Python's cryptography.

Usage: country_check.py PROGRAM, where `PROGRAM --dump DIR` writes the certificates and what they should say.
Prints what is wrong; exit 1 if anything is.
"""
import hashlib
import json
import subprocess
import sys
import tempfile
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

JST = timezone(timedelta(hours=9))
JPKI = "1.2.392.200149.8.5"
AKI, KU, SAN, IAN = "2.5.29.35", "2.5.29.15", "2.5.29.17", "2.5.29.18"
CRLDP, POLICIES, SKI, EKU, AIA = "2.5.29.31", "2.5.29.32", "2.5.29.14", "2.5.29.37", "1.3.6.1.5.5.7.1.1"
ORDER = {True: [AKI, KU, SAN, IAN, CRLDP, POLICIES, SKI], False: [AKI, KU, EKU, IAN, CRLDP, POLICIES, AIA, SKI]}
POLICY = {(True, False): 20, (False, False): 30, (True, True): 40, (False, True): 50}


def utf8_string(der):
    """The text of a DER UTF8String, checked to be nothing else."""
    assert der[0] == 0x0C, f"tag {der[0]:#x} is not UTF8String"
    length, start = der[1], 2
    if length > 0x80:
        start += length - 0x80
        length = int.from_bytes(der[2:start], "big")
    assert start + length == len(der), "the length is not that of the rest"
    return der[start:].decode()


def rdns(name):
    return [(attribute.oid._name, attribute.value) for rdn in name.rdns for attribute in rdn]


def key_identifier(key):
    """SHA-1 of the BIT STRING of a public key: its last field, after the unused bits."""
    if isinstance(key, rsa.RSAPublicKey):
        bits = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.PKCS1)
    else:
        bits = key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    return hashlib.sha1(bits).digest()


def check_signature(certificate, ca):
    key, scheme = ca.public_key(), certificate.signature_hash_algorithm
    if isinstance(key, rsa.RSAPublicKey):
        assert scheme.name == "sha256"
        key.verify(certificate.signature, certificate.tbs_certificate_bytes, padding.PKCS1v15(), scheme)
    else:
        assert scheme.name == "sha384" and certificate.public_key().curve.name == "secp384r1"
        key.verify(certificate.signature, certificate.tbs_certificate_bytes, ec.ECDSA(scheme))


def birthdays_after(birthdate, issued, not_after):
    """How many birthdays lie after the day of issue, up to and including the last day. Independent of the program."""
    month, day = int(birthdate[5:7]), int(birthdate[7:9])
    first, last = issued.astimezone(JST).date(), not_after.astimezone(JST).date()
    if month == 0 or day == 0:
        month, day = first.month, first.day
    count, current = 0, first + timedelta(days=1)
    while current <= last:
        leap_born = (month, day) == (2, 29) and (current.month, current.day) == (2, 28)
        is_common = (current + timedelta(days=1)).month == 3
        count += (current.month, current.day) == (month, day) or (leap_born and is_common)
        current += timedelta(days=1)
    return count


def check_dates(certificate, expected):
    issued = certificate.not_valid_before.replace(tzinfo=timezone.utc)
    end = certificate.not_valid_after.replace(tzinfo=timezone.utc)
    assert issued.timestamp() == expected["issued_at"] and end.timestamp() == expected["not_after"]
    assert end.astimezone(JST).strftime("%H:%M:%S") == "23:59:59", "does not end with a day in Japan"
    count = birthdays_after(expected["items"][3], issued, end)
    most = 10 if expected["generation"] >= 4 else 5
    # A phone's certificate ends with the card's.
    assert count == most or (expected["phone"] and 0 <= count < most), f"{count} birthdays until {end}"


def check_names(certificate, ca, expected):
    assert certificate.issuer == ca.subject and certificate.issuer.public_bytes() == ca.subject.public_bytes()
    names = rdns(certificate.subject)
    assert names[0] == ("countryName", "JP") and names[-1][0] == "commonName"
    common_name = names[-1][1]
    if expected["signing"]:
        assert names[1:-1] == [("localityName", expected["prefecture"]), ("localityName", expected["town"])]
        assert common_name.startswith(certificate.not_valid_before.strftime("%Y%m%d%H%M%S"))
    else:
        assert len(names) == 2 and len(common_name) == 23 and common_name[14:22].isdigit()


def check_items(extension, expected):
    names = list(extension.value)
    arcs = [name.type_id.dotted_string for name in names]
    assert arcs == [f"{JPKI}.5.{item}" for item in (1, 4, 3, 5, 2, 6)], arcs
    found = {arc[-1]: utf8_string(name.value) for arc, name in zip(arcs, names)}
    assert [found[item] for item in "123456"] == [expected["items"][i] for i in (0, 1, 2, 3, 4, 5)], found


def check_extensions(certificate, ca, expected):
    extensions = {e.oid.dotted_string: e for e in certificate.extensions}
    assert list(extensions) == ORDER[expected["signing"]], list(extensions)
    assert {oid for oid, e in extensions.items() if e.critical} == {KU, POLICIES}
    aki = extensions[AKI].value
    assert aki.key_identifier == key_identifier(ca.public_key())
    assert [name.value for name in aki.authority_cert_issuer] == [ca.issuer]
    assert aki.authority_cert_serial_number == ca.serial_number
    assert extensions[SKI].value.digest == key_identifier(certificate.public_key())
    usage = extensions[KU].value
    assert usage.digital_signature and usage.content_commitment == expected["signing"]
    assert not (usage.key_encipherment or usage.data_encipherment or usage.key_agreement)
    assert not (usage.key_cert_sign or usage.crl_sign)
    alternative = rdns(list(extensions[IAN].value)[0].value)
    assert [field for field, _ in alternative] == ["countryName", "organizationName"] + 2 * ["organizationalUnitName"]

    point, = extensions[CRLDP].value
    directory_name, = point.full_name
    assert isinstance(directory_name, x509.DirectoryName) and point.reasons is None and point.crl_issuer is None
    unit = ca.subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)[0].value
    assert [value for _, value in rdns(directory_name.value)] == [
        "JP", "Tashika Test", unit, "CRL Distribution Points", expected["prefecture"], expected["town"] + " CRLDP"]

    policy, = extensions[POLICIES].value
    last = POLICY[expected["signing"], expected["phone"]]
    assert policy.policy_identifier.dotted_string == f"{JPKI}.1.0.{last}"
    assert policy.policy_qualifiers == ["http://cps.tashika-test.invalid/cps.html"]
    if expected["signing"]:
        check_items(extensions[SAN], expected)
    else:
        assert list(extensions[EKU].value) == [ExtendedKeyUsageOID.CLIENT_AUTH]
        assert ".invalid/" in list(extensions[AIA].value)[0].access_location.value


def check_by_openssl(path, ca_path, expected):
    run = lambda *arguments: subprocess.run(["openssl", *arguments], capture_output=True, text=True)  # noqa: E731
    verified = run("verify", "-CAfile", str(ca_path), "-attime", str(expected["issued_at"] + 1), "-x509_strict",
                   "-check_ss_sig", str(path))
    assert verified.returncode == 0, verified.stdout + verified.stderr
    serial = run("x509", "-in", str(path), "-noout", "-serial").stdout.strip()
    assert serial == "serial=" + expected["serial"], serial
    parsed = run("asn1parse", "-in", str(path), "-inform", "DER")
    assert parsed.returncode == 0 and "Error" not in parsed.stderr, parsed.stderr


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run([sys.argv[1], "--dump", name], check=True)
        expected_ones = json.loads((folder / "certificates.json").read_text())
        authorities = {path.stem: x509.load_pem_x509_certificate(path.read_bytes()) for path in folder.glob("*.pem")}
        faults, seen = [], set()
        for expected in expected_ones:
            path, ca = folder / expected["file"], authorities[expected["authority"]]
            try:
                certificate = x509.load_der_x509_certificate(path.read_bytes())
                assert certificate.version == x509.Version.v3
                assert certificate.serial_number == int(expected["serial"], 16)
                check_signature(certificate, ca)
                check_dates(certificate, expected)
                check_names(certificate, ca, expected)
                check_extensions(certificate, ca, expected)
                if expected["authority"] not in seen or len(expected["serial"]) == 40:
                    check_by_openssl(path, folder / (expected["authority"] + ".pem"), expected)
                    seen.add(expected["authority"])
            except (AssertionError, ValueError) as fault:
                faults.append(f"{expected['file']}: {type(fault).__name__} {fault}")
        if len(seen) != 14:
            faults.append(f"only {len(seen)} of 14 authorities issued anything")
        print("\n".join(faults) or f"{len(expected_ones)} certificates of {len(seen)} authorities are as they should be")
        return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
