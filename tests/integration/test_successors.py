"""New certificates: who is told of what, when they end, and people who show one before the platform heard of it."""
import base64
from datetime import datetime, timezone

import pytest
from cryptography import x509
from support.program import wait_until

OTHER = "svc_other"
TOWN = dict(people=40)


@pytest.fixture(scope="module")
def town(town):
    town.platform.tashika("institution", "service", "add", town.a.name, OTHER)
    return town


def consent_for_other(town, person):
    return town.consent(person, document={"service": OTHER}, service_id=OTHER)


def moved(town, person, *consents):
    """The person has moved and has a new certificate, and the platform knows."""
    before = [len(town.events(one["consent_id"])) for one in consents]
    town.move(person)
    town.new_lists()
    told(town, consents, before)


def told(town, consents, before):
    for one, seen in zip(consents, before, strict=True):
        wait_until(lambda one=one, seen=seen: "subject.update_available" in types(town, one)[seen:], 20, "an update")


def until_it_is_valid(town):
    """The stand-in's clock is a little ahead, and so is what it issues."""
    wait_until(lambda: datetime.now(timezone.utc) > town.country.now, 30, "the new certificate to be valid")


def types(town, consent):
    return [one["type"] for one in town.events(consent["consent_id"])]


def outcome(town, client, consent):
    return town.query(client, consent["token"], ("name", "address", "birthdate")).json["outcome"]


def test_only_who_was_given_something_hears_so(town, client):
    person = town.somebody()
    asking, other = town.consent(person), consent_for_other(town, person)
    assert asking["sub"] == other["sub"]
    moved(town, person, asking, other)
    assert outcome(town, client, asking) == "provided"
    assert types(town, asking)[-1] == "subject.update_delivered"
    assert types(town, other)[-1] == "subject.update_available"
    assert outcome(town, client, other) == "provided"
    for one in (asking, other):
        assert types(town, one).count("subject.update_delivered") == 1
        versions = [event["subject_version"] for event in town.events(one["consent_id"]) if "subject_version" in event]
        assert versions == sorted(set(versions))


def test_who_shows_the_new_card_first_is_told_of_the_next_move_twice(town, client):
    person = town.somebody()
    first = town.consent(person)
    town.move(person)
    until_it_is_valid(town)
    second = consent_for_other(town, person)  # with the new card; the list with the old one was not taken in yet
    assert first["sub"] != second["sub"]
    before = len(types(town, first))
    town.new_lists()
    told(town, [first], [before])
    assert outcome(town, client, first) == "provided" and outcome(town, client, second) == "no_newer_information"

    moved(town, person, first, second)
    for one in (first, second):
        assert types(town, one)[-3:] == ["certificate.revoked", "subject.update_pending", "subject.update_available"]
        assert outcome(town, client, one) == "provided"

    until_it_is_valid(town)
    # A consent with the certificate of both is of the subject that has the service already.
    again, other = town.consent(person), consent_for_other(town, person)
    assert (again["sub"], other["sub"]) == (first["sub"], second["sub"])
    assert town.status_of(first["consent_id"]) == town.status_of(second["consent_id"]) == "superseded"


def test_when_a_new_certificate_ends_is_estimated_until_it_is_shown(town, client):
    person = town.somebody()
    consent = town.consent(person)

    def end():
        return town.rows("SELECT not_after FROM subject JOIN certificate c USING (institution_id) WHERE c.certificate_id = "
                         "watched_certificate AND subject.subject_id = %s", consent["sub"])[0][0]

    moved(town, person, consent)
    estimate = end()
    until_it_is_valid(town)
    body = town.registration(town.a, person)
    shown = x509.load_der_x509_certificate(base64.b64decode(body["evidence"]["certificate"]))
    begins, ends = (at.replace(tzinfo=timezone.utc) for at in (shown.not_valid_before, shown.not_valid_after))
    assert ends <= estimate and (estimate - begins).days == 1827  # five years, and a day
    assert town.register(client, body).status == 201
    assert end() == ends
