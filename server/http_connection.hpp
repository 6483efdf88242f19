// http_connection.hpp: one client's connection: reads requests, hands them to a handler, writes the
// answers in order. Everything is bounded: header, body, what is read ahead, and time.
#pragma once

#include <boost/intrusive/list.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/http_budget.hpp"
#include "server/http_message.hpp"
#include "server/http_parser.hpp"
#include "server/http_stream.hpp"

namespace server {

struct HttpLimits {
  std::uint32_t header_bytes_max = 16 << 10;  // request line and header fields
  std::uint32_t body_bytes_max = 8192;
  std::chrono::milliseconds request_timeout{10'000};  // first to last byte; also to take an answer
  std::chrono::milliseconds idle_timeout{60'000};     // between requests
  std::chrono::milliseconds linger_timeout{2'000};  // after a refusal, for what was sent meanwhile
  std::chrono::milliseconds handshake_timeout{5'000};  // of TLS
  HeaderFields fields = HeaderFields::of_status;       // what handlers get to see
};

class HttpConnection;

// What answers requests. One object a worker, called on the worker's thread only.
class HttpHandler : public BodyLimit {
 public:
  virtual ~HttpHandler() = default;

  // Answers by connection.respond(), at once or later, exactly once. An answer that comes later
  // comes on the same thread; until then the connection reads nothing more, and whoever answers
  // keeps the shared pointer. The request is good until the answer.
  virtual void handle(const HttpRequest& request, HttpConnection& connection) = 0;

  // The header has come and the body has not: is that worth reading? False: the handler has said
  // so or will, as above, by read_body() or by an answer, after which the connection ends.
  [[nodiscard]] virtual bool wants_body([[maybe_unused]] const HttpRequest& request,
                                        [[maybe_unused]] HttpConnection& connection) {
    return true;
  }

  // A connection is refused (400, 408, 413, 431; 429: its certificate has too many already; 503:
  // too many bodies are on their way), or a request failed (500): what to say. The connection adds
  // what it adds to a response, and ends.
  // `peer`: who, if that is known.
  [[nodiscard]] virtual HttpRefusal refused(unsigned status,
                                            [[maybe_unused]] const PeerCertificate* peer) {
    return plain_refusal(status);
  }
};

// Where connections of one worker are known, for time-outs and for draining.
using ConnectionHook =
    boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;

// Lives as long as an operation on its socket is under way or somebody owes it an answer. One
// thread.
class HttpConnection : public std::enable_shared_from_this<HttpConnection>, public ConnectionHook {
 public:
  using Clock = std::chrono::steady_clock;

  // `now` is the worker's clock, which it sets a few times a second: precise enough for time-outs.
  HttpConnection(HttpStream stream, const HttpLimits& limits, HttpBudget& budget,
                 const Clock::time_point& now, HttpHandler& handler);

  void start();

  // Answers the request that the handler was given.
  void respond(const HttpResponse& response);

  // Goes on with a request of which the handler saw the header: see wants_body().
  void read_body();

  // While an answer is owed: `gone` is called, once, if the client says that it will send no more
  // (FIN, close_notify), or if the connection is lost or ended. After no more than FIN or
  // close_notify an answer may still arrive. Forgotten with the answer, and never called from
  // inside this or respond(). What is sent meanwhile is read ahead, up to a limit, and not lost.
  // `gone` must not own the connection.
  void on_peer_gone(std::function<void()> gone);

  // Who is asking; null without TLS. Good as long as the connection.
  [[nodiscard]] const PeerCertificate* peer() const { return stream_.peer(); }

  [[nodiscard]] HttpStream::Socket::executor_type executor() { return stream_.executor(); }

  // Called by the worker a few times a second: ends what took too long.
  void check_deadline();

  // Ends an idle connection now, and any other after the answer to its request.
  void drain();

  // Ends it now, whatever it does.
  void abort();

  // Nobody waits for an answer of ours: it has not got through TLS yet, or was told the last word.
  [[nodiscard]] bool is_dispensable() const {
    return state_ == State::handshaking || state_ == State::lingering;
  }

 private:
  enum class State : std::uint8_t {
    handshaking,  // of TLS
    idle,         // between requests
    receiving,    // part of a request has come
    handling,     // the handler owes an answer
    writing,      // the client is slow to take an answer
    lingering,    // said the last word, reads what is still coming
    closed,
  };

  void handshake();
  void read();
  [[nodiscard]] bool make_room();
  void wait_for_input(StreamStep want);
  void on_readable();
  void read_ahead();
  void tell_peer_gone();
  void on_read(std::size_t bytes, bool end_of_stream);
  void process();
  [[nodiscard]] bool parse_some();
  void refuse(unsigned status);
  void forget_body();
  void append_head(unsigned status, std::string_view headers, std::size_t content_length);
  template <class Ask>
  void ask_handler(const Ask& ask);
  void flush_soon();
  void release_buffers();
  [[nodiscard]] bool flush();
  void on_written();
  void finish_request();
  void linger();
  void enter(State state, std::chrono::milliseconds deadline);

  HttpStream stream_;
  const HttpLimits& limits_;
  HttpBudget::Share share_;
  const Clock::time_point& now_;
  HttpHandler& handler_;

  State state_ = State::idle;
  Clock::time_point deadline_;
  std::vector<char> in_;  // [in_begin_, in_end_) was read and not yet parsed
  std::size_t in_begin_ = 0;
  std::size_t in_end_ = 0;
  std::string out_;  // [out_begin_, size) is still to be written
  std::size_t out_begin_ = 0;

  HttpRequest request_;
  std::optional<HttpParser> parser_;
  std::function<void()> peer_gone_;  // empty unless the handler wants to know
  Clock::time_point shown_;          // when it was
  bool head_shown_ = false;          // the handler was asked whether it wants the body
  bool close_after_ = false;         // after the answers in out_
  bool linger_after_ = false;        // the client may still be sending
  bool end_of_stream_ = false;       // the client has sent all that it will
  bool draining_ = false;
  bool reading_ = false;       // a read, or waiting for one, is under way
  bool flush_posted_ = false;  // flush() will be called
  bool processing_ = false;    // process() is on the stack: respond() must not start it again
};

}  // namespace server
