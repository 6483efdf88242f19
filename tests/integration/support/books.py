"""The authority's own books on signing certificates: what lists had to say of each, and which one follows which."""
from bisect import bisect_right
from collections import defaultdict

from .country import parse_time


class Certificate:
    def __init__(self, authority, entry):
        self.authority, self.serial, self.person = authority, entry["serial"], entry["person"]
        self.issued_at, self.not_after = parse_time(entry["issued_at"]), parse_time(entry["not_after"])
        self.history = [(parse_time(line["at"]), line["condition"], line.get("reason"), line.get("revocation_date"))
                        for line in entry["history"]]
        self.times = [line[0] for line in self.history]

    def __repr__(self):
        return f"{self.authority}/{self.serial} of {self.person}"

    def condition(self, at):
        """(good, held or revoked; reason; date of revocation) as recorded until then."""
        place = bisect_right(self.times, at)
        return self.history[place - 1][1:] if place else ("good", None, None)

    def listed(self, this_update):
        """The same as the list of that moment has it: what has ended is on no list."""
        return ("good", None, None) if self.not_after < this_update else self.condition(this_update)


class Books:
    def __init__(self, country):
        self.of = defaultdict(list)  # by person
        for authority in country.authorities():
            if "signing" in authority["name"]:
                for entry in country.ask("GET", f"books/{authority['name']}")["certificates"]:
                    self.of[entry["person"]].append(Certificate(authority["name"], entry))

    def find(self, person, medium, serial):
        found, = (one for one in self.of[person] if one.serial == serial and one.authority.startswith(medium))
        return found

    def newest_good(self, person, at):
        """The person's newest good certificate at that time, wherever it lies."""
        good = [one for one in self.of[person]
                if one.issued_at <= at <= one.not_after and one.condition(at)[0] == "good"]
        return max(good, key=lambda one: (one.issued_at, one.authority.startswith("card")), default=None)
