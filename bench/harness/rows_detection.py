"""Row `detection`: from a list with a day's revocations to the feeds of the institutions that watch."""
import subprocess
import time

from .database import ask, cluster
from .people import add_people
from .platform import Platform
from .processes import Broken, anonymous_bytes
from .table import at_most, say

INSTITUTIONS = 100
SECONDS_MAX = 60
EVENTS = 2  # of one revocation: certificate.revoked, subject.update_pending
WAIT_MAX = 600


def ingest(platform):
    """The peak of its private memory. The server beside it publishes what it finds."""
    peak = 0
    command = [str(platform.bench.programs.tashika), "ingest", "--config", str(platform.config)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None:
            try:
                peak = max(peak, anonymous_bytes(process.pid))
            except (FileNotFoundError, ProcessLookupError):
                break
            time.sleep(0.05)
    if process.wait() != 0:
        raise Broken("the ingest failed")
    return peak


def detected(platform, serials, events):
    """Publishes a list. How long until all is in the feeds, until detection ended, and the peak of memory."""
    platform.publish(serials)
    start = time.monotonic()
    peak = ingest(platform)
    ingested = time.monotonic() - start
    while True:
        [[waiting, done]] = ask(platform.database, "SELECT (SELECT count(*) FROM (SELECT FROM outbox LIMIT 1) o), "
                                "(SELECT sum(last_pos) FROM feed)")
        if waiting == 0 and done == events:
            return time.monotonic() - start, ingested, peak
        if time.monotonic() - start > WAIT_MAX:
            raise Broken(f"{done} of {events} events are in the feeds")
        time.sleep(0.05)


def rows(bench):
    watched, revoked = bench.sizes.watched, bench.sizes.revoked
    others, nobody = range(1 << 40, (1 << 40) + 1000), range(1 << 41, (1 << 41) + revoked)
    spread = range(1, watched + 1, max(1, watched // revoked))[:revoked]
    with cluster() as database:
        platform = Platform(bench, bench.directory / "detection", database, INSTITUTIONS)
        say(f"detection: registering {watched:,} certificates")
        add_people(platform.database, platform.keys, platform.institutions, platform.issuer, watched)
        with platform.served():
            say(f"detection: {len(spread):,} of them are revoked")
            seconds, ingested, peak = detected(platform, [*others, *spread], EVENTS * len(spread))
            unwatched, _, _ = detected(platform, [*others, *spread, *nobody], EVENTS * len(spread))
    what = f"{len(spread):,} revocations among {watched / 1e6:g} M watched by {INSTITUTIONS}"
    yield at_most(f"detection: {what}: list to the last feed position", f"<= {SECONDS_MAX} s",
                  f"{seconds:.1f} s; ingest and detection {ingested:.1f} s", seconds / SECONDS_MAX, 1)
    yield at_most("detection: private memory of the ingest", "<= 512 MB", f"{peak / 1e6:.0f} MB", peak / (512 << 20), 1)
    yield at_most(f"detection: {revoked:,} revocations of nobody who is watched", f"<= {SECONDS_MAX // 2} s",
                  f"{unwatched:.1f} s", unwatched / (SECONDS_MAX / 2), 1)
