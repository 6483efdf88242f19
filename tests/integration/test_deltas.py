"""Complete lists and the deltas to them (RFC 5280 5.2.4): what applies to what, what is refused, and what survives."""
import os
import random
import shutil
import time
from datetime import timezone

import pytest
from support import crl
from support.crl import Entry
from support.lists import complete, delta
from support.pki import DAY, HOUR, MINUTE, NOW
from support.program import KILLS, said, seconds, tashika, wait_until

LATER = NOW - 30 * MINUTE
REVOKED, HELD, RELEASED, WORSE, NEW = 0x11, 0x12, 0x13, 0x14, 0x15


def at(minute):
    """The time of the delta that comes so many minutes after LATER."""
    return LATER + minute * MINUTE


@pytest.fixture
def desk(publisher, pki):
    """List 10, which revokes REVOKED and holds RELEASED and WORSE; room for a delta."""
    made = publisher(crl=["full.crl"], delta_crl=[])
    made.put("full.crl", complete(pki.ca.p256, [Entry(REVOKED, 4), Entry(RELEASED, 6), Entry(WORSE, 6)], 10))
    made.publish()
    made.configure(delta_crl=["delta.crl"])
    return made


def put_delta(desk, pki, entries, number=11, base=10, published=LATER, **options):
    desk.put("delta.crl", delta(pki.ca.p256, entries, number, base, published=published, **options))


# --- what a delta says ----------------------------------------------------------------------------------------------

def test_a_delta_revokes_holds_releases_and_makes_worse(desk, pki):
    put_delta(desk, pki, [Entry(NEW, 1), Entry(HELD, 6), Entry(RELEASED, 8), Entry(WORSE, 1)])
    result = desk.publish()
    assert "CRL number 10, delta 11" in result.stdout
    assert desk.statuses(REVOKED, HELD, RELEASED, WORSE, NEW) == [
        "revoked superseded", "revoked certificateHold", "unlisted", "revoked keyCompromise", "revoked keyCompromise"]
    assert desk.info()["entries"] == 4


def test_a_removal_of_what_is_not_listed_is_nothing(desk, pki):
    put_delta(desk, pki, [Entry(0x99, 8)])
    desk.publish()
    assert desk.statuses(0x99, REVOKED) == ["unlisted", "revoked superseded"]


def test_a_delta_takes_the_place_of_the_one_before(desk, pki):
    put_delta(desk, pki, [Entry(NEW, 6), Entry(RELEASED, 8)])
    desk.publish()
    put_delta(desk, pki, [Entry(WORSE, 8)], 12, published=at(1))
    desk.publish()
    assert desk.statuses(NEW, RELEASED, WORSE) == ["unlisted", "revoked certificateHold", "unlisted"]


def test_an_empty_delta_only_moves_the_dates(desk, pki):
    put_delta(desk, pki, [], ends=NOW + DAY)
    desk.publish()
    with desk.serve() as server:
        for serial in (REVOKED, NEW):
            answer = desk.ask(server, serial)
            assert answer.this_update.replace(tzinfo=timezone.utc) == LATER
            assert answer.next_update.replace(tzinfo=timezone.utc) == NOW + DAY


def test_a_delta_is_served_within_a_second_and_the_base_is_not_written_again(desk, pki):
    [base] = desk.generations()
    before = base.stat()
    with desk.serve() as server:
        for turn in range(1, 4):
            put_delta(desk, pki, [Entry(0x100 + turn, 1)], 10 + turn, published=at(turn))
            desk.publish()
            wait_until(lambda: desk.ask(server, 0x100 + turn).outcome == "revoked", 1, "the delta")
            assert desk.ask(server, 0xFF + turn).outcome == "good"
            assert desk.info()["base_file"] == str(base)
    assert (base.stat().st_ino, base.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


# --- which delta applies --------------------------------------------------------------------------------------------

@pytest.mark.parametrize("base", [1, 9, 10])
def test_a_delta_applies_to_its_base_and_to_later_lists(desk, pki, base):
    put_delta(desk, pki, [Entry(NEW)], base=base)
    desk.publish()
    assert desk.statuses(NEW) == ["revoked"]


def test_a_delta_to_a_later_list_is_refused(desk, pki):
    put_delta(desk, pki, [Entry(NEW)], 12, 11)
    desk.refuse(r"delta\.crl", "list 11", "number 10", r"full\.crl")


@pytest.mark.parametrize("number", [9, 10])
def test_a_delta_that_the_full_list_has_overtaken_is_left_aside(desk, pki, number):
    put_delta(desk, pki, [Entry(NEW), Entry(REVOKED, 8)], number, 5)
    result = desk.installation.ingest()
    assert result.returncode == 0 and "unchanged" in result.stdout, said(result)
    assert desk.statuses(NEW, REVOKED) == ["unlisted", "revoked superseded"]


def test_a_newer_full_list_supersedes_the_delta_even_one_that_ended(desk, pki):
    ends = NOW.fromtimestamp(int(time.time()) + int(seconds(3)) + 1, timezone.utc)
    put_delta(desk, pki, [Entry(NEW, 6)], ends=ends)
    desk.publish()
    time.sleep(max(0, ends.timestamp() + 0.1 - time.time()))
    assert desk.installation.ingest().returncode == 0, "overdue, but newer than the full list all the same"
    assert desk.statuses(NEW) == ["revoked certificateHold"]
    desk.put("full.crl", complete(pki.ca.p256, [Entry(REVOKED, 4)], 11, published=at(5)))
    desk.publish()
    assert desk.numbers() == [11]
    assert desk.statuses(REVOKED, NEW) == ["revoked superseded", "unlisted"]


def test_a_newer_full_list_goes_with_a_delta_that_is_newer_still(desk, pki):
    put_delta(desk, pki, [Entry(NEW, 1)], 12, published=at(6))
    desk.publish()
    desk.put("full.crl", complete(pki.ca.p256, [Entry(HELD, 6)], 11, published=at(5)))
    desk.publish()
    assert desk.numbers() == [11, 12]
    assert desk.statuses(HELD, NEW, REVOKED) == ["revoked certificateHold", "revoked keyCompromise", "unlisted"]


REFUSED = {
    "signed by another key": (lambda pki: delta(pki.ca.p256, [], 11, 10, signer=pki.ca.old, published=LATER), ["signature"]),
    "of another part": (lambda pki: delta(pki.ca.p256, [], 11, 10, part="Tsu-shi", published=LATER),
                        ["Tsu-shi", "no complete list"]),
    "complete": (lambda pki: complete(pki.ca.p256, [], 11, published=LATER), ["complete CRL", "`crl`"]),
    "older than the full list": (lambda pki: delta(pki.ca.p256, [], 500, 10, published=NOW - DAY), ["one sequence"]),
    "broken": (lambda pki: delta(pki.ca.p256, [Entry(NEW)], 11, 10, published=LATER)[:-9], [r"byte \d+"]),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_delta_is_refused_that_is(desk, pki, what):
    content, patterns = REFUSED[what]
    desk.put("delta.crl", content(pki))
    desk.refuse(r"delta\.crl", *patterns)


def test_a_delta_in_the_place_of_a_full_list_is_refused(desk, pki):
    desk.configure(delta_crl=[])
    desk.put("full.crl", delta(pki.ca.p256, [], 11, 10, published=LATER))
    desk.refuse(r"full\.crl", "delta CRL", "`delta_crl`")


# --- no way back ----------------------------------------------------------------------------------------------------

def test_an_older_delta_is_refused(desk, pki):
    put_delta(desk, pki, [Entry(NEW, 1)], 13)
    desk.publish()
    put_delta(desk, pki, [], 12, published=at(1))
    desk.refuse(r"delta\.crl", r"\b12\b", r"\b13\b")
    put_delta(desk, pki, [], 14, published=NOW - 40 * MINUTE)
    desk.refuse(r"delta\.crl", "thisUpdate")
    put_delta(desk, pki, [], 13, published=at(1))
    desk.refuse(r"delta\.crl", "number 13")


def test_a_full_list_without_the_delta_is_refused_while_it_knows_less(desk, pki):
    put_delta(desk, pki, [Entry(NEW, 1)], 13)
    desk.publish()
    desk.configure(delta_crl=[])
    desk.refuse(r"full\.crl", r"number 10 and no delta", r"\b13\b")
    desk.put("full.crl", complete(pki.ca.p256, [], 12, published=at(1)))
    desk.refuse(r"full\.crl", r"\b12\b", r"\b13\b")
    desk.put("full.crl", complete(pki.ca.p256, [Entry(NEW, 1)], 13, published=at(1)))
    desk.publish()
    assert desk.statuses(NEW, REVOKED) == ["revoked keyCompromise", "unlisted"]


def test_answers_go_on_when_a_delta_is_overdue(desk, pki):
    ends = NOW.fromtimestamp(int(time.time()) + int(seconds(4)) + 1, timezone.utc)
    put_delta(desk, pki, [Entry(NEW, 1)], ends=ends)
    desk.publish()
    with desk.serve() as server:
        assert desk.ask(server, REVOKED).next_update.replace(tzinfo=timezone.utc) == ends
        time.sleep(max(0, ends.timestamp() + 0.1 - time.time()))
        for serial, outcome in ((NEW, "revoked"), (0x99, "good")):
            answer = desk.ask(server, serial)
            assert answer.outcome == outcome
            assert answer.next_update.replace(tzinfo=timezone.utc) == NOW + 7 * DAY
        assert 'tashika_crl_delta_overdue{issuer="p256"} 1' in server.ops("/metrics")[1]


# --- deltas to parts ------------------------------------------------------------------------------------------------

def test_every_part_may_have_its_delta(publisher, pki):
    made = publisher(crl=["lists"], delta_crl=["deltas"])
    parts = [f"Part {number}" for number in range(4)]
    for number, part in enumerate(parts):
        made.put(f"lists/{number}.crl", complete(pki.ca.p256, [Entry(0x20 + number, 6)], 10, part))
    made.put("deltas/1.crl", delta(pki.ca.p256, [Entry(0x21, 8), Entry(0x31, 1)], 11, 10, part=parts[1], published=LATER))
    made.put("deltas/2.crl", delta(pki.ca.p256, [Entry(0x22, 1)], 15, 9, part=parts[2], published=at(5), ends=NOW + DAY))
    made.publish()
    assert made.statuses(0x20, 0x21, 0x22, 0x23, 0x31) == [
        "revoked certificateHold", "unlisted", "revoked keyCompromise", "revoked certificateHold", "revoked keyCompromise"]
    with made.serve() as server:
        times = [made.ask(server, serial).this_update.replace(tzinfo=timezone.utc) for serial in (0x20, 0x31, 0x22, 0x99)]
    assert times == [NOW - HOUR, LATER, at(5), NOW - HOUR]
    made.put("deltas/again.crl", delta(pki.ca.p256, [], 16, 9, part=parts[2], published=at(5)))
    made.refuse(r"again\.crl", r"2\.crl", "same certificates")


# --- what survives --------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("which", ["base", "overlay"])
@pytest.mark.parametrize("how", ["a flipped bit", "cut short", "gone"])
def test_damage_is_mended_by_the_next_ingest(desk, pki, which, how):
    put_delta(desk, pki, [Entry(NEW, 1)])
    desk.publish()
    path = desk.generations()[0 if which == "base" else -1]
    content = bytearray(path.read_bytes())
    content[-40] ^= 1
    path.unlink()
    if how != "gone":
        path.write_bytes(content if how == "a flipped bit" else content[:len(content) // 2])
    desk.publish()
    assert desk.statuses(NEW, REVOKED, 0x99) == ["revoked keyCompromise", "revoked superseded", "unlisted"]
    with desk.serve() as server:
        assert desk.ask(server, NEW).outcome == "revoked"


def test_a_base_is_kept_as_long_as_an_overlay_stands_on_it(publisher, pki):
    desk = publisher(crl=["full.crl"], delta_crl=["delta.crl"], index_options={"keep_generations": 2, "keep": "1h"})
    desk.put("full.crl", complete(pki.ca.p256, [Entry(REVOKED, 4)], 10))

    def age():
        for path in desk.generations():
            os.utime(path, (time.time() - 7200, time.time() - 7200))

    for turn in range(1, 6):
        put_delta(desk, pki, [Entry(NEW + turn, 1)], 10 + turn, published=at(turn))
        desk.publish()
        age()
    assert [int(path.stem) for path in desk.generations()] == [1, 5, 6]
    assert tashika("index", "verify", desk.newest()).returncode == 0
    desk.put("full.crl", complete(pki.ca.p256, [Entry(REVOKED, 4)], 20, published=at(10)))
    desk.publish()
    assert [int(path.stem) for path in desk.generations()] == [1, 6, 7]
    age()
    desk.put("full.crl", complete(pki.ca.p256, [Entry(REVOKED, 4)], 21, published=at(11)))
    desk.publish()
    assert [int(path.stem) for path in desk.generations()] == [7, 8]


def test_a_killed_ingest_never_leaves_a_base_without_its_overlay(publisher, pki, tmp_path):
    old, new, by_delta = 0xA, 0xB, 0xC
    desk = publisher(crl=["full.crl"], delta_crl=[])
    desk.put("full.crl", complete(pki.ca.p256, [Entry(old)], 10))
    desk.publish()
    kept = tmp_path / "kept"
    shutil.copytree(desk.installation.index, kept)
    numbers = random.Random(11)
    many = {new, *(numbers.randrange(2**32, 2**63) for _ in range(40_000))}
    desk.put("full.crl", crl.make(pki.ca.p256, [Entry(serial) for serial in many], 11, LATER))
    desk.put("delta.crl", delta(pki.ca.p256, [Entry(by_delta), Entry(new, 8)], 12, 11, published=at(1)))
    desk.configure(delta_crl=["delta.crl"])
    states = {("revoked", "unlisted", "unlisted"), ("unlisted", "unlisted", "revoked")}
    started = time.monotonic()
    desk.publish()
    whole = time.monotonic() - started
    assert tuple(desk.statuses(old, new, by_delta)) == ("unlisted", "unlisted", "revoked")
    moments, seen = random.Random(12), set()
    for _ in range(KILLS):
        shutil.rmtree(desk.installation.index)
        shutil.copytree(kept, desk.installation.index)
        process = desk.installation.start_ingest()
        time.sleep(moments.uniform(0.5, 1.05) * whole)
        process.kill()
        process.wait()
        with desk.serve() as server:
            seen.add(tuple(desk.ask(server, serial).outcome.replace("good", "unlisted") for serial in (old, new, by_delta)))
        assert seen <= states
        assert desk.installation.ingest().returncode == 0
        assert tuple(desk.statuses(old, new, by_delta)) == ("unlisted", "unlisted", "revoked")
