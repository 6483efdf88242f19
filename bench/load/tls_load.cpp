// tls_load: requests over mutual TLS 1.3, on connections that are kept alive: what wrk is
// elsewhere, which has no client certificates.
//
//   tls_load PORT CA PLAN CONNECTIONS SECONDS again|once|hold
//
// A line of PLAN is a client: a PEM file with its certificate and key, and a file of requests, each
// ended by a NUL. Connections are dealt to the clients in turns; those of one file take its
// requests in turns. Sixteen '#' in a request become a number that no other request has.
//
//   again   requests for SECONDS, from the beginning when a file is at its end
//   once    the same, but at its end the connection has nothing more to do
//   hold    opens the connections evenly over SECONDS and says "holding" once all have asked; asks
//           again whenever there is an answer (to a long-poll), until standard input ends
//
// Listens to nobody but 127.0.0.1:PORT. Prints one JSON object; of the first answer that is not 200
// also the beginning, to standard error.
#include <openssl/ssl.h>

#include <algorithm>
#include <boost/asio.hpp>
#include <boost/asio/ssl.hpp>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace {

namespace asio = boost::asio;
using asio::use_awaitable;
using Clock = std::chrono::steady_clock;
using Stream = asio::ssl::stream<asio::ip::tcp::socket>;

enum class Mode { again, once, hold };

struct Requests {
  std::vector<std::string> all;
  std::size_t next = 0;
};

struct Client {
  std::string pem;
  std::shared_ptr<Requests> requests;
};

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "tls_load: %s\n", what.c_str());
  std::exit(1);
}

double processor_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

std::shared_ptr<Requests> read_requests(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  auto out = std::make_shared<Requests>();
  for (std::string one; std::getline(file, one, '\0');) out->all.push_back(std::move(one));
  if (out->all.empty()) fail("no requests in " + path);
  return out;
}

std::vector<Client> read_plan(const std::string& path) {
  std::map<std::string, std::shared_ptr<Requests>> files;
  std::vector<Client> out;
  std::ifstream file(path);
  for (std::string pem, requests; file >> pem >> requests;) {
    auto& read = files[requests];
    if (!read) read = read_requests(requests);
    out.push_back({pem, read});
  }
  if (out.empty()) fail("no clients in " + path);
  return out;
}

class Load {
 public:
  Load(asio::io_context& io, asio::ssl::context& tls, std::uint16_t port, Mode mode)
      : io_(io),
        tls_(tls),
        server_(asio::ip::address_v4::loopback(), port),
        mode_(mode),
        gate_(io) {
    gate_.expires_at(Clock::time_point::max());
  }

  asio::awaitable<void> run(std::vector<Client> clients, std::size_t connections,
                            std::chrono::duration<double> seconds) {
    asio::steady_timer pace(io_);
    const Clock::time_point begin = Clock::now();
    for (std::size_t i = 0; i < connections; ++i) {
      if (mode_ == Mode::hold) {  // who takes long to come must not come all at once
        pace.expires_at(begin + std::chrono::duration_cast<Clock::duration>(
                                    seconds * static_cast<double>(i) / connections));
        co_await pace.async_wait(use_awaitable);
      }
      asio::co_spawn(io_, connection(clients[i % clients.size()]), asio::detached);
    }
    while (up_ < connections) {
      pace.expires_after(std::chrono::milliseconds{5});
      co_await pace.async_wait(use_awaitable);
    }
    spent_ = processor_seconds();
    start_ = Clock::now();
    gate_.cancel();
    if (mode_ != Mode::hold) {
      until_ = start_ + std::chrono::duration_cast<Clock::duration>(seconds);
      co_return;
    }
    std::puts("holding");
    std::fflush(stdout);
    asio::posix::stream_descriptor input(io_, ::dup(0));
    char octet = 0;
    boost::system::error_code at_end;
    while (!at_end) {
      co_await asio::async_read(input, asio::buffer(&octet, 1),
                                asio::redirect_error(use_awaitable, at_end));
    }
    io_.stop();
  }

  // The processor's time includes no handshakes, unless connections were held.
  void print() const {
    std::vector<float> sorted = milliseconds_;
    std::ranges::sort(sorted);
    const auto at = [&](double share) {
      const auto place = static_cast<std::size_t>(share * static_cast<double>(sorted.size()));
      return sorted.empty() ? 0.0F : sorted[std::min(place, sorted.size() - 1)];
    };
    const auto end = mode_ == Mode::hold ? Clock::now() : last_;
    std::printf(
        "{\"requests\": %zu, \"wrong\": %zu, \"broken\": %zu, \"seconds\": %.4f, "
        "\"cpu_seconds\": %.3f, \"octets\": %zu, \"p50_ms\": %.3f, \"p99_ms\": %.3f}\n",
        sorted.size(), wrong_, broken_, std::chrono::duration<double>(end - start_).count(),
        processor_seconds() - spent_, octets_, at(0.5), at(0.99));
  }

 private:
  asio::awaitable<void> connection(Client client) {
    bool is_up = false;
    try {
      Stream stream(io_, tls_);
      SSL* const ssl = stream.native_handle();
      if (SSL_use_certificate_chain_file(ssl, client.pem.c_str()) != 1 ||
          SSL_use_PrivateKey_file(ssl, client.pem.c_str(), SSL_FILETYPE_PEM) != 1) {
        fail("cannot use " + client.pem);
      }
      co_await stream.next_layer().async_connect(server_, use_awaitable);
      stream.next_layer().set_option(asio::ip::tcp::no_delay(true));
      co_await stream.async_handshake(Stream::client, use_awaitable);
      if (mode_ != Mode::hold) {
        is_up = true;
        ++up_;
        boost::system::error_code opened;
        co_await gate_.async_wait(asio::redirect_error(use_awaitable, opened));
      }
      std::string request;
      std::string answer;
      while (take(*client.requests, request)) {
        const Clock::time_point sent = Clock::now();
        co_await asio::async_write(stream, asio::buffer(request), use_awaitable);
        if (!is_up) ++up_;
        is_up = true;
        answer.clear();
        std::size_t whole = 0;
        while (whole == 0 || answer.size() < whole) {
          const std::size_t read = answer.size();
          answer.resize(std::max(whole, read + kPiece));
          const std::size_t got = co_await stream.async_read_some(
              asio::buffer(answer.data() + read, answer.size() - read), use_awaitable);
          answer.resize(read + got);
          if (whole == 0) whole = length_of(answer);
        }
        note(answer, sent);
      }
    } catch (const boost::system::system_error& error) {
      if (broken_++ == 0) std::fprintf(stderr, "tls_load: %s\n", error.what());
      if (!is_up) ++up_;
    }
  }

  // False if there is nothing more to ask.
  bool take(Requests& requests, std::string& into) {
    if (mode_ != Mode::hold && Clock::now() >= until_) return false;
    if (requests.next == requests.all.size()) {
      if (mode_ == Mode::once) return false;
      requests.next = 0;
    }
    into = requests.all[requests.next++];
    const std::size_t place = into.find(kFresh);
    if (place != std::string::npos) {
      char digits[kFresh.size() + 1];
      std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(++fresh_));
      into.replace(place, kFresh.size(), digits);
    }
    return true;
  }

  // Of the whole answer; 0 while its head is not whole.
  static std::size_t length_of(std::string_view answer) {
    constexpr std::string_view kLength = "Content-Length: ";
    const std::size_t head = answer.find("\r\n\r\n");
    if (head == std::string_view::npos) return 0;
    std::size_t body = 0;
    const std::size_t length = answer.find(kLength);
    if (length < head) {
      std::from_chars(answer.data() + length + kLength.size(), answer.data() + head, body);
    }
    return head + 4 + body;
  }

  void note(std::string_view answer, Clock::time_point sent) {
    last_ = Clock::now();
    octets_ += answer.size();
    milliseconds_.push_back(std::chrono::duration<float, std::milli>(last_ - sent).count());
    if (answer.substr(9, 3) == "200") return;
    if (wrong_++ == 0)
      std::fprintf(stderr, "%.*s\n", static_cast<int>(std::min<std::size_t>(1500, answer.size())),
                   answer.data());
  }

  static constexpr std::size_t kPiece = 4096;
  static constexpr std::string_view kFresh = "################";

  asio::io_context& io_;
  asio::ssl::context& tls_;
  const asio::ip::tcp::endpoint server_;
  const Mode mode_;
  asio::steady_timer gate_;  // cancelled when all are connected
  std::size_t up_ = 0;
  Clock::time_point start_, until_, last_;
  double spent_ = 0;
  // Unlike any of another run.
  std::uint64_t fresh_ = static_cast<std::uint64_t>(std::time(nullptr)) << 32;
  std::vector<float> milliseconds_;
  std::size_t wrong_ = 0, broken_ = 0, octets_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  const std::map<std::string_view, Mode> modes = {
      {"again", Mode::again}, {"once", Mode::once}, {"hold", Mode::hold}};
  const auto mode = argc == 7 ? modes.find(argv[6]) : modes.end();
  const int port = argc == 7 ? std::atoi(argv[1]) : 0;
  const long connections = argc == 7 ? std::atol(argv[4]) : 0;
  const double seconds = argc == 7 ? std::atof(argv[5]) : 0;
  if (mode == modes.end() || port < 1 || port > 65535 || connections < 1 || seconds <= 0) {
    std::fputs("usage: tls_load PORT CA PLAN CONNECTIONS SECONDS again|once|hold\n", stderr);
    return 2;
  }
  asio::io_context io(1);
  asio::ssl::context tls(asio::ssl::context::tlsv13_client);
  tls.load_verify_file(argv[2]);
  tls.set_verify_mode(asio::ssl::verify_peer);
  SSL_CTX_set_mode(tls.native_handle(), SSL_MODE_RELEASE_BUFFERS);
  Load load(io, tls, static_cast<std::uint16_t>(port), mode->second);
  asio::co_spawn(io,
                 load.run(read_plan(argv[3]), static_cast<std::size_t>(connections),
                          std::chrono::duration<double>(seconds)),
                 asio::detached);
  io.run();
  load.print();
  return 0;
}
