// audit_sql.hpp: the audit's next row as a part of a statement, for the files of this directory.
// Takes the row lock of the institution's chain, so the statement must be the last one of its
// transaction. PostgreSQL makes the hash, so that nothing has to be read before; what is verified
// is computed by audit_hash(), which says what is in it.
#pragma once

// Two queries of a WITH, `head` and `entry`. The arguments are expressions: of type text, AT an
// RFC 3339 time in whole seconds; WHEN a condition, without which nothing happens. The statement
// fails if the institution has no chain.
#define AUDIT_ENTRY(INSTITUTION, AT, ACTOR, VERB, OBJECT, DETAIL, WHEN)                            \
  "head AS (UPDATE audit_head SET last_seq = last_seq + 1, previous_hash = last_hash, last_hash "  \
  "= sha256(convert_to(concat_ws(E'\\n', 'tashika audit 1', institution_id, last_seq + 1, " AT     \
  ", " ACTOR ", " VERB ", " OBJECT ", " DETAIL                                                     \
  ", encode(last_hash, 'hex')), 'UTF8')) WHERE institution_id = " INSTITUTION " AND " WHEN         \
  " RETURNING *), entry AS (INSERT INTO audit (institution_id, seq, at, actor, verb, object, "     \
  "detail, previous, hash) SELECT institution_id, last_seq, " AT "::timestamptz, " ACTOR ", " VERB \
  ", " OBJECT ", " DETAIL ", previous_hash, last_hash FROM (SELECT WHERE " WHEN                    \
  ") due LEFT JOIN head ON true)"
