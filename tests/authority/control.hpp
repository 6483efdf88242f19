// Control: the port through which a test moves the clock, makes things happen and asks what is
// true. README.md describes every request.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <filesystem>
#include <string>

#include <nlohmann/json.hpp>

#include "authority/http_message.hpp"
#include "authority/world.hpp"

namespace authority {

// Where a running stand-in is to be found.
struct Places {
  std::filesystem::path directory;
  std::string http;  // "127.0.0.1:34567"
  std::string https;
  std::string control;
  std::string upstream;
};

class Control {
 public:
  // Both must outlive the control. `places` may be filled in later.
  Control(World& world, const Places& places) : world_(world), places_(places) {}

  // Always JSON, but for certificates (PEM). What was asked wrongly gives 400 and {"error": TEXT}.
  [[nodiscard]] boost::asio::awaitable<Response> answer(const Request& request);

 private:
  [[nodiscard]] Response get(const Request& request);
  [[nodiscard]] nlohmann::json post(const std::string& path, const nlohmann::json& body);
  [[nodiscard]] nlohmann::json advance(const nlohmann::json& body);
  [[nodiscard]] nlohmann::json authorities();
  [[nodiscard]] nlohmann::json consents();
  [[nodiscard]] nlohmann::json sign(const nlohmann::json& body);
  [[nodiscard]] nlohmann::json books(const std::string& authority);
  [[nodiscard]] Response certificate(const std::string& authority, const std::string& serial);
  [[nodiscard]] boost::asio::awaitable<nlohmann::json> compare(const nlohmann::json& body);
  [[nodiscard]] std::size_t authority_named(const std::string& name) const;

  World& world_;
  const Places& places_;
};

}  // namespace authority
