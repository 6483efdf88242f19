"""Authorities that publish many lists, each of a part of the certificates: all or nothing, and each with its own dates."""
import time
from datetime import timezone

import pytest
from cryptography import x509
from support.crl import Entry
from support.lists import AUTHORITIES, USERS, complete
from support.pki import DAY, HOUR, MINUTE, NOW
from support.program import seconds, wait_until

PLACES = ["Kiyose-shi", "Hachinohe-shi", "Nago-shi", "Otaru-shi", "Sakai-shi", "Tsu-shi", "Uji-shi", "Yao-shi", "Zama-shi",
          "Ome-shi"]
LATER = NOW - 30 * MINUTE
NOWHERE = 0xFFFF


def serials_of(place):
    first = 0x1000 + 0x10 * PLACES.index(place)
    return first, first + 1


def published_at(place):
    return NOW - 2 * HOUR - PLACES.index(place) * MINUTE


def ends_at(place):
    return NOW + 7 * DAY - PLACES.index(place) * HOUR


def list_of(pki, place, entries=None, number=10, published=None, ends=None, **options):
    if entries is None:
        entries = [Entry(serial, 4) for serial in serials_of(place)]
    return complete(pki.ca.p256, entries, number, place, published or published_at(place), ends or ends_at(place), **options)


def file_of(place):
    return f"lists/{place}.crl"


@pytest.fixture
def ten(publisher, pki):
    """Ten places' lists in a directory, published."""
    made = publisher(crl=["lists"])
    made.put_all({file_of(place): list_of(pki, place) for place in PLACES})
    made.publish()
    return made


def put_three(made, pki):
    made.put_all({file_of(place): list_of(pki, place) for place in PLACES[:3]})


def utc(moment):
    return moment.replace(tzinfo=timezone.utc)


# --- how sets are named ---------------------------------------------------------------------------------------------

MANIFEST = "# the lists of three places\n\nlists/Kiyose-shi.crl\n  lists/Hachinohe-shi.crl   # a town\r\nlists/Nago-shi.crl"
NAMED = {
    "a list of files": {"crl": [file_of(place) for place in PLACES[:3]]},
    "a directory": {"crl": ["lists"]},
    "a manifest": {"crl_manifest": "manifest.txt"},
    "a manifest of one that is also in a directory": {"crl": ["lists"], "crl_manifest": "manifest.txt"},
}


@pytest.mark.parametrize("how", NAMED)
def test_a_set_is_named_by(publisher, pki, how):
    made = publisher(**{"crl": None, **NAMED[how]})
    put_three(made, pki)
    made.put("manifest.txt", MANIFEST)
    made.put("lists/.hidden", b"nothing")
    made.put("lists/unfinished.part", b"nothing")
    made.publish()
    assert sorted(made.numbers()) == [10, 10, 10]
    listed = [serial for place in PLACES[:3] for serial in serials_of(place)]
    assert made.statuses(*listed, NOWHERE) == ["revoked superseded"] * 6 + ["unlisted"]


def test_a_manifest_in_another_directory_names_its_neighbours(publisher, pki):
    made = publisher(crl=None, crl_manifest="lists/manifest.txt")
    put_three(made, pki)
    made.put("lists/manifest.txt", f"Kiyose-shi.crl\n../lists/Nago-shi.crl\n{made.directory}/lists/Hachinohe-shi.crl\n")
    made.publish()
    assert len(made.numbers()) == 3


@pytest.mark.parametrize("options, name, content", [({"crl": ["lists"]}, "lists/.hidden", ""),
                                                    ({"crl": None, "crl_manifest": "m.txt"}, "m.txt", "# none\n\n")],
                         ids=["directory", "manifest"])
def test_an_empty(publisher, options, name, content):
    made = publisher(**options)
    made.put(name, content)
    made.refuse(name.partition("/")[0], "no list|names no list")


# --- which sets are whole -------------------------------------------------------------------------------------------

def test_a_complete_list_among_partitions_is_refused(publisher, pki):
    made = publisher(crl=["lists"])
    put_three(made, pki)
    made.put("lists/all.crl", complete(pki.ca.p256))
    made.refuse(r"all\.crl", "all certificates")


def test_two_lists_of_one_part_are_refused(publisher, pki):
    made = publisher(crl=["lists"])
    put_three(made, pki)
    made.put("lists/again.crl", list_of(pki, PLACES[1], number=11))
    made.refuse(r"again\.crl", r"Hachinohe-shi\.crl", "same certificates")


@pytest.mark.parametrize("part", [PLACES[0], USERS, AUTHORITIES])
def test_a_lonely_part_is_refused_unless_it_is_said_to_be_all(publisher, pki, part):
    made = publisher(crl=["one.crl"])
    made.put("one.crl", complete(pki.ca.p256, [Entry(5)], part=part))
    made.refuse(r"one\.crl", "only a part", "`partitions = 1`")
    made.configure(partitions=1)
    made.publish()
    assert made.statuses(5) == ["revoked"]


@pytest.mark.parametrize("part", [USERS, AUTHORITIES])
def test_a_list_of_a_part_does_not_take_the_place_of_the_one_of_all(publisher, pki, part):
    made = publisher(crl=["one.crl"])
    made.put("one.crl", complete(pki.ca.p256, [Entry(5)]))
    made.publish()
    made.put("one.crl", complete(pki.ca.p256, [], number=2, part=part, published=LATER))
    made.refuse("only a part")


def test_users_and_authorities_make_a_whole(publisher, pki):
    made = publisher(crl=["lists"])
    made.put("lists/users.crl", complete(pki.ca.p256, [Entry(5, 1)], 3, USERS))
    made.put("lists/authorities.crl", complete(pki.ca.p256, [Entry(6, 2)], 4, AUTHORITIES))
    made.publish()
    assert made.statuses(5, 6, 7) == ["revoked keyCompromise", "revoked cACompromise", "unlisted"]


FLAGS = {
    "some reasons": ({"only_some_reasons": frozenset([x509.ReasonFlags.key_compromise])}, "reason|scope"),
    "an indirect list": ({"indirect_crl": True}, "indirect"),
    "attribute certificates": ({"only_contains_attribute_certs": True}, "attribute|scope"),
}


@pytest.mark.parametrize("what", FLAGS)
def test_refused_however_many_there_are(ten, pki, what):
    flags, why = FLAGS[what]
    ten.put(file_of("more"), complete(pki.ca.p256, part="More", flags=flags))
    ten.refuse(r"more\.crl", why)


def test_fewer_than_configured_are_refused(publisher, pki):
    made = publisher(crl=["lists"], partitions=3)
    put_three(made, pki)
    made.publish()
    made.drop(file_of(PLACES[2]))
    made.refuse(r"\b2\b", r"\b3\b", "partitions")
    put_three(made, pki)
    made.put(file_of(PLACES[3]), list_of(pki, PLACES[3]))
    made.refuse(r"\b4\b", r"\b3\b", "partitions")


def test_a_part_that_vanished_is_missed(ten):
    ten.drop(file_of("Otaru-shi"))
    ten.refuse("missing", r"partitions = 9\b")
    ten.configure(partitions=9)
    ten.publish()
    assert ten.statuses(*serials_of("Otaru-shi"), *serials_of("Tsu-shi")) == ["unlisted"] * 2 + ["revoked superseded"] * 2


def test_a_new_part_is_welcome(ten, pki):
    [base] = ten.generations()
    ten.put(file_of("New-mura"), complete(pki.ca.p256, [Entry(0xABC, 1)], 1, "New-mura"))
    ten.publish()
    assert ten.statuses(0xABC, *serials_of("Tsu-shi")) == ["revoked keyCompromise"] + ["revoked superseded"] * 2
    assert len(ten.numbers()) == 11
    assert ten.info()["base_file"] == str(base)
    ten.put(file_of("New-mura"), complete(pki.ca.p256, [Entry(0xDEF, 1)], 2, "New-mura", LATER))
    ten.publish()
    assert ten.statuses(0xABC, 0xDEF) == ["unlisted", "revoked keyCompromise"]


DIVISIONS = {
    "all": [None], "three places": PLACES[:3], "other places": PLACES[3:6], "users and authorities": [USERS, AUTHORITIES],
}


@pytest.mark.parametrize("before, after", [("all", "three places"), ("three places", "all"), ("all", "users and authorities"),
                                           ("three places", "other places")])
def test_another_division_must_not_be_older(publisher, pki, before, after):
    made = publisher(crl=["lists"], partitions=len(DIVISIONS[before]))

    def put(division, number, published):
        for path in (made.directory / "lists").glob("*.crl"):
            path.unlink()
        for place, part in enumerate(DIVISIONS[division]):
            entries = [Entry(5)] if place == 0 and division == before else []
            made.put(f"lists/{place}.crl", complete(pki.ca.p256, entries, number, part, published))
        made.configure(partitions=len(DIVISIONS[division]))

    put(before, 7, LATER)
    made.publish()
    put(after, 8, LATER - MINUTE)
    made.refuse(r"lists/0\.crl", "thisUpdate")
    put(after, 1, LATER + MINUTE)
    if after == "other places":  # as many parts, but not those: only somebody who looked can tell
        made.refuse("held back", "accept-change")
        assert made.installation.ingest("--accept-change").returncode == 0
    else:
        made.publish()
    assert made.statuses(5) == ["unlisted"]


# --- all or nothing -------------------------------------------------------------------------------------------------

BROKEN = {
    "expired": (lambda pki: {"number": 11, "ends": NOW - MINUTE}, ["nextUpdate"]),
    "wrongly signed": (lambda pki: {"number": 11, "published": LATER, "signer": pki.ca.old}, ["signature"]),
    "older by its number": (lambda pki: {"number": 9}, ["Tsu-shi CRLDP", r"number 9\b", r"\b10\b"]),
    "older by its date": (lambda pki: {"number": 11, "published": NOW - DAY}, ["Tsu-shi CRLDP", "thisUpdate"]),
    "of the same number": (lambda pki: {"published": LATER}, ["Tsu-shi CRLDP", "number 10"]),
}


@pytest.mark.parametrize("how", BROKEN)
def test_one_bad_list_keeps_all_others_waiting(ten, pki, how):
    options, patterns = BROKEN[how]
    ten.put(file_of("Uji-shi"), list_of(pki, "Uji-shi", [], 11, LATER))
    ten.put(file_of("Tsu-shi"), list_of(pki, "Tsu-shi", [], **options(pki)))
    ten.refuse(r"Tsu-shi\.crl", *patterns)


@pytest.mark.parametrize("content, pattern", [
    (lambda pki: list_of(pki, "Tsu-shi", number=11)[:-7], r"byte \d+"),
    (lambda pki: complete(pki.ca.old, [], 11, "Tsu-shi"), "issuer"),
    (lambda pki: complete(pki.ca.p256, [], 11, "Uji-shi", LATER), "same certificates"),
    (lambda pki: b"", "truncated|empty"),
], ids=["truncated", "of another authority", "of another part", "empty"])
def test_a_file_with_something_else_keeps_all_others_waiting(ten, pki, content, pattern):
    ten.put(file_of("Kiyose-shi"), list_of(pki, "Kiyose-shi", [], 11, LATER))
    ten.put(file_of("Tsu-shi"), content(pki))
    ten.refuse(r"Tsu-shi\.crl|Uji-shi\.crl", pattern)


def test_a_list_that_ran_out_is_noticed_though_nothing_is_new(publisher, pki):
    made = publisher(crl=["lists"])
    put_three(made, pki)
    ends = NOW.fromtimestamp(int(time.time()) + int(seconds(4)) + 1, timezone.utc)
    made.put(file_of(PLACES[1]), list_of(pki, PLACES[1], number=11, ends=ends))
    made.publish()
    with made.serve() as server:
        asked = (*serials_of(PLACES[0]), *serials_of(PLACES[1]), NOWHERE)
        assert [made.ask(server, serial).outcome for serial in asked] == ["revoked"] * 4 + ["good"]
        time.sleep(max(0, ends.timestamp() + 0.1 - time.time()))
        made.refuse(r"Hachinohe-shi\.crl", "nextUpdate")
        assert [made.ask(server, serial).outcome for serial in asked] == ["revoked"] * 2 + ["tryLater"] * 3
        status, text = server.ops("/readyz")
        assert status == 503 and "1 of 3 lists" in text


def test_a_file_of_a_set_that_is_missing_is_named(publisher, pki):
    made = publisher(crl=[file_of(place) for place in PLACES[:3]])
    put_three(made, pki)
    made.publish()
    made.drop(file_of(PLACES[2]))
    made.refuse(r"Nago-shi\.crl", "no such file")


# --- one list alone -------------------------------------------------------------------------------------------------

def test_a_list_that_comes_alone_becomes_an_overlay(ten, pki):
    [base] = ten.generations()
    inode = base.stat().st_ino
    changed, removed = serials_of("Sakai-shi")
    ten.put(file_of("Sakai-shi"), list_of(pki, "Sakai-shi", [Entry(changed, 1), Entry(0xADD, 5)], 11, LATER))
    ten.publish()
    assert ten.info()["base_file"] == str(base)
    assert base.stat().st_ino == inode and ten.newest() != base
    assert ten.statuses(changed, removed, 0xADD, *serials_of("Nago-shi"), NOWHERE) == [
        "revoked keyCompromise", "unlisted", "revoked cessationOfOperation", *["revoked superseded"] * 2, "unlisted"]
    assert ten.info()["entries"] == 2 * len(PLACES)
    assert sorted(ten.numbers()) == [10] * 9 + [11]


def test_the_next_one_takes_the_overlay_further(ten, pki):
    [base] = ten.generations()
    for turn in range(3):
        ten.put(file_of("Sakai-shi"), list_of(pki, "Sakai-shi", [Entry(0xA00 + turn, 1)], 11 + turn, LATER + turn * MINUTE))
        ten.publish()
        assert ten.info()["base_file"] == str(base)
    assert ten.statuses(0xA00, 0xA01, 0xA02, *serials_of("Sakai-shi")) == [
        "unlisted", "unlisted", "revoked keyCompromise", "unlisted", "unlisted"]


def test_all_lists_anew_with_nothing_but_dates(ten, pki):
    before = ten.statuses(*serials_of("Yao-shi"), NOWHERE)
    ten.put_all({file_of(place): list_of(pki, place, None, 11, LATER, NOW + 9 * DAY) for place in PLACES})
    ten.publish()
    assert "base_file" not in ten.info()
    assert ten.statuses(*serials_of("Yao-shi"), NOWHERE) == before
    with ten.serve() as server:
        for serial in (*serials_of("Yao-shi"), NOWHERE):
            answer = ten.ask(server, serial)
            assert (utc(answer.this_update), utc(answer.next_update)) == (LATER, NOW + 9 * DAY)


# --- freshness ------------------------------------------------------------------------------------------------------

@pytest.fixture
def overlaid(ten, pki):
    """One list was published again, and alone."""
    ten.put(file_of("Ome-shi"), list_of(pki, "Ome-shi", None, 11, LATER, NOW + 10 * DAY))
    ten.publish()
    assert "base_file" in ten.info()
    return ten


def test_a_listed_serial_has_the_dates_of_its_own_list(overlaid):
    with overlaid.serve() as server:
        for place in PLACES[:9]:
            answer = overlaid.ask(server, serials_of(place)[0])
            assert (answer.outcome, utc(answer.this_update), utc(answer.next_update)) == (
                "revoked", published_at(place), ends_at(place))
        answer = overlaid.ask(server, serials_of("Ome-shi")[0])
        assert (utc(answer.this_update), utc(answer.next_update)) == (LATER, NOW + 10 * DAY)


def test_an_absent_serial_has_the_oldest_date_and_the_earliest_end(overlaid):
    with overlaid.serve() as server:
        answer = overlaid.ask(server, NOWHERE)
    assert answer.outcome == "good"
    assert (utc(answer.this_update), utc(answer.next_update)) == (
        min(map(published_at, PLACES[:9])), min(map(ends_at, PLACES[:9])))


# --- a serial on two lists ------------------------------------------------------------------------------------------

def test_a_serial_on_two_lists_has_the_earliest_date_and_the_gravest_reason(ten, pki):
    shared, early, late = 0x5AED, NOW - 9 * DAY, NOW - 3 * DAY
    ten.put(file_of("Tsu-shi"), list_of(pki, "Tsu-shi", [Entry(shared, 1, late)], 11, LATER))
    ten.put(file_of("Uji-shi"), list_of(pki, "Uji-shi", [Entry(shared, 4, early)], 11, LATER))
    ten.publish()
    with ten.serve() as server:
        answer = ten.ask(server, shared)
        assert (answer.outcome, utc(answer.revocation_time), answer.revocation_reason.name) == (
            "revoked", early, "key_compromise")
        ten.put(file_of("Tsu-shi"), list_of(pki, "Tsu-shi", [], 12, LATER + MINUTE))
        ten.publish()
        wait_until(lambda: ten.ask(server, shared).revocation_reason.name == "superseded", 5, "the list that still has it")
        assert utc(ten.ask(server, shared).revocation_time) == early
        ten.put(file_of("Uji-shi"), list_of(pki, "Uji-shi", [], 12, LATER + MINUTE))
        ten.publish()
        wait_until(lambda: ten.ask(server, shared).outcome == "good", 5, "no list to have it")
