-- Subjects, their certificates, consents, tokens, disclosures, and the answers kept for retries.
--
-- What each request writes does not reference its institution: each check would lock that one row for all at once, and an
-- institution is never deleted. What is allowed in its columns is written as domains: the check of a domain is planned once
-- a connection, that of a column with every statement.

CREATE DOMAIN subject_id AS text CHECK (VALUE ~ '^sub_[a-z2-7]{26}$');
CREATE DOMAIN certificate_id AS text CHECK (VALUE ~ '^crt_[a-z2-7]{26}$');
CREATE DOMAIN consent_id AS text CHECK (VALUE ~ '^cns_[a-z2-7]{26}$');
CREATE DOMAIN token_id AS text CHECK (VALUE ~ '^tok_[a-z2-7]{26}$');
CREATE DOMAIN disclosure_id AS text CHECK (VALUE ~ '^dsc_[a-z2-7]{26}$');
CREATE DOMAIN sha256_digest AS bytea CHECK (octet_length(VALUE) = 32);
CREATE DOMAIN subject_state AS text CHECK (VALUE IN ('unchanged', 'awaiting_certificate', 'available', 'delivered', 'lapsed'));
CREATE DOMAIN certificate_status AS text CHECK (VALUE IN ('good', 'held', 'revoked', 'expired'));
CREATE DOMAIN consent_status AS text
  CHECK (VALUE IN ('pending', 'active', 'withdrawn', 'expired', 'superseded', 'rejected'));
CREATE DOMAIN initiator AS text CHECK (VALUE IN ('subject', 'institution', 'platform', 'authority'));
CREATE DOMAIN disclosure_state AS text CHECK (VALUE IN ('started', 'completed', 'aborted', 'failed'));
CREATE DOMAIN disclosure_outcome AS text
  CHECK (VALUE IN ('provided', 'no_newer_information', 'awaiting_certificate', 'compared'));

-- One person as one institution knows them; or, who consented with a newer certificate before we learnt what it follows,
-- several, who then watch the same certificate. `version` counts what happened to them, for their consents' order in the feed.
CREATE TABLE subject (
  institution_id       text NOT NULL REFERENCES institution,
  subject_id           subject_id NOT NULL,
  version              int NOT NULL DEFAULT 0,
  state                subject_state NOT NULL,
  state_at             timestamptz NOT NULL,
  known_certificate    text NOT NULL,  -- the one whose four items the institution has
  watched_certificate  text NOT NULL,  -- the newest one that we know of
  created_at           timestamptz NOT NULL,
  PRIMARY KEY (institution_id, subject_id)
) WITH (fillfactor = 85);  -- a revocation updates it in place: no index is about version or state
CREATE INDEX subject_watching ON subject (institution_id, watched_certificate);

-- One row for each subject in the state awaiting_certificate. Made and removed under the lock of the subject's row.
CREATE TABLE awaiting (
  institution_id text NOT NULL,
  subject_id     text NOT NULL,
  next_check_at  timestamptz NOT NULL,    -- when the authority is asked for a newer certificate
  checks         int NOT NULL DEFAULT 0,  -- that were answered "not yet"
  lapsed_at      timestamptz NOT NULL,    -- since when the watched certificate is not good
  PRIMARY KEY (institution_id, subject_id)
);
CREATE INDEX awaiting_by_time ON awaiting (next_check_at);

-- A certificate that somebody registered. The serial is sealed; serial_mac joins it with the lists.
CREATE TABLE certificate (
  institution_id     text NOT NULL,
  certificate_id     certificate_id NOT NULL,
  subject_id         text NOT NULL,  -- whose it was first; whoever else watches it has it as watched_certificate
  issuer_key_hash    sha256_digest NOT NULL,
  serial_mac         bytea NOT NULL,
  serial_sealed      bytea NOT NULL,
  not_after          timestamptz,  -- or the latest it can be, until the certificate is seen; NULL: not known at all
  has_ended          boolean NOT NULL DEFAULT false,  -- that passed, and was dealt with
  status             certificate_status NOT NULL,
  reason             smallint,     -- CRLReason; NULL: the list gives none
  revoked_at         timestamptz,
  status_at          timestamptz NOT NULL,  -- thisUpdate of the list that says so
  checked_generation bigint NOT NULL,  -- 2^40 * issuer.numbering + the number of the generation
  registered_at      timestamptz NOT NULL,
  PRIMARY KEY (institution_id, certificate_id),
  UNIQUE (institution_id, issuer_key_hash, serial_mac)
) WITH (fillfactor = 85);  -- a revocation updates it in place: no index is about the status
CREATE INDEX certificate_by_serial ON certificate (issuer_key_hash, serial_mac);
CREATE INDEX certificate_by_end ON certificate (not_after) WHERE NOT has_ended;

CREATE TABLE consent (
  institution_id      text NOT NULL,
  consent_id          consent_id NOT NULL,
  subject_id          text NOT NULL,
  service_id          text NOT NULL,
  version             int NOT NULL DEFAULT 1,
  status              consent_status NOT NULL,
  reason_initiated_by initiator,
  reason_code         text,
  reason_at           timestamptz,
  replaced_by         text,
  scopes              text[] NOT NULL,  -- attr:name attr:address attr:birthdate attr:gender
  purpose             text NOT NULL,
  notice_version      text NOT NULL,
  notice_language     text NOT NULL,
  notice_sha256       sha256_digest NOT NULL,
  channel             text NOT NULL,
  customer_ref_sealed bytea,
  evidence_format     text NOT NULL,  -- 'raw' or 'cms'
  evidence_sha256     sha256_digest NOT NULL,
  nonce_sha256        sha256_digest NOT NULL,
  signed_with         text NOT NULL,  -- certificate_id
  -- The certificate whose consented items were all given under this consent; and, once some of a newer one's were
  -- given, that one and which.
  known_certificate   text NOT NULL,
  newer_certificate   text,
  newer_items         text[] NOT NULL DEFAULT '{}',
  consented_at        timestamptz NOT NULL,
  received_at         timestamptz NOT NULL,
  reflected_at        timestamptz,    -- at the authority
  authority_consent   text,           -- the authority's id for it
  valid_from          timestamptz,
  valid_until         timestamptz,
  relay_at            timestamptz,    -- when the authority is to be told (again): of a registration or a withdrawal
  relay_attempts      int NOT NULL DEFAULT 0,
  expiry_told         boolean NOT NULL DEFAULT false,
  created_at          timestamptz NOT NULL,
  PRIMARY KEY (institution_id, consent_id),
  UNIQUE (institution_id, evidence_sha256),
  UNIQUE (institution_id, nonce_sha256),
  FOREIGN KEY (institution_id, subject_id) REFERENCES subject,
  FOREIGN KEY (institution_id, service_id) REFERENCES service
) WITH (fillfactor = 80);  -- room for what is given: an update in place leaves the indexes alone
CREATE INDEX consent_of_subject ON consent (institution_id, subject_id);
CREATE INDEX consent_by_status ON consent (institution_id, status, consent_id);
CREATE UNIQUE INDEX consent_active_one ON consent (institution_id, subject_id, service_id) INCLUDE (consent_id)
  WHERE status = 'active';  -- whom to tell is read from it alone
CREATE INDEX consent_of_service ON consent (institution_id, service_id) WHERE status IN ('pending', 'active');
CREATE INDEX consent_to_relay ON consent (relay_at) WHERE relay_at IS NOT NULL;
CREATE INDEX consent_to_end ON consent (valid_until) WHERE status = 'active';
CREATE INDEX consent_to_confirm ON consent (received_at) WHERE status = 'pending';
CREATE INDEX consent_at_authority ON consent (authority_consent);

CREATE TABLE consent_token (
  institution_id  text NOT NULL,
  token_id        token_id NOT NULL,
  consent_id      text NOT NULL,
  consent_version int NOT NULL,
  thumbprint      sha256_digest NOT NULL,
  key_id          text NOT NULL,    -- of the platform's key that signed it
  issued_at       timestamptz NOT NULL,
  expires_at      timestamptz NOT NULL,
  revoked_at      timestamptz,
  reissue_told    boolean NOT NULL DEFAULT false,
  PRIMARY KEY (institution_id, token_id),
  FOREIGN KEY (institution_id, consent_id) REFERENCES consent
);
CREATE INDEX consent_token_of ON consent_token (institution_id, consent_id);
CREATE INDEX consent_token_to_end ON consent_token (expires_at) WHERE revoked_at IS NULL AND NOT reissue_told;
CREATE INDEX consent_token_of_key ON consent_token (key_id, institution_id, consent_id) WHERE revoked_at IS NULL AND NOT reissue_told;

-- What was given to whom, when, under which consent. Never the values.
CREATE TABLE disclosure (
  institution_id  text NOT NULL,
  disclosure_id   disclosure_id NOT NULL,
  consent_id      text NOT NULL,
  subject_id      text NOT NULL,
  subject_version int NOT NULL,
  kind            text NOT NULL,    -- 'query' or 'match'
  attributes      text[] NOT NULL,
  purpose         text NOT NULL,
  state           disclosure_state NOT NULL,
  outcome         disclosure_outcome,
  billable        boolean NOT NULL DEFAULT false,
  yen             int NOT NULL DEFAULT 0,
  thumbprint      bytea NOT NULL,
  asked_with      text NOT NULL,    -- the certificate that the question names: sent again, it is the same question
  started_at      timestamptz NOT NULL,
  ended_at        timestamptz,
  PRIMARY KEY (institution_id, disclosure_id)
);
CREATE INDEX disclosure_of_consent ON disclosure (institution_id, consent_id, started_at);
CREATE INDEX disclosure_by_time ON disclosure (institution_id, started_at, disclosure_id);
-- One question about a consent at a time: each may cost.
CREATE UNIQUE INDEX disclosure_asking ON disclosure (institution_id, consent_id) WHERE state = 'started' AND kind = 'query';
CREATE INDEX disclosure_open ON disclosure (started_at) WHERE state = 'started';

-- One row a key and institution; the answer is sealed. That of a query holds the values of attributes: for a day, so
-- that an answer that got lost costs nothing, and no longer than the consent lasts.
CREATE TABLE idempotency (
  institution_id  text NOT NULL,
  idempotency_key text NOT NULL,
  request_sha256  bytea NOT NULL,   -- method, target, body
  object_id       text NOT NULL,    -- the consent or the disclosure that it is about
  response_status int,              -- NULL: still running
  response_sealed bytea,
  started_at      timestamptz NOT NULL,
  PRIMARY KEY (institution_id, idempotency_key)
) WITH (fillfactor = 50);  -- each row is updated once
CREATE INDEX idempotency_of_object ON idempotency (institution_id, object_id);
CREATE INDEX idempotency_by_time ON idempotency (started_at);

-- Counts by billable rule and purpose, a day (in Japan) each.
CREATE TABLE usage (
  institution_id text NOT NULL,
  day            date NOT NULL,
  rule           text NOT NULL,
  purpose        text NOT NULL,
  uses           bigint NOT NULL,
  yen            bigint NOT NULL,
  PRIMARY KEY (institution_id, day, rule, purpose)
) WITH (fillfactor = 50);
