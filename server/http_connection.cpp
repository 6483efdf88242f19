#include "server/http_connection.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <cstring>

#include "server/log.hpp"

namespace server {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

constexpr std::size_t kKeptBytesMax = 8192;           // of a text, while idle
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

HttpConnection::HttpConnection(Socket socket, const HttpLimits& limits,
                               const Clock::time_point& now, HttpHandler& handler)
    : socket_(std::move(socket)), limits_(limits), now_(now), handler_(handler), in_(kReadBytes) {
  error_code ignored;
  socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
  socket_.non_blocking(true, ignored);
}

void HttpConnection::start() {
  enter(State::idle, limits_.idle_timeout);
  read();
}

void HttpConnection::enter(State state, std::chrono::milliseconds deadline) {
  state_ = state;
  deadline_ = now_ + deadline;
}

void HttpConnection::read() {
  if (reading_) return;
  if (in_begin_ > 0) {
    std::memmove(in_.data(), in_.data() + in_begin_, in_end_ - in_begin_);
    in_end_ -= in_begin_;
    in_begin_ = 0;
  }
  if (in_end_ == in_.size()) {
    // A header reaches its limit before this, a body is copied out; what is left is a chunk's
    // header.
    if (in_.size() >= 4 * std::size_t{limits_.header_bytes_max}) {
      refuse(431);
      if (flush()) finish_request();
      return;
    }
    in_.resize(in_.size() * 2);
  }
  reading_ = true;
  socket_.async_read_some(asio::buffer(in_.data() + in_end_, in_.size() - in_end_),
                          [self = shared_from_this()](error_code ec, std::size_t bytes) {
                            self->reading_ = false;
                            if (ec && ec != asio::error::eof) return self->abort();
                            self->on_read(bytes, ec == asio::error::eof);
                          });
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
  if (state_ == State::writing) return;  // of a refusal; on_written() goes on
  process();
}

// Parses and handles what was read, as far as it goes; then writes, and reads on.
void HttpConnection::process() {
  for (bool full = true; full;) {
    full = false;
    processing_ = true;
    while (!full && state_ != State::handling && !close_after_ && parse_some()) {
      handle();
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
  asio::post(socket_.get_executor(), [self = shared_from_this()] {
    self->flush_posted_ = false;
    if (self->state_ == State::closed || self->state_ == State::handling) return;
    if (self->flush()) self->finish_request();
  });
}

// What a handler throws (no descriptor left, no memory) costs that request and nothing else.
void HttpConnection::handle() {
  state_ = State::handling;
  try {
    handler_.handle(request_, *this);
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
      parser_.emplace(request_, limits_.header_bytes_max, limits_.body_bytes_max);
      continued_ = false;
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
    if (parser_->is_done()) return true;
    if (parser_->is_header_done() && parser_->expects_continue() && !continued_) {
      continued_ = true;
      out_ += "HTTP/1.1 100 Continue\r\n\r\n";
    }
  }
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
  if (status != 304) {
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
  handler_.refused(status);
  close_after_ = linger_after_ = true;
  const std::string text = fmt::format("{} {}\n", status, reason_phrase(status));
  append_head(status, "Content-Type: text/plain\r\nCache-Control: no-store\r\n", text.size());
  out_ += text;
}

void HttpConnection::respond(const HttpResponse& response) {
  if (state_ == State::closed) return;
  if (draining_ || !parser_->keep_alive()) close_after_ = true;
  append_head(response.status, response.headers, response.body.size());
  if (request_.method != Method::head && response.status != 304) {
    out_.append(reinterpret_cast<const char*>(response.body.data()), response.body.size());
  }
  parser_.reset();
  enter(State::idle, limits_.idle_timeout);
  if (!processing_) process();
}

// Writes what the socket takes at once, and waits only for the rest. True if nothing is left; false
// if on_written() will go on, or if the connection has ended.
bool HttpConnection::flush() {
  while (out_begin_ < out_.size()) {
    error_code ec;
    out_begin_ +=
        socket_.write_some(asio::buffer(out_.data() + out_begin_, out_.size() - out_begin_), ec);
    if (ec == asio::error::would_block) {
      enter(State::writing, limits_.request_timeout);
      asio::async_write(socket_, asio::buffer(out_.data() + out_begin_, out_.size() - out_begin_),
                        [self = shared_from_this()](error_code failure, std::size_t) {
                          if (failure) return self->abort();
                          self->on_written();
                        });
      return false;
    }
    if (ec) {
      abort();
      return false;
    }
  }
  out_.clear();
  out_begin_ = 0;
  return true;
}

void HttpConnection::on_written() {
  if (state_ == State::closed) return;
  out_.clear();
  out_begin_ = 0;
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
    error_code ignored;
    const bool unread = in_begin_ != in_end_ || socket_.available(ignored) > 0;
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
  for (std::string* text : {&out_, &request_.target, &request_.body, &request_.if_none_match}) {
    if (text->capacity() > kKeptBytesMax) std::string().swap(*text);
  }
}

// A client that is still sending would lose our answer to a reset if we closed at once.
void HttpConnection::linger() {
  error_code ignored;
  socket_.shutdown(Socket::shutdown_send, ignored);
  enter(State::lingering, limits_.linger_timeout);
  in_begin_ = in_end_ = 0;
  read();
}

void HttpConnection::check_deadline() {
  if (now_ < deadline_ || state_ == State::handling) return;
  if (state_ != State::receiving) return abort();
  refuse(408);
  if (flush()) finish_request();
}

void HttpConnection::drain() {
  draining_ = true;
  // What a client has sent but we have not read is a request in flight, too.
  error_code ignored;
  const bool has_input = in_begin_ != in_end_ || socket_.available(ignored) > 0;
  if (state_ == State::idle && !has_input && out_.empty()) abort();
}

void HttpConnection::abort() {
  if (state_ == State::closed) return;
  state_ = State::closed;
  unlink();
  error_code ignored;
  socket_.close(ignored);
}

}  // namespace server
