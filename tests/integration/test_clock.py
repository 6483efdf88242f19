"""A clock that is wrong by years: nobody loses anything for good. (A TLS client would be refused, so only the jobs are seen.)"""
from datetime import datetime, timedelta, timezone

import pytest
from support.consenting import Town
from support.country import FAKETIME, Clock, is_sanitized
from support.metrics import Metrics
from support.program import PROGRAM, Server, wait_until

pytestmark = [
    pytest.mark.skipif(not FAKETIME.exists(), reason="libfaketime is not installed"),
    pytest.mark.skipif(is_sanitized(PROGRAM), reason="a sanitizer and libfaketime both want to be loaded first"),
]
BY_TIME = ("expire", "remind", "watch", "availability")


@pytest.fixture(scope="module")
def town(tmp_path_factory, cluster):
    town = Town(tmp_path_factory.mktemp("clock"), cluster)
    yield town
    town.stop()


def wait_for_jobs(town, since):
    """Until each has succeeded twice by that clock: once may have begun before."""
    def ran():
        metrics = Metrics(town.server.ops("/metrics")[1])
        return {job: metrics.value("tashika_job_last_success_timestamp_seconds", job=job) for job in BY_TIME}

    wait_until(lambda: all(at >= since.timestamp() for at in ran().values()), 30, "all jobs to have run")
    first = ran()
    town.clock.set(town.clock.now + timedelta(seconds=60))
    wait_until(lambda: all(at > first[job] for job, at in ran().items()), 30, "all jobs to have run again")


def borne_out(town):
    return Metrics(town.server.ops("/metrics")[1]).value("tashika_time_borne_out")


def test_what_a_clock_says_that_no_list_bears_out_ends_nothing(town, tmp_path):
    consent = town.consent(1)
    unconfirmed = town.consent(2)["consent_id"]
    moved = town.consent(3)
    town.rows("UPDATE subject SET state = 'awaiting_certificate' WHERE subject_id = %s", moved["sub"])
    town.rows("INSERT INTO awaiting SELECT institution_id, subject_id, now() + interval '1 hour', 3, now() FROM subject WHERE "
              "subject_id = %s", moved["sub"])
    town.rows("UPDATE consent SET status = 'pending', reflected_at = NULL WHERE consent_id = %s", unconfirmed)
    key = town.rows("SELECT key_id FROM platform_key WHERE purpose = 'token-signing'")[0][0]
    town.platform.tashika("keys", "add-token-key")
    town.rows("UPDATE platform_key SET created_at = created_at - interval '61 seconds' WHERE purpose = 'token-signing'")
    town.server.stop()
    kept = ("SELECT (SELECT json_agg(c ORDER BY consent_id) FROM (SELECT consent_id, status, expiry_told FROM consent) c)::text, "
            "(SELECT json_agg(k ORDER BY certificate_id) FROM (SELECT certificate_id, status, has_ended FROM certificate) k)::text, "
            "(SELECT json_agg(s ORDER BY subject_id) FROM (SELECT subject_id, state FROM subject) s)::text, "
            "(SELECT sum(pruned_pos) FROM feed)")
    before = town.rows(kept)
    town.clock = Clock(tmp_path / "clock")
    town.clock.set(datetime.now(timezone.utc).replace(microsecond=0))
    town.server = Server(town.platform, env=town.clock.environment())
    wrong = town.clock.now + timedelta(days=20 * 365)
    town.clock.set(wrong)
    wait_for_jobs(town, wrong)
    town.platform.tashika("keys", "retire-token-key", key)
    wait_for_jobs(town, town.clock.now)
    assert borne_out(town) == 0 and "nothing_ends" in town.server.log.read_text()
    assert town.rows(kept) == before
    types = [one["type"] for one in town.events(consent["consent_id"])]
    assert not {"consent.expired", "consent.expiring", "token.reissue_needed"} & set(types), types

    # The clock is set right; and the jobs are not merely idle.
    town.clock.set(datetime.now(timezone.utc))
    wait_until(lambda: borne_out(town) == 1, 10, "lists to be in force")
    assert town.status_of(consent["consent_id"]) == "active"
    wait_until(lambda: "token.reissue_needed" in [one["type"] for one in town.events(consent["consent_id"])], 15, "the notice")
    town.rows("UPDATE consent SET valid_until = %s - interval '1 second' WHERE consent_id = %s", town.clock.now,
              consent["consent_id"])
    wait_until(lambda: town.status_of(consent["consent_id"]) == "expired", 10, "the end of the term")
