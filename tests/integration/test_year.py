"""A year in the stand-in's country: lists late, wrong and hostile, and never a wrong answer.

Each day people move, marry, lose phones and find them, and now and then a fetch fails. After each ingest every
certificate of every authority is asked about by OCSP, and each answer is held against the authority's own books.
"""
import os
import random
from datetime import datetime, timedelta, timezone

import pytest
from support.country import FAKETIME, Country, Operator, format_time, is_sanitized
from support.program import PROGRAM, said

LONG = os.environ.get("TASHIKA_LONG") == "1"
DAYS = 365 if LONG else 8
PEOPLE = 300 if LONG else 150
MUNICIPALITIES = 20 if LONG else 7
PACE = 3.0 if LONG else 12.0
START = datetime(2026, 4, 1, tzinfo=timezone.utc)
FAULTS = [
    {"kind": "status", "value": 503}, {"kind": "status", "value": 404}, {"kind": "truncate", "value": 100},
    {"kind": "wrong_signature"}, {"kind": "old_list"}, {"kind": "drip", "value": 10}, {"kind": "reset"},
    {"kind": "delay", "value": 200},
]

pytestmark = [
    pytest.mark.skipif(not FAKETIME.exists(), reason="libfaketime is not installed"),
    pytest.mark.skipif(is_sanitized(PROGRAM), reason="a sanitizer and libfaketime both want to be loaded first"),
]


class Year:
    def __init__(self, country, operator, seed):
        self.country, self.operator, self.dice = country, operator, random.Random(seed)
        self.published = {name: START for name in operator.issuers}  # when the lists in force were
        self.asked = self.failed = 0
        self.injected = set()
        self.seen = {"good": 0, "revoked": 0, "held": 0}

    def ingest(self, faults=()):
        for fault in faults:
            self.country.fail(**fault)
        result = self.operator.ingest()
        self.country.heal()
        fresh = {name for name in self.operator.issuers
                 if f"{name}: published" in result.stdout or f"{name}: unchanged" in result.stdout}
        if not faults:
            assert result.returncode == 0, said(result)
        assert (result.returncode == 0) == (fresh == set(self.operator.issuers)), said(result)
        self.failed += len(self.operator.issuers) - len(fresh)
        for name in fresh:
            # A list that is handed out late is believed where it is not older than the one in force.
            late = any(fault["kind"] == "old_list" and f"/{name}/" in fault["path"] for fault in faults)
            if not late:
                self.published[name] = self.operator.freshest(name)

    def compare(self):
        self.operator.wait_until_served()
        for name, issuer in self.operator.issuers.items():
            found = self.operator.compare(name, self.published[name])
            assert found["difference_count"] == 0, f"{self.country.now} {name} ({issuer['form']}): {found}"
            self.asked += found["asked"]
            for status in self.seen:
                self.seen[status] += found[status]
            strangers = found["never_issued"]
            assert sum(strangers.values()) == strangers[issuer["never_issued"]], f"{name}: {strangers}"

    def faults(self):
        name = self.dice.choice(list(self.operator.issuers))
        form = self.operator.issuers[name]["form"]
        lists = "partition" if "partitions" in form else self.dice.choice(["full", "delta"] if "delta" in form else ["full"])
        fault = dict(self.dice.choice(FAULTS), count=self.dice.choice([1, 2, 50]))
        self.injected.add(fault["kind"])
        return [{"path": f"/crl/{name}/{lists}", **fault}]

    def live_a_day(self, number):
        """Three ingests: soon after midnight, when yesterday's lists are still good for an hour; some time in the day,
        when all goes well; and in the evening, when a fault costs no more than the newest delta. (Of the long year's days, all have the second.)"""
        midnight = self.country.now
        often, seldom = (0.4, 0.2) if LONG else (1, 1)
        for earliest, latest, may_fail, share in [(60, 3000, True, often), (4 * 3600, 12 * 3600, False, 1),
                                                  (13 * 3600, 23 * 3600, True, seldom)]:
            if self.dice.random() > share:
                continue
            moment = midnight + timedelta(seconds=self.dice.randrange(earliest, latest))
            self.country.advance(to=format_time(moment))
            self.ingest(self.faults() if may_fail and self.dice.random() < 0.5 else ())
            self.compare()
        self.country.advance(to=format_time(midnight + timedelta(days=1)))


def test_a_year_ends_without_a_difference(tmp_path):
    country = Country(tmp_path, START, seed=7, people=PEOPLE, municipalities=MUNICIPALITIES, pace=PACE, base_age=1)
    operator = None
    try:
        operator = Operator(tmp_path, country)
        year = Year(country, operator, seed=7)
        year.ingest()
        operator.serve()
        for day in range(DAYS):
            year.live_a_day(day)
            if LONG:
                print(f"day {day + 1}: {year.asked} answers compared, {year.failed} ingests refused", flush=True)
        assert year.seen["good"] and year.seen["revoked"] and year.seen["held"], year.seen
        assert year.failed > 0, "no fault was ever noticed"
        assert not LONG or year.injected == {fault["kind"] for fault in FAULTS}
    finally:
        if operator:
            operator.stop()
        country.stop()
