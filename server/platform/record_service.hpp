// record_service.hpp: what an institution received, and what it used. Never values. Knows no HTTP.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <nlohmann/json.hpp>
#include <string>

#include "server/platform/parts.hpp"

namespace server {

struct DisclosureQuestion {
  std::string consent_id;  // empty: of all
  std::string from;        // days in Japan, both included; empty: no bound
  std::string to;
  std::uint32_t limit = 0;
  std::string page_token;  // of the page before; the other members as they were
};

class RecordService {
 public:
  explicit RecordService(const PlatformParts& parts) : parts_(parts) {}

  // {"items": […], "next_page_token": …}, oldest first. Throws Problem(not_found) for a consent or
  // token that is not the institution's, and Problem(value_out_of_range).
  [[nodiscard]] boost::asio::awaitable<nlohmann::ordered_json> disclosures(
      std::string institution_id, DisclosureQuestion question);

  // {"from", "to", "items": […]}: days in Japan, "2026-11-01", both included, at most 400.
  // Throws Problem(value_out_of_range).
  [[nodiscard]] boost::asio::awaitable<nlohmann::ordered_json> usage(std::string institution_id,
                                                                     std::string from,
                                                                     std::string to);

 private:
  const PlatformParts& parts_;
};

}  // namespace server
