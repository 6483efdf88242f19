"""The key-encryption key is changed while the server answers (check 28), and whoever does it may be killed."""
import base64
import json
import random
import re
import subprocess
import threading
import time

import pytest
from support.program import PROGRAM, said, tashika, wait_for_status, wait_until

BY_KEK = "SELECT kek, count(*) FROM (SELECT kek FROM data_key UNION ALL SELECT kek FROM platform_key) AS one GROUP BY kek"
KILLS = 8
TOWN = dict(people=30)


@pytest.fixture
def key_file(town):
    return town.platform.directory / "kek.hex"


def rotate(town, *options):
    return json.loads(town.platform.tashika("keys", "rotate", "--json", *options))


def by_kek(town):
    return dict(town.rows(BY_KEK))


def registered(town, reference, person=None):
    """A consent with something sealed in it."""
    return town.consent(person or town.somebody(), customer_ref=reference)["consent_id"]


def reference(client, consent):
    return client.get(f"/v1/consents/{consent}").json["customer_ref"]


def test_check_28_nothing_is_left_at_the_old_key(town, key_file):
    before = registered(town, "K-before")
    (old, keys), = by_kek(town).items()
    done = rotate(town)
    assert done == {"kek": done["kek"], "new": True, "keys": keys, "institutions": 2} and done["kek"] != old
    assert by_kek(town) == {done["kek"]: keys}
    lines = key_file.read_text().split()
    assert len(lines) == 2 and key_file.stat().st_mode & 0o777 == 0o600
    audited = town.rows("SELECT institution_id, detail::json->>'kek' FROM audit WHERE verb = 'keys.rewrapped'")
    assert sorted(audited) == sorted((bank.id, done["kek"]) for bank in (town.a, town.b))
    town.platform.tashika("audit", "verify")

    with town.a.client() as client:  # the server has the old key in its memory
        assert reference(client, before) == "K-before"
        assert reference(client, registered(town, "K-after")) == "K-after"
    town.server.stop()
    town.restart()
    with town.a.client() as client:
        assert reference(client, before) == "K-before"


def test_a_server_that_runs_learns_of_the_new_key_when_it_needs_it(town, key_file):
    """Of an institution that it had not heard of, and whose keys were never wrapped by the key that it has."""
    rotate(town, "--forget-old")
    assert len(key_file.read_text().split()) == 1
    newcomer = type(town.a)(town.platform, "bank-of-later")
    town.clients[newcomer.name] = newcomer.client()
    wait_for_status(200, lambda: town.clients[newcomer.name].get("/v1/changes"), 5)
    consent = town.consent(town.somebody(), newcomer, customer_ref="K-new")["consent_id"]
    assert reference(town.clients[newcomer.name], consent) == "K-new"
    assert len(by_kek(town)) == 1


def test_the_old_key_opens_nothing_any_more(town, key_file, tmp_path):
    old = key_file.read_text()
    rotate(town, "--forget-old")
    new = key_file.read_text()
    assert old != new
    key_file.write_text(old)
    try:
        result = tashika("keys", "rotate", "--config", town.platform.config)
        assert result.returncode == 1 and re.search("key-encryption key [0-9a-f]{16}, which is not in", said(result))
        assert key_file.read_text() == old
        listed = json.loads(town.platform.tashika("keys", "list", "--json"))
        assert [(one["in_file"], one["wraps"] > 0) for one in listed] == [(True, False), (False, True)]
    finally:
        key_file.write_text(new)
    assert [one["newest"] for one in json.loads(town.platform.tashika("keys", "list", "--json"))] == [True]
    assert new.strip() not in said(tashika("keys", "list", "--config", town.platform.config))


def test_a_key_that_somebody_put_first_is_used(town, key_file):
    """As on several machines, where each has a copy of the file."""
    ours = subprocess.run(["openssl", "rand", "-hex", "32"], capture_output=True, text=True, check=True).stdout
    sha256 = subprocess.run(["openssl", "dgst", "-sha256", "-r"], input=bytes.fromhex(ours), capture_output=True, check=True)
    key_file.write_text(ours + key_file.read_text())
    done = rotate(town, "--forget-old")
    assert not done["new"] and done["kek"] == sha256.stdout.decode()[:16]
    assert key_file.read_text() == ours and set(by_kek(town)) == {done["kek"]}


def test_check_28_what_is_sealed_opens_in_its_own_place_only(town):
    """Not in another row, nor with another institution."""
    sealed = "SELECT customer_ref_sealed FROM consent WHERE consent_id = %s"
    ours = registered(town, "K-ours")
    for bank in (town.a, town.b):
        other = town.consent(town.somebody(), bank, customer_ref="K-other")["consent_id"]
        kept = town.rows(sealed, other)[0][0]
        with bank.client() as client:
            assert reference(client, other) == "K-other"
            town.rows(f"UPDATE consent SET customer_ref_sealed = ({sealed}) WHERE consent_id = %s", ours, other)
            answer = client.get(f"/v1/consents/{other}")
            assert answer.is_problem("internal-error", 500) and b"K-ours" not in answer.body
            town.rows("UPDATE consent SET customer_ref_sealed = %s WHERE consent_id = %s", kept, other)
            assert reference(client, other) == "K-other"


def test_a_rotation_may_be_killed_while_others_read_and_write(town, key_file):
    for number in range(30):
        town.platform.tashika("institution", "add", f"small-bank-{number}")
    consents, faults, ending = [registered(town, f"K-{number}") for number in range(4)], [], threading.Event()

    def read():
        with town.a.client() as client:
            while not ending.is_set():
                faults.extend((one, number) for number, one in enumerate(consents) if reference(client, one) != f"K-{number}")

    reader = threading.Thread(target=read)
    reader.start()
    dice = random.Random(28)
    try:
        for number in range(KILLS):
            process = subprocess.Popen([PROGRAM, "keys", "rotate", "--config", town.platform.config],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(dice.uniform(0, 0.15))
            process.kill()
            process.wait()
            town.platform.tashika("institution", "add", f"meanwhile-{number}")
        rotate(town)
        assert len(by_kek(town)) == 1
    finally:
        ending.set()
        reader.join()
    assert faults == []
    assert next(iter(by_kek(town))) == json.loads(town.platform.tashika("keys", "list", "--json"))[0]["kek"]
    town.server.stop()
    town.restart()
    with town.a.client() as client:
        assert [reference(client, one) for one in consents] == [f"K-{number}" for number in range(4)]
    town.platform.tashika("audit", "verify")


def kid_of(token):
    return json.loads(base64.urlsafe_b64decode(token.split(".")[0] + "=="))["kid"]


def token_keys(town):
    return {one["kid"]: one["state"] for one in json.loads(town.platform.tashika("keys", "tokens", "--json"))}


def restart(town):
    """Servers read the keys again after 30 s; a new one does at once."""
    town.server.stop()
    town.restart()


def test_check_28_keys_of_tokens_take_turns_and_retire(town):
    consent, asleep = town.consent(town.somebody()), town.consent(town.somebody())
    (first, state), = token_keys(town).items()
    assert kid_of(consent["token"]) == first and state == "signs"
    second = town.platform.tashika("keys", "add-token-key").split(":")[0]
    assert token_keys(town) == {second: "verifies", first: "signs"}, "not before every server knows it"
    refused = tashika("keys", "retire-token-key", first, "--config", town.platform.config)
    assert refused.returncode == 1 and "60 s later again" in said(refused)
    restart(town)
    with town.a.client() as client:
        assert kid_of(town.consent(town.somebody())["token"]) == first
        assert [one["kid"] for one in client.get("/.well-known/jwks.json").json["keys"]] == [second, first]
    town.rows("UPDATE platform_key SET created_at = created_at - interval '61 seconds' WHERE purpose = 'token-signing'")
    restart(town)
    newer = town.consent(town.somebody())
    assert kid_of(newer["token"]) == second and token_keys(town) == {second: "signs", first: "verifies"}
    renewed = town.consent(town.somebody())
    town.rows("UPDATE consent_token SET key_id = %s WHERE consent_id = %s", first, renewed["consent_id"])
    with town.a.client() as client:
        one_more = client.call("POST", f"/v1/consents/{renewed['consent_id']}/tokens", {}, {"Idempotency-Key": "before"})
        assert kid_of(one_more.json["token"]) == second
        client.call("POST", f"/v1/consents/{asleep['consent_id']}/tokens", {}, {"Idempotency-Key": "too short"})
    town.rows("UPDATE consent_token SET expires_at = now() + interval '10 days', reissue_told = true WHERE key_id = %s AND "
              "consent_id = %s", second, asleep["consent_id"])  # as was right while the other one outlived it
    with town.a.client() as client:
        assert town.query(client, consent["token"]).status == 200, "what was signed before stays good"

    town.platform.tashika("keys", "retire-token-key", first)
    assert token_keys(town) == {second: "signs", first: "retired"}
    restart(town)
    with town.a.client() as client:
        assert town.query(client, consent["token"]).is_problem("token-invalid", 401)
        assert town.query(client, newer["token"]).status == 200
        assert [one["kid"] for one in client.get("/.well-known/jwks.json").json["keys"]] == [second]
        again = client.call("POST", f"/v1/consents/{consent['consent_id']}/tokens", {}, {"Idempotency-Key": "after"})
        assert town.query(client, again.json["token"]).status == 200
    for kid, why in ((first, "was retired before"), (second, "is the last one that all servers know"), ("2020-01-nothing", "there is no token key")):
        refused = tashika("keys", "retire-token-key", kid, "--config", town.platform.config)
        assert refused.returncode == 1 and why in said(refused)
    untold = "SELECT 1 FROM consent_token WHERE key_id = %s AND revoked_at IS NULL AND NOT reissue_told"
    wait_until(lambda: not town.rows(untold, first), 15, "the notices")

    def is_told(one):
        return "token.reissue_needed" in [event["type"] for event in town.events(one["consent_id"])]

    assert [is_told(one) for one in (asleep, renewed, newer)] == [True, False, False]
    audited = town.rows("SELECT verb, object FROM audit WHERE verb LIKE 'token_key%%' AND institution_id = %s ORDER BY seq", town.a.id)
    assert audited == [("token_key.added", second), ("token_key.retired", first)]
    town.platform.tashika("audit", "verify")
