-- From a revocation to a position in a feed. API.md 4 says why it is done this way.

-- Issuers as change detection knows them. A registration takes the advisory lock of its issuer shared and then reads
-- target_generation; detection takes it alone to raise the target. So whatever was registered before is joined with the
-- difference, and whatever comes later was checked against the target or something newer.
CREATE TABLE issuer (
  issuer_key_hash     bytea PRIMARY KEY CHECK (octet_length(issuer_key_hash) = 32),
  name                text NOT NULL,
  detected_generation bigint NOT NULL DEFAULT 0,  -- all certificates are as this generation says
  target_generation   bigint NOT NULL DEFAULT 0,  -- detection is on its way to this one
  -- Checksums of the heads of the two files: numbers begin again where an index directory was cleared.
  detected_checksum   bigint NOT NULL DEFAULT 0,
  target_checksum     bigint NOT NULL DEFAULT 0,
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

-- Written in the transaction that changes something; emptied by the fan-out.
CREATE TABLE outbox (
  outbox_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  institution_id text NOT NULL REFERENCES institution,
  event_id       text NOT NULL CHECK (event_id ~ '^chg_[a-z2-7]{26}$'),
  consent_id     text CHECK (consent_id ~ '^cns_[a-z2-7]{26}$'),  -- NULL: about no one's consent (status.stale)
  subject_id     text CHECK (subject_id ~ '^sub_[a-z2-7]{26}$'),
  type           text NOT NULL CHECK (type ~ '^[a-z_]+[.][a-z_]+$'),
  occurred_at    timestamptz NOT NULL,
  -- What the type adds: subject_version, state, status_reason, … An object as text, which goes into the item as it is.
  members        text NOT NULL CHECK (jsonb_typeof(members::jsonb) = 'object')
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
  event_id       text NOT NULL,
  published_at   timestamptz NOT NULL,
  item           text NOT NULL,  -- the JSON object that a client gets, finished
  PRIMARY KEY (institution_id, pos),
  UNIQUE (institution_id, event_id)
);

-- Every change of state, one row, hash-chained for each institution. libpki-free by design: SHA-256 over the row's text.
CREATE TABLE audit (
  institution_id text NOT NULL REFERENCES institution,
  seq            bigint NOT NULL,
  at             timestamptz NOT NULL,
  actor          text NOT NULL,   -- a certificate's thumbprint, 'operator', 'authority', 'platform'
  verb           text NOT NULL,
  object         text NOT NULL,
  detail         text NOT NULL,   -- JSON without personal data
  previous       bytea NOT NULL CHECK (octet_length(previous) = 32),
  hash           bytea NOT NULL CHECK (octet_length(hash) = 32),
  PRIMARY KEY (institution_id, seq)
);

CREATE TABLE audit_head (
  institution_id text PRIMARY KEY REFERENCES institution,
  last_seq       bigint NOT NULL,
  last_hash      bytea NOT NULL
);
