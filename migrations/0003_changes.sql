-- From a revocation to a position in a feed. The contract (server/api/openapi.json, getChanges) promises:
-- positions without holes, nothing new at or before a cursor, and each item at least once.

-- Issuers as change detection knows them. A registration takes the advisory lock of its issuer shared and then reads
-- target_generation; detection takes it alone to raise the target. So whatever was registered before is joined with the
-- difference, and whatever comes later was checked against the target or something newer.
CREATE TABLE issuer (
  issuer_key_hash     sha256_digest PRIMARY KEY,
  name                text NOT NULL,
  detected_generation bigint NOT NULL DEFAULT 0,  -- all certificates are as this generation says
  target_generation   bigint NOT NULL DEFAULT 0,  -- detection is on its way to this one
  -- Checksums of the heads of the two files: numbers begin again where an index directory was cleared.
  detected_checksum   bigint NOT NULL DEFAULT 0,
  target_checksum     bigint NOT NULL DEFAULT 0,
  numbering           bigint NOT NULL DEFAULT 0,  -- how often they have; certificate.checked_generation counts it, times 2^40
  detected_at         timestamptz,
  stale_at            timestamptz  -- since when its lists may say nothing, once the institutions were told
);

CREATE TABLE detection (
  issuer_key_hash bytea NOT NULL REFERENCES issuer,
  to_generation   bigint NOT NULL,
  from_generation bigint NOT NULL,
  entries         bigint NOT NULL,
  changed         bigint NOT NULL,
  started_at      timestamptz NOT NULL,
  ended_at        timestamptz NOT NULL,
  PRIMARY KEY (issuer_key_hash, to_generation)
);

-- Written in the transaction that changes something; emptied by the fan-out. Half a million rows come at once when a
-- day's revocations do: their ids are not checked again here, which took as long as all else of it.
CREATE TABLE outbox (
  outbox_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  institution_id text NOT NULL,
  event_id       text NOT NULL,
  consent_id     text,  -- NULL: about no one's consent (status.stale)
  subject_id     text,
  type           text NOT NULL,
  occurred_at    timestamptz NOT NULL,
  -- What the type adds: subject_version, state, status_reason, … An object as text, which goes into the item as it is.
  members        text NOT NULL CHECK (members LIKE '{%}')
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);  -- a queue: what is dead lies in front

-- Only fan-out, pruning and a new epoch lock these rows, each briefly: whatever else did would hold up the feeds.
CREATE TABLE feed (
  institution_id text PRIMARY KEY REFERENCES institution,
  last_pos       bigint NOT NULL DEFAULT 0,
  epoch          int NOT NULL DEFAULT 1,
  pruned_pos     bigint NOT NULL DEFAULT 0,  -- what is at or before it is not kept any more
  retained_from  timestamptz NOT NULL,       -- whatever was published since is kept
  CHECK (pruned_pos BETWEEN 0 AND last_pos)
) WITH (fillfactor = 50);

-- What the institution says it has applied. For monitoring; gates nothing.
CREATE TABLE feed_acknowledgement (
  institution_id  text PRIMARY KEY REFERENCES institution,
  epoch           int NOT NULL,
  pos             bigint NOT NULL,
  acknowledged_at timestamptz NOT NULL
);

CREATE TABLE change_feed (
  institution_id text NOT NULL,  -- positions come from `feed`, which references the institution
  pos            bigint NOT NULL,
  published_at   timestamptz NOT NULL,
  item           text NOT NULL,  -- the JSON object that a client gets, finished
  PRIMARY KEY (institution_id, pos)
);

-- A page of a feed in one round trip, finished as JSON. A statement alone is a transaction of its own, with nothing before it
-- that could set role and institution: so this does, and is bound by row-level security whoever connected.
-- STABLE, so that both queries see one moment: the page and the head fit together. Positions are dense, so a page is a range.
-- Planned once (else each time): 150 us for 100 items, instead of 400; next to nothing where there is nothing new.
CREATE FUNCTION feed_page(IN institution text, IN after bigint, IN items_max int,
                          OUT epoch int, OUT last_pos bigint, OUT pruned_pos bigint, OUT retained_from text,
                          OUT first_item bigint, OUT last_item bigint, OUT items text)
  LANGUAGE plpgsql STABLE SET role = 'tashika_api' SET plan_cache_mode = 'force_generic_plan' AS
$$
BEGIN
  PERFORM set_config('app.institution', institution, true);
  SELECT f.epoch, f.last_pos, f.pruned_pos, to_char(f.retained_from AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
    INTO epoch, last_pos, pruned_pos, retained_from
    FROM feed f WHERE f.institution_id = institution;
  after := coalesce(after, pruned_pos);
  IF after < last_pos THEN
    SELECT min(page.pos), max(page.pos), string_agg(page.item, ',') INTO first_item, last_item, items
      FROM (SELECT pos, item FROM change_feed
             WHERE institution_id = institution AND pos > after AND pos <= after + items_max ORDER BY pos) page;
  END IF;
END
$$;
REVOKE ALL ON FUNCTION feed_page FROM PUBLIC;
GRANT EXECUTE ON FUNCTION feed_page TO tashika_api, tashika_platform;

-- Where feeds end, for a server that asks once a second for all who wait there.
CREATE FUNCTION feed_ends(IN institutions text[], OUT institution_id text, OUT last_pos bigint) RETURNS SETOF record
  LANGUAGE plpgsql SET role = 'tashika_platform' AS
$$
BEGIN
  RETURN QUERY SELECT f.institution_id, f.last_pos FROM feed f WHERE f.institution_id = ANY (institutions);
END
$$;
REVOKE ALL ON FUNCTION feed_ends FROM PUBLIC;
GRANT EXECUTE ON FUNCTION feed_ends TO tashika_platform;

-- Every change of state, one row, hash-chained for each institution. libpki-free by design: SHA-256 over the row's text.
CREATE TABLE audit (
  institution_id text NOT NULL,
  seq            bigint NOT NULL,
  at             timestamptz NOT NULL,
  actor          text NOT NULL,   -- a certificate's thumbprint, 'operator', 'authority', 'platform'
  verb           text NOT NULL,
  object         text NOT NULL,
  detail         text NOT NULL,   -- JSON without personal data
  previous       sha256_digest NOT NULL,
  hash           sha256_digest NOT NULL,
  PRIMARY KEY (institution_id, seq)
);

CREATE TABLE audit_head (
  institution_id text PRIMARY KEY REFERENCES institution,
  last_seq       bigint NOT NULL,
  previous_hash  sha256_digest NOT NULL,  -- of the row before the last one
  last_hash      sha256_digest NOT NULL
) WITH (fillfactor = 50);
