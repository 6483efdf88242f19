// watching_row.hpp: rows of `issuer` as statements give them, for the files of this directory.
#pragma once

#include "server/store/sql.hpp"
#include "server/store/watching.hpp"

// What a SELECT FROM issuer i gives, in the order in which read_position() takes it.
#define POSITION_COLUMNS                                                                 \
  "i.detected_generation, i.detected_checksum, i.target_generation, i.target_checksum, " \
  "i.numbering"

namespace server::sql {

[[nodiscard]] IssuerPosition read_position(const pqxx::row& row, int first = 0);
inline constexpr int kPositionColumns = 5;

}  // namespace server::sql
