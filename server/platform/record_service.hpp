// record_service.hpp: what an institution received, and what it used. Never values. Knows no HTTP.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <nlohmann/json.hpp>
#include <string>

#include "server/platform/parts.hpp"

namespace server {

class RecordService {
 public:
  explicit RecordService(const PlatformParts& parts) : parts_(parts) {}

  // {"items": […], "next_page_token": …}, oldest first; of one consent, or of all if `consent_id`
  // is empty. Throws Problem(not_found) for a consent or token that is not the institution's.
  [[nodiscard]] boost::asio::awaitable<nlohmann::ordered_json> disclosures(
      std::string institution_id, std::string consent_id, std::uint32_t limit,
      std::string page_token);

  // {"from", "to", "items": […]}: days in Japan, "2026-11-01", both included, at most 400.
  // Throws Problem(value_out_of_range).
  [[nodiscard]] boost::asio::awaitable<nlohmann::ordered_json> usage(std::string institution_id,
                                                                     std::string from,
                                                                     std::string to);

 private:
  const PlatformParts& parts_;
};

}  // namespace server
