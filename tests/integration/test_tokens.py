"""Consent tokens against the JOSE implementations of others: jwcrypto, and the jose program. `tashika inspect` of both
tokens and the certificates of people."""
import base64
import hashlib
import json
import os
import shutil
import subprocess

import pytest
from jwcrypto import jwk, jws
from support.program import REPOSITORY, said, seconds, tashika

TOOL = os.environ.get("TOKEN_TOOL", str(REPOSITORY / "build/release/tests/token_tool/token_tool"))
NOW = 1795230767
CLAIMS = {
    "iss": "https://api.example.jp", "aud": "https://api.example.jp/v1/attributes", "sub": "sub_x", "client_id": "inst_x",
    "jti": "tok_x", "iat": NOW, "nbf": NOW, "exp": 1822348800, "consent_id": "cns_x", "consent_version": 1,
    "scope": "attr:name attr:address",
    "cnf": {"x5t#S256": base64.urlsafe_b64encode(hashlib.sha256(b"certificate").digest()).rstrip(b"=").decode()}}
HEADER = {"alg": "ES256", "typ": "consent+jwt", "kid": "k1"}
PEOPLE = REPOSITORY / "tests/data"


def tool(*arguments, text=""):
    result = subprocess.run([TOOL, *map(str, arguments)], input=text, capture_output=True, text=True, timeout=seconds(30))
    assert result.returncode in (0, 1), result.stderr
    return result.stdout.strip()


@pytest.fixture(scope="module")
def key_path(tmp_path_factory):
    path = tmp_path_factory.mktemp("tokens") / "platform.key"
    path.write_text(tool("keygen"))
    return path


@pytest.fixture(scope="module")
def key(key_path):
    return jwk.JWK.from_pem(key_path.read_bytes())


def signed(key, header=HEADER, claims=CLAIMS, algorithms=("ES256", "ES384", "HS256")):
    payload = claims if isinstance(claims, (str, bytes)) else json.dumps(claims)
    token = jws.JWS(payload)
    token.allowed_algs = list(algorithms)
    token.add_signature(key, None, json.dumps(header), None)
    return token.serialize(compact=True)


def verdict(key_path, token, now=NOW):
    return tool("verify", key_path, "k1", now, text=token)


# --- between implementations ------------------------------------------------------------------------------------------

def test_jwcrypto_reads_our_tokens(key_path, key):
    public = jwk.JWK.from_json(tool("jwk", key_path, "k1"))
    assert public.thumbprint() == key.thumbprint() and not public.has_private
    for _ in range(20):
        token = jws.JWS()
        token.deserialize(tool("sign", key_path, "k1"))
        token.verify(public)
        assert json.loads(token.payload) == CLAIMS
        assert json.loads(token.objects["protected"]) == HEADER


def test_we_read_tokens_of_jwcrypto(key_path, key):
    for _ in range(20):
        assert verdict(key_path, signed(key)) == "accepted"
    assert verdict(key_path, signed(jwk.JWK.generate(kty="EC", crv="P-256"))) == "bad_signature"


@pytest.mark.skipif(shutil.which("jose") is None, reason="no jose")
def test_the_jose_program_reads_our_tokens_and_we_read_its(key_path, key, tmp_path):
    (tmp_path / "public.jwk").write_text(tool("jwk", key_path, "k1"))
    (tmp_path / "token").write_text(tool("sign", key_path, "k1"))
    result = subprocess.run(["jose", "jws", "ver", "-i", tmp_path / "token", "-k", tmp_path / "public.jwk", "-O", "-"],
                            capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout) == CLAIMS

    (tmp_path / "private.jwk").write_text(key.export())
    (tmp_path / "claims").write_text(json.dumps(CLAIMS))
    made = subprocess.run(
        ["jose", "jws", "sig", "-I", tmp_path / "claims", "-k", tmp_path / "private.jwk", "-c", "-o", "-", "-s",
         json.dumps({"protected": HEADER})], capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    assert verdict(key_path, made.stdout.strip()) == "accepted"


# --- tokens that jwcrypto makes, and we must not take -----------------------------------------------------------------

def test_check_1_other_algorithms(key_path, key):
    public_pem = key.export_to_pem()
    shared = jwk.JWK(kty="oct", k=base64.urlsafe_b64encode(public_pem).rstrip(b"=").decode())
    assert verdict(key_path, signed(shared, HEADER | {"alg": "HS256"})) == "token_algorithm"
    p384 = jwk.JWK.generate(kty="EC", crv="P-384")
    assert verdict(key_path, signed(p384, HEADER | {"alg": "ES384"})) == "token_algorithm"
    _, payload, _ = signed(key).split(".")
    none = base64.urlsafe_b64encode(json.dumps(HEADER | {"alg": "none"}).encode()).rstrip(b"=").decode()
    assert verdict(key_path, f"{none}.{payload}.") == "token_algorithm"


def test_check_3_keys_in_the_header(key_path):
    own = jwk.JWK.generate(kty="EC", crv="P-256")
    header = HEADER | {"jwk": json.loads(own.export_public())}
    assert verdict(key_path, signed(own, header)) == "token_header"


def test_check_5_another_type(key_path, key):
    for kind in ("JWT", "at+jwt", "receipt+jwt"):
        assert verdict(key_path, signed(key, HEADER | {"typ": kind})) == "token_type"


def test_check_24_numbers_and_text(key_path, key):
    for exp in (1e20, 1822348800.0, "1822348800", 99999999999999999999, True):
        assert verdict(key_path, signed(key, claims=CLAIMS | {"exp": exp})) in ("json_number", "token_claims", "bad_json")
    assert verdict(key_path, signed(key, claims=b"\xef\xbb\xbf" + json.dumps(CLAIMS).encode())) == "bad_json"
    assert verdict(key_path, signed(key, claims=CLAIMS | {"sub": "\0"})) == "bad_text"


def test_check_27_the_clock(key_path, key):
    token = signed(key)
    assert verdict(key_path, token, NOW - 10) == "accepted"
    assert verdict(key_path, token, NOW - 61) == "not_yet_valid"
    assert verdict(key_path, token, CLAIMS["exp"]) == "expired"


def test_check_28_an_unknown_kid(key_path, key):
    assert verdict(key_path, signed(key, HEADER | {"kid": "k0"})) == "token_unknown_key"


# --- inspect ----------------------------------------------------------------------------------------------------------

@pytest.fixture
def token_path(tmp_path, key_path):
    path = tmp_path / "token"
    path.write_text(tool("sign", key_path, "k1") + "\n")
    return path


def inspected(*arguments):
    result = tashika("inspect", *arguments, "--json")
    return result.returncode, json.loads(result.stdout)


def test_inspect_token_says_that_it_did_not_check(token_path):
    code, seen = inspected("token", token_path)
    assert code == 0
    assert seen["signature"].startswith("not checked")
    assert seen["consent_id"] == "cns_x" and seen["expires_at"] == "2027-10-01T00:00:00Z"
    assert "not checked" in tashika("inspect", "token", token_path).stdout


def test_inspect_token_checks_with_a_jwk_set(token_path, key, tmp_path):
    good, other = json.loads(key.export_public()), json.loads(jwk.JWK.generate(kty="EC", crv="P-256").export_public())
    rsa = json.loads(jwk.JWK.generate(kty="RSA").export_public())
    def signature(*keys):
        (tmp_path / "jwks.json").write_text(json.dumps({"keys": list(keys)}))
        code, seen = inspected("token", token_path, "--jwks", tmp_path / "jwks.json")
        return code, seen["signature"].split(":")[0]
    assert signature(rsa | {"kid": "k1"}, other | {"kid": "k0"}, good | {"kid": "k1"}) == (0, "good")
    assert signature(other | {"kid": "k1"})[0] == 1
    assert signature() == (1, "not checked")
    for broken in ("[]", "{", '{"keys":[{"kid":7}]}', '{"keys":[{"kid":"k1","crv":"P-256","x":"AA","y":"AA"}]}'):
        (tmp_path / "jwks.json").write_text(broken)
        result = tashika("inspect", "token", token_path, "--jwks", tmp_path / "jwks.json")
        assert result.returncode == 1 and "JWK set" in said(result)


def test_inspect_token_names_what_is_wrong(tmp_path):
    (tmp_path / "token").write_text("e30.e30.AA")
    result = tashika("inspect", "token", tmp_path / "token")
    assert result.returncode == 1 and "token_header" in said(result)


def test_inspect_certificate_shows_policies_and_lengths_but_no_person():
    code, seen = inspected("certificate", PEOPLE / "person_odd.der")
    assert code == 0
    assert seen["policies"] == ["1.2.392.200149.8.5.1.1.20", "2.5.29.32.0"]
    assert seen["four_information"] == {
        "name": {"characters": 6, "map_digits": 8, "map_fits": False}, "sex": "present", "birthdate": "in part",
        "address": {"characters": 3, "map_digits": 2, "map_fits": False}}
    assert seen["jpki_signing_certificate"] == "yes"
    text = said(tashika("inspect", "certificate", PEOPLE / "person_plain.der"))
    for secret in ("確野", "太郎", "東京", "霞が関", "1980", "319800229"):
        assert secret not in text
