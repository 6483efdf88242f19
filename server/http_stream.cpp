#include "server/http_stream.hpp"

#include <poll.h>

namespace server {

using boost::system::error_code;
namespace asio = boost::asio;

HttpStream::HttpStream(Socket socket, std::unique_ptr<TlsSession> tls)
    : socket_(std::move(socket)), tls_(std::move(tls)) {
  error_code ignored;
  socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
  socket_.non_blocking(true, ignored);
}

StreamStep HttpStream::step_of(const error_code& ec, StreamStep want) {
  if (ec == asio::error::would_block || ec == asio::error::try_again) return want;
  return ec == asio::error::eof ? StreamStep::end : StreamStep::failed;
}

StreamStep HttpStream::handshake() {
  const StreamStep step = tls_->handshake();
  if (step == StreamStep::done) peer_ = std::make_unique<const PeerCertificate>(tls_->peer());
  return step;
}

bool HttpStream::is_untouched() const {
  error_code ignored;
  return socket_.available(ignored) == 0 && !(tls_ && tls_->has_begun());
}

StreamStep HttpStream::read_some(char* out, std::size_t size, std::size_t& bytes) {
  if (tls_) return tls_->read(out, size, bytes);
  error_code ec;
  bytes = socket_.read_some(asio::buffer(out, size), ec);
  return ec ? step_of(ec, StreamStep::want_read) : StreamStep::done;
}

bool HttpStream::has_input() {
  error_code ignored;
  return has_hidden_input() || socket_.available(ignored) > 0;
}

bool HttpStream::is_peer_gone() {
  pollfd asked{socket_.native_handle(), POLLRDHUP, 0};
  return ::poll(&asked, 1, 0) > 0;
}

void HttpStream::finish_sending() {
  if (tls_) {
    tls_->finish();
    tls_.reset();
  }
  error_code ignored;
  socket_.shutdown(Socket::shutdown_send, ignored);
}

void HttpStream::close() {
  if (tls_) {
    tls_->finish();
    tls_.reset();
  }
  error_code ignored;
  socket_.close(ignored);
}

}  // namespace server
