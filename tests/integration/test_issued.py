"""The list of issued serials: what "unlisted" means once it is known who was given a certificate at all."""
import subprocess
from datetime import datetime

import pytest
from support import der
from support.crl import Entry
from support.lists import complete
from support.pki import MINUTE, NOW
from support.program import said, wait_until

EXTENDED_REVOKE = "1.3.6.1.5.5.7.48.1.9"
ISSUED, REVOKED, NEVER, REVOKED_STRANGER = 0x1234, 0x1235, 0x1236, 0x1237
LONG = 2**158 + 7
TEXT = f"# issued until today\n1234\n\nserial=1235\r\n  {LONG:x}   # a long one\n"


@pytest.fixture
def desk(publisher, pki):
    """ISSUED and REVOKED were issued; the list revokes REVOKED, and a serial that was never issued."""
    made = publisher(crl=["all.crl"])
    made.put("all.crl", complete(pki.ca.p256, [Entry(REVOKED, 1), Entry(REVOKED_STRANGER, 4)]))
    made.put("issued.txt", TEXT)
    return made


def publish(desk, **options):
    desk.configure(issued="issued.txt", **options)
    desk.publish()


# --- what is answered -----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("options, expected", [({}, "unknown"), ({"not_issued": "unknown"}, "unknown"),
                                               ({"not_issued": "revoked"}, "revoked")], ids=["default", "unknown", "revoked"])
@pytest.mark.parametrize("unlisted", ["good", "unknown"])
def test_issued_is_good_and_not_issued_is(desk, options, expected, unlisted):
    publish(desk, unlisted=unlisted, **options)
    with desk.serve() as server:
        outcomes = [desk.ask(server, serial).outcome for serial in (ISSUED, LONG, REVOKED, REVOKED_STRANGER, NEVER)]
    assert outcomes == ["good", "good", "revoked", "revoked", expected]


def test_never_issued_is_said_as_rfc_6960_wants(desk, pki, tmp_path):
    publish(desk, not_issued="revoked")
    with desk.serve() as server:
        never, revoked = desk.ask(server, NEVER), desk.ask(server, REVOKED_STRANGER)
    never.verify(pki.responders["p256"].certificate)
    assert (never.revocation_time, never.revocation_reason.name) == (datetime(1970, 1, 1), "certificate_hold")
    assert never.extensions_by_oid[der.oid(EXTENDED_REVOKE)] == (False, der.NULL)
    assert revoked.revocation_reason.name == "superseded"
    assert der.oid(EXTENDED_REVOKE) not in revoked.extensions_by_oid
    (tmp_path / "answer").write_bytes(never.body)
    text = subprocess.run(["openssl", "ocsp", "-respin", tmp_path / "answer", "-noverify", "-resp_text"],
                          capture_output=True, text=True).stdout
    for part in ("Cert Status: revoked", "Jan  1 00:00:00 1970 GMT", "certificateHold", "valid:"):  # its name in openssl
        assert part in text, text


def test_serials_as_openssl_writes_them(desk, pki):
    leaves = pki.leaves["p256"].values()
    desk.put("issued.txt", b"".join(subprocess.run(["openssl", "x509", "-in", leaf.certificate_path, "-noout", "-serial"],
                                                   capture_output=True, check=True).stdout for leaf in leaves))
    publish(desk)
    with desk.serve() as server:
        assert [desk.ask(server, leaf.serial).outcome for leaf in leaves] == ["good"] * 3
        assert desk.ask(server, ISSUED).outcome == "unknown"


# --- what is refused ------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("content, patterns", [
    ("1234\n\nwhat is this\n", [r"issued\.txt:3", "what is this", "hex"]),
    ("1234\n" + "ab" * 21 + "\n", [r"issued\.txt:2", "20 octets"]),
    ("serial=\n# nothing\n", [r"issued\.txt"]),
    ("", [r"issued\.txt", "no serial"]),
], ids=["a broken line", "a serial too long", "no serial", "an empty file"])
def test_refused_with_the_place(desk, content, patterns):
    publish(desk)
    desk.put("issued.txt", content)
    with desk.serve() as server:
        desk.refuse(*patterns)
        assert [desk.ask(server, serial).outcome for serial in (ISSUED, NEVER)] == ["good", "unknown"]


def test_a_file_that_is_missing_is_named(desk):
    publish(desk)
    desk.drop("issued.txt")
    desk.refuse(r"issued\.txt", "no such file")


# --- what changes ---------------------------------------------------------------------------------------------------

def test_a_new_list_is_served_within_a_second_though_the_crl_is_the_same(desk):
    publish(desk)
    with desk.serve() as server:
        assert [desk.ask(server, serial).outcome for serial in (ISSUED, NEVER)] == ["good", "unknown"]
        desk.put("issued.txt", f"{NEVER:x}\n")
        result = desk.installation.ingest()
        assert result.returncode == 0, said(result)
        wait_until(lambda: desk.ask(server, NEVER).outcome == "good", 1, "the new list of issued serials")
        assert [desk.ask(server, serial).outcome for serial in (ISSUED, REVOKED)] == ["unknown", "revoked"]


def test_a_new_crl_leaves_the_issued_serials_alone(desk, pki):
    publish(desk)
    inode = (desk.installation.index / "p256" / "issued.tix").stat().st_ino
    with desk.serve() as server:
        desk.put("all.crl", complete(pki.ca.p256, [Entry(ISSUED, 1)], 2, published=NOW - 30 * MINUTE))
        desk.publish()
        wait_until(lambda: desk.ask(server, ISSUED).outcome == "revoked", 5, "the new list")
        assert [desk.ask(server, serial).outcome for serial in (REVOKED, NEVER)] == ["good", "unknown"]
    assert (desk.installation.index / "p256" / "issued.tix").stat().st_ino == inode


def test_while_there_is_none_nothing_unlisted_is_answered(desk):
    desk.publish()
    desk.configure(issued="issued.txt")
    with desk.serve(ready="/livez") as server:
        status, text = server.ops("/readyz")
        assert status == 503
        assert "p256" in text and "no list of issued serials" in text
        assert [desk.ask(server, serial).outcome for serial in (ISSUED, NEVER, REVOKED)] == ["tryLater", "tryLater", "revoked"]
        assert desk.installation.ingest().returncode == 0
        wait_until(lambda: server.ops("/readyz")[0] == 200, 5, "readiness")
        assert [desk.ask(server, serial).outcome for serial in (ISSUED, NEVER)] == ["good", "unknown"]


def test_damage_shows_and_is_mended_by_the_next_ingest(desk):
    publish(desk)
    path = desk.installation.index / "p256" / "issued.tix"
    content = bytearray(path.read_bytes())
    content[-10] ^= 1
    path.unlink()
    path.write_bytes(content)
    with desk.serve(ready="/livez") as server:
        status, text = server.ops("/readyz")
        assert status == 503 and "p256" in text and "issued serials" in text
        assert [desk.ask(server, serial).outcome for serial in (ISSUED, REVOKED)] == ["tryLater", "revoked"]
        assert desk.installation.ingest().returncode == 0
        wait_until(lambda: desk.ask(server, ISSUED).outcome == "good", 5, "the mended list")
