// http_stream.hpp: the bytes of one connection, in the clear or by TLS. Non-blocking steps, and
// waiting for the socket; no buffers of its own, no deadlines, no HTTP.
//
// TLS runs on the socket's own descriptor: Asio's stream would keep two buffers of 17 KB for each
// connection, however long it idles.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <memory>

#include "server/tls_session.hpp"

namespace server {

// Not thread-safe. The owner keeps itself alive while it waits.
class HttpStream {
 public:
  using Socket = boost::asio::ip::tcp::socket;

  // In the clear, or with TLS if there is a session, which is on this socket.
  HttpStream(Socket socket, std::unique_ptr<TlsSession> tls);

  [[nodiscard]] Socket::executor_type executor() { return socket_.get_executor(); }

  // Until finish_sending().
  [[nodiscard]] bool is_tls() const { return tls_ != nullptr; }

  // Only with TLS, until done or failed.
  [[nodiscard]] StreamStep handshake();

  // The client has sent nothing since it connected.
  [[nodiscard]] bool is_untouched() const;

  // Null without TLS, and before the handshake. Stays after close().
  [[nodiscard]] const PeerCertificate* peer() const { return peer_.get(); }

  // At most `size` bytes at once; `bytes` is how many, 0 unless done.
  [[nodiscard]] StreamStep read_some(char* out, std::size_t size, std::size_t& bytes);
  [[nodiscard]] StreamStep write_some(const char* data, std::size_t size, std::size_t& bytes) {
    if (tls_) return tls_->write(data, size, bytes);
    boost::system::error_code ec;
    bytes = socket_.write_some(boost::asio::buffer(data, size), ec);
    return ec ? step_of(ec, StreamStep::want_write) : StreamStep::done;
  }

  // Without TLS: waits, and reads into the buffer, which must stay. handler(error_code, bytes).
  template <class Handler>
  void async_read_some(char* out, std::size_t size, Handler&& handler) {
    socket_.async_read_some(boost::asio::buffer(out, size), std::forward<Handler>(handler));
  }

  // Waits until a step that wanted to read or write may be tried again. handler(error_code).
  template <class Handler>
  void async_wait(StreamStep want, Handler&& handler) {
    socket_.async_wait(want == StreamStep::want_write ? Socket::wait_write : Socket::wait_read,
                       std::forward<Handler>(handler));
  }

  // The client has sent something that was not read yet.
  [[nodiscard]] bool has_input();
  // Of that, something that waiting for the socket would not show.
  [[nodiscard]] bool has_hidden_input() const { return tls_ && tls_->has_input(); }

  // The other side has closed, or reset, the connection; asks the kernel, which knows it whatever
  // is still unread.
  [[nodiscard]] bool is_peer_gone();

  // Says that no more will come (close_notify, FIN). What is read after it is what is on the wire,
  // good for nothing but to be taken away.
  void finish_sending();

  // Ends it now; with TLS, with close_notify if that can be said without waiting.
  void close();

 private:
  [[nodiscard]] static StreamStep step_of(const boost::system::error_code& ec, StreamStep want);

  Socket socket_;
  std::unique_ptr<TlsSession> tls_;  // before the socket goes, this does
  std::unique_ptr<const PeerCertificate> peer_;
};

}  // namespace server
