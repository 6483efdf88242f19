#include "server/http_connection.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <cstring>

#include "server/log.hpp"

namespace server {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

constexpr std::size_t kKeptBytesMax = 8192;           // of a text, while idle
constexpr std::size_t kTlsKeptBytesMax = 512;         // with TLS: thousands idle
constexpr std::size_t kReadAheadMax = 16 << 10;       // while an answer is owed
constexpr std::size_t kReadBytes = 4096;              // what a connection starts with
constexpr std::size_t kPipelineBytesMax = 256 << 10;  // answers not yet taken, before reading stops

// The Date line, made once a second and thread.
std::string_view date_line() {
  thread_local std::int64_t second = 0;
  thread_local std::string line;
  const std::int64_t now = std::chrono::duration_cast<std::chrono::seconds>(
                               std::chrono::system_clock::now().time_since_epoch())
                               .count();
  if (now != second) {
    second = now;
    line = "Date: " + http_date(now) + "\r\n";
  }
  return line;
}

// A line feed without its carriage return: Beast waits for the right end, which never comes.
bool has_bare_line_feed(const char* data, std::size_t size) {
  for (const char* at = data; (at = static_cast<const char*>(std::memchr(
                                   at, '\n', size - static_cast<std::size_t>(at - data))));
       ++at) {
    if (at == data || at[-1] != '\r') return true;
  }
  return false;
}

}  // namespace

HttpConnection::HttpConnection(HttpStream stream, const HttpLimits& limits, HttpBudget& budget,
                               const Clock::time_point& now, HttpHandler& handler)
    : stream_(std::move(stream)), limits_(limits), share_(budget), now_(now), handler_(handler) {}

void HttpConnection::start() {
  if (stream_.is_tls()) {
    enter(State::handshaking, limits_.handshake_timeout);
    return handshake();
  }
  enter(State::idle, limits_.idle_timeout);
  read();
}

void HttpConnection::handshake() {
  const StreamStep step = stream_.handshake();
  if (step == StreamStep::want_read || step == StreamStep::want_write) {
    return stream_.async_wait(step, [self = shared_from_this()](error_code ec) {
      if (self->state_ == State::closed) return;
      if (ec) return self->abort();
      self->handshake();
    });
  }
  // A client that is refused may be sending its first request already, and should still see why.
  if (step != StreamStep::done) return linger();
  // A client that came just before the end has a request on its way.
  enter(State::idle, draining_ ? limits_.linger_timeout : limits_.idle_timeout);
  if (share_.admit(stream_.peer()->thumbprint)) return read();
  refuse(429);
  if (flush()) finish_request();
}

void HttpConnection::enter(State state, std::chrono::milliseconds deadline) {
  state_ = state;
  deadline_ = now_ + deadline;
}

// In the clear, the buffer waits with the connection: one call of the system for each request is
// saved. With TLS, ten thousand may wait, and a buffer is taken once there is something to put in.
void HttpConnection::read() {
  if (reading_) return;
  reading_ = true;
  if (stream_.is_tls()) {
    if (!stream_.has_hidden_input()) return wait_for_input(StreamStep::want_read);
    return asio::post(executor(), [self = shared_from_this()] { self->on_readable(); });
  }
  if (!make_room()) return;
  stream_.async_read_some(in_.data() + in_end_, in_.size() - in_end_,
                          [self = shared_from_this()](error_code ec, std::size_t bytes) {
                            self->reading_ = false;
                            if (ec && ec != asio::error::eof) return self->abort();
                            self->on_read(bytes, ec == asio::error::eof);
                          });
}

// Room behind in_end_. False if there is too much already; the request was refused then.
bool HttpConnection::make_room() {
  if (in_begin_ > 0) {
    std::memmove(in_.data(), in_.data() + in_begin_, in_end_ - in_begin_);
    in_end_ -= in_begin_;
    in_begin_ = 0;
  }
  if (in_end_ < in_.size()) return true;
  // A header reaches its limit before this, a body is copied out; what is left is a chunk's
  // header.
  if (in_.size() >= 4 * std::size_t{limits_.header_bytes_max}) {
    reading_ = false;
    refuse(431);
    if (flush()) finish_request();
    return false;
  }
  in_.resize(std::max(kReadBytes, in_.size() * 2));
  return true;
}

void HttpConnection::wait_for_input(StreamStep want) {
  if (in_begin_ == in_end_) {
    std::vector<char>().swap(in_);
    in_begin_ = in_end_ = 0;
  }
  stream_.async_wait(want, [self = shared_from_this()](error_code ec) {
    if (ec && self->state_ != State::closed) {
      self->reading_ = false;
      return self->abort();
    }
    self->on_readable();
  });
}

void HttpConnection::on_readable() {
  if (state_ == State::closed || !make_room()) return;
  std::size_t bytes = 0;
  const StreamStep step = stream_.read_some(in_.data() + in_end_, in_.size() - in_end_, bytes);
  if (step == StreamStep::want_read || step == StreamStep::want_write) return wait_for_input(step);
  reading_ = false;
  if (step == StreamStep::failed) return abort();
  on_read(bytes, step == StreamStep::end);
}

void HttpConnection::on_read(std::size_t bytes, bool end_of_stream) {
  if (state_ == State::closed) return;
  if (state_ == State::lingering) {
    in_begin_ = in_end_ = 0;
    if (end_of_stream) return abort();
    return read();
  }
  end_of_stream_ = end_of_stream;
  in_end_ += bytes;
  if (state_ == State::handling) return end_of_stream ? tell_peer_gone() : read_ahead();
  if (state_ == State::writing) return;  // of a refusal; on_written() goes on
  process();
}

void HttpConnection::on_peer_gone(std::function<void()> gone) {
  if (state_ != State::handling && state_ != State::closed) return;  // nothing is owed
  peer_gone_ = std::move(gone);
  if (state_ == State::closed || end_of_stream_) return tell_peer_gone();
  if (request_.body.empty()) std::string().swap(request_.body);
  if (out_.empty()) std::string().swap(out_);
  read_ahead();
}

// The end of a stream shows only behind what was sent before it.
void HttpConnection::read_ahead() {
  if (reading_ || !peer_gone_ || in_end_ - in_begin_ >= kReadAheadMax) return;
  reading_ = true;
  if (!stream_.has_hidden_input()) return wait_for_input(StreamStep::want_read);
  asio::post(executor(), [self = shared_from_this()] { self->on_readable(); });
}

void HttpConnection::tell_peer_gone() {
  if (!peer_gone_) return;
  asio::post(executor(), [self = shared_from_this()] {
    if (const auto gone = std::exchange(self->peer_gone_, {})) gone();
  });
}

// Parses and handles what was read, as far as it goes; then writes, and reads on.
void HttpConnection::process() {
  for (bool full = true; full;) {
    full = false;
    processing_ = true;
    while (!full && state_ != State::handling && !close_after_ && parse_some()) {
      ask_handler([this] { handler_.handle(request_, *this); });
      full = out_.size() - out_begin_ > kPipelineBytesMax;
    }
    processing_ = false;
    if (state_ == State::closed || state_ == State::handling) return;
    if (!full) return flush_soon();
    if (!flush()) return;
  }
}

// Writes after the other requests that are ready have been answered: a client that is woken by
// every single answer takes the processor from the next one.
void HttpConnection::flush_soon() {
  if (flush_posted_) return;
  flush_posted_ = true;
  asio::post(executor(), [self = shared_from_this()] {
    self->flush_posted_ = false;
    const State state = self->state_;
    if (state == State::closed || state == State::handling || state == State::writing) return;
    if (self->flush()) self->finish_request();
  });
}

// What a handler throws (no descriptor left, no memory) costs that request and nothing else.
template <class Ask>
void HttpConnection::ask_handler(const Ask& ask) {
  state_ = State::handling;
  try {
    ask();
  } catch (const std::exception& error) {
    log(Level::error, "request_failed", {{"error", error.what()}});
    if (state_ != State::handling) return;
    enter(State::receiving, limits_.request_timeout);
    refuse(500);
  }
}

// True once request_ is complete. Else more must be read, or the request was refused.
bool HttpConnection::parse_some() {
  while (true) {
    if (in_begin_ == in_end_) return false;
    if (!parser_) {
      // RFC 9112 2.2: an empty line before a request is ignored.
      if (in_end_ - in_begin_ >= 2 && in_[in_begin_] == '\r' && in_[in_begin_ + 1] == '\n') {
        in_begin_ += 2;
        continue;
      }
      parser_.emplace(request_, limits_.fields, limits_.header_bytes_max, limits_.body_bytes_max,
                      handler_);
      head_shown_ = false;
    }
    if (state_ == State::idle) enter(State::receiving, limits_.request_timeout);
    error_code ec;
    const std::size_t taken =
        parser_->put(asio::const_buffer(in_.data() + in_begin_, in_end_ - in_begin_), ec);
    in_begin_ += taken;
    if (ec == boost::beast::http::error::need_more) {
      const bool bad_line = !parser_->is_header_done() &&
                            has_bare_line_feed(in_.data() + in_begin_, in_end_ - in_begin_);
      if (bad_line) return refuse(400), false;
      if (!parser_->is_header_done() || taken == 0) return false;
    } else if (ec) {
      return refuse(status_of(ec)), false;
    }
    if (!share_.hold_body(request_.body.size())) return refuse(503), false;
    if (parser_->is_done()) return true;
    if (!parser_->is_header_done() || std::exchange(head_shown_, true)) continue;
    shown_ = now_;
    ask_handler([this] {
      if (handler_.wants_body(request_, *this)) read_body();
    });
    if (state_ == State::handling || close_after_) return false;
  }
}

void HttpConnection::read_body() {
  if (state_ != State::handling) return;
  state_ = State::receiving;
  deadline_ += now_ - shown_;  // what the handler took is not the client's
  if (parser_->expects_continue()) out_ += "HTTP/1.1 100 Continue\r\n\r\n";
  if (!processing_) process();
}

void HttpConnection::append_head(unsigned status, std::string_view headers,
                                 std::size_t content_length) {
  if (status == 200) {
    out_ += "HTTP/1.1 200 OK\r\n";
  } else {
    fmt::format_to(std::back_inserter(out_), "HTTP/1.1 {} {}\r\n", status, reason_phrase(status));
  }
  out_ += date_line();
  out_ += headers;
  if (status != 304 && status != 204) {  // RFC 9110 8.6
    fmt::format_to(std::back_inserter(out_), "Content-Length: {}\r\n", content_length);
  }
  if (close_after_) {
    out_ += "Connection: close\r\n";
  } else if (parser_ && parser_->is_http_1_0()) {
    out_ += "Connection: keep-alive\r\n";
  }
  out_ += "\r\n";
}

// An answer to what is no request. Nothing after it is believed, so the connection ends.
void HttpConnection::refuse(unsigned status) {
  close_after_ = linger_after_ = true;
  forget_body();
  const HttpRefusal refusal = handler_.refused(status, peer());
  append_head(status, refusal.headers, refusal.body.size());
  out_ += refusal.body;
}

void HttpConnection::respond(const HttpResponse& response) {
  if (state_ == State::closed) return;
  peer_gone_ = nullptr;
  if (draining_ || !parser_->keep_alive()) close_after_ = true;
  if (!parser_->is_done()) close_after_ = linger_after_ = true;  // what still comes is its body
  append_head(response.status, response.headers, response.body.size());
  if (request_.method != Method::head && response.status != 304) {
    out_.append(reinterpret_cast<const char*>(response.body.data()), response.body.size());
  }
  parser_.reset();
  forget_body();
  enter(State::idle, limits_.idle_timeout);
  if (!processing_) process();
}

// What was large is given back at once: others may need it, whatever becomes of this connection.
void HttpConnection::forget_body() {
  share_.release_body();
  if (request_.body.capacity() > kKeptBytesMax) std::string().swap(request_.body);
}

// Writes what the socket takes at once, and waits only for the rest. True if nothing is left; false
// if on_written() will go on, or if the connection has ended.
bool HttpConnection::flush() {
  while (out_begin_ < out_.size()) {
    std::size_t bytes = 0;
    const StreamStep step =
        stream_.write_some(out_.data() + out_begin_, out_.size() - out_begin_, bytes);
    out_begin_ += bytes;
    if (step == StreamStep::done) continue;
    if (step == StreamStep::failed || step == StreamStep::end) {
      abort();
      return false;
    }
    if (state_ != State::writing) enter(State::writing, limits_.request_timeout);
    stream_.async_wait(step, [self = shared_from_this()](error_code ec) {
      if (self->state_ == State::closed) return;
      if (ec) return self->abort();
      if (self->flush()) self->on_written();
    });
    return false;
  }
  out_.clear();
  out_begin_ = 0;
  return true;
}

void HttpConnection::on_written() {
  if (parser_) {
    enter(State::receiving, limits_.request_timeout);
  } else {
    enter(State::idle, limits_.idle_timeout);
  }
  process();  // what was read ahead
}

// All answers are written: the next request, or the end. To close with something unread would reset
// the connection, and the client might lose what we wrote.
void HttpConnection::finish_request() {
  if (close_after_) {
    const bool unread = in_begin_ != in_end_ || stream_.has_input();
    return linger_after_ || unread ? linger() : abort();
  }
  if (end_of_stream_ || (draining_ && !parser_)) return abort();
  if (!parser_ && in_begin_ == in_end_ && !reading_) release_buffers();
  read();
}

// What an unusual request has made large is not kept while the connection idles.
void HttpConnection::release_buffers() {
  if (in_.size() > kReadBytes) in_ = std::vector<char>(kReadBytes);
  in_begin_ = in_end_ = 0;
  const std::size_t kept_max = stream_.is_tls() ? kTlsKeptBytesMax : kKeptBytesMax;
  for (std::string* text : {&out_, &request_.target, &request_.body, &request_.if_none_match}) {
    if (text->capacity() > kept_max) std::string().swap(*text);
  }
  if (limits_.fields == HeaderFields::of_status) return;
  for (std::string* text : {&request_.authorization, &request_.idempotency_key, &request_.if_match,
                            &request_.client_request_id, &request_.content_encoding,
                            &request_.charset, &request_.accept, &request_.accept_language}) {
    if (text->capacity() > kept_max) std::string().swap(*text);
  }
}

// A client that is still sending would lose our answer to a reset if we closed at once.
void HttpConnection::linger() {
  stream_.finish_sending();
  enter(State::lingering, limits_.linger_timeout);
  in_begin_ = in_end_ = 0;
  read();
}

void HttpConnection::check_deadline() {
  if (state_ == State::handling) {
    // What was read ahead is at its limit, and the end of the stream may be behind the rest.
    if (peer_gone_ && !reading_ && stream_.is_peer_gone()) tell_peer_gone();
    return;
  }
  if (now_ < deadline_) return;
  if (state_ != State::receiving) return abort();
  refuse(408);
  if (flush()) finish_request();
}

void HttpConnection::drain() {
  draining_ = true;
  // What a client has sent but we have not read is a request in flight, too.
  const bool has_input = in_begin_ != in_end_ || stream_.has_input();
  if (state_ == State::idle && !has_input && out_.empty()) return abort();
  if (state_ != State::handshaking) return;
  if (stream_.is_untouched()) return abort();
  deadline_ = std::min(deadline_, now_ + limits_.linger_timeout);
}

void HttpConnection::abort() {
  if (state_ == State::closed) return;
  state_ = State::closed;
  unlink();
  stream_.close();
  tell_peer_gone();
}

}  // namespace server
