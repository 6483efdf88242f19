"""The database: migrations, who sees what, the audit chain, institutions on the command line, the key-encryption key."""
import concurrent.futures
import json
import socket
import subprocess

import psycopg2
import pytest
from support.database import connect, rows
from support.program import PROGRAM, said, seconds, tashika, toml_lines, wait_until
from support.tls import SERVER

ROW_TABLES = "SELECT table_name FROM information_schema.columns WHERE table_schema = 'tashika' AND column_name = 'institution_id'"
SOMEBODY = "inst_" + "a" * 26


class Place:
    """A directory with a configuration that names a database."""

    def __init__(self, directory, pki, url):
        directory.mkdir(exist_ok=True)
        self.directory, self.url, self.config = directory, url, directory / "tashika.toml"
        issuer = {"name": "p256", "certificate": str(pki.ca.p256.certificate_path), "crl": "p256.crl"}
        self.config.write_text("[[issuers]]\n" + toml_lines(issuer) + "[database]\n" + toml_lines({"url": url}))

    def run(self, *command):
        words = list(command)
        return tashika(*words[:1 if words[0] == "migrate" else 2], *words[1 if words[0] == "migrate" else 2:],
                       "--config", self.config)

    def ok(self, *command):
        result = self.run(*command)
        assert result.returncode == 0, said(result)
        return result.stdout

    def fails(self, *command, code=1):
        result = self.run(*command)
        assert result.returncode == code, said(result)
        return said(result)


@pytest.fixture
def empty(tmp_path, pki, cluster):
    return Place(tmp_path / "place", pki, cluster.database())


@pytest.fixture
def place(empty):
    empty.ok("migrate")
    return empty


@pytest.fixture
def two_banks(place):
    """Two institutions, each with a row in some tables."""
    ids = [place.ok("institution", "add", name).strip() for name in ("bank-a", "bank-b")]
    for name in ("bank-a", "bank-b"):
        place.ok("institution", "service", "add", name, "svc_accounts")
    return place, ids


# --- migrations -----------------------------------------------------------------------------------------------------

def test_migrations_are_applied_once_in_order(empty):
    before = empty.run("migrate", "--status")
    assert before.returncode == 1 and "pending" in before.stdout
    names = [line.split()[1] for line in empty.ok("migrate").splitlines()]
    assert names == sorted(names) and names[0] == "0001_tenants"
    assert "nothing to do" in empty.ok("migrate")
    status = json.loads(empty.ok("migrate", "--status", "--json"))
    assert [step["name"] for step in status] == names and {step["state"] for step in status} == {"applied"}


def test_two_migrations_at_once_take_turns(empty):
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: empty.run("migrate"), range(4)))
    assert [result.returncode for result in results] == [0] * 4, [said(result) for result in results]
    assert sum("applied 0001_tenants" in result.stdout for result in results) == 1
    empty.ok("migrate", "--status")


def test_a_step_that_was_changed_or_is_newer_stops_everything(place):
    database = connect(place.url)
    rows(database, "UPDATE migration SET sha256 = 'another' WHERE name = '0002_consents'")
    assert "0002_consents was applied with another text" in place.fails("migrate")
    rows(database, "DELETE FROM migration WHERE name = '0002_consents'")
    rows(database, "INSERT INTO migration VALUES ('9999_later', 'x', '2026-01-01')")
    assert "9999_later, which this program does not know" in place.fails("migrate")


def test_a_step_that_fails_leaves_nothing_of_itself(empty):
    database = connect(empty.url)
    rows(database, "CREATE SCHEMA tashika")
    rows(database, "CREATE TABLE tashika.consent (in_the_way int)")
    assert "0002_consents failed and was undone" in empty.fails("migrate")
    assert rows(database, "SELECT name FROM migration") == [("0001_tenants",)]
    assert rows(database, "SELECT to_regclass('tashika.subject')") == [(None,)]
    rows(database, "DROP TABLE consent")
    empty.ok("migrate")


def test_a_database_that_is_not_there_is_named(place):
    place.config.write_text(place.config.read_text().replace(place.url, "postgresql:///nowhere?host=/tmp"))
    assert "the database can't be reached" in place.fails("migrate")


# --- who sees what (check 12) ---------------------------------------------------------------------------------------

def test_12_every_table_with_an_institution_is_guarded(place):
    database = connect(place.url)
    tables = {name for name, in rows(database, ROW_TABLES)}
    assert len(tables) > 10
    guarded = {name for name, in rows(database, "SELECT relname FROM pg_class WHERE relnamespace = 'tashika'::regnamespace "
                                                "AND relrowsecurity AND relforcerowsecurity")}
    assert tables - guarded == set()
    policies = rows(database, "SELECT tablename, policyname FROM pg_policies WHERE schemaname = 'tashika'")
    for table in tables:
        assert {name for one, name in policies if one == table} >= {"own_rows", "all_rows"}
    owners = rows(database, "SELECT relname FROM pg_class WHERE relnamespace = 'tashika'::regnamespace AND "
                            "pg_get_userbyid(relowner) IN ('tashika_api', 'tashika_platform')")
    assert owners == []


def test_12_the_api_sees_the_rows_of_its_institution_only(two_banks):
    place, (a, b) = two_banks
    as_a, as_nobody, database = connect(place.url, a), connect(place.url, ""), connect(place.url)
    tables = [name for name, in rows(database, ROW_TABLES)]
    readable = {name for name, in rows(database, "SELECT table_name FROM information_schema.role_table_grants WHERE grantee = "
                                                 "'tashika_api' AND privilege_type = 'SELECT'")}
    seen = set()
    for table in set(tables) & readable:
        assert rows(as_nobody, f"SELECT count(*) FROM {table}") == [(0,)], table
        found = {one for one, in rows(as_a, f"SELECT DISTINCT institution_id FROM {table}")}
        assert found <= {a}, table
        if found and rows(database, f"SELECT count(DISTINCT institution_id) FROM {table}") == [(2,)]:
            seen.add(table)
    assert {"service", "feed", "audit", "data_key"} <= seen


def test_12_the_api_writes_no_rows_of_others(two_banks):
    place, (a, b) = two_banks
    as_a = connect(place.url, a)
    usage = "INSERT INTO usage VALUES (%s, '2026-01-01', 'four-information', 'test', 1, 20)"
    rows(as_a, usage, a)
    with pytest.raises(Exception, match="row-level security"):
        rows(as_a, usage, b)
    with pytest.raises(Exception, match="row-level security"):
        rows(as_a, "UPDATE usage SET institution_id = %s", b)
    assert rows(connect(place.url, b), "UPDATE usage SET uses = 9 RETURNING 1") == []


@pytest.mark.parametrize("statement", ["UPDATE audit SET detail = ''", "DELETE FROM audit", "UPDATE feed SET last_pos = 9",
                                       "INSERT INTO change_feed VALUES ('x', 1, '2026-01-01', 'x')",
                                       "DELETE FROM consent", "INSERT INTO institution VALUES ('x', 'x', 'x', '2026-01-01')"])
def test_the_api_may_not(two_banks, statement):
    place, (a, _) = two_banks
    with pytest.raises(Exception, match="permission denied"):
        rows(connect(place.url, a), statement)


# --- institutions ---------------------------------------------------------------------------------------------------

def test_an_institution_with_its_service_and_certificate(place, pki):
    client = pki.ca.p256.issue("client-of-a")
    name = place.ok("institution", "add", "bank-a").strip()
    place.ok("institution", "service", "add", "bank-a", "svc_accounts")
    thumbprint = place.ok("institution", "certificate", "add", "bank-a", client.certificate_path, "--roles", "poller,query").strip()
    [shown] = json.loads(place.ok("institution", "list", "--json"))
    assert (shown["institution_id"], shown["name"], shown["status"]) == (name, "bank-a", "active")
    assert shown["services"] == ["svc_accounts"]
    [certificate] = shown["certificates"]
    assert certificate["thumbprint"] == thumbprint and certificate["roles"] == ["poller", "query"]
    place.ok("institution", "certificate", "revoke", "bank-a", thumbprint)
    place.ok("institution", "disable", name)
    place.ok("institution", "service", "end", "bank-a", "svc_accounts")
    [shown] = json.loads(place.ok("institution", "list", "--json"))
    assert (shown["status"], shown["certificates"][0]["status"], shown["services"]) == ("disabled", "revoked", [])


def test_a_certificate_that_could_not_get_in_is_not_registered(two_banks, pki):
    place, _ = two_banks

    def refused(path):
        return place.fails("institution", "certificate", "add", "bank-a", path, "--roles", "poller")

    assert "a private key" in refused(pki.ca.p256.key_path)
    assert "of a CA" in refused(pki.ca.p256.certificate_path)
    assert "TLS clients" in refused(pki.ca.p256.issue("a-server", extensions=[SERVER]).certificate_path)


def test_what_can_not_be_is_said(two_banks, pki):
    place, _ = two_banks
    client = pki.ca.p256.issue("client-of-both").certificate_path
    place.ok("institution", "certificate", "add", "bank-a", client, "--roles", "poller")
    assert "registered before" in place.fails("institution", "certificate", "add", "bank-b", client, "--roles", "query")
    for name in ("bank-a", "BANK-A"):
        assert f"there is an institution `{name}`" in place.fails("institution", "add", name)
    assert "taken for an id" in place.fails("institution", "add", "inst_abc", code=2)
    assert "a name is" in place.fails("institution", "add", "", code=2)
    assert "no institution `bank-c`" in place.fails("institution", "disable", "bank-c")
    assert "roles are" in place.fails("institution", "certificate", "add", "bank-a", client, "--roles", "admin", code=2)
    assert "a name is" in place.fails("institution", "add", "a bank", code=2)
    assert "a service is" in place.fails("institution", "service", "add", "bank-a", "accounts", code=2)
    assert f"no active certificate {'ab' * 32}" in place.fails("institution", "certificate", "revoke", "bank-a", "ab" * 32)
    assert "64 hexadecimal digits" in place.fails("institution", "certificate", "revoke", "bank-a", "abc", code=2)


def test_12_the_server_may_log_in_as_one_who_owns_nothing(two_banks):
    """Who owns the tables could switch row-level security off."""
    place, (a, _) = two_banks
    owner = connect(place.url)
    if not rows(owner, "SELECT 1 FROM pg_roles WHERE rolname = 'tashika_serve'"):
        rows(owner, "CREATE ROLE tashika_serve LOGIN")
    rows(owner, "GRANT tashika_api, tashika_platform TO tashika_serve")
    place.config.write_text(place.config.read_text().replace("user=tashika", "user=tashika_serve"))
    assert "applied" in place.ok("migrate", "--status")
    assert a in place.ok("institution", "list")
    place.ok("institution", "service", "add", "bank-a", "svc_loans")
    assert "whole" in place.ok("audit", "verify")
    serving = connect(place.url.replace("user=tashika", "user=tashika_serve"))
    assert rows(serving, "SELECT count(*) FROM pg_class JOIN pg_roles r ON r.oid = relowner WHERE rolname = current_user") == [(0,)]
    for statement in ("ALTER TABLE consent DISABLE ROW LEVEL SECURITY", "DROP TABLE audit", "UPDATE audit SET detail = ''",
                      "DELETE FROM migration"):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            rows(serving, statement)


def test_a_login_without_the_roles_is_told_which(two_banks):
    place, _ = two_banks
    owner = connect(place.url)
    if not rows(owner, "SELECT 1 FROM pg_roles WHERE rolname = 'tashika_nobody'"):
        rows(owner, "CREATE ROLE tashika_nobody LOGIN")
    place.config.write_text(place.config.read_text().replace("user=tashika", "user=tashika_nobody"))
    for command in (("institution", "list"), ("migrate", "--status"), ("audit", "verify"), ("keys", "list"), ("feed", "status")):
        assert "GRANT tashika_api, tashika_platform TO" in place.fails(*command), command


# --- the audit chain (check 29) -------------------------------------------------------------------------------------

@pytest.mark.parametrize("tampering, row", [
    ("UPDATE audit SET detail = '{\"x\":1}' WHERE institution_id = %s AND seq = 2", 2),
    ("UPDATE audit SET at = at + interval '1 second' WHERE institution_id = %s AND seq = 1", 1),
    ("DELETE FROM audit WHERE institution_id = %s AND seq = 2", 2),
    ("DELETE FROM audit WHERE institution_id = %s AND seq = 3", 3),
    ("UPDATE audit SET seq = 6 - seq WHERE institution_id = %s AND seq IN (1, 3)", 1),
    ("UPDATE audit SET actor = 'x' WHERE institution_id = %s AND seq = 3", 3),
], ids=["edited", "another time", "removed", "cut off", "reordered", "another actor"])
def test_29_the_first_bad_row_is_named(two_banks, tampering, row):
    place, (a, b) = two_banks
    place.ok("institution", "service", "add", "bank-a", "svc_loans")
    assert "5 rows of 2 institutions: whole" in place.ok("audit", "verify")
    database = connect(place.url)
    if "6 - seq" in tampering:  # the primary key is in the way of an honest swap
        rows(database, "UPDATE audit SET seq = seq + 100 WHERE institution_id = %s AND seq IN (1, 3)", a)
        rows(database, "UPDATE audit SET seq = 104 - seq WHERE institution_id = %s AND seq > 100", a)
    else:
        rows(database, tampering, a)
    report = json.loads(place.run("audit", "verify", "--json").stdout)
    assert [(fault["institution_id"], fault["seq"]) for fault in report["faults"]] == [(a, row)]


def test_29_what_was_written_anew_or_cut_short_shows_by_an_earlier_report(two_banks, tmp_path):
    """Whoever owns the database can make a chain that is whole; not one that is yesterday's."""
    place, (a, _) = two_banks
    earlier = tmp_path / "yesterday.json"
    earlier.write_text(place.ok("audit", "verify", "--json"))
    place.ok("institution", "service", "add", "bank-a", "svc_loans")
    assert "whole" in place.ok("audit", "verify", "--expect", earlier)
    database = connect(place.url)
    rows(database, "DELETE FROM audit WHERE institution_id = %s AND seq > 1", a)
    rows(database, "UPDATE audit_head SET last_seq = 1, last_hash = (SELECT hash FROM audit WHERE institution_id = %s AND seq = 1) "
                   "WHERE institution_id = %s", a, a)
    assert "whole" in place.ok("audit", "verify")
    assert f"{a}: row 2: the chain ends before row 2" in place.run("audit", "verify", "--expect", earlier).stdout
    assert "no report" in place.fails("audit", "verify", "--expect", __file__)


# --- the key-encryption key -----------------------------------------------------------------------------------------

def key_file(place):
    return place.directory / "var/key-encryption-key.hex"


def test_the_key_is_made_once_and_is_nobody_elses_to_read(place):
    first = key_file(place).read_text()
    assert len(first.strip()) == 64 and key_file(place).stat().st_mode & 0o777 == 0o600
    place.ok("migrate")
    assert key_file(place).read_text() == first
    key_file(place).chmod(0o644)
    assert "chmod 600" in place.fails("institution", "add", "bank-a")


def test_a_lost_key_is_not_replaced_by_a_new_one(place):
    key_file(place).unlink()
    assert "key_encryption_key" in place.fails("migrate")
    assert not key_file(place).exists()


def test_no_key_lies_in_the_database_in_the_clear(two_banks):
    place, _ = two_banks
    key = bytes.fromhex(key_file(place).read_text())
    wrapped = [bytes(one) for one, in rows(connect(place.url), "SELECT wrapped FROM data_key UNION ALL SELECT wrapped FROM platform_key")]
    assert len(wrapped) == 4 and all(key not in one and len(one) == 12 + 32 + 16 for one in wrapped)
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    [(sealed, institution)] = rows(connect(place.url), "SELECT wrapped, institution_id FROM data_key LIMIT 1")
    sealed = bytes(sealed)
    assert len(AESGCM(key).decrypt(sealed[:12], sealed[12:], f"data_key.{institution}.1".encode())) == 32
    with pytest.raises(Exception):
        AESGCM(key).decrypt(sealed[:12], sealed[12:], f"data_key.{SOMEBODY}.1".encode())


# --- a host that vanishes ---

def keepalive(port):
    """In how many hundredths of a second the kernel will probe the connection from `port`; nothing: it does something else."""
    for line in open("/proc/net/tcp").read().splitlines()[1:]:
        local, remote, _, _, timer = line.split()[1:6]
        if local == f"0100007F:{port:04X}" and timer.startswith("02:"):
            return int(timer[3:], 16)
    return None


@pytest.mark.parametrize("extra, most", [("", 1_000), ("?keepalives_idle=300", 30_000)])
def test_a_host_that_vanished_is_noticed(empty, extra, most):
    """Ten seconds after it fell silent it is asked whether it is there, unless the URL says otherwise: the system's own
    two hours would be too long."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"postgresql://127.0.0.1:{listener.getsockname()[1]}/tashika{extra}"
        empty.config.write_text(empty.config.read_text().replace(json.dumps(empty.url), json.dumps(url)))
        asking = subprocess.Popen([PROGRAM, "audit", "verify", "--config", empty.config], stderr=subprocess.PIPE)
        listener.settimeout(seconds(10))
        silent, (_, port) = listener.accept()
        with silent:
            left = wait_until(lambda: keepalive(port), what="the kernel to set its timer")
            assert most / 2 < left <= most
            _, error = asking.communicate(timeout=seconds(20))  # connect_timeout
            assert asking.returncode == 1 and b"can't be reached" in error
