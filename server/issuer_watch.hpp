// issuer_watch.hpp: notices what is new in the index directory of one issuer, opens and verifies
// it.
#pragma once

#include <atomic>
#include <map>
#include <set>
#include <string>

#include "libpki/crypto.hpp"
#include "server/issuer_set.hpp"
#include "server/snapshot.hpp"

namespace server {

// Used by one thread, but for open_failures().
class IssuerWatch {
 public:
  // `issuer` lives longer.
  IssuerWatch(const ServedIssuer& issuer, const IndexConfig& index);

  // Is there nothing to look for? Nothing came, went or got another name since the last look, which
  // was not long ago. Cost: one stat.
  [[nodiscard]] bool is_at_rest();

  // Brings `known` up to date. True if anything about it is another.
  //
  // Adopts the newest generation that is sound and of this issuer, and the list of issued serials
  // where the configuration names one; what is refused goes to the log, once, and into the faults.
  // A base that is in force already is not read again, so that an overlay costs what it is long.
  // An overlay whose base has no name yet is left for the next time. Throws nothing for files.
  [[nodiscard]] bool refresh(IssuerSnapshot& known);

  [[nodiscard]] const IndexDirectory& directory() const { return directory_; }
  // How many files were refused.
  [[nodiscard]] std::uint64_t open_failures() const { return open_failures_; }

 private:
  using FileTime = std::filesystem::file_time_type;
  // Tells whether a file, or the base that it stands on, is another one by now.
  struct Stamp {
    FileTime written_at;
    FileTime base_written_at;
    friend bool operator==(const Stamp&, const Stamp&) = default;
  };
  struct Refusal {
    Stamp stamp;
    std::string why;
  };

  [[nodiscard]] bool refresh_lists(IssuerSnapshot& known);
  [[nodiscard]] bool refresh_issued(IssuerSnapshot& known);
  [[nodiscard]] std::shared_ptr<const OpenGeneration> open_lists(
      std::uint64_t number, const std::shared_ptr<const OpenGeneration>& current, bool began_again,
      std::string& fault);
  [[nodiscard]] Stamp stamp_of(const std::filesystem::path& path) const;
  // Why the file was refused before, if it is the same still.
  [[nodiscard]] const std::string* refused_before(const std::filesystem::path& path) const;
  // What `part` returns; false if a file is gone or the disk fails, so that it is tried again.
  template <class Part>
  [[nodiscard]] bool attempt(Part&& part);
  void refuse(const std::filesystem::path& path, const std::string& why);
  void log_opened(const pki::Generation& lists) const;

  const ServedIssuer& issuer_;
  const IndexDirectory directory_;
  const pki::Digest key_hash_;
  FileTime changed_at_ = FileTime::min();  // of the directory, when we last looked
  FileTime looked_at_ = FileTime::min();
  std::map<std::filesystem::path, Refusal> refusals_;
  std::set<std::string> failures_;  // of the disk, each logged once
  std::atomic<std::uint64_t> open_failures_ = 0;
};

}  // namespace server
