"""The clients that people have: openssl, curl, GnuTLS, Java and nginx."""
import shutil
import subprocess
from base64 import b64encode
from pathlib import Path
from urllib.parse import quote

import pytest
from cryptography import x509
from support.messages import Answer, cert_id, request
from support.program import free_port, seconds, wait_until

REASON_TEXT = {"revoked": "keyCompromise", "held": "certificateHold"}


def run(*command, check=False, **options):
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=seconds(60), check=check,
                          **options)


# --- openssl --------------------------------------------------------------------------------------------------------

def openssl_ocsp(server, *arguments):
    """Runs `openssl ocsp`; returns its standard output after seeing that the answer was verified."""
    result = run("openssl", "ocsp", "-url", server.url(), *arguments)
    assert result.returncode == 0, result.stderr
    assert "Response verify OK" in result.stderr
    assert "WARNING" not in result.stderr
    return result.stdout


@pytest.mark.parametrize("hash_option", [[], ["-sha256"], ["-sha384"], ["-sha512"]], ids=str)
@pytest.mark.parametrize("issuer", ["p256", "rsa"])
@pytest.mark.parametrize("status", ["good", "revoked", "held"])
def test_openssl_verifies_an_answer_with_a_nonce(server, pki, issuer, status, hash_option):
    leaf, ca = pki.leaves[issuer][status], pki.authorities[issuer]
    said = openssl_ocsp(server, *hash_option, "-CAfile", ca.certificate_path, "-issuer", ca.certificate_path, "-nonce",
                        "-cert", leaf.certificate_path)
    assert f"{leaf.certificate_path}: {'good' if status == 'good' else 'revoked'}" in said
    assert ("Reason:" in said) == (status != "good")
    assert f"Reason: {REASON_TEXT.get(status)}" in said or status == "good"


def test_openssl_sees_the_times_of_the_list(server, pki):
    dates = run("openssl", "crl", "-inform", "DER", "-in", pki.list_paths["p256"], "-noout", "-lastupdate", "-nextupdate",
                check=True).stdout
    last, following = (line.partition("=")[2] for line in dates.splitlines())
    ca = pki.ca.p256.certificate_path
    said = openssl_ocsp(server, "-CAfile", ca, "-issuer", ca, "-no_nonce", "-cert",
                        pki.leaves["p256"]["revoked"].certificate_path)
    assert f"This Update: {last}" in said
    assert f"Next Update: {following}" in said
    assert "Revocation Time: " in said


def test_openssl_asks_for_several_certificates_at_once(server, pki):
    ca, leaves = pki.ca.p256.certificate_path, pki.leaves["p256"]
    said = openssl_ocsp(server, "-CAfile", ca, "-issuer", ca, "-cert", leaves["good"].certificate_path,
                        "-cert", leaves["revoked"].certificate_path, "-serial", "0x5004", "-sha256", "-serial", "0x98")
    lines = [line for line in said.splitlines() if not line.startswith("\t")]
    assert lines == [f"{leaves['good'].certificate_path}: good", f"{leaves['revoked'].certificate_path}: revoked",
                     "0x5004: revoked", "0x98: good"]


def test_openssl_may_sign_its_request(server, pki):
    ca, leaf = pki.ca.p256.certificate_path, pki.leaves["p256"]["good"]
    said = openssl_ocsp(server, "-CAfile", ca, "-issuer", ca, "-signer", leaf.certificate_path, "-signkey", leaf.key_path,
                        "-cert", pki.leaves["p256"]["revoked"].certificate_path)
    assert ": revoked" in said


@pytest.mark.parametrize("issuer, serial, expected", [
    ("old", "0x1001", "revoked"), ("new", "0x1001", "good"), ("new", "0x1003", "revoked"), ("old", "0x1003", "good")])
def test_openssl_trusts_an_authority_that_answers_itself(server, pki, issuer, serial, expected):
    ca = pki.authorities[issuer].certificate_path
    assert f"{serial}: {expected}" in openssl_ocsp(server, "-CAfile", ca, "-issuer", ca, "-serial", serial)


def test_openssl_trusts_a_responder_that_it_was_told_to(server, pki):
    a, b = pki.ca.lent_a.certificate_path, pki.ca.lent_b.certificate_path
    said = openssl_ocsp(server, "-VAfile", pki.trusted.certificate_path, "-issuer", a, "-serial", "0xA",
                        "-issuer", b, "-serial", "0xA", "-serial", "0xB")
    lines = [line for line in said.splitlines() if not line.startswith("\t")]
    assert lines == ["0xA: revoked", "0xA: good", "0xB: revoked"]


def test_openssl_prints_the_error_answers(server, pki):
    result = run("openssl", "ocsp", "-url", server.url("rsa"), "-issuer", pki.ca.p256.certificate_path, "-serial", "1")
    assert "Responder Error: unauthorized (6)" in result.stdout + result.stderr


# --- curl -----------------------------------------------------------------------------------------------------------

def test_curl_gets_and_posts(server, pki, tmp_path):
    (tmp_path / "request").write_bytes(request(cert_id(pki.ca.p256, 0x5001)))
    text = quote(b64encode((tmp_path / "request").read_bytes()).decode(), safe="")
    for arguments in ([f"{server.url()}/{text}"],
                      ["--data-binary", f"@{tmp_path / 'request'}", "-H", "Content-Type: application/ocsp-request",
                       server.url()]):
        run("curl", "-fsS", "-o", tmp_path / "answer", *arguments, check=True)
        assert Answer((tmp_path / "answer").read_bytes()).outcome == "revoked"


# --- GnuTLS ---------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("issuer", ["p256", "rsa"])
@pytest.mark.parametrize("status", ["good", "revoked"])
def test_gnutls_verifies_an_answer(server, pki, issuer, status):
    ca = pki.authorities[issuer].certificate_path
    result = run("ocsptool", f"--ask={server.url()}", "--nonce", f"--load-issuer={ca}", f"--load-trust={ca}",
                 f"--load-cert={pki.leaves[issuer][status].certificate_path}")
    assert "Verifying OCSP Response: Success." in result.stdout + result.stderr
    assert f"Certificate Status: {status}" in result.stdout


# --- Java -----------------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def java_classes(tmp_path_factory):
    directory = tmp_path_factory.mktemp("java")
    run("javac", "-d", directory, Path(__file__).parent / "java/CheckRevocation.java", check=True)
    return directory


@pytest.mark.parametrize("properties", [
    [], ["-Djdk.security.certpath.ocspNonce=true", "-Dcom.sun.security.ocsp.useget=false"],
], ids=["GET", "POST with a nonce"])
@pytest.mark.parametrize("issuer", ["p256", "rsa"])
def test_java_validates_a_path(server, pki, java_classes, issuer, properties):
    leaves = pki.leaves[issuer]
    result = run("java", "-cp", java_classes, *properties, "CheckRevocation", server.url(),
                 pki.authorities[issuer].certificate_path,
                 *(leaves[status].certificate_path for status in ("good", "revoked", "held")))
    assert result.stdout.splitlines() == ["good", "revoked KEY_COMPROMISE", "revoked CERTIFICATE_HOLD"], result.stderr


# --- nginx ----------------------------------------------------------------------------------------------------------

def greet(port, *options):
    return run("openssl", "s_client", "-connect", f"127.0.0.1:{port}", *options, stdin=subprocess.DEVNULL).stdout


@pytest.fixture(scope="module")
def nginx(server, pki, tmp_path_factory):
    """nginx that checks its clients by OCSP and staples an answer about itself: its port."""
    if shutil.which("nginx") is None:
        pytest.skip("nginx is not installed")
    directory, port, ca = tmp_path_factory.mktemp("nginx"), free_port(), pki.ca.p256
    host = ca.issue("host", extensions=[(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False)])
    config = directory / "nginx.conf"
    config.write_text(f"""
        pid {directory}/nginx.pid;
        error_log {directory}/error.log info;
        daemon off;
        worker_processes 1;
        events {{}}
        http {{
            access_log off;
            client_body_temp_path {directory}/body;
            proxy_temp_path {directory}/proxy;
            fastcgi_temp_path {directory}/fastcgi;
            uwsgi_temp_path {directory}/uwsgi;
            scgi_temp_path {directory}/scgi;
            server {{
                listen 127.0.0.1:{port} ssl;
                ssl_certificate {host.certificate_path};
                ssl_certificate_key {host.key_path};
                ssl_client_certificate {ca.certificate_path};
                ssl_trusted_certificate {ca.certificate_path};
                ssl_verify_client on;
                ssl_ocsp leaf;
                ssl_ocsp_responder {server.url()};
                ssl_stapling on;
                ssl_stapling_verify on;
                ssl_stapling_responder {server.url()};
                location / {{ return 200 "verified: $ssl_client_verify\\n"; }}
            }}
        }}
    """)
    run("nginx", "-t", "-c", config, "-e", directory / "error.log", check=True)
    process = subprocess.Popen(["nginx", "-c", str(config), "-e", str(directory / "error.log")])
    try:
        wait_until(lambda: "BEGIN CERTIFICATE" in greet(port), what="nginx")
        yield port
    finally:
        process.terminate()
        process.wait(seconds(10))


def visit(port, pki, client):
    """What a client with a certificate gets to see: the page and the status code."""
    result = run("curl", "-sS", "-w", "%{http_code}", "--cacert", pki.ca.p256.certificate_path, "--cert",
                 client.certificate_path, "--key", client.key_path, "--resolve", f"localhost:{port}:127.0.0.1",
                 f"https://localhost:{port}/")
    return result.stdout


def test_nginx_lets_a_good_client_in(nginx, pki):
    assert visit(nginx, pki, pki.leaves["p256"]["good"]) == "verified: SUCCESS\n200"


@pytest.mark.parametrize("status", ["revoked", "held"])
def test_nginx_turns_a_revoked_client_away(nginx, pki, status):
    said = visit(nginx, pki, pki.leaves["p256"][status])
    assert said.endswith("400") and "The SSL certificate error" in said


def test_nginx_staples_an_answer(nginx, pki):
    def staple():
        text = greet(nginx, "-status")
        return text if "OCSP Response Status: successful" in text else None
    said = wait_until(staple, what="a staple")
    assert "Cert Status: good" in said
