"""`change_limit`: a list that is right by its signature and wrong by its size waits for a person."""
import pytest
from support.crl import Entry, make
from support.lists import complete, delta
from support.metrics import Metrics
from support.pki import MINUTE, NOW
from support.program import said, wait_until

LATER = NOW - 30 * MINUTE


def many(pki, count, number, first=1, published=LATER, **options):
    """A list of `count` serials from `first` on."""
    return make(pki.ca.p256, [Entry(serial) for serial in range(first, first + count)], number, published, **options)


@pytest.fixture
def desk(publisher, pki):
    """List 1, with 4,000 entries."""
    made = publisher(crl=["all.crl"])
    made.put("all.crl", many(pki, 4000, 1))
    made.publish()
    return made


def held_back(server):
    return Metrics(server.ops("/metrics")[1]).value("tashika_ingest_held_back", issuer="p256")


@pytest.mark.parametrize("count, held", [(2000, False), (1999, True), (0, True), (8001, False), (40_000, False)])
def test_a_list_may_shrink_by_half_and_grow_at_will(desk, pki, count, held):
    desk.put("all.crl", many(pki, count, 2))
    if not held:
        desk.publish()
        return
    result = desk.refuse("held back", r"all\.crl", rf"\b{count}\b", r"\b4000\b", "--accept-change")
    assert "held back" in result.stderr
    assert desk.statuses(1, 4000, 4001) == ["revoked", "revoked", "unlisted"]


@pytest.mark.parametrize("limit, count, held", [
    ("25%", 5000, False), ("25%", 5001, True), ("30%", 2800, False), ("30%", 2799, True),
    ("100%", 8000, False), ("100%", 8001, True), ("100%", 0, False)])
def test_the_limit_is_configured(desk, pki, limit, count, held):
    desk.configure(change_limit=limit)
    desk.put("all.crl", many(pki, count, 2))
    assert desk.installation.ingest().returncode == (1 if held else 0)


@pytest.mark.parametrize("before, after", [(0, 1000), (1000, 0), (10, 1010)])
def test_up_to_a_thousand_entries_are_too_few_to_tell(publisher, pki, before, after):
    desk = publisher(crl=["all.crl"], change_limit="1%")
    desk.put("all.crl", many(pki, before, 1))
    desk.publish()
    desk.put("all.crl", many(pki, after, 2))
    desk.publish()


def test_a_change_within_the_limit_may_exchange_every_entry(desk, pki):
    desk.put("all.crl", many(pki, 4000, 2, first=0x10000))
    desk.publish()
    assert desk.statuses(1, 0x10000) == ["unlisted", "revoked"]


def test_what_is_held_back_shows_until_somebody_accepts_it(desk, pki):
    with desk.serve() as server:
        assert held_back(server) == 0
        desk.put("all.crl", many(pki, 100, 2))
        desk.refuse("held back")
        wait_until(lambda: held_back(server) == 1, 5, "the gauge")
        assert desk.ask(server, 4000).outcome == "revoked"
        desk.refuse("held back")  # asking again changes nothing
        assert held_back(server) == 1
        assert "published" in desk.installation.ingest("--accept-change").stdout
        wait_until(lambda: desk.ask(server, 4000).outcome == "good", 5, "the accepted list")
        wait_until(lambda: held_back(server) == 0, 5, "the gauge")


def test_a_list_of_the_usual_size_ends_the_wait(desk, pki):
    with desk.serve() as server:
        desk.put("all.crl", many(pki, 100, 2))
        desk.refuse("held back")
        desk.put("all.crl", many(pki, 4001, 3, published=LATER + MINUTE))
        desk.publish()
        wait_until(lambda: held_back(server) == 0, 5, "the gauge")


def test_accepting_is_for_one_change(desk):
    result = desk.installation.ingest("--accept-change", "--every", "1s")
    assert result.returncode == 2
    assert "--every" in said(result) and "--accept-change" in said(result)


def test_a_list_that_nobody_signed_is_refused_for_that(desk, pki):
    with desk.serve() as server:
        desk.put("all.crl", many(pki, 10, 2, signer=pki.ca.old))
        for arguments in ((), ("--accept-change",)):
            result = desk.refuse("signature", ingest=desk.installation.ingest(*arguments))
            assert "held back" not in said(result)
        assert held_back(server) == 0


def test_each_part_is_held_against_its_own(publisher, pki):
    desk = publisher(crl=["lists"])
    for part in range(10):
        entries = [Entry(0x10000 * part + number) for number in range(1, 1202)]
        desk.put(f"lists/{part}.crl", complete(pki.ca.p256, entries, 1, f"Part {part}"))
    desk.publish()
    desk.put("lists/7.crl", complete(pki.ca.p256, [], 2, "Part 7", LATER))
    desk.refuse("held back", r"7\.crl", r"\b1201\b")
    assert "published" in desk.installation.ingest("--accept-change").stdout
    assert desk.statuses(0x70001, 0x60001) == ["unlisted", "revoked"]


def test_a_delta_that_takes_most_off_the_lists_is_held_back(publisher, pki):
    desk = publisher(crl=["all.crl"], delta_crl=["delta.crl"])
    desk.put("all.crl", many(pki, 10, 1))
    desk.put("delta.crl", delta(pki.ca.p256, [Entry(0x1000 + n) for n in range(5000)], 2, 1, published=LATER))
    desk.publish()
    desk.put("delta.crl", delta(pki.ca.p256, [], 3, 1, published=LATER + MINUTE))
    desk.refuse("held back", "5010", "accept-change")
    assert desk.statuses(0x1000, 1) == ["revoked", "revoked"]
    assert desk.installation.ingest("--accept-change").returncode == 0
    assert desk.statuses(0x1000, 1) == ["unlisted", "revoked"]
