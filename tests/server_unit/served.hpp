// served.hpp: what the server would find on disk, made in memory: generations, snapshots, and
// requests about them, which OpenSSL writes.
#pragma once

#include <catch2/catch.hpp>

#include "libpki/ocsp_response.hpp"
#include "server/ocsp_service.hpp"
#include "tests/support/index_builder.hpp"
#include "tests/support/openssl.hpp"

namespace test {

// A list of `number`, in force from one day of February 2026 to another.
struct Dates {
  unsigned number = 1;
  unsigned from = 1;
  unsigned to = 8;
};
pki::IndexedList complete_list(Dates dates, std::uint8_t scope = 0);
pki::IndexedList delta_list(Dates dates, std::uint8_t scope = 0);

// Index files, which live as long as what is returned.
std::shared_ptr<const server::OpenIndex> open_memory(std::vector<std::uint8_t> file);
BuiltIndex base_file(const std::vector<pki::IndexedList>& lists, const std::vector<Listed>& entries,
                     std::uint64_t generation = 1);
// `entries` with removeFromCRL are on no list any more.
BuiltIndex overlay_file(const pki::Index& base, const std::vector<pki::IndexedList>& lists,
                        const std::vector<Listed>& entries, std::uint64_t generation = 2);
BuiltIndex issued_file(const std::vector<std::uint64_t>& serials);

std::shared_ptr<const server::OpenGeneration> generation_of(
    const std::vector<pki::IndexedList>& lists, const std::vector<Listed>& entries);
std::shared_ptr<const server::OpenGeneration> with_overlay(
    const std::shared_ptr<const server::OpenGeneration>& base,
    const std::vector<pki::IndexedList>& lists, const std::vector<Listed>& entries);

// An entry of 15 January 2026.
Listed listed(std::uint64_t serial, pki::Reason reason, std::size_t list = 0);

// Issuers `p256` and `p384`, of the CAs of tests/data; one responder signs for both. A test may
// change their configuration before it is used.
server::Config served_config();

// A file of tests/data.
std::filesystem::path data_path(std::string_view file_name);

struct Question {
  std::string ca;  // "ca_p256.pem"
  std::uint64_t serial;
};
Octets request_of(const std::vector<Question>& questions);

// A service with one snapshot after another.
class Served {
 public:
  explicit Served(const server::Config& config);

  // What is known of an issuer from now on: adopted by every service at the next question.
  void adopt(std::size_t issuer, std::shared_ptr<const server::OpenGeneration> lists);
  void adopt_issued(std::size_t issuer, std::shared_ptr<const server::OpenIndex> issued);

  // Asks the service of a worker.
  server::OcspService::Answer ask(const Octets& request, pki::Time now, std::size_t worker = 0);
  // The answer to one question, read back.
  pki::OcspResponse response(const Question& question, pki::Time now);
  // The same for people: "revoked superseded 2026-02-01 - 2026-02-08", or "tryLater".
  std::string said(const Question& question, pki::Time now);

  const server::IssuerSet& issuers() const { return issuers_; }
  const server::Snapshot& snapshot() const { return *snapshot_; }

 private:
  server::IssuerSnapshot& change(std::size_t issuer);

  server::IssuerSet issuers_;
  server::OcspConfig config_;
  std::shared_ptr<server::Snapshot> snapshot_;
  std::vector<std::unique_ptr<server::OcspService>> workers_;
  std::vector<std::uint8_t> body_;  // of the last response(), which views it
};

}  // namespace test
