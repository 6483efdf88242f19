#include "server/store/key_rotation.hpp"

#include <fmt/format.h>

#include "server/store/audit.hpp"
#include "server/store/key_places.hpp"
#include "server/store/sql.hpp"

namespace server {
namespace {

constexpr Statement kCount{
    "keys_by_kek",
    "SELECT kek, count(*) FROM (SELECT kek FROM data_key UNION ALL SELECT kek FROM platform_key) "
    "AS wrapped GROUP BY kek"};
constexpr Statement kInstitutions{
    "institutions_to_rewrap",
    "SELECT DISTINCT institution_id FROM data_key WHERE kek <> $1 ORDER BY institution_id"};
constexpr Statement kDataKeys{
    "data_keys_to_rewrap",
    "SELECT key_version, kek, wrapped FROM data_key WHERE institution_id = $1 AND kek <> $2 ORDER "
    "BY key_version FOR UPDATE"};
constexpr Statement kRewrapDataKey{
    "data_key_rewrap",
    "UPDATE data_key SET kek = $3, wrapped = $4 WHERE institution_id = $1 AND key_version = $2"};
constexpr Statement kPlatformKeys{
    "platform_keys_to_rewrap",
    "SELECT purpose, key_id, kek, wrapped FROM platform_key WHERE kek <> $1 ORDER BY purpose, "
    "key_id FOR UPDATE"};
constexpr Statement kRewrapPlatformKey{
    "platform_key_rewrap",
    "UPDATE platform_key SET kek = $3, wrapped = $4 WHERE purpose = $1 AND key_id = $2"};

// What `field` holds, wrapped by the newest key instead of by `kek`.
std::vector<std::uint8_t> rewrap(KeyFile& keys, const KeyEncryptionKey& newest,
                                 const std::string& place, const std::string& kek,
                                 const pqxx::field& field) {
  auto plain = open_sealed(keys.find(kek, place), place, sql::bytes(field));
  auto wrapped = seal(newest.key, place, plain);
  wipe(plain);
  return wrapped;
}

// Alone with those who add keys: all that come later use the file's first key. True if it is new.
bool decide(Connection& connection, const std::filesystem::path& file) {
  Session session(connection);
  lock_keys(session, KeyLock::alone);
  KeyFile keys(file);
  const std::string newest = keys.newest().id;
  bool is_behind = false;
  for (const auto& [kek, count] : count_wrapped(session)) {
    (void)keys.find(kek, "a key");
    is_behind = is_behind || kek != newest;
  }
  if (!is_behind) KeyFile::add_newest(file);
  session.commit();
  return !is_behind;
}

std::uint64_t rewrap_institution(Connection& connection, KeyFile& keys,
                                 const KeyEncryptionKey& newest, const std::string& institution_id,
                                 pki::Time now) {
  Session session(connection);
  const auto rows = sql::exec(session, kDataKeys, institution_id, newest.id);
  for (const pqxx::row& row : rows) {
    const auto version = row[0].as<std::int32_t>();
    const auto wrapped = rewrap(keys, newest, data_key_place(institution_id, version),
                                row[1].as<std::string>(), row[2]);
    sql::exec(session, kRewrapDataKey, institution_id, version, newest.id, sql::bytea(wrapped));
  }
  if (!rows.empty()) {
    append_audit(session, now,
                 {"operator", "keys.rewrapped", institution_id,
                  fmt::format("{{\"kek\":\"{}\",\"keys\":{}}}", newest.id, rows.size())},
                 institution_id);
  }
  session.commit();
  return rows.size();
}

std::uint64_t rewrap_platform(Connection& connection, KeyFile& keys,
                              const KeyEncryptionKey& newest) {
  Session session(connection);
  const auto rows = sql::exec(session, kPlatformKeys, newest.id);
  for (const pqxx::row& row : rows) {
    const auto purpose = row[0].as<std::string>();
    const auto key_id = row[1].as<std::string>();
    const auto wrapped =
        rewrap(keys, newest, platform_key_place(purpose, key_id), row[2].as<std::string>(), row[3]);
    sql::exec(session, kRewrapPlatformKey, purpose, key_id, newest.id, sql::bytea(wrapped));
  }
  session.commit();
  return rows.size();
}

std::vector<std::string> institutions_behind(Connection& connection, const std::string& newest) {
  Session session(connection);
  std::vector<std::string> out;
  for (const pqxx::row& row : sql::exec(session, kInstitutions, newest)) {
    out.push_back(row[0].as<std::string>());
  }
  session.commit();
  return out;
}

}  // namespace

std::map<std::string, std::uint64_t> count_wrapped(Session& session) {
  std::map<std::string, std::uint64_t> out;
  for (const pqxx::row& row : sql::exec(session, kCount)) {
    out.emplace(row[0].as<std::string>(), row[1].as<std::uint64_t>());
  }
  return out;
}

RotationReport rotate_keys(Connection& connection, const std::filesystem::path& file,
                           pki::Time now) {
  RotationReport report;
  report.is_new = decide(connection, file);
  KeyFile keys(file);
  const KeyEncryptionKey newest = keys.newest();
  report.kek = newest.id;
  for (const std::string& institution_id : institutions_behind(connection, newest.id)) {
    report.keys += rewrap_institution(connection, keys, newest, institution_id, now);
    ++report.institutions;
  }
  report.keys += rewrap_platform(connection, keys, newest);
  return report;
}

}  // namespace server
