"""`index lookup --at`: was it revoked or held at that time? And `index diff`: what came, went and changed."""
import json
import os
import random
import shutil
import time
from datetime import timedelta

import pytest
from support import crl
from support.crl import Entry
from support.lists import complete, delta
from support.pki import DAY, HOUR, MINUTE, NOW
from support.program import KILLS, said, tashika

LONG_AGO = NOW - 30 * DAY

# Five lists, an hour apart, and serials by what becomes of them.
TIMES = [NOW - 6 * HOUR + number * HOUR for number in range(5)]
AGO, RECENT, RELEASED, SAME_DATE, LATER_DATE, EXPIRED, NEVER = range(0x51, 0x58)
HALF = 30 * MINUTE
SERIES = [
    [Entry(AGO, 1, LONG_AGO), Entry(EXPIRED, 5, LONG_AGO)],
    [Entry(AGO, 1, LONG_AGO), Entry(EXPIRED, 5, LONG_AGO), Entry(RELEASED, 6, TIMES[0] + HALF),
     Entry(SAME_DATE, 6, TIMES[0] + HALF), Entry(LATER_DATE, 6, TIMES[0] + HALF)],
    [Entry(AGO, 1, LONG_AGO), Entry(EXPIRED, 5, LONG_AGO), Entry(RELEASED, 6, TIMES[0] + HALF),
     Entry(RECENT, 4, TIMES[1] + HALF), Entry(SAME_DATE, 6, TIMES[0] + HALF), Entry(LATER_DATE, 6, TIMES[0] + HALF)],
    [Entry(AGO, 1, LONG_AGO), Entry(RECENT, 4, TIMES[1] + HALF), Entry(SAME_DATE, 1, TIMES[0] + HALF),
     Entry(LATER_DATE, 1, TIMES[2] + HALF)],
    [Entry(AGO, 1, LONG_AGO), Entry(RECENT, 4, TIMES[1] + HALF), Entry(SAME_DATE, 1, TIMES[0] + HALF),
     Entry(LATER_DATE, 1, TIMES[2] + HALF)],
]
R, H, N = "revoked", "held", "not revoked"
STATUSES = {  # at the time of each list, and half an hour after each but the last
    AGO: [R, R, R, R, R, R, R, R, R],
    RECENT: [N, N, N, R, R, R, R, R, R],
    RELEASED: [N, H, H, H, H, H, N, N, N],
    SAME_DATE: [N, R, R, R, R, R, R, R, R],  # revoked from the day of the hold on, as the lists say in the end
    LATER_DATE: [N, H, H, H, H, R, R, R, R],
    EXPIRED: [R, R, R, R, R, R, N, N, N],
    NEVER: [N, N, N, N, N, N, N, N, N],
}
MOMENTS = sorted([*TIMES, *(moment + HALF for moment in TIMES[:-1])])


def iso(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def publish(desk, pki, number, entries, published):
    desk.put("all.crl", complete(pki.ca.p256, entries, number, published=published))
    desk.publish()


@pytest.fixture
def desk(publisher, pki):
    made = publisher(crl=["all.crl"])
    for number, entries in enumerate(SERIES):
        publish(made, pki, number + 1, entries, TIMES[number])
    return made


def past(desk, moment, *serials):
    return desk.index("lookup", *(f"{serial:x}" for serial in serials), "--at", iso(moment))


def statuses_at(desk, moment, *serials):
    return [one["status"] for one in past(desk, moment, *serials)]


def told(desk):
    """What is told of every serial of the series at every moment."""
    table = [statuses_at(desk, moment, *STATUSES) for moment in MOMENTS]
    return {serial: [row[column] for row in table] for column, serial in enumerate(STATUSES)}


def directory(desk):
    return desk.installation.index / "p256"


# --- what was so ----------------------------------------------------------------------------------------------------

def test_every_status_at_every_time(desk):
    assert told(desk) == STATUSES


def test_the_details_of_a_hold_that_was_lifted(desk):
    [one] = past(desk, TIMES[1], RELEASED)
    assert (one["reason"], one["date"], one["as_of"]) == ("certificateHold", iso(TIMES[0] + HALF), iso(TIMES[4]))
    assert one["left_the_list"] == {"after": iso(TIMES[2]), "before": iso(TIMES[3])}
    assert "first_word" not in one


def test_the_details_of_a_hold_that_became_a_revocation(desk):
    [same, later] = past(desk, TIMES[2], SAME_DATE, LATER_DATE)
    assert (same["reason"], same["date"]) == ("keyCompromise", iso(TIMES[0] + HALF))
    assert (same["first_word"]["status"], same["first_word"]["reason"]) == ("held", "certificateHold")
    assert "left_the_list" not in same and "left_the_list" not in later
    assert (later["reason"], later["date"]) == ("certificateHold", iso(TIMES[0] + HALF))


def test_the_details_of_an_entry_that_left_with_its_certificate(desk):
    [one] = past(desk, TIMES[0], EXPIRED)
    assert (one["status"], one["reason"], one["date"]) == ("revoked", "cessationOfOperation", iso(LONG_AGO))
    assert one["left_the_list"] == {"after": iso(TIMES[2]), "before": iso(TIMES[3])}


def test_the_same_in_words(desk):
    result = tashika("index", "lookup", directory(desk), *(f"{serial:x}" for serial in STATUSES), "--at", iso(TIMES[2]))
    assert result.returncode == 0, said(result)
    lines = [line for line in result.stdout.splitlines() if not line.startswith(" ")]
    for line, serial in zip(lines, STATUSES, strict=True):
        assert line.startswith(f"{serial:x} at {iso(TIMES[2])}: {STATUSES[serial][4]}")
    assert f"left the list between {iso(TIMES[2])} and {iso(TIMES[3])}" in result.stdout
    assert "said first: held" in result.stdout


@pytest.mark.parametrize("moment, patterns", [(TIMES[0] - timedelta(seconds=1), ["not known any more", iso(TIMES[0])]),
                                              (TIMES[4] + timedelta(seconds=1), ["not known yet", iso(TIMES[4])])],
                         ids=["before the first list", "after the newest"])
def test_nothing_is_told_of_a_time(desk, moment, patterns):
    result = tashika("index", "lookup", directory(desk), "7fff", "--at", iso(moment))  # on no list ever
    assert result.returncode == 1 and result.stdout == ""
    for pattern in patterns:
        assert pattern in result.stderr


@pytest.mark.parametrize("text", ["yesterday", "2026-04-01", "2026-13-01T00:00:00Z"])
def test_what_is_no_time_is_said(desk, text):
    result = tashika("index", "lookup", directory(desk), "51", "--at", text)
    assert result.returncode != 0
    assert text in said(result) and "T00:00:00Z" in said(result)


# --- lists that come in pieces --------------------------------------------------------------------------------------

def test_a_hold_that_only_deltas_knew(publisher, pki):
    desk = publisher(crl=["all.crl"])
    publish(desk, pki, 1, [], TIMES[0])
    desk.configure(delta_crl=["delta.crl"])
    for number, entries in ((2, [Entry(RELEASED, 6, TIMES[0] + HALF)]), (3, [])):
        desk.put("delta.crl", delta(pki.ca.p256, entries, number, 1, published=TIMES[number - 1]))
        desk.publish()
    publish(desk, pki, 4, [], TIMES[3])
    assert [statuses_at(desk, moment, RELEASED)[0] for moment in MOMENTS[:7]] == [N, H, H, H, N, N, N]


def test_a_hold_on_a_part_that_was_published_alone(publisher, pki):
    desk = publisher(crl=["lists"])
    for part in range(10):
        desk.put(f"lists/{part}.crl", complete(pki.ca.p256, [], 1, f"Part {part}", TIMES[0]))
    desk.publish()
    for number, entries in ((2, [Entry(RELEASED, 6, TIMES[0] + HALF)]), (3, [])):
        desk.put("lists/7.crl", complete(pki.ca.p256, entries, number, "Part 7", TIMES[number - 1]))
        desk.publish()
    for part in range(10):
        desk.put(f"lists/{part}.crl", complete(pki.ca.p256, [], 4, f"Part {part}", TIMES[3]))
    desk.publish()
    assert [statuses_at(desk, moment, RELEASED)[0] for moment in MOMENTS[:7]] == [N, H, H, H, N, N, N]


# --- what survives --------------------------------------------------------------------------------------------------

def test_the_history_outlives_old_generations(desk):
    for path in desk.generations()[:-1]:
        path.unlink()
    assert told(desk) == STATUSES


def test_the_history_outlives_a_damaged_index(desk):
    newest = desk.generations()[-1]
    content = bytearray(newest.read_bytes())
    content[-40] ^= 1
    newest.unlink()
    newest.write_bytes(content)
    desk.publish()
    assert told(desk) == STATUSES


@pytest.mark.parametrize("octets", [1, 40, 63])
def test_a_torn_record_costs_only_itself(desk, pki, octets):
    publish(desk, pki, 6, [], NOW - 50 * MINUTE)
    log = directory(desk) / "history.log"
    before = told(desk)
    assert before == STATUSES
    os.truncate(log, log.stat().st_size - octets)
    after = told(desk)
    assert len([serial for serial in STATUSES if after[serial] != before[serial]]) == 1
    publish(desk, pki, 7, [Entry(NEVER, 6, NOW - 45 * MINUTE)], NOW - 40 * MINUTE)
    publish(desk, pki, 8, [], NOW - 30 * MINUTE)
    assert told(desk) == after
    assert statuses_at(desk, NOW - 35 * MINUTE, NEVER) == ["held"]


@pytest.mark.parametrize("garbage", [b"x", b"\0" * 64, b"\xff" * 200], ids=["a byte", "zeros", "more"])
def test_garbage_behind_the_last_record_costs_nothing(desk, pki, garbage):
    with (directory(desk) / "history.log").open("ab") as log:
        log.write(garbage)
    assert told(desk) == STATUSES
    publish(desk, pki, 6, [Entry(NEVER, 6, NOW - 55 * MINUTE)], NOW - 50 * MINUTE)
    publish(desk, pki, 7, [], NOW - 40 * MINUTE)
    assert statuses_at(desk, NOW - 45 * MINUTE, NEVER) == ["held"]
    assert statuses_at(desk, TIMES[1], RELEASED, EXPIRED) == ["held", "revoked"]


def test_a_killed_ingest_leaves_a_history_that_agrees(publisher, pki, tmp_path):
    desk = publisher(crl=["all.crl"])
    serials = random.Random(3).sample(range(2**32, 2**63), 20_000)

    def list_of(some, number):
        return crl.make(pki.ca.p256, [Entry(serial, 6, LONG_AGO) for serial in some], number, TIMES[number])

    desk.put("all.crl", list_of(serials, 1))
    desk.publish()
    kept = tmp_path / "kept"
    shutil.copytree(desk.installation.index, kept)
    desk.put("all.crl", list_of(serials[:15_000], 2))
    log = directory(desk) / "history.log"
    started = time.monotonic()
    desk.publish()
    whole, size = time.monotonic() - started, log.stat().st_size
    moments = random.Random(4)
    for _ in range(KILLS):
        shutil.rmtree(desk.installation.index)
        shutil.copytree(kept, desk.installation.index)
        process = desk.installation.start_ingest()
        time.sleep(moments.uniform(0.3, 1.05) * whole)
        process.kill()
        process.wait()
        is_new = desk.statuses(serials[-1]) == ["unlisted"]
        assert statuses_at(desk, TIMES[1], serials[0], serials[-1]) == ["held", "held"]
        if is_new:
            assert statuses_at(desk, TIMES[2], serials[0], serials[-1]) == ["held", "not revoked"]
        assert desk.installation.ingest().returncode == 0
        assert statuses_at(desk, TIMES[2], serials[0], serials[-1]) == ["held", "not revoked"]
        assert log.stat().st_size == size


# --- differences ----------------------------------------------------------------------------------------------------

FIRST = [Entry(1, 6), Entry(2, 6), Entry(3, 4), Entry(5, 1)]
SECOND = [Entry(2, 1), Entry(3, 4), Entry(4), Entry(5, 1), Entry(6, 3), Entry(7, 3)]
DIFFERENCES = {("removed", 1), ("changed", 2), ("added", 4), ("added", 6), ("added", 7)}
SUMMARY = {"added": {"total": 3, "none": 1, "affiliationChanged": 2}, "removed": {"total": 1, "certificateHold": 1},
           "changed": {"total": 1, "keyCompromise": 1}}
# The same steps as a base after a base, an overlay on its base, and an overlay after another one.
WAYS = {
    "two bases": lambda ca: [("all.crl", complete(ca, FIRST, 1, published=TIMES[0])),
                             ("all.crl", complete(ca, SECOND, 2, published=TIMES[1]))],
    "a base and its overlay": lambda ca: [
        ("all.crl", complete(ca, FIRST, 1, published=TIMES[0])),
        ("delta.crl", delta(ca, [Entry(1, 8), *SECOND], 2, 1, published=TIMES[1]))],
    "two overlays": lambda ca: [
        ("all.crl", complete(ca, [Entry(1, 6), Entry(9, 4)], 1, published=TIMES[0])),
        ("delta.crl", delta(ca, [*FIRST, Entry(9, 8)], 2, 1, published=TIMES[1])),
        ("delta.crl", delta(ca, [Entry(1, 8), Entry(9, 8), *SECOND], 3, 1, published=TIMES[2]))],
}


@pytest.mark.parametrize("way", WAYS)
def test_differences_between(publisher, pki, way):
    desk = publisher(crl=["all.crl"])
    for name, content in WAYS[way](pki.ca.p256):
        desk.put(name, content)
        if name == "delta.crl":
            desk.configure(delta_crl=["delta.crl"])
        desk.publish()
    before, after = desk.generations()[-2:]

    def diff(*options):
        result = tashika("index", "diff", before, after, *options)
        assert result.returncode == 0, said(result)
        return result.stdout

    tree = json.loads(diff("--json"))
    assert {(one["kind"], int(one["serial"], 16)) for one in tree["differences"]} == DIFFERENCES
    assert len(tree["differences"]) == len(DIFFERENCES)
    [changed] = [one for one in tree["differences"] if one["kind"] == "changed"]
    assert (changed["before"]["reason"], changed["after"]["reason"]) == ("certificateHold", "keyCompromise")
    assert tree["summary"] == SUMMARY
    assert json.loads(diff("--json", "--summary")) == {"differences": [], "summary": SUMMARY}
    lines = diff().splitlines()
    assert len([line for line in lines if line.split()[0] in ("added", "removed", "changed")]) == len(DIFFERENCES)
    summary = diff("--summary").splitlines()
    assert summary == lines[-3:]
    for line, (kind, counts) in zip(summary, SUMMARY.items(), strict=True):
        assert line.startswith(f"{kind}: {counts['total']}")
        for reason, count in counts.items():
            assert reason == "total" or f"{reason} {count}" in line
