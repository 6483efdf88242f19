// crl_file.hpp: one CRL on disk: read, checked against its issuer, verified. What is wrong becomes
// a Refused that names the file, the fault and the cure.
#pragma once

#include <future>
#include <memory>
#include <string>
#include <vector>

#include "libpki/crl.hpp"
#include "libpki/index_writer.hpp"
#include "server/credentials.hpp"
#include "server/list_sources.hpp"
#include "server/refused.hpp"
#include "server/steady_file.hpp"

namespace server {

// Throws what libpki said of a file as Refused.
[[noreturn]] void refuse(const ListFile& file, const pki::Error& error);

// Whose lists are taken, and when.
struct CrlIssuer {
  std::filesystem::path file;
  std::shared_ptr<const LoadedCertificate> loaded;
  pki::PublicKey key;
  pki::Time now;
  std::chrono::seconds clock_skew;

  // Throws CredentialError, Refused for a key that verifies nothing, std::system_error.
  CrlIssuer(const std::filesystem::path& certificate, pki::Time at, std::chrono::seconds skew);

  // SHA-256 of the SubjectPublicKeyInfo.
  [[nodiscard]] std::array<std::uint8_t, 32> key_hash() const;
};

// A list that was parsed and suits its issuer by name, key identifier, key usage and dates. What is
// believed of it is what was verified: small ones are copied, of large ones each part is copied
// before it is hashed and walked (steady_file.hpp).
class CrlFile {
 public:
  // How much of the bytes is needed: a look at the head maps the file whatever its size, and leaves
  // it to the caller whether the list has ended.
  enum class Need : std::uint8_t { head, entries };

  // Throws Refused, std::system_error.
  CrlFile(const ListFile& file, const CrlIssuer& issuer, pki::CrlKind kind, Need need);

  [[nodiscard]] const pki::Crl& crl() const { return crl_; }
  [[nodiscard]] std::uint64_t bytes() const { return crl_.der.size(); }

  // Walks the entries, `visit(entry)`, while another core hashes them. Returns how many there were.
  // What was visited is void unless verified() says that the list is right. Once. Throws Refused.
  template <class Visit>
  std::uint64_t walk(Visit&& visit) {
    start_hashing();
    const std::uint8_t* checkpoint = crl_.entries.data();  // beyond it, reading must be announced
    const auto walked = pki::for_each_entry(crl_, [&](const pki::CrlEntry& entry) {
      if (hash_ && entry.serial.data() >= checkpoint) {
        checkpoint = announce(entry.serial.data());
      }
      visit(entry);
    });
    if (!walked) refuse(file_, walked.error());
    return *walked;
  }

  // The list as the index describes it, with an entry count of `entries`. Throws Refused if the
  // signature is wrong, or the file was written to meanwhile.
  [[nodiscard]] pki::IndexedList verified(std::uint64_t entries = 0);

 private:
  void check(pki::CrlKind kind, Need need) const;
  void check_shape() const;
  void start_hashing();
  const std::uint8_t* announce(const std::uint8_t* position);
  [[nodiscard]] pki::Result<pki::Digest> verify();

  const ListFile& file_;
  const CrlIssuer& issuer_;
  std::vector<std::uint8_t> copy_;
  MappedFile mapped_;                   // for a look at the head
  std::unique_ptr<SteadyFile> steady_;  // of large lists
  pki::Crl crl_;
  std::future<pki::Result<pki::Digest>> verification_;
  std::unique_ptr<SteadyHash> hash_;
};

}  // namespace server
