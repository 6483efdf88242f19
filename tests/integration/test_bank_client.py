"""config/examples/bank.py, as an institution's engineer would run it: against a platform, through a customer's move."""
import json
import sqlite3
import subprocess
from pathlib import Path

import pytest
from support.consenting import lapse
from support.program import seconds, wait_until

SCRIPT = Path(__file__).resolve().parents[2] / "config/examples/bank.py"
ADDRESS = "東京都千代田区加名鳥町９９９番地"
TOWN = dict(people=30)


@pytest.fixture()
def bank(town, tmp_path):
    holder = town.a.holders["all"]

    def run(command, url=town.platform.base_url, ends=0):
        result = subprocess.run(
            ["/usr/bin/python3", SCRIPT, "--url", url, "--certificate", holder.certificate_path, "--key",
             holder.key_path, "--ca", town.platform.servers.certificate_path, "--database", tmp_path / "bank.db", "--once", command],
            capture_output=True, text=True, timeout=seconds(60))
        assert result.returncode == ends, result.stdout + result.stderr
        return result.stdout + result.stderr

    run.database = tmp_path / "bank.db"
    return run


def available(town, consent):
    return "subject.update_available" in [one["type"] for one in town.events(consent["consent_id"])]


def test_a_move_reaches_the_banks_own_database(town, bank):
    moved, stayed = town.somebody(), town.somebody()
    consent, other = town.consent(moved), town.consent(stayed)
    lapse(town, moved, "move", address=ADDRESS)
    town.rows("UPDATE awaiting SET next_check_at = next_check_at - interval '1 hour'")
    wait_until(lambda: available(town, consent), 20, "the new certificate to be found")
    told = bank("follow")
    assert f"{consent['consent_id']}: provided" in told and ADDRESS not in told
    fee = town.billing()["yen"]
    town.events(consent["consent_id"])  # once all is in the feed
    bank("follow")
    assert town.billing()["yen"] == fee, "what was fetched is not paid for again"
    listed = bank("consents")
    assert ADDRESS in listed and other["consent_id"] not in listed
    database = sqlite3.connect(bank.database)
    ((claims,),) = database.execute("SELECT claims FROM customer").fetchall()
    assert json.loads(claims)["address"]["formatted"] == ADDRESS
    pos, = database.execute("SELECT pos FROM cursor").fetchone()
    assert pos == town.rows("SELECT last_pos FROM feed WHERE institution_id = %s", town.a.id)[0][0]


@pytest.fixture()
def consent(town):
    """One whose person has new data."""
    person = town.somebody()
    made = town.consent(person)
    lapse(town, person, "move", address=ADDRESS)
    town.rows("UPDATE awaiting SET next_check_at = next_check_at - interval '1 hour'")
    wait_until(lambda: available(town, made), 20, "the new certificate to be found")
    return made


def known(bank, consent):
    """(token, state) in the bank's database."""
    with sqlite3.connect(bank.database) as database:
        return database.execute("SELECT token, state FROM consent WHERE consent_id = ?", (consent["consent_id"],)).fetchone()


def test_a_crash_between_page_and_query_costs_nothing_more(town, bank, consent):
    """The key is stored before it is used: the same question, the same answer, one fee."""
    fee = town.billing()["yen"]
    bank("follow")
    with sqlite3.connect(bank.database) as database:  # as if it had died before it wrote the answer down
        database.execute("UPDATE consent SET state = 'fetch' WHERE consent_id = ?", (consent["consent_id"],))
        database.execute("DELETE FROM customer WHERE consent_id = ?", (consent["consent_id"],))
    assert f"{consent['consent_id']}: provided" in bank("follow")
    assert town.billing()["yen"] == fee + 20


def test_a_token_that_is_not_valid_any_more_is_replaced_at_once(town, bank, consent):
    bank("follow")
    first, _ = known(bank, consent)
    answer = town.clients[town.a.name].call("POST", f"/v1/consents/{consent['consent_id']}/tokens", {"revoke_previous": True})
    assert answer.status == 201
    with sqlite3.connect(bank.database) as database:
        database.execute("UPDATE consent SET state = 'fetch' WHERE consent_id = ?", (consent["consent_id"],))
        database.execute("DELETE FROM customer")
    assert f"{consent['consent_id']}: provided" in bank("follow")
    token, state = known(bank, consent)
    assert token not in (None, first) and state == "provided" and ADDRESS in bank("consents")


@pytest.mark.parametrize("state", ["provided", "fetch"])
def test_a_token_that_ends_soon_is_replaced_when_it_is_needed(town, bank, consent, state):
    name = consent["consent_id"]
    bank("follow")
    first, _ = known(bank, consent)
    with sqlite3.connect(bank.database) as database:
        database.execute("UPDATE consent SET state = ? WHERE consent_id = ?", (state, name))
    town.rows("UPDATE consent_token SET expires_at = now() + interval '1 day', reissue_told = false WHERE consent_id = %s", name)
    wait_until(lambda: "token.reissue_needed" in [one["type"] for one in town.events(name)], 15, "the notice")
    bank("follow")
    token, now = known(bank, consent)
    assert now == "provided" and token != first and (token is None) == (state == "provided")


def test_trouble_with_one_consent_is_not_the_end_of_all(town, bank, consent):
    bank("consents")  # makes the database
    with sqlite3.connect(bank.database) as database:
        database.execute("INSERT INTO consent VALUES ('cns_aaaaaaaaaaaaaaaaaaaaaaaaaa', NULL, 'fetch', 'a-key')")
    told = bank("follow")
    assert "404 not-found" in told and f"{consent['consent_id']}: provided" in told
    assert known(bank, {"consent_id": "cns_aaaaaaaaaaaaaaaaaaaaaaaaaa"}) == (None, "fetch")


def test_once_does_not_wait_for_a_server_that_is_not_there(bank):
    assert "refused" in bank("follow", url="https://127.0.0.1:1", ends=1)


def test_when_its_cursor_is_good_no_more_it_starts_over(town, bank, consent):
    """After a restored backup nobody knows what the feed would have said: 410, and all consents are looked at."""
    moved = town.somebody()
    other = town.consent(moved)
    bank("follow")
    town.platform.tashika("feed", "new-epoch")
    with sqlite3.connect(bank.database) as database:
        database.execute("INSERT INTO consent VALUES ('cns_registered_after_the_backup', NULL, 'fetch', 'key')")
    lapse(town, moved, "move", address=ADDRESS.replace("９９９", "１"))
    town.rows("UPDATE awaiting SET next_check_at = next_check_at - interval '1 hour'")
    wait_until(lambda: available(town, other), 20, "the new certificate to be found")
    fee = town.billing()["yen"]
    told = bank("follow")
    assert "started over with" in told and "consents, 1 lost" in told and f"{other['consent_id']}: provided" in told
    assert f"{consent['consent_id']}: no_newer_information" in told
    assert town.billing()["yen"] == fee + 20
    assert "cns_registered_after_the_backup lost" in bank("consents")
    assert "started over" not in bank("follow") and ADDRESS.replace("９９９", "１") in bank("consents")
