#include "server/ingest_service.hpp"

#include <fmt/format.h>

#include <future>
#include <nlohmann/json.hpp>
#include <thread>

#include "libpki/crl.hpp"
#include "libpki/index_writer.hpp"
#include "server/credentials.hpp"
#include "server/index_directory.hpp"
#include "server/log.hpp"
#include "server/progress.hpp"

namespace server {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void refuse(const fs::path& path, const pki::Error& error) {
  throw Refused(std::string(pki::name(error.code)),
                fmt::format("{}: {}", path.string(), pki::to_string(error)));
}

// One issuer's way through an ingest. Each step needs the ones before it.
class Ingest {
 public:
  Ingest(const IndexConfig& config, const IssuerConfig& issuer, pki::Time now)
      : config_(config),
        issuer_(issuer),
        now_(now),
        directory_(config, issuer.name),
        progress_(issuer.name) {}

  IngestOutcome run() {
    find_list();
    issuer_certificate_ = load_certificate(issuer_.certificate);
    in_force_ = directory_.describe_newest();
    file_ = MappedFile(path_);
    file_.expect_sequential();
    parse();
    check_order();
    verify_while([&] { index(); });
    return outcome_;
  }

 private:
  void find_list();
  void parse();
  void check_order();
  template <class Work>
  void verify_while(Work&& work);
  void index();
  [[nodiscard]] std::array<std::uint8_t, 32> identity_of(const pki::Digest& digest) const;
  void walk(pki::IndexWriter& writer);
  void publish(NewFile& file, const pki::IndexWriter::Outcome& written);
  [[nodiscard]] pki::Digest digest_of_verified();
  void check_unchanged() const;

  const IndexConfig& config_;
  const IssuerConfig& issuer_;
  const pki::Time now_;
  const IndexDirectory directory_;
  Progress progress_;

  fs::path path_;
  std::shared_ptr<const LoadedCertificate> issuer_certificate_;
  std::optional<pki::Index> in_force_;
  MappedFile file_;
  pki::Crl crl_;
  bool same_number_ = false;  // as the list in force: it must then be the same list
  std::shared_future<pki::Result<pki::Digest>> verification_;
  std::uint64_t walked_ = 0;
  IngestOutcome outcome_;
};

void Ingest::find_list() {
  const auto unsupported = [&](std::string_view what) {
    return Refused("unsupported_source",
                   fmt::format("{} is not supported by this version: give one complete CRL, as the "
                               "path of a DER file",
                               what));
  };
  if (!issuer_.delta_crl.empty()) throw unsupported("`delta_crl`");
  if (issuer_.crl.size() != 1) throw unsupported("a `crl` of several lists (partitions)");
  const std::string& source = issuer_.crl.front();
  if (source.find("://") != std::string::npos) throw unsupported("fetching " + source);
  path_ = source;
  if (fs::is_directory(path_)) throw unsupported("a directory of lists, " + source + ",");
}

void Ingest::parse() {
  const auto crl = pki::parse_crl(file_.bytes());
  if (!crl) refuse(path_, crl.error());
  crl_ = *crl;
  const auto fits =
      pki::check_crl(crl_, issuer_certificate_->certificate, now_, config_.clock_skew);
  if (!fits && fits.error().code == pki::Errc::expired) {
    throw Refused("expired", fmt::format("{}: the list ended: nextUpdate is {}, and it is {} now",
                                         path_.string(), pki::to_string(crl_.next_update),
                                         pki::to_string(now_)));
  }
  if (!fits && fits.error().code == pki::Errc::not_yet_valid) {
    throw Refused(
        "not_yet_valid",
        fmt::format("{}: thisUpdate is {}, and it is {} now; is a clock wrong?", path_.string(),
                    pki::to_string(crl_.this_update), pki::to_string(now_)));
  }
  if (!fits && fits.error().code == pki::Errc::key_usage) {
    throw Refused(
        "key_usage",
        fmt::format("{}: the key usage of the issuer's certificate {} does not allow cRLSign",
                    path_.string(), issuer_.certificate.string()));
  }
  if (!fits) refuse(path_, fits.error());
  outcome_.crl_number = crl_.number.to_string();
  outcome_.this_update = crl_.this_update;
  outcome_.next_update = crl_.next_update;
  outcome_.crl_bytes = crl_.der.size();
}

// RFC 5280 5.2.3: numbers rise with each list of an issuer and scope.
void Ingest::check_order() {
  if (!in_force_) return;
  const pki::Digest key =
      pki::digest(pki::DigestAlgorithm::sha256, issuer_certificate_->certificate.spki);
  if (!pki::equal(in_force_->issuer_key_hash(), key.bytes())) {
    throw Refused(
        "index_other_issuer",
        fmt::format("{} holds an index of another issuer key than {}; give a re-keyed CA a "
                    "`name` of its own, so that their serials never meet",
                    directory_.path().string(), issuer_.certificate.string()));
  }
  const pki::IndexedList& before = in_force_->lists().front();
  const auto refuse_order = [&](pki::Errc code, std::string_view what, const std::string& now_is,
                                const std::string& was) {
    throw Refused(std::string(pki::name(code)),
                  fmt::format("{}: {}: this list has {}, the one in force has {}", path_.string(),
                              pki::explain(code), fmt::format("{} {}", what, now_is), was));
  };
  if (crl_.number < before.number) {
    refuse_order(pki::Errc::crl_number_decreased, "CRL number", crl_.number.to_string(),
                 before.number.to_string());
  }
  if (crl_.this_update < before.this_update) {
    refuse_order(pki::Errc::this_update_decreased, "thisUpdate", pki::to_string(crl_.this_update),
                 pki::to_string(before.this_update));
  }
  same_number_ = crl_.number == before.number;
}

// Verifies the signature on another core, and works meanwhile. The work must not make anything
// visible before digest_of_verified() returned.
template <class Work>
void Ingest::verify_while(Work&& work) {
  const pki::Result<pki::PublicKey> key =
      pki::PublicKey::parse(issuer_certificate_->certificate.spki);
  if (!key) refuse(issuer_.certificate, key.error());
  verification_ = std::async(std::launch::async, [this, key = *key] {
                    return pki::verify_signature(crl_.algorithm, key, crl_.tbs, crl_.signature);
                  }).share();
  work();
}

// The digest that was signed, once the signature turned out right. May be asked again.
pki::Digest Ingest::digest_of_verified() {
  const pki::Result<pki::Digest>& digest = verification_.get();
  if (!digest) {
    throw Refused(std::string(pki::name(digest.error().code)),
                  fmt::format("{}: the signature is not that of the key in {}: {}", path_.string(),
                              issuer_.certificate.string(), pki::explain(digest.error().code)));
  }
  return *digest;
}

// What was hashed and what was walked is the same only if nobody wrote to the file meanwhile.
void Ingest::check_unchanged() const {
  if (file_.is_unchanged()) return;
  throw Refused(
      "list_changed",
      fmt::format("{}: the file was written to while it was being read; put lists in place "
                  "by renaming them",
                  path_.string()));
}

std::array<std::uint8_t, 32> Ingest::identity_of(const pki::Digest& digest) const {
  const pki::Digest hash = pki::digest(pki::DigestAlgorithm::sha256, digest.bytes());
  std::array<std::uint8_t, 32> out{};
  std::ranges::copy(hash.bytes(), out.begin());
  return out;
}

void Ingest::index() {
  if (same_number_) {
    // Either it is the list in force, and nothing needs to be walked unless the index was damaged;
    // or it must not be used.
    const pki::IndexedList& before = in_force_->lists().front();
    if (identity_of(digest_of_verified()) != before.identity) {
      throw Refused(
          "crl_number_reused",
          fmt::format("{}: CRL number {} is that of the list in force ({}), but the bytes "
                      "are others; an issuer must count up (RFC 5280 5.2.3)",
                      path_.string(), crl_.number.to_string(), before.number.to_string()));
    }
    const auto sound = open_index(directory_.generation_path(in_force_->generation()));
    if (sound) {
      outcome_.kind = IngestOutcome::Kind::unchanged;
      outcome_.generation = in_force_->generation();
      outcome_.entry_count = in_force_->entry_count();
      return;
    }
    log(Level::error, "index_damaged",
        {{"issuer", issuer_.name}, {"error", pki::to_string(sound.error())}});
  }

  NewFile scratch(directory_.path());
  NewFile file(directory_.path());
  pki::IndexWriter writer({config_.ingest_memory_bytes, 2}, scratch);
  walk(writer);
  const pki::Digest digest = digest_of_verified();
  check_unchanged();

  progress_.step("index");
  const pki::Digest key =
      pki::digest(pki::DigestAlgorithm::sha256, issuer_certificate_->certificate.spki);
  pki::IndexDescription description;
  std::ranges::copy(key.bytes(), description.issuer_key_hash.begin());
  const std::vector<std::uint64_t> generations = directory_.generations();
  description.generation = generations.empty() ? 1 : generations.back() + 1;
  description.created_at = now_;
  description.lists = {
      {crl_.number, crl_.this_update, crl_.next_update, walked_, identity_of(digest), {}}};
  outcome_.generation = description.generation;
  const auto written = writer.write(description, file);
  if (!written) refuse(path_, written.error());
  publish(file, *written);
}

void Ingest::walk(pki::IndexWriter& writer) {
  progress_.step("read", crl_.entries.size());
  const std::uint8_t* const start = crl_.entries.data();
  std::uint64_t seen = 0;
  const auto walked = pki::for_each_entry(crl_, [&](const pki::CrlEntry& entry) {
    writer.add(entry);
    if ((++seen & 0xFFFF) == 0) {
      progress_.update(static_cast<std::uint64_t>(entry.serial.data() - start), seen);
    }
  });
  if (!walked) refuse(path_, walked.error());
  walked_ = *walked;
  progress_.update(crl_.entries.size(), walked_);
}

// Flushed, read again from the file and checked, and only then given its name.
void Ingest::publish(NewFile& file, const pki::IndexWriter::Outcome& written) {
  progress_.step("sync");
  std::future<void> synced = std::async(std::launch::async, [&] { file.sync(); });
  const pki::Bytes bytes = file.read_back();
  const auto reread = pki::Index::open(bytes);
  synced.get();
  const bool whole = reread && reread->entry_count() == written.entry_count &&
                     written.entry_count + written.duplicate_count == walked_;
  if (!whole) {
    throw Refused(
        "index_unsound",
        fmt::format("the new index in {} does not read back as it was written ({}); is the "
                    "disk or the memory failing?",
                    directory_.path().string(),
                    reread ? "counts differ" : pki::to_string(reread.error())));
  }
  file.publish(directory_.generation_path(outcome_.generation));
  outcome_.kind = IngestOutcome::Kind::published;
  outcome_.entry_count = written.entry_count;
  outcome_.duplicate_count = written.duplicate_count;
  outcome_.index_bytes = written.file_bytes;
  if (written.duplicate_count > 0) {
    log(Level::warning, "duplicate_serials",
        {{"issuer", issuer_.name}, {"count", written.duplicate_count}});
  }
}

fs::path record_path(const fs::path& directory) {
  return directory / "ingest.json";
}

void write_ingest_record(const fs::path& directory, const IngestRecord& record) {
  const nlohmann::ordered_json json = {{"successes", record.successes},
                                       {"failures", record.failures},
                                       {"last_success", record.last_success},
                                       {"last_failure", record.last_failure},
                                       {"last_failure_reason", record.last_failure_reason}};
  replace_file(record_path(directory), json.dump(2) + "\n");
}

// Keeps book; that it can't must not hide how the ingest itself went.
void record(const fs::path& directory, pki::Time now, std::optional<std::string> failure) {
  try {
    IngestRecord record = read_ingest_record(directory);
    if (failure) {
      ++record.failures;
      record.last_failure = now.time_since_epoch().count();
      record.last_failure_reason = *failure;
    } else {
      ++record.successes;
      record.last_success = now.time_since_epoch().count();
    }
    write_ingest_record(directory, record);
  } catch (const std::exception& error) {
    log(Level::warning, "ingest_not_recorded", {{"error", error.what()}});
  }
}

}  // namespace

IngestRecord read_ingest_record(const fs::path& directory) try {
  IngestRecord out;
  if (!fs::exists(record_path(directory))) return out;
  const auto json = nlohmann::json::parse(read_file(record_path(directory)));
  out.successes = json.value("successes", std::uint64_t{0});
  out.failures = json.value("failures", std::uint64_t{0});
  out.last_success = json.value("last_success", std::int64_t{0});
  out.last_failure = json.value("last_failure", std::int64_t{0});
  out.last_failure_reason = json.value("last_failure_reason", std::string());
  return out;
} catch (const std::exception& error) {
  log(Level::warning, "ingest_record_not_read", {{"error", error.what()}});
  return {};
}

IngestOutcome ingest(const IndexConfig& index, const IssuerConfig& issuer,
                     const std::function<pki::Time()>& clock) {
  const auto started = std::chrono::steady_clock::now();
  const IndexDirectory directory(index, issuer.name);
  fs::create_directories(directory.path());
  const FileLock lock(directory.path() / "lock");
  const pki::Time now = clock();  // after the wait for the lock
  directory.tidy(index);
  try {
    IngestOutcome outcome = Ingest(index, issuer, now).run();
    outcome.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
    record(directory.path(), now, std::nullopt);
    directory.tidy(index);
    return outcome;
  } catch (const Refused& refused) {
    record(directory.path(), now, refused.reason());
    throw;
  } catch (const std::exception&) {
    record(directory.path(), now, "failed");
    throw;
  }
}

}  // namespace server
