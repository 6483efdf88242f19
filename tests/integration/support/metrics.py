"""A strict reader of the Prometheus text format (exposition 0.0.4)."""
import re
from collections import defaultdict

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
SAMPLE = re.compile(rf'({NAME})(?:\{{(.*)\}})? ([+-]?(?:Inf|NaN|[0-9.]+(?:[eE][+-]?[0-9]+)?))')
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)')


class Metrics:
    def __init__(self, text):
        self.types, self.helps, self.samples = {}, {}, {}
        family = None
        assert text.endswith("\n"), "the last line is not ended"
        for line in text.splitlines():
            if comment := re.fullmatch(rf"# (HELP|TYPE) ({NAME}) (.+)", line):
                kind, family, rest = comment.groups()
                known = self.helps if kind == "HELP" else self.types
                assert family not in known, f"{kind} of {family} twice"
                known[family] = rest
                continue
            sample = SAMPLE.fullmatch(line)
            assert sample, f"not a sample: {line!r}"
            name, labels, value = sample.groups()
            assert family and re.fullmatch(rf"{family}(_bucket|_sum|_count|_total)?", name), f"{name} outside its family"
            pairs = LABEL.findall(labels or "")
            assert LABEL.sub("", labels or "") == "", f"bad labels: {labels!r}"
            key = (name, frozenset(pairs))
            assert key not in self.samples, f"{line!r} twice"
            self.samples[key] = float(value)
        assert self.types.keys() == self.helps.keys(), "a family without HELP or without TYPE"

    def value(self, name, **labels):
        return self.samples[name, frozenset(labels.items())]

    def names(self):
        return {name for name, _ in self.samples}

    def histograms(self):
        """{(family, other labels): [(bound, count), ...]}, sorted by bound."""
        found = defaultdict(list)
        for (name, labels), value in self.samples.items():
            if name.endswith("_bucket"):
                bound = float(dict(labels)["le"].replace("Inf", "inf"))
                found[name.removesuffix("_bucket"), labels - {("le", dict(labels)["le"])}].append((bound, value))
        return {key: sorted(buckets) for key, buckets in found.items()}
