#include "server/tls.hpp"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <ctime>
#include <new>
#include <system_error>
#include <vector>

#include "server/credentials.hpp"
#include "server/log.hpp"

namespace server {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kFileBytesMax = 1 << 20;
constexpr int kChainDepthMax = 4;              // certificates between the client's and its anchor
constexpr long kPeerChainBytesMax = 32 << 10;  // of all certificates that a client sends

template <class T, auto Free>
struct Deleter {
  void operator()(T* pointer) const { Free(pointer); }
};
using Certificate = std::unique_ptr<X509, Deleter<X509, X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY, EVP_PKEY_free>>;
using Bio = std::unique_ptr<BIO, Deleter<BIO, BIO_free>>;

[[noreturn]] void refuse(const fs::path& path, std::string_view what) {
  const char* const reason = ERR_reason_error_string(ERR_peek_last_error());
  const std::string because = reason == nullptr ? "" : fmt::format(" ({})", reason);
  ERR_clear_error();
  throw CredentialError(fmt::format("{}: {}{}", path.string(), what, because));
}

// Makes the program wait for nobody: without it, OpenSSL would ask the terminal for a password.
int no_password(char*, int, int, void*) {
  return -1;
}

Bio memory_of(const std::string& text) {
  Bio bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  if (!bio) throw std::bad_alloc();
  return bio;
}

// All certificates of a PEM file, at least one.
std::vector<Certificate> read_certificates(const fs::path& path) {
  const std::string text = read_file(path, kFileBytesMax);
  const Bio bio = memory_of(text);
  std::vector<Certificate> out;
  ERR_clear_error();
  while (X509* const one = PEM_read_bio_X509(bio.get(), nullptr, no_password, nullptr)) {
    out.emplace_back(one);
  }
  const bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  if (!at_end) refuse(path, "holds a certificate that can't be read; give certificates in PEM");
  ERR_clear_error();
  if (out.empty()) refuse(path, "holds no certificate; give one or several in PEM");
  return out;
}

Key read_key(const fs::path& path) {
  std::string text = read_file(path, kFileBytesMax);
  const Bio bio = memory_of(text);
  ERR_clear_error();
  Key key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_password, nullptr));
  OPENSSL_cleanse(text.data(), text.size());
  if (!key) refuse(path, "holds no private key in PEM without a password");
  return key;
}

void free_stack(STACK_OF(X509) * stack) {
  sk_X509_free(stack);  // not what is in it
}

pki::Time time_of(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return {};
  return pki::Time(std::chrono::seconds(::timegm(&parts)));
}

void use_certificate(SSL_CTX* context, const fs::path& path, pki::Time now, pki::Time& not_after) {
  std::vector<Certificate> chain = read_certificates(path);
  X509* const own = chain.front().get();
  std::time_t seconds = now.time_since_epoch().count();
  if (X509_cmp_time(X509_get0_notBefore(own), &seconds) >= 0) {
    refuse(path, "the certificate is not valid yet: is the clock right?");
  }
  if (X509_cmp_time(X509_get0_notAfter(own), &seconds) <= 0) {
    refuse(path, "the certificate has expired; put the new one, and its key, in place");
  }
  if (X509_check_purpose(own, X509_PURPOSE_SSL_SERVER, 0) != 1) {
    refuse(path, "the first certificate is not one for TLS servers (its usages forbid it)");
  }
  if (SSL_CTX_use_certificate(context, own) != 1) refuse(path, "the certificate can't be used");
  for (std::size_t i = 1; i < chain.size(); ++i) {
    if (SSL_CTX_add0_chain_cert(context, chain[i].get()) != 1)
      refuse(path, "the chain can't be used");
    static_cast<void>(chain[i].release());  // the context's now
  }
  not_after = time_of(X509_get0_notAfter(own));
}

void use_key(SSL_CTX* context, const TlsConfig& config) {
  const Key key = read_key(config.key);
  const X509* const own = SSL_CTX_get0_certificate(context);
  if (X509_check_private_key(own, key.get()) != 1) {
    ERR_clear_error();
    refuse(config.key, fmt::format("is not the key of {}; give the two that belong together",
                                   config.certificate.string()));
  }
  if (SSL_CTX_use_PrivateKey(context, key.get()) != 1) refuse(config.key, "the key can't be used");
}

// Each certificate of the file is an anchor of its own, whoever issued it: the operator names those
// that may issue client certificates. One that is no CA would be trusted as a client, so it is
// refused.
void use_client_ca(SSL_CTX* context, const fs::path& path) {
  X509_STORE* const store = SSL_CTX_get_cert_store(context);
  for (const Certificate& one : read_certificates(path)) {
    if (X509_check_ca(one.get()) != 1) {
      refuse(path,
             "holds a certificate that is no CA's; give those that issue client certificates");
    }
    if (X509_STORE_add_cert(store, one.get()) != 1 ||
        SSL_CTX_add_client_CA(context, one.get()) != 1) {
      refuse(path, "holds a certificate that can't be used");
    }
  }
  X509_VERIFY_PARAM* const rules = SSL_CTX_get0_param(context);
  X509_VERIFY_PARAM_set_flags(rules, X509_V_FLAG_PARTIAL_CHAIN);
  X509_VERIFY_PARAM_set_purpose(rules, X509_PURPOSE_SSL_CLIENT);
  X509_VERIFY_PARAM_set_depth(rules, kChainDepthMax);
}

// RFC 7301 3.2: a client that offers protocols, and HTTP/1.1 not among them, is told so.
int select_protocol(SSL*, const unsigned char** out, unsigned char* out_size,
                    const unsigned char* offered, unsigned offered_size, void*) {
  constexpr std::string_view kHttp = "http/1.1";
  for (unsigned at = 0; at < offered_size;) {
    const unsigned size = offered[at];
    if (size >= offered_size - at) break;
    if (kHttp == std::string_view(reinterpret_cast<const char*>(offered + at + 1), size)) {
      *out = offered + at + 1;
      *out_size = static_cast<unsigned char>(size);
      return SSL_TLSEXT_ERR_OK;
    }
    at += 1 + size;
  }
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

std::shared_ptr<SSL_CTX> make_context() {
  std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_server_method()), &SSL_CTX_free);
  if (!context) throw std::bad_alloc();
  SSL_CTX* const raw = context.get();
  SSL_CTX_set_min_proto_version(raw, TLS1_3_VERSION);
  SSL_CTX_set_max_proto_version(raw, TLS1_3_VERSION);
  if (SSL_CTX_get_security_level(raw) < 2) SSL_CTX_set_security_level(raw, 2);
  SSL_CTX_set_verify(raw, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(raw, 0);
  // A client that closes without close_notify: HTTP tells how long a request is, so nothing can be
  // cut off unseen, and what came whole is answered (RFC 9112 9.8).
  SSL_CTX_set_options(raw, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                               SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_CIPHER_SERVER_PREFERENCE |
                               SSL_OP_PRIORITIZE_CHACHA);
  SSL_CTX_set_mode(raw, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                            SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(raw, 1);  // a record's head and body in one call of the system
  SSL_CTX_set_max_cert_list(raw, kPeerChainBytesMax);
  SSL_CTX_set_alpn_select_cb(raw, select_protocol, nullptr);
  return context;
}

// One in DER, or all of a PEM file.
std::vector<Certificate> read_pem_or_der(const fs::path& path) {
  const std::string text = read_file(path, kFileBytesMax);
  const auto* at = reinterpret_cast<const unsigned char*>(text.data());
  if (X509* const one = d2i_X509(nullptr, &at, static_cast<long>(text.size()))) {
    std::vector<Certificate> out;
    out.emplace_back(one);
    return out;
  }
  return read_certificates(path);
}

}  // namespace

std::string client_certificate_fault(const fs::path& file, const TlsConfig* listener,
                                     pki::Time now) {
  const std::vector<Certificate> chain = read_pem_or_der(file);
  X509* const own = chain.front().get();
  if (X509_check_purpose(own, X509_PURPOSE_SSL_CLIENT, 0) != 1) {
    return "this certificate is not one for TLS clients (its usages forbid it)";
  }
  if (listener == nullptr) return {};
  const std::shared_ptr<SSL_CTX> context = make_context();
  use_client_ca(context.get(), listener->client_ca);
  const std::unique_ptr<STACK_OF(X509), Deleter<STACK_OF(X509), free_stack>> others(
      sk_X509_new_null());
  for (const Certificate& one : chain) {
    if (!others || sk_X509_push(others.get(), one.get()) <= 0) throw std::bad_alloc();
  }
  const std::unique_ptr<X509_STORE_CTX, Deleter<X509_STORE_CTX, X509_STORE_CTX_free>> check(
      X509_STORE_CTX_new());
  if (!check || X509_STORE_CTX_init(check.get(), SSL_CTX_get_cert_store(context.get()), own,
                                    others.get()) != 1) {
    throw std::bad_alloc();
  }
  X509_VERIFY_PARAM* const rules = X509_STORE_CTX_get0_param(check.get());
  X509_VERIFY_PARAM_set1(rules, SSL_CTX_get0_param(context.get()));
  X509_VERIFY_PARAM_set_auth_level(rules, SSL_CTX_get_security_level(context.get()));
  const pki::Time begins = time_of(X509_get0_notBefore(own));
  X509_VERIFY_PARAM_set_time(rules, std::max(now, begins).time_since_epoch().count());
  if (X509_verify_cert(check.get()) == 1) return {};
  const char* const why = X509_verify_cert_error_string(X509_STORE_CTX_get_error(check.get()));
  ERR_clear_error();
  return fmt::format("{} would not let this certificate in: {}", listener->client_ca.string(), why);
}

TlsContext::Loaded TlsContext::load(const TlsConfig& config, pki::Time now) {
  Loaded out;
  out.context = make_context();
  use_certificate(out.context.get(), config.certificate, now, out.not_after);
  use_key(out.context.get(), config);
  use_client_ca(out.context.get(), config.client_ca);
  return out;
}

// A file that is not there has an empty stamp.
TlsContext::Stamps TlsContext::look() const {
  const auto stamp = [](const fs::path& path) {
    try {
      return stamp_of(path);
    } catch (const std::system_error&) {
      return FileStamp{};
    }
  };
  return {stamp(config_.certificate), stamp(config_.key), stamp(config_.client_ca)};
}

// The stamps are taken before the files are read: what changes between is seen at the next look.
TlsContext::TlsContext(TlsConfig config, pki::Time now)
    : config_(std::move(config)), seen_(look()), loaded_(seen_), current_(load(config_, now)) {}

std::unique_ptr<TlsSession> TlsContext::open(int socket) {
  std::shared_ptr<ssl_ctx_st> context;
  {
    const std::lock_guard lock(mutex_);
    context = current_.context;
  }
  return std::make_unique<TlsSession>(*context, socket, counters_);
}

void TlsContext::refresh(pki::Time now) {
  const std::int64_t second = now.time_since_epoch().count();
  if (looked_at_.load(std::memory_order_relaxed) == second) return;
  const std::unique_lock refreshing(refreshing_, std::try_to_lock);
  if (!refreshing || looked_at_.exchange(second, std::memory_order_relaxed) == second) return;
  const Stamps stamps = look();
  const bool steady = stamps == std::exchange(seen_, stamps);
  if (!steady || stamps == loaded_) return;
  loaded_ = stamps;
  try {
    Loaded fresh = load(config_, now);
    log(Level::info, "tls_files_reloaded",
        {{"certificate", config_.certificate.string()},
         {"not_after", pki::to_string(fresh.not_after)}});
    const std::lock_guard lock(mutex_);
    current_ = std::move(fresh);
    fault_.clear();
    ++reloads_;
  } catch (const std::exception& error) {
    log(Level::error, "tls_files_refused",
        {{"error", error.what()}, {"remedy", "the old ones stay in force; mend the files"}});
    const std::lock_guard lock(mutex_);
    fault_ = error.what();
    ++reload_failures_;
  }
}

TlsContext::Figures TlsContext::figures() const {
  Figures out;
  for (std::size_t i = 0; i < out.handshakes.size(); ++i) out.handshakes[i] = counters_.ends[i];
  const std::lock_guard lock(mutex_);
  out.reloads = reloads_;
  out.reload_failures = reload_failures_;
  out.not_after = current_.not_after;
  out.fault = fault_;
  return out;
}

}  // namespace server
