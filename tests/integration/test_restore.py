"""The database of some time ago is put back (pg_dump, pg_restore): what happened since is lost, and found again where it can be."""
import json
import subprocess
import uuid
from pathlib import Path

import pytest
from support.consenting import Town, lapse, lapsed
from support.database import connect
from support.program import said, tashika, wait_for_status, wait_until

PG_BIN = Path("/usr/lib/postgresql/15/bin")  # as deploy/database


@pytest.fixture(scope="module")
def town(tmp_path_factory, cluster):
    town = Town(tmp_path_factory.mktemp("restore"), cluster, people=40)
    yield town
    town.stop()


def dump(town, path):
    subprocess.run([PG_BIN / "pg_dump", "--format=custom", "--file", path, town.platform.url], check=True)


def restore(town, path):
    """As README tells: the server ends, the database is what it was, a new epoch, the server begins."""
    town.server.stop()
    town.database.close()
    town.platform.cluster.empty(town.platform.url)
    subprocess.run([PG_BIN / "pg_restore", "--exit-on-error", "--dbname", town.platform.url, path], check=True)
    town.platform.tashika("feed", "new-epoch")
    town.database = connect(town.platform.url)
    town.restart()


def cursor_at_end(client):
    page = client.get("/v1/changes?limit=1000").json
    while page["more"]:
        page = client.get(f"/v1/changes?limit=1000&cursor={page['next_cursor']}").json
    return page["next_cursor"]


@pytest.fixture(scope="module")
def story(town, tmp_path_factory):
    """One who moved after the backup, one who withdrew after it, and one who came after it."""
    moved, left, new = (town.somebody() for _ in range(3))
    consents = {"moved": town.consent(moved), "left": town.consent(left)}
    directory = tmp_path_factory.mktemp("backup")
    with town.a.client() as client:
        for one in consents.values():
            town.events(one["consent_id"])
        cursors = [cursor_at_end(client)]
        dump(town, directory / "backup")
        lapse(town, moved)
        lapsed(town, consents["moved"], "available")
        assert town.query(client, consents["moved"]["token"]).json["outcome"] == "provided"
        assert town.withdraw(client, consents["left"]["consent_id"]).status == 200
        body = town.registration(town.a, new)
        consents["new"] = town.register(client, body).json
        for one in consents.values():
            town.events(one["consent_id"])
        cursors.append(cursor_at_end(client))
    (directory / "audit.json").write_text(town.platform.tashika("audit", "verify", "--json"))
    wait_until(lambda: not town.rows("SELECT 1 FROM consent WHERE relay_at IS NOT NULL"), 10, "the withdrawal at the authority")
    restore(town, directory / "backup")
    with town.a.client() as client:
        wait_for_status(200, lambda: client.get("/v1/changes"))
        yield town, client, consents, cursors, body, directory


def test_no_cursor_of_before_is_good(story):
    """Whether it is older than the backup or not: the positions after that were given out once."""
    town, client, _, cursors, _, _ = story
    for cursor in cursors:
        assert client.get(f"/v1/changes?cursor={cursor}").is_problem("feed-epoch-changed", 410)


def test_what_the_lists_say_is_detected_again(story):
    town, client, consents, _, _, _ = story
    consent = consents["moved"]
    lapsed(town, consent, "available")
    types = [one["type"] for one in town.events(consent["consent_id"])]
    assert types == ["consent.activated", "certificate.revoked", "subject.update_pending", "subject.update_available"]
    answer = town.query(client, consent["token"])
    assert answer.json["outcome"] == "provided" and "name" in answer.json["verified_claims"]["claims"]


def test_a_withdrawal_is_not_forgotten(story):
    """The authority knows of it, and the platform hears of it once more."""
    town, client, consents, _, _, _ = story
    consent = consents["left"]
    wait_until(lambda: town.status_of(consent["consent_id"]) == "withdrawn", 10, "the authority's word")
    assert town.query(client, consent["token"]).is_problem("consent-withdrawn", 403)


def test_a_consent_that_came_later_can_be_registered_again(story):
    town, client, consents, _, body, _ = story
    lost = consents["new"]
    assert client.get(f"/v1/consents/{lost['consent_id']}").status == 404
    assert town.query(client, lost["token"]).is_problem("token-invalid", 401)
    again = town.register(client, body, str(uuid.uuid4()))
    assert again.status == 201 and again.json["consent_id"] != lost["consent_id"]
    town.begin_term(again.json["consent_id"])
    assert town.query(client, again.json["token"]).status == 200


def test_the_audit_of_before_tells_what_was_lost(story):
    town, _, _, _, _, directory = story
    town.platform.tashika("audit", "verify")
    before = json.loads((directory / "audit.json").read_text())
    result = tashika("audit", "verify", "--expect", directory / "audit.json", "--config", town.platform.config)
    assert result.returncode == 1 and town.a.id in said(result)
    assert {one["institution_id"] for one in before["heads"]} >= {town.a.id, town.b.id}
