-- Each institution sees its own rows; the platform sees all. The owner is bound, too (FORCE), unless a superuser.

DO $$
DECLARE
  one record;
BEGIN
  FOR one IN
    SELECT DISTINCT table_name FROM information_schema.columns
     WHERE table_schema = 'tashika' AND column_name = 'institution_id'
  LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', one.table_name);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', one.table_name);
    -- Not as a scalar query, which would be a plan of its own, made ready twice for each table of each statement.
    -- bench/README.md (`query`) says what that costs. It is inlined, and mostly a condition of an index.
    EXECUTE format('CREATE POLICY own_rows ON %I TO tashika_api USING (institution_id = current_institution()) '
                   'WITH CHECK (institution_id = current_institution())', one.table_name);
    EXECUTE format('CREATE POLICY all_rows ON %I TO tashika_platform USING (true) WITH CHECK (true)', one.table_name);
  END LOOP;
END $$;

-- authenticate_client is asked before the institution is known, and runs as the owner.
DO $$
BEGIN
  EXECUTE format('CREATE POLICY owner_reads ON institution FOR SELECT TO %I USING (true)', current_user);
  EXECUTE format('CREATE POLICY owner_reads ON client_certificate FOR SELECT TO %I USING (true)', current_user);
END $$;

GRANT SELECT ON institution, service, client_certificate, data_key, platform_key, platform_state, issuer, feed, change_feed, audit TO tashika_api;
GRANT SELECT, INSERT, UPDATE ON subject, certificate, consent, consent_token, disclosure, idempotency, usage, audit_head
  TO tashika_api;
GRANT SELECT, INSERT, UPDATE ON feed_acknowledgement TO tashika_api;
GRANT SELECT, INSERT, UPDATE, DELETE ON awaiting TO tashika_api;
GRANT DELETE ON idempotency TO tashika_api;
GRANT INSERT ON outbox, audit TO tashika_api;
GRANT USAGE ON SEQUENCE outbox_outbox_id_seq TO tashika_api;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA tashika TO tashika_platform;
REVOKE UPDATE, DELETE ON audit FROM tashika_platform;
REVOKE INSERT, UPDATE, DELETE ON migration FROM tashika_platform;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA tashika TO tashika_platform;
