"""A publisher with a database behind it: registers certificates as a server would, and reads what became of them."""
import os
import subprocess
from pathlib import Path

from .database import connect, rows
from .program import PROGRAM, seconds, tashika, toml_lines

DRIVER = os.environ.get("WATCH_DRIVER", Path(PROGRAM).parent.parent / "tests/watching/watch_driver")


def start_driver(config, institution, issuer):
    return subprocess.Popen([DRIVER, config, institution, issuer], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE)


def register(driver, serials, end="-"):
    """Each serial becomes a subject with an active consent: {serial: (subject, certificate, consent, status)}."""
    serials = list(serials)
    out, error = driver.communicate("".join(f"{serial:x} {end}\n" for serial in serials), timeout=seconds(120))
    assert driver.returncode == 0, error
    return dict(zip(serials, (tuple(line.split()) for line in out.splitlines()), strict=True))


class Watching:
    """`publisher` is a support.publisher.Publisher; `url` is of an empty database."""

    def __init__(self, publisher, url):
        self.publisher, self.installation, self.url = publisher, publisher.installation, url
        self.issuer = publisher.authority.name
        self.config = self.installation.config
        with self.config.open("a") as config:
            config.write("[database]\n" + toml_lines({"url": url, "key_encryption_key": "kek"}))
        self._run("migrate", "--config", self.config)
        self.database = connect(url)
        self.institution = self.add_institution("bank")

    def _run(self, *arguments):
        result = tashika(*arguments)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    def add_institution(self, name):
        made = self._run("institution", "add", "--config", self.config, name).strip()
        self.query("INSERT INTO service VALUES (%s, 'svc_test', 'active', '2026-01-01')", made)
        return made

    def start_driver(self, institution=None):
        return start_driver(self.config, institution or self.institution, self.issuer)

    def register(self, serials, end="-", institution=None):
        return register(self.start_driver(institution), serials, end)

    def break_database(self):
        """For what starts from now on: an ingest publishes, and can't detect."""
        self.config.write_text(self.config.read_text().replace("user=tashika", "user=nobody"))

    def mend_database(self):
        self.config.write_text(self.config.read_text().replace("user=nobody", "user=tashika"))

    def query(self, statement, *arguments):
        return rows(self.database, statement, *arguments)

    def events(self, subject=None):
        """(type, members) of a subject, or of all, in the order in which they will be published."""
        return [(kind, members) for kind, members in self.query(
            "SELECT type, members::json FROM outbox WHERE %s IS NULL OR subject_id = %s ORDER BY outbox_id", subject, subject)]

    def types(self, subject):
        return [kind for kind, _ in self.events(subject)]

    def subject(self, subject):
        """(state, version)"""
        return self.query("SELECT state, version FROM subject WHERE subject_id = %s", subject)[0]

    def status(self, certificate):
        return self.query("SELECT status FROM certificate WHERE certificate_id = %s", certificate)[0][0]

    def position(self):
        """(detected, target), as generations."""
        return self.query("SELECT detected_generation, target_generation FROM issuer")[0]
