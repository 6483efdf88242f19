#include "server/tls_session.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <chrono>
#include <ctime>
#include <new>

#include "server/log.hpp"

namespace server {
namespace {

pki::Time time_of(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return {};
  return pki::Time(std::chrono::seconds(::timegm(&parts)));
}

std::string text_of(const X509_NAME* name) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new(BIO_s_mem()), &BIO_free);
  if (!bio) throw std::bad_alloc();
  X509_NAME_print_ex(bio.get(), name, 0,
                     XN_FLAG_RFC2253 & ~static_cast<unsigned long>(ASN1_STRFLGS_ESC_MSB));
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  return {text, std::min(static_cast<std::size_t>(std::max(size, 0L)),
                         PeerCertificate::kSubjectBytesMax)};
}

// Refusals are logged, for whoever sets up a client, but a flood of them does not fill the log.
void log_refusal(HandshakeCounters& counters, const char* why) {
  const std::int64_t second = std::chrono::duration_cast<std::chrono::seconds>(
                                  std::chrono::system_clock::now().time_since_epoch())
                                  .count();
  if (counters.logged_second.exchange(second) == second) return;
  log(Level::warning, "client_certificate_refused", {{"reason", why}});
}

}  // namespace

TlsSession::TlsSession(ssl_ctx_st& context, int socket, HandshakeCounters& counters)
    : ssl_(SSL_new(&context)), counters_(counters) {
  ERR_clear_error();
  if (ssl_ == nullptr) throw std::bad_alloc();
  if (SSL_set_fd(ssl_, socket) != 1) {
    SSL_free(ssl_);
    throw std::bad_alloc();
  }
  SSL_set_accept_state(ssl_);
}

TlsSession::~TlsSession() {
  if (state_ == State::handshaking) counters_.count(HandshakeEnd::abandoned);
  SSL_free(ssl_);
}

// The queue of errors belongs to the thread: what one connection leaves there, the next one on this
// thread would take for its own.
StreamStep TlsSession::step_of(int result) {
  const int error = SSL_get_error(ssl_, result);
  if (state_ == State::handshaking && error != SSL_ERROR_WANT_READ &&
      error != SSL_ERROR_WANT_WRITE) {
    on_handshake_failure(error);
  }
  ERR_clear_error();
  switch (error) {
    case SSL_ERROR_WANT_READ: return StreamStep::want_read;
    case SSL_ERROR_WANT_WRITE: return StreamStep::want_write;
    case SSL_ERROR_ZERO_RETURN: return StreamStep::end;
    default: state_ = State::failed; return StreamStep::failed;
  }
}

void TlsSession::on_handshake_failure(int error) {
  state_ = State::failed;
  const long verified = SSL_get_verify_result(ssl_);
  const unsigned long reason = ERR_peek_last_error();
  if (verified != X509_V_OK) {
    counters_.count(HandshakeEnd::certificate_refused);
    log_refusal(counters_, X509_verify_cert_error_string(verified));
  } else if (error == SSL_ERROR_SSL &&
             ERR_GET_REASON(reason) == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE) {
    counters_.count(HandshakeEnd::no_certificate);
  } else {
    const bool left = error != SSL_ERROR_SSL;
    counters_.count(left ? HandshakeEnd::abandoned : HandshakeEnd::failed);
  }
}

StreamStep TlsSession::handshake() {
  const int result = SSL_do_handshake(ssl_);
  if (result != 1) {
    const StreamStep step = step_of(result);
    return step == StreamStep::end ? StreamStep::failed : step;
  }
  state_ = State::open;
  counters_.count(HandshakeEnd::completed);
  SSL_certs_clear(ssl_);  // our own certificate has been sent; it won't be again
  return StreamStep::done;
}

bool TlsSession::has_begun() const {
  return BIO_number_read(SSL_get_rbio(ssl_)) > 0;
}

PeerCertificate TlsSession::peer() const {
  PeerCertificate out;
  const X509* const certificate = SSL_get0_peer_certificate(ssl_);
  unsigned size = 0;
  X509_digest(certificate, EVP_sha256(), out.thumbprint.data(), &size);
  out.not_after = time_of(X509_get0_notAfter(certificate));
  out.subject = text_of(X509_get_subject_name(certificate));
  return out;
}

StreamStep TlsSession::read(char* out, std::size_t size, std::size_t& bytes) {
  bytes = 0;
  const int result = SSL_read_ex(ssl_, out, size, &bytes);
  return result == 1 ? StreamStep::done : step_of(result);
}

StreamStep TlsSession::write(const char* data, std::size_t size, std::size_t& bytes) {
  bytes = 0;
  const int result = SSL_write_ex(ssl_, data, size, &bytes);
  return result == 1 ? StreamStep::done : step_of(result);
}

bool TlsSession::has_input() const {
  return SSL_has_pending(ssl_) == 1;
}

void TlsSession::finish() {
  if (state_ != State::open) return;
  state_ = State::finished;
  SSL_shutdown(ssl_);
  ERR_clear_error();
}

}  // namespace server
