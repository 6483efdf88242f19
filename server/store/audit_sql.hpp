// audit_sql.hpp: the audit's next row as a part of a statement, for the files of this directory.
// Takes the row lock of the institution's chain, so the statement must be the last one of its
// transaction. PostgreSQL makes the hash, so that nothing has to be read before; what is verified
// is computed by audit_hash(), which says what is in it.
#pragma once

// Two queries of a WITH: `head` and, with the columns of the table `audit`, `entry`. The arguments
// are expressions: of type text, AT an RFC 3339 time in whole seconds; WHEN a condition. `entry`
// stays empty without it, or if the chain has no head yet.
#define AUDIT_ENTRY(INSTITUTION, AT, ACTOR, VERB, OBJECT, DETAIL, WHEN)                            \
  "head AS (UPDATE audit_head SET last_seq = last_seq + 1, previous_hash = last_hash, last_hash "  \
  "= sha256(convert_to(concat_ws(E'\\n', 'tashika audit 1', institution_id, last_seq + 1, " AT     \
  ", " ACTOR ", " VERB ", " OBJECT ", " DETAIL                                                     \
  ", encode(last_hash, 'hex')), 'UTF8')) WHERE institution_id = " INSTITUTION " AND " WHEN         \
  " RETURNING *), entry AS (INSERT INTO audit (institution_id, seq, at, actor, verb, object, "     \
  "detail, previous, hash) SELECT institution_id, last_seq, " AT "::timestamptz, " ACTOR ", " VERB \
  ", " OBJECT ", " DETAIL ", previous_hash, last_hash FROM head RETURNING 1)"
