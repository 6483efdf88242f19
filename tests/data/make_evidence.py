#!/usr/bin/python3
"""Makes the fixtures of people and of what they sign: person_*.der by python-cryptography, cms_*.der by the openssl
program, over cms_document.json. Nothing of libpki takes part. Uses the keys that make_data.sh made; run it after that.
Signatures come out different each time."""
import datetime
import os
import subprocess
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

os.chdir(Path(__file__).resolve().parent)
ARC = "1.2.392.200149.8.5."


def load(name):
    return serialization.load_pem_private_key(Path(name).read_bytes(), None)


def utf8(text):
    content = text.encode()
    assert len(content) < 128, "the long form of lengths is not needed here"
    return bytes([0x0C, len(content)]) + content


TEST_SIGNING, SIGNING, AUTHENTICATION, ANY = ARC + "1.0.20", ARC + "1.1.20", ARC + "1.3.30", "2.5.29.32.0"


def person(name, items, policies=(TEST_SIGNING,), usage=("digital_signature", "content_commitment"), key="responder.key",
           others=(), ca=False):
    bits = dict.fromkeys(("digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
                          "key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"), False)
    bits.update(dict.fromkeys(usage, True))
    # In the order that JPKI's certificates have.
    names = [x509.OtherName(x509.ObjectIdentifier(f"{ARC}5.{number}"), utf8(items[number]))
             for number in (1, 4, 3, 5, 2, 6) if number in items] + list(others)
    builder = (x509.CertificateBuilder()
               .subject_name(x509.Name([x509.NameAttribute(NameOID.COUNTRY_NAME, "JP"),
                                        x509.NameAttribute(NameOID.COMMON_NAME, "20260401090000ABC")]))
               .issuer_name(x509.load_pem_x509_certificate(Path("ca_p384.pem").read_bytes()).subject)
               .public_key(load(key).public_key()).serial_number(0x0132C4AB)
               .not_valid_before(datetime.datetime(2026, 4, 1)).not_valid_after(datetime.datetime(2031, 4, 1))
               .add_extension(x509.KeyUsage(**bits), True))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), False)
    if ca:
        builder = builder.add_extension(x509.BasicConstraints(True, None), True)
    if policies:
        builder = builder.add_extension(x509.CertificatePolicies(
            [x509.PolicyInformation(x509.ObjectIdentifier(policy), ["http://cps.tashika-test.invalid/cps.html"])
             for policy in policies]), True)
    made = builder.sign(load("ca_p384.key"), hashes.SHA384())
    Path(f"person_{name}.der").write_bytes(made.public_bytes(serialization.Encoding.DER))


SOMEBODY = {1: "確野　太郎", 2: "00000", 3: "1", 4: "319800229", 5: "東京都千代田区霞が関１丁目２－３", 6: "0" * 16}
person("plain", SOMEBODY)
person("odd", {1: "𠮷田　葛\U000E0100子", 2: "10010000", 3: "3", 4: "319500700", 5: "京都府", 6: "00"}, (SIGNING, ANY),
       key="ca_p384.key", others=[x509.RFC822Name("a@example.jp"),
                                  x509.OtherName(x509.ObjectIdentifier(ARC + "5.7"), utf8("ふりがな")),
                                  x509.OtherName(x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3"), utf8("upn"))])
person("no_sex", {number: text for number, text in SOMEBODY.items() if number != 3})
person("authentication", {}, (AUTHENTICATION,), ("digital_signature",))
person("no_repudiation", SOMEBODY, usage=("digital_signature",))
person("other_policy", SOMEBODY, (ANY,))
person("no_policy", SOMEBODY, ())
person("ca", SOMEBODY, ca=True)

document = Path("cms_document.json")
document.write_text('{"institution":"inst_x","service":"svc_x","scopes":["attr:name"],"nonce":"0123456789abcdef"}\n')


def sign(name, *options, signer="ca_p256", digest="sha256", attached=False):
    key = ["-signer", f"{signer}.pem", "-inkey", f"{signer}.key"]
    subprocess.run(["openssl", "cms", "-sign", "-binary", "-in", document, "-outform", "DER", "-out", f"cms_{name}.der",
                    "-md", digest, *key, *options, *(["-nodetach"] if attached else [])], check=True)


sign("p256")
sign("p384", signer="ca_p384", digest="sha384")
sign("p521", signer="ca_p521", digest="sha512")
sign("rsa", signer="ca_rsa")
sign("pss", "-keyopt", "rsa_padding_mode:pss", "-keyopt", "rsa_pss_saltlen:digest", signer="ca_rsa")
sign("by_key_id", "-keyid")
sign("with_issuer", "-certfile", "ca_rsa.pem")
sign("sha1", signer="ca_rsa", digest="sha1")
sign("attached", attached=True)
sign("no_attributes", "-noattr")
sign("no_certificate", "-nocerts")
sign("other_certificate", "-nocerts", "-certfile", "ca_rsa.pem")
sign("two_signers", "-signer", "ca_rsa.pem", "-inkey", "ca_rsa.key")
sign("receipt_type", "-econtent_type", "1.2.3.4")
sign("rsa1024", signer="key_rsa1024")
subprocess.run(["openssl", "cms", "-digest_create", "-binary", "-in", document, "-outform", "DER", "-out",
                "cms_digested.der"], check=True)
sign("p256_sha512", digest="sha512")
