// http_server_test.cpp: what an API needs of the HTTP server beyond what OCSP shows: header fields,
// limits by target, refusals in the handler's words, clients that leave while an answer is owed.
// The clients are plain sockets and OpenSSL's own TLS client.
#include <arpa/inet.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/post.hpp>
#include <catch2/catch.hpp>
#include <csignal>
#include <future>
#include <mutex>
#include <thread>

#include "server/http_server.hpp"
#include "tests/server_unit/fixture_server.hpp"
#include "tests/support/openssl.hpp"

using namespace test;
using namespace std::chrono_literals;
using server::HttpConnection;
using server::HttpRequest;
using server::Method;

namespace {

// Answers /echo at once with what it saw. At /wait it owes an answer until told, and notes when the
// client is gone.
class Handler final : public server::HttpHandler {
 public:
  struct Notes {
    std::promise<void> waiting;
    std::promise<void> gone;
    std::atomic<int> gone_count = 0;
    std::weak_ptr<HttpConnection> owed;
    std::array<std::uint8_t, 32> thumbprint{};
  };
  explicit Handler(Notes& notes) : notes_(notes) {}

  void handle(const HttpRequest& request, HttpConnection& connection) override {
    if (connection.peer() != nullptr) notes_.thumbprint = connection.peer()->thumbprint;
    if (request.target == "/wait") {
      owed_ = connection.shared_from_this();
      notes_.owed = owed_;
      connection.on_peer_gone([this] {
        if (++notes_.gone_count == 1) notes_.gone.set_value();
      });
      return notes_.waiting.set_value();
    }
    const std::string seen =
        request.authorization + '|' + request.idempotency_key + '|' + request.if_match + '|' +
        request.client_request_id + '|' + request.accept + '|' + request.accept_language + '|' +
        (request.method == Method::put ? "put" : "") + '|' + std::to_string(request.body.size());
    connection.respond({200, "", pki::as_bytes(seen)});
  }

  // What is owed, if the client is still there.
  void answer() {
    if (owed_) owed_->respond({200, "", pki::as_bytes("late")});
    owed_.reset();
  }

  server::HttpRefusal refused(unsigned status, const server::PeerCertificate*) override {
    return {"Content-Type: application/problem+json\r\n",
            "{\"status\":" + std::to_string(status) + "}"};
  }

  std::optional<std::uint32_t> body_bytes_max(Method method, std::string_view target) override {
    if (target == "/large" && method == Method::post) return 50'000;
    if (target == "/small") return 10;
    return std::nullopt;
  }

 private:
  Notes& notes_;
  std::shared_ptr<HttpConnection> owed_;
};

int connect_to(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const timeval patience{20, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  REQUIRE(::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  return fd;
}

std::uint16_t free_port() {
  const server::FileDescriptor fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const raw = reinterpret_cast<sockaddr*>(&address);
  REQUIRE(::bind(fd.get(), raw, size) == 0);
  REQUIRE(::getsockname(fd.get(), raw, &size) == 0);
  return ntohs(address.sin_port);
}

server::TlsConfig tls_files() {
  FixtureServer& files = FixtureServer::get();
  return {files.certificate_file("server.pem"), files.certificate_file("server.key"),
          files.certificate_file("ca.pem")};
}

pki::Time now() {
  return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}

// A server of one worker and its handler.
class Served {
 public:
  explicit Served(bool with_tls = false,
                  server::HeaderFields fields = server::HeaderFields::of_api) {
    std::signal(SIGPIPE, SIG_IGN);
    server::HttpServer::Options options;
    options.listen = {"127.0.0.1", port_};
    options.limits.fields = fields;
    options.limits.body_bytes_max = 1000;
    if (with_tls) options.tls = std::make_shared<server::TlsContext>(tls_files(), now());
    http_.emplace(options, [&](unsigned) { return std::make_unique<Handler>(notes); });
    http_->start();
  }
  [[nodiscard]] std::uint16_t port() const { return port_; }
  void answer() {
    http_->post_to_all(
        [](server::HttpHandler& handler) { static_cast<Handler&>(handler).answer(); });
  }
  [[nodiscard]] std::uint64_t open_connections() const {
    return http_->budget().open_connections();
  }
  void end() { http_->drain_and_join(); }

  Handler::Notes notes;

 private:
  const std::uint16_t port_ = free_port();
  std::optional<server::HttpServer> http_;
};

// A client in the clear, or one with TLS and the certificate of tests/server_unit's client.
class Client {
 public:
  explicit Client(const Served& served, bool with_tls = false) : fd_(connect_to(served.port())) {
    if (!with_tls) return;
    context_.reset(SSL_CTX_new(TLS_client_method()));
    FixtureServer& files = FixtureServer::get();
    SSL_CTX_use_certificate_file(context_.get(), files.certificate_file("client.pem").c_str(),
                                 SSL_FILETYPE_PEM);
    SSL_CTX_use_PrivateKey_file(context_.get(), files.certificate_file("client.key").c_str(),
                                SSL_FILETYPE_PEM);
    tls_.reset(SSL_new(context_.get()));
    SSL_set_fd(tls_.get(), fd_);
    REQUIRE(SSL_connect(tls_.get()) == 1);
  }
  ~Client() { close(); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void send(const std::string& text) {
    if (tls_) {
      REQUIRE(SSL_write(tls_.get(), text.data(), static_cast<int>(text.size())) > 0);
    } else {
      REQUIRE(::send(fd_, text.data(), text.size(), MSG_NOSIGNAL) ==
              static_cast<ssize_t>(text.size()));
    }
  }
  // Reads until a text has come, or the end: all that came.
  std::string until(const std::string& text) {
    std::string seen;
    std::array<char, 4096> piece{};
    while (seen.find(text) == std::string::npos) {
      const auto size = tls_ ? SSL_read(tls_.get(), piece.data(), piece.size())
                             : static_cast<int>(::recv(fd_, piece.data(), piece.size(), 0));
      if (size <= 0) break;
      seen.append(piece.data(), static_cast<std::size_t>(size));
    }
    return seen;
  }
  // close_notify with TLS, else FIN.
  void finish_sending() {
    if (tls_) {
      SSL_shutdown(tls_.get());
    } else {
      ::shutdown(fd_, SHUT_WR);
    }
  }
  void reset() {
    const linger at_once{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close();
  }
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

 private:
  int fd_;
  Owned<SSL_CTX, SSL_CTX_free> context_;
  Owned<SSL, SSL_free> tls_;
};

const std::string kWait = "GET /wait HTTP/1.1\r\nHost: x\r\n\r\n";
const std::string kEcho = "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n";

std::string with_fields(const std::string& fields) {
  return "GET /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + fields + "\r\n";
}

std::string post(const std::string& target, std::size_t bytes, const std::string& method = "POST") {
  return method + " " + target +
         " HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: " + std::to_string(bytes) +
         "\r\n\r\n" + std::string(bytes, 'a');
}

std::string asked(const Served& served, const std::string& request) {
  Client client(served);
  client.send(request);
  return client.until("no such text");
}

bool is_set(std::promise<void>& promise) {
  return promise.get_future().wait_for(20s) == std::future_status::ready;
}

}  // namespace

TEST_CASE("http: an API sees the fields that it needs, OCSP does not", "[http]") {
  const std::string fields =
      "authorization: Bearer abc\r\nIdempotency-Key: \"k\"\r\nIf-Match: \"e\"\r\n"
      "X-CLIENT-REQUEST-ID: r1\r\nAccept: a/b\r\nAccept: c/d\r\nAccept-Language: ja\r\n";
  CHECK_THAT(asked(Served(), with_fields(fields)),
             Catch::EndsWith("\r\n\r\nBearer abc|\"k\"|\"e\"|r1|a/b,c/d|ja||0"));
  CHECK_THAT(asked(Served(false, server::HeaderFields::of_status), with_fields(fields)),
             Catch::EndsWith("\r\n\r\n|||||||0"));
}

TEST_CASE("http: fields of an earlier request are forgotten", "[http]") {
  const Served served;
  Client client(served);
  client.send("GET /echo HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer abc\r\n\r\n");
  CHECK_THAT(client.until("|0"), Catch::EndsWith("Bearer abc|||||||0"));
  client.send(kEcho);
  CHECK_THAT(client.until("|0"), Catch::EndsWith("\r\n\r\n|||||||0"));
}

TEST_CASE("http: what may come once and comes twice is refused in the handler's words", "[http]") {
  const Served served;
  const std::string name =
      GENERATE("Authorization", "Idempotency-Key", "If-Match", "X-Client-Request-Id");
  const std::string answer = asked(served, with_fields(name + ": a\r\n" + name + ": a\r\n"));
  CHECK_THAT(answer, Catch::StartsWith("HTTP/1.1 400 ") &&
                         Catch::Contains("Content-Type: application/problem+json\r\n") &&
                         Catch::Contains("Connection: close\r\n") &&
                         Catch::EndsWith("\r\n\r\n{\"status\":400}"));
}

TEST_CASE("http: bodies are limited by target, and by the listener", "[http]") {
  const Served served;
  CHECK_THAT(asked(served, post("/echo", 1000)), Catch::EndsWith("|1000"));
  CHECK_THAT(asked(served, post("/echo", 1001)), Catch::StartsWith("HTTP/1.1 413 "));
  CHECK_THAT(asked(served, post("/large", 50'000)), Catch::EndsWith("|50000"));
  CHECK_THAT(asked(served, post("/large", 50'001)), Catch::EndsWith("{\"status\":413}"));
  CHECK_THAT(asked(served, post("/large", 1001, "PUT")), Catch::StartsWith("HTTP/1.1 413 "));
  CHECK_THAT(asked(served, post("/small", 10, "PUT")), Catch::EndsWith("|put|10"));
  CHECK_THAT(asked(served, post("/small", 11)), Catch::StartsWith("HTTP/1.1 413 "));
}

TEST_CASE("http: whoever owes an answer learns that the client said it is through", "[http]") {
  const bool with_tls = GENERATE(false, true);
  Served served(with_tls);
  Client client(served, with_tls);
  client.send(kWait);
  REQUIRE(is_set(served.notes.waiting));
  CHECK(served.notes.gone_count == 0);
  client.finish_sending();
  REQUIRE(is_set(served.notes.gone));
  served.answer();  // it may still want it
  CHECK_THAT(client.until("late"), Catch::EndsWith("late"));
  CHECK(client.until("more").empty());
  served.end();
  CHECK(served.notes.gone_count == 1);
}

TEST_CASE("http: or that it is lost", "[http]") {
  const bool with_tls = GENERATE(false, true);
  Served served(with_tls);
  Client client(served, with_tls);
  client.send(kWait);
  REQUIRE(is_set(served.notes.waiting));
  client.reset();
  REQUIRE(is_set(served.notes.gone));
  served.answer();
  served.end();
  CHECK(served.notes.gone_count == 1);
  CHECK(served.notes.owed.expired());
}

TEST_CASE("http: an answer in time ends the watch, and nothing sent meanwhile is lost", "[http]") {
  const bool with_tls = GENERATE(false, true);
  Served served(with_tls);
  Client client(served, with_tls);
  client.send(kWait + kEcho);
  REQUIRE(is_set(served.notes.waiting));
  client.send(kEcho.substr(0, 7));
  std::this_thread::sleep_for(50ms);
  client.send(kEcho.substr(7) + kEcho.substr(0, 9));
  served.answer();
  CHECK_THAT(client.until("|0HTTP"), Catch::Contains("late") && Catch::Contains("|0"));
  client.send(kEcho.substr(9));
  CHECK_THAT(client.until("|0"), Catch::EndsWith("|0"));
  client.close();
  served.end();
  CHECK(served.notes.gone_count == 0);
}

TEST_CASE("http: a client that sends on and on while it waits is not read, but seen to go",
          "[http]") {
  const bool with_tls = GENERATE(false, true);
  Served served(with_tls);
  Client client(served, with_tls);
  client.send(kWait);
  REQUIRE(is_set(served.notes.waiting));
  std::string much;
  for (int i = 0; i < 3000; ++i) much += kEcho;
  client.send(much);
  std::this_thread::sleep_for(300ms);
  CHECK(served.notes.gone_count == 0);
  client.close();
  REQUIRE(is_set(served.notes.gone));
  served.answer();
}

TEST_CASE("http: a client that waits is told of nothing when the server ends", "[http]") {
  Served served;
  Client client(served);
  client.send(kWait);
  REQUIRE(is_set(served.notes.waiting));
  auto ended = std::async(std::launch::async, [&] { served.end(); });
  CHECK(ended.wait_for(100ms) == std::future_status::timeout);
  served.answer();
  CHECK_THAT(client.until("late"), Catch::Contains("Connection: close"));
  ended.get();
}

TEST_CASE("tls: who is asking is the certificate of this connection", "[http]") {
  Served served(true);
  Client client(served, true);
  client.send(kEcho);
  CHECK_THAT(client.until("|0"), Catch::EndsWith("|0"));
  const X509Certificate own = [] {
    const std::string path = FixtureServer::get().certificate_file("client.pem").string();
    const Bio bio(BIO_new_file(path.c_str(), "r"));
    return X509Certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  }();
  std::array<std::uint8_t, 32> digest{};
  REQUIRE(X509_digest(own.get(), EVP_sha256(), digest.data(), nullptr) == 1);
  CHECK(served.notes.thumbprint == digest);
}
