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

    def run(command):
        result = subprocess.run(
            ["/usr/bin/python3", SCRIPT, "--url", town.platform.base_url, "--certificate", holder.certificate_path, "--key",
             holder.key_path, "--ca", town.platform.servers.certificate_path, "--database", tmp_path / "bank.db", "--once", command],
            capture_output=True, text=True, timeout=seconds(60))
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    run.database = tmp_path / "bank.db"
    return run


def available(town, consent):
    return "subject.update_available" in [one["type"] for one in town.events(consent["consent_id"])]


def test_a_move_reaches_the_banks_own_database(town, bank):
    moved, stayed = town.somebody(), town.somebody()
    consent, other = town.consent(moved), town.consent(stayed)
    lapse(town, moved, "move", address=ADDRESS)
    town.rows("UPDATE subject SET next_check_at = next_check_at - interval '1 hour'")
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


def test_a_crash_between_page_and_query_costs_nothing_more(town, bank):
    """The key is stored before it is used: the same question, the same answer, one fee."""
    person = town.somebody()
    consent = town.consent(person)
    lapse(town, person, "move", address=ADDRESS)
    town.rows("UPDATE subject SET next_check_at = next_check_at - interval '1 hour'")
    wait_until(lambda: available(town, consent), 20, "the new certificate to be found")
    fee = town.billing()["yen"]
    bank("follow")
    with sqlite3.connect(bank.database) as database:  # as if it had died before it wrote the answer down
        database.execute("UPDATE consent SET state = 'fetch' WHERE consent_id = ?", (consent["consent_id"],))
        database.execute("DELETE FROM customer WHERE consent_id = ?", (consent["consent_id"],))
    assert f"{consent['consent_id']}: provided" in bank("follow")
    assert town.billing()["yen"] == fee + 20
