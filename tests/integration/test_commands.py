"""The command line: versions, help, looking into files, checking a configuration."""
import json
import re
import socket

import pytest
from support import crl
from support.crl import Entry
from support.messages import cert_id, request
from support.pki import DAY, HOUR, MINUTE, NOW, Authority
from support.program import Installation, Issuer, said, tashika

COMMANDS = ["ingest", "serve", "index info", "index verify", "index lookup", "index diff",
            "inspect crl", "inspect ocsp", "inspect certificate", "inspect token"]


def values(tree):
    """Every leaf of a JSON document."""
    if isinstance(tree, dict):
        return [leaf for branch in tree.values() for leaf in values(branch)]
    if isinstance(tree, list):
        return [leaf for branch in tree for leaf in values(branch)]
    return [tree]


def output(*arguments):
    result = tashika(*arguments)
    assert result.returncode == 0, said(result)
    return result.stdout


def document(*arguments):
    return json.loads(output(*arguments, "--json"))


# --- about the program ----------------------------------------------------------------------------------------------

def test_version_tells_what_it_is_built_of():
    text = output("--version")
    assert re.match(r"tashika \d+\.\d+\.\d+", text)
    for part in (r"commit", r"(g\+\+|gcc|clang)", r"OpenSSL 3\.\d", r"Boost 1\.\d+"):
        assert re.search(part, text, re.IGNORECASE), f"no {part} in {text}"


def test_help_names_every_command():
    text = output("--help")
    for command in ("ingest", "serve", "index", "inspect"):
        assert re.search(rf"^\s+{command}\b", text, re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example(command):
    text = output(*command.split(), "--help")
    assert re.search(rf"example.*tashika {command}", text, re.IGNORECASE | re.DOTALL)


@pytest.mark.parametrize("group", ["institution", "institution service", "institution certificate", "audit", "feed"])
def test_a_group_shows_no_example_of_others(group):
    assert "tashika ingest" not in output(*group.split(), "--help")


@pytest.mark.parametrize("arguments, wrong", [(["frobnicate"], "frobnicate"), (["institution", "remove"], "remove"),
                                              (["serve", "--confg", "x"], "--confg")])
def test_the_wrong_word_is_named(arguments, wrong):
    result = tashika(*arguments)
    assert result.returncode == 2 and f"`{wrong}`" in result.stderr


@pytest.mark.parametrize("arguments", [[], ["ingst"], ["ingest"], ["serve", "--confg", "x"], ["index", "lookup"],
                                       ["inspect", "x"]], ids=" ".join)
def test_wrong_usage_is_exit_2(arguments):
    result = tashika(*arguments)
    assert result.returncode == 2
    assert result.stderr != ""


# --- index ----------------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def indexes(workspace, pki):
    """Two generations: serial 1 goes, 2 changes its reason, 3 stays, 4 comes."""
    made = Installation(workspace / "commands", [Issuer(pki.ca.p256)])
    made.publish("p256", crl.make(pki.ca.p256, [Entry(1, 6), Entry(2, 6), Entry(3, 4)], number=1001))
    made.publish("p256", crl.make(pki.ca.p256, [Entry(2, 1), Entry(3, 4), Entry(4)], number=1002,
                                  this_update=NOW - 30 * MINUTE))
    return made.generations("p256")


def test_index_info_tells_number_dates_and_entries(indexes):
    text = output("index", "info", indexes[0])
    for part in ("1001", r"\b3\b", f"{NOW - HOUR:%Y-%m-%d}", f"{NOW - HOUR:%H:%M:%S}", f"{NOW + 7 * DAY:%Y-%m-%d}"):
        assert re.search(part, text), f"no {part} in {text}"
    assert {"1001", "3"} <= set(map(str, values(document("index", "info", indexes[0]))))


def test_index_verify_is_content_with_a_whole_file(indexes):
    output("index", "verify", indexes[0])
    document("index", "verify", indexes[0])


def test_index_lookup_tells_status_time_and_reason(indexes):
    text = output("index", "lookup", indexes[1], "02", "99")
    for part in ("revoked", "keyCompromise", f"{NOW - 2 * DAY:%Y-%m-%d}", "unlisted"):
        assert part in text
    first, second = document("index", "lookup", indexes[1], "02", "99")
    assert (first["status"], first["reason"], int(first["serial"], 16)) == ("revoked", "keyCompromise", 2)
    assert (second["status"], int(second["serial"], 16)) == ("unlisted", 0x99)


def test_index_diff_tells_what_came_went_and_changed(indexes):
    tree = document("index", "diff", *indexes)
    assert {(one["kind"], int(one["serial"], 16)) for one in tree["differences"]} == {
        ("added", 4), ("removed", 1), ("changed", 2)}
    assert {kind: counts["total"] for kind, counts in tree["summary"].items()} == {"added": 1, "removed": 1, "changed": 1}
    text = output("index", "diff", *indexes)
    assert re.search("added", text) and re.search("removed", text) and re.search("changed", text)


def test_a_missing_index_is_named(tmp_path):
    result = tashika("index", "info", tmp_path / "nothing.tix")
    assert result.returncode == 1
    assert "nothing.tix" in said(result)


def test_before_the_first_ingest_there_is_no_index(tmp_path, small):
    made = small(publish=False)
    (tmp_path / "empty").mkdir()
    for place in (tmp_path / "empty", tmp_path / "nowhere"):
        assert f"no index at {place}; `tashika ingest` makes it" in said(tashika("index", "info", place))
    made.provide("p256", b"no list")
    refused = said(made.ingest())
    assert "There is no index of this issuer yet." in refused and "was kept" not in refused


# --- inspect --------------------------------------------------------------------------------------------------------

def test_inspect_crl(pki):
    path = pki.list_paths["p256"]
    text = output("inspect", "crl", path)
    for part in ("CA p256", r"\b77\b", f"{NOW - HOUR:%Y-%m-%d}", "certificateHold", r"\b5001\b"):
        assert re.search(part, text), f"no {part} in {text}"
    assert "77" in map(str, values(document("inspect", "crl", path)))


def test_inspect_certificate(pki):
    responder = pki.responders["p256"]
    text = output("inspect", "certificate", responder.certificate_path)
    for part in ("CA p256", "responder p256", f"{responder.serial:x}", "OCSPSigning"):
        assert part.lower() in text.lower(), f"no {part} in {text}"
    document("inspect", "certificate", responder.certificate_path)


def test_inspect_ocsp(server, pki, tmp_path):
    body = request(cert_id(pki.ca.p256, 0x5004), nonce=b"\xab" * 16)
    (tmp_path / "request").write_bytes(body)
    (tmp_path / "response").write_bytes(server.ask(body).body)
    for name, parts in (("request", ["5004", "abababab"]), ("response", ["5004", "revoked", "superseded"])):
        text = output("inspect", "ocsp", tmp_path / name)
        for part in parts:
            assert part in text, f"no {part} in {text}"
        document("inspect", "ocsp", tmp_path / name)


@pytest.mark.parametrize("kind", ["crl", "ocsp", "certificate"])
def test_inspect_says_where_a_file_is_broken(tmp_path, kind):
    (tmp_path / "broken").write_bytes(b"\x30\x82\x10\x00\x30\x03")
    result = tashika("inspect", kind, tmp_path / "broken")
    assert result.returncode == 1
    assert "broken" in said(result)
    assert re.search(r"(offset|byte) \d+", said(result))


# --- configuration --------------------------------------------------------------------------------------------------

def test_check_is_content_with_a_good_configuration(installation):
    output("serve", "--config", installation.config, "--check")


FAULTY = """[index]
directory = "index"
[[issuers]]
name = "a"
certificat = "ca.pem"
unlisted = "perhaps"
[ocsp]
listen = "127.0.0.1"
threads = "two"
max_age = "1 fortnight"
[[issuers]]
consent_policies = ["1.2.392.200149.8.5.1.1.20", "1.2.392.200149.8.5.1.1.2O"]
"""


@pytest.mark.parametrize("command", [["ingest"], ["serve", "--check"]], ids=" ".join)
def test_every_fault_of_a_configuration_is_told_at_once_with_its_line(tmp_path, command):
    (tmp_path / "faulty.toml").write_text(FAULTY)
    result = tashika(*command, "--config", tmp_path / "faulty.toml")
    assert result.returncode == 2
    text = said(result)
    for line in (5, 6, 8, 9, 10, 12):
        assert re.search(rf"(:|line ){line}\b", text), f"nothing about line {line} in: {text}"
    assert re.search(r"certificat\b.*\bcertificate\b", text), "the nearest known key is not named"
    assert "good" in text and "unknown" in text, "the permitted values are not named"
    assert re.search(r"\bcrl\b", text), "the missing key is not named"
    assert "1.1.2O" in text and "1.1.20\", which" not in text, "the policy that is none is not named, or another one is"


@pytest.mark.parametrize("content, pattern", [("[index\n", r"(:|line )1\b"), ("", r"index|issuers"),
                                              ("[index]\ndirectory = 7\n", r"(:|line )2\b")], ids=["syntax", "empty", "type"])
def test_a_broken_configuration_is_exit_2(tmp_path, content, pattern):
    (tmp_path / "broken.toml").write_text(content)
    result = tashika("serve", "--check", "--config", tmp_path / "broken.toml")
    assert result.returncode == 2
    assert re.search(pattern, said(result))


def test_missing_issuers_are_named_as_the_table_they_are(tmp_path):
    (tmp_path / "empty.toml").write_text("")
    assert "[[issuers]]" in said(tashika("serve", "--check", "--config", tmp_path / "empty.toml"))


def test_a_missing_configuration_is_named(tmp_path):
    result = tashika("ingest", "--config", tmp_path / "nowhere.toml")
    assert result.returncode == 2
    assert "nowhere.toml" in said(result)


def test_an_issuer_that_is_not_configured_is_named(installation):
    result = installation.ingest("--issuer", "p265")
    assert result.returncode == 2
    assert "p265" in said(result) and "p256" in said(result)


def test_two_issuers_of_one_name_are_refused(tmp_path, pki):
    made = Installation(tmp_path, [Issuer(pki.ca.p256), Issuer(pki.ca.p256)])
    result = made.ingest()
    assert result.returncode == 2
    assert "p256" in said(result)


def responders(pki, directory):
    """Configured responders that must not sign, and the word that says why."""
    ca, stranger = pki.ca.p256, Authority(directory, "stranger", common_name="CA p256")
    fit = pki.responders["p256"]
    return {
        "issued by another key of the same name": (stranger.delegate("foreign").as_responder(), "issued"),
        "without the extended key usage": (ca.delegate("unmarked", usage=False).as_responder(), "OCSPSigning"),
        "expired": (ca.delegate("expired", valid_for=-HOUR).as_responder(), "expired"),
        "not yet valid": (ca.delegate("early", starts=NOW + DAY).as_responder(), "not yet valid"),
        "with another key": ({**fit.as_responder(), "key": str(ca.key_path)}, "key"),
        "without its key file": ({**fit.as_responder(), "key": "missing.key"}, r"missing\.key"),
    }


@pytest.mark.parametrize("case", ["issued by another key of the same name", "without the extended key usage", "expired",
                                  "not yet valid", "with another key", "without its key file"])
def test_a_responder_is_refused_at_the_start(tmp_path, pki, case):
    responder, pattern = responders(pki, tmp_path)[case]
    made = Installation(tmp_path / "installation", [Issuer(pki.ca.p256, responder)])
    made.publish("p256", crl.make(pki.ca.p256))
    for arguments in (["--check"], []):
        result = tashika("serve", "--config", made.config, *arguments, timeout=10)
        assert result.returncode == 2, said(result)
        assert re.search(pattern, said(result), re.IGNORECASE)


def test_a_responder_without_nocheck_is_warned_about(tmp_path, pki):
    responder = pki.ca.p256.delegate("checked", no_check=False)
    made = Installation(tmp_path, [Issuer(pki.ca.p256, responder.as_responder())])
    result = tashika("serve", "--config", made.config, "--check")
    assert result.returncode == 0
    assert re.search("no-?check", said(result), re.IGNORECASE)


def test_a_port_in_use_is_said(small):
    made = small()
    with socket.socket() as occupant:
        occupant.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        occupant.bind(("127.0.0.1", made.ocsp_port))
        occupant.listen()
        result = tashika("serve", "--config", made.config, timeout=10)
    assert result.returncode == 1
    assert str(made.ocsp_port) in said(result) and "in use" in said(result)
