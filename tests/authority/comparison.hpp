// Comparison asks an OCSP responder about every certificate of one authority and holds the answers
// against the books.
//
// An answer must be exactly what the authority's lists of its thisUpdate say: status, revocation
// date, reason. Its thisUpdate must be a moment at which a list was published.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "authority/authorities.hpp"
#include "authority/country.hpp"
#include "authority/ocsp_client.hpp"
#include "authority/ocsp_dialogue.hpp"
#include "authority/schedule.hpp"

namespace authority {

struct ComparisonOptions {
  std::size_t authority = 0;
  std::string url;                 // of the responder
  std::optional<Instant> since;    // answers from older lists are differences
  std::size_t batch = 20;          // certificates a request
  std::size_t never_issued = 500;  // how many serials nobody was given to ask about
  std::size_t differences_shown = 20;
  const EVP_MD* digest = EVP_sha1();  // of the CertIDs
};

class Comparison {
 public:
  // All but the options must outlive the comparison.
  Comparison(const std::vector<AuthorityDescription>& authorities, Country& country,
             const Schedule& schedule, ComparisonOptions options);

  // Runs it: {"asked", "good", "revoked", "held", "unknown", "difference_count", "differences":
  // [{"serial", "expected", "got"}], "never_issued": {"good", "unknown", "revoked"},
  // "oldest_this_update", "newest_this_update"}. Other work of the thread goes on meanwhile.
  // Certificates issued while it runs are left out. Throws Failure if the responder fails.
  [[nodiscard]] boost::asio::awaitable<nlohmann::json> run();

 private:
  [[nodiscard]] boost::asio::awaitable<void> ask_about_issued();
  [[nodiscard]] boost::asio::awaitable<void> ask_about_never_issued();
  [[nodiscard]] boost::asio::awaitable<std::vector<StatusAnswer>> ask(
      const std::vector<Serial>& serials);
  void compare(const IssuedCertificate& certificate, const StatusAnswer& answer);
  [[nodiscard]] std::string expectation(const IssuedCertificate& certificate,
                                        const StatusAnswer& answer) const;
  [[nodiscard]] std::vector<Serial> serials_never_issued() const;

  const std::vector<AuthorityDescription>& authorities_;
  Country& country_;
  const Schedule& schedule_;
  ComparisonOptions options_;
  OcspDialogue dialogue_;
  OcspClient client_;

  struct Counts {
    std::uint64_t good = 0;
    std::uint64_t revoked = 0;
    std::uint64_t held = 0;
    std::uint64_t unknown = 0;

    void add(const StatusAnswer& answer);
  };
  Counts issued_;
  Counts never_issued_;
  std::optional<Instant> oldest_;
  std::optional<Instant> newest_;
  std::uint64_t difference_count_ = 0;
  nlohmann::json differences_ = nlohmann::json::array();
};

}  // namespace authority
