"""What can be learnt by guessing the ids of others' consents: nothing by the answers, nothing by their time, and not for long."""
import base64
import math
import os
import random
import statistics
import time

import pytest
from support.consenting import Town
from support.program import seconds

LONG = os.environ.get("TASHIKA_LONG") == "1"
ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
TRIPS_AT = 20  # a twentieth of forty a second, in bursts of ten seconds
TOWN = dict(people=40, api={"requests_per_second": 100_000})


@pytest.fixture(scope="module")
def foreign(town):
    """Consents of bank A."""
    return [town.consent(town.somebody())["consent_id"] for _ in range(4)]


def written(number):
    """An id: 128 bits in 26 characters, most significant first, two bits of zeros after them."""
    bits = number << 2
    return "cns_" + "".join(ALPHABET[bits >> 5 * place & 31] for place in reversed(range(26)))


def read(text):
    bits = 0
    for character in text.removeprefix("cns_"):
        bits = bits << 5 | ALPHABET.index(character)
    return bits >> 2


def test_ids_are_written_as_the_server_writes_them(foreign):
    assert [written(read(one)) for one in foreign] == foreign


def test_check_10_random_and_sequential_ids_get_the_same_octets(town, foreign):
    many, dice = 10_000 if LONG else 1_000, random.Random(10)
    beside = read(foreign[0])
    ids = ([written(dice.getrandbits(128)) for _ in range(many)] + [written(beside + step) for step in range(1, many // 2 + 1)]
           + [written(number) for number in range(many - many // 2)] + foreign)
    answers = set()
    with town.b.client() as client:
        for one in ids:
            answer = client.get(f"/v1/consents/{one}")
            same = {name: value for name, value in answer.headers.items() if name not in ("x-request-id", "date", "ratelimit")}
            answers.add((answer.status, answer.body, tuple(sorted(same.items()))))
    assert len(answers) == 1 and answers.pop()[0] == 404
    with town.a.client() as client:
        assert client.get(f"/v1/consents/{foreign[0]}").status == 200


def rank_test(ours, theirs):
    """The two-sided p of Mann and Whitney's test, by the normal approximation (ties share their ranks)."""
    ranked = sorted([(value, 0) for value in ours] + [(value, 1) for value in theirs])
    total, ties, place = 0.0, 0, 0
    while place < len(ranked):
        end = place
        while end < len(ranked) and ranked[end][0] == ranked[place][0]:
            end += 1
        rank = (place + 1 + end) / 2
        total += rank * sum(1 for _, whose in ranked[place:end] if whose == 0)
        ties += (end - place) ** 3 - (end - place)
        place = end
    m, n = len(ours), len(theirs)
    u = total - m * (m + 1) / 2
    variance = m * n / 12 * (m + n + 1 - ties / ((m + n) * (m + n - 1)))
    return math.erfc(abs(u - m * n / 2) / math.sqrt(2 * variance))


def test_the_rank_test_tells_what_differs_from_what_does_not():
    assert rank_test([1, 2, 3, 4, 5], [6, 7, 8, 9, 10]) == pytest.approx(0.00902, abs=1e-4)  # z = -2.611, from a table
    dice = random.Random(1)
    same = [[dice.gauss(10, 1) for _ in range(2000)] for _ in range(2)]
    assert rank_test(*same) > 0.01
    assert rank_test(same[0], [value + 0.2 for value in same[1]]) < 0.0001


@pytest.mark.skipif(not LONG, reason="measures time: tests/long interleavings")
def test_check_10_time_does_not_tell_what_others_have(town, foreign):
    """Three measurements: a difference that is there is there each time, and a busy moment is not."""
    found = [measured(town, foreign, random.Random(seed)) for seed in range(3)]
    print(found)
    assert any(probability > 0.01 and difference < 0.05 for probability, difference in found), found


def measured(town, foreign, dice):
    """(p, by how much the medians differ) of ids that nobody has and of those that another bank has, in random order."""
    times = ([], [])
    with town.b.client() as client:
        for _ in range(8_000):
            whose = dice.randrange(2)
            path = f"/v1/consents/{dice.choice(foreign) if whose else written(dice.getrandbits(128))}"
            begun = time.perf_counter_ns()
            client.get(path)
            times[whose].append(time.perf_counter_ns() - begun)
    medians = [statistics.median(one) for one in times]
    return rank_test(*times), abs(medians[0] - medians[1]) / min(medians)


# What B may ask with the name of a consent, or with a token: of A's, and of nobody's.
REFUSALS = {
    "reading": lambda town, client, one: client.get(f"/v1/consents/{one['consent_id']}"),
    "withdrawing": lambda town, client, one: town.withdraw(client, one["consent_id"]),
    "a token": lambda town, client, one: client.call("POST", f"/v1/consents/{one['consent_id']}/tokens", {}),
    "tokens": lambda town, client, one: client.call("POST", "/v1/consent-tokens/reissue", {"consent_ids": [one["consent_id"]]}),
    "the status": lambda town, client, one: client.call("POST", "/v1/certificates/status", {"consent_ids": [one["consent_id"]]}),
    "the record": lambda town, client, one: client.get(f"/v1/disclosures?consent_id={one['consent_id']}"),
    "a question": lambda town, client, one: town.query(client, one["token"]),
}


@pytest.fixture(scope="module")
def kinds(town):
    """Consents of bank A, in force and withdrawn, and as many of nobody's: other ids, and tokens that another key signed."""
    theirs = [town.consent(town.somebody()) for _ in range(4)]
    for one in theirs[::2]:
        assert town.withdraw(town.clients[town.a.name], one["consent_id"]).status == 200
    dice = random.Random(20)
    nobodys = []
    for one in theirs:
        said, octets = one["token"].rsplit(".", 1)[0], dice.randbytes(64)
        signature = base64.urlsafe_b64encode(octets).decode().rstrip("=")
        nobodys.append({"consent_id": written(dice.getrandbits(128)), "token": f"{said}.{signature}"})
    return theirs, nobodys


@pytest.mark.parametrize("asks", REFUSALS)
def test_check_10_refusals_that_must_not_be_told_apart_take_as_long(town, kinds, asks):
    """In short, and with patience: what costs a wait, or a question more, shows. Finer differences are the long tests'."""
    dice = random.Random(asks)
    differences = []
    with town.b.client() as client:
        for _ in range(3):  # a busy moment is not there each time
            times, answers = ([], []), set()
            for _ in range(300):
                whose = dice.randrange(2)
                one = dice.choice(kinds[whose])
                begun = time.perf_counter()
                answer = REFUSALS[asks](town, client, one)
                times[whose].append(time.perf_counter() - begun)
                answers.add((answer.status, answer.json.get("code"), len(answer.body)))
            assert len(answers) == 1, answers
            low, high = sorted(statistics.median(one[5:]) for one in times)
            differences.append((low, high))
            if high <= 1.5 * low or high - low <= seconds(0.0005):
                return
    pytest.fail(f"the medians differ each time: {differences}")


# --- the brake ---

@pytest.fixture(scope="module")
def braked(tmp_path_factory, cluster):
    made = Town(tmp_path_factory.mktemp("braked"), cluster, people=20, api={"requests_per_second": 40})
    yield made
    made.stop()


@pytest.mark.parametrize("guess, status", [("id", 404), ("token", 401)])
def test_check_10_guesses_are_slowed_down_at_the_set_count(braked, guess, status):
    """It is the certificate's own brake: others of the same bank go on."""
    label = f"guesses-{guess}"
    braked.b.add_certificate(label, ["query"])
    consent = braked.consent(braked.somebody())

    def wrong(client):
        return client.get(f"/v1/consents/{consent['consent_id']}") if guess == "id" else braked.query(client, "nonsense")

    with braked.b.client(label) as client, braked.b.client("query") as other:
        statuses = []
        while 429 not in statuses and len(statuses) < 10 * TRIPS_AT:
            statuses.append(wrong(client).status)
        assert set(statuses[:-1]) == {status} and len(statuses) > TRIPS_AT
        refused = braked.query(client, consent["token"]) if guess == "token" else client.get("/v1/disclosures?limit=1")
        assert refused.is_problem("rate-limited", 429) and int(refused.headers["retry-after"]) >= 1
        assert other.get("/v1/disclosures?limit=1").status == 200
