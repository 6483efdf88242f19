-- Institutions, what they may do, and the keys under which their data are sealed.

-- The audit's hashes are over UTF-8, made here and checked elsewhere.
DO $$
BEGIN
  IF current_setting('server_encoding') <> 'UTF8' THEN
    RAISE EXCEPTION 'the database is in %, and must be in UTF8', current_setting('server_encoding');
  END IF;
END $$;

DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'tashika_api') THEN
    CREATE ROLE tashika_api NOLOGIN;
  END IF;
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'tashika_platform') THEN
    CREATE ROLE tashika_platform NOLOGIN;
  END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;  -- another database's migration was faster
END $$;

DO $$
BEGIN
  IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
    EXECUTE format('GRANT tashika_api, tashika_platform TO %I', current_user);
  END IF;
END $$;

GRANT USAGE ON SCHEMA tashika TO tashika_api, tashika_platform;

-- The institution of this transaction. NULL, which equals nothing, outside of one.
CREATE FUNCTION current_institution() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS
  $$ SELECT nullif(current_setting('app.institution', true), '') $$;

-- For a statement whose answer nobody waits for: unless the condition holds, it fails, and with it its transaction.
CREATE FUNCTION require(condition boolean) RETURNS void LANGUAGE plpgsql AS
$$
BEGIN
  IF condition IS NOT TRUE THEN
    RAISE EXCEPTION 'not as required' USING ERRCODE = 'TK001';
  END IF;
END
$$;

CREATE TABLE institution (
  institution_id text PRIMARY KEY CHECK (institution_id ~ '^inst_[a-z2-7]{26}$'),
  name           text NOT NULL CHECK (name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$' AND name !~* '^inst_'),
  status         text NOT NULL CHECK (status IN ('active', 'disabled')),
  created_at     timestamptz NOT NULL
);
CREATE UNIQUE INDEX institution_name ON institution (lower(name));

CREATE TABLE service (
  institution_id text NOT NULL REFERENCES institution,
  service_id     text NOT NULL CHECK (service_id ~ '^svc_[a-z0-9][a-z0-9-]{0,47}$'),
  status         text NOT NULL CHECK (status IN ('active', 'ended')),
  created_at     timestamptz NOT NULL,
  PRIMARY KEY (institution_id, service_id)
);

-- TLS client certificates. Only the platform writes here, so a thumbprint may be unique over all.
CREATE TABLE client_certificate (
  institution_id text NOT NULL REFERENCES institution,
  thumbprint     bytea NOT NULL CHECK (octet_length(thumbprint) = 32),
  subject        text NOT NULL,
  not_after      timestamptz NOT NULL,
  roles          text[] NOT NULL CHECK (cardinality(roles) > 0 AND roles <@ ARRAY['poller', 'query', 'consent-admin']),
  status         text NOT NULL CHECK (status IN ('active', 'revoked')),
  added_at       timestamptz NOT NULL,
  revoked_at     timestamptz,
  PRIMARY KEY (thumbprint)
);
CREATE INDEX client_certificate_of ON client_certificate (institution_id);

-- Keys that seal columns, one series an institution, each wrapped by the key-encryption key `kek`.
CREATE TABLE data_key (
  institution_id text NOT NULL REFERENCES institution,
  key_version    int NOT NULL,
  kek            text NOT NULL,
  wrapped        bytea NOT NULL,
  created_at     timestamptz NOT NULL,
  PRIMARY KEY (institution_id, key_version)
);

-- Keys of the platform: 'serial-mac', 'cursor-mac' (32 random octets), 'token-signing' (a P-256 key; name is its kid).
CREATE TABLE platform_key (
  purpose    text NOT NULL CHECK (purpose IN ('serial-mac', 'cursor-mac', 'token-signing')),
  key_id     text NOT NULL,
  kek        text NOT NULL,
  wrapped    bytea NOT NULL,
  public_jwk text,
  created_at timestamptz NOT NULL,
  retired_at timestamptz,
  PRIMARY KEY (purpose, key_id)
);

-- What the platform remembers between runs: how far the authority's withdrawals were read, and the like.
CREATE TABLE platform_state (
  name  text PRIMARY KEY,
  value text NOT NULL
);

-- Who calls, by the certificate of the connection. The only door to rows before the institution is known.
CREATE FUNCTION authenticate_client(IN certificate_thumbprint bytea,
                                    OUT institution_id text, OUT name text, OUT roles text[],
                                    OUT institution_status text, OUT certificate_status text)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = tashika, pg_temp AS
$$
  SELECT i.institution_id, i.name, c.roles, i.status, c.status
    FROM client_certificate c JOIN institution i USING (institution_id)
   WHERE c.thumbprint = certificate_thumbprint
$$;
REVOKE ALL ON FUNCTION authenticate_client FROM PUBLIC;
GRANT EXECUTE ON FUNCTION authenticate_client TO tashika_api, tashika_platform;
