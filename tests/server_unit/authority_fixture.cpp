#include "tests/server_unit/authority_fixture.hpp"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <boost/system/system_error.hpp>
#include <chrono>
#include <fstream>
#include <stdexcept>
#include <thread>

namespace test {

namespace asio = boost::asio;
namespace http = boost::beast::http;

std::string trouble_of(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const server::AuthorityUnavailable& unavailable) {
    return std::string(to_string(unavailable.reason()));
  } catch (const boost::system::system_error& failed) {
    return failed.code() == asio::error::operation_aborted ? "cancelled" : failed.what();
  }
}

std::string text_of(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& failed) {
    return failed.what();
  }
}

Standin& Standin::get() {
  static Standin standin;
  return standin;
}

Standin::Standin() {
  process_ = ::fork();
  if (process_ == 0) {
    ::execl(TASHIKA_STANDIN, "jlis-standin", "serve", "--directory", directory_.path().c_str(),
            "--seed", "7", "--people", "30", "--start", "2026-04-01T00:00:00Z", nullptr);
    ::_exit(127);
  }
  const auto ports = directory_.path() / "ports.json";
  while (!std::filesystem::exists(ports)) {
    if (::waitpid(process_, nullptr, WNOHANG) != 0) throw std::runtime_error("jlis-standin ended");
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  ports_ = Json::parse(std::ifstream(ports));
}

Standin::~Standin() {
  ::kill(process_, SIGTERM);
  ::waitpid(process_, nullptr, 0);
}

server::AuthorityConfig Standin::config() const {
  server::AuthorityConfig config;
  config.url = "https://" + ports_.at("upstream").get<std::string>();
  config.certificate = directory_.path() / "operator.pem";
  config.key = directory_.path() / "operator.key";
  config.ca = directory_.path() / "tls-ca.pem";
  return config;
}

Json Standin::control(const std::string& path, const Json& body) {
  const std::string address = ports_.at("control");
  const auto port = static_cast<std::uint16_t>(std::stoul(address.substr(address.find(':') + 1)));
  asio::io_context context;
  asio::ip::tcp::socket socket(context);
  socket.connect({asio::ip::make_address("127.0.0.1"), port});
  http::request<http::string_body> request{http::verb::get, "/control/" + path, 11};
  request.set(http::field::host, address);
  if (body == "DELETE") {
    request.method(http::verb::delete_);
  } else if (!body.is_null()) {
    request.method(http::verb::post);
    request.body() = body.dump();
    request.prepare_payload();
  }
  http::write(socket, request);
  boost::beast::flat_buffer buffer;
  http::response_parser<http::string_body> parser;
  parser.body_limit(std::uint64_t{64} << 20U);
  http::read(socket, buffer, parser);
  if (parser.get().result_int() != 200) {
    throw std::runtime_error("the stand-in's control: " + parser.get().body());
  }
  return Json::parse(parser.get().body());
}

double Standin::processor_seconds() const {
  clockid_t clock{};
  timespec used{};
  if (::clock_getcpuclockid(process_, &clock) != 0 || ::clock_gettime(clock, &used) != 0) return 0;
  return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) * 1e-9;
}

}  // namespace test
