#include "authority/standin.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/ssl/context.hpp>
#include <csignal>

#include <nlohmann/json.hpp>

#include "authority/control.hpp"
#include "authority/handout.hpp"
#include "authority/http_server.hpp"
#include "authority/list_site.hpp"
#include "authority/output_file.hpp"

namespace authority {
namespace {

namespace asio = boost::asio;
using asio::ssl::context;

// TLS 1.2 or later, with the server's certificate.
context make_tls_context(const TlsIdentities& identities) {
  context tls(context::tls_server);
  tls.set_options(context::no_tlsv1 | context::no_tlsv1_1);
  require(SSL_CTX_use_certificate(tls.native_handle(), identities.server.certificate.get()) == 1 &&
              SSL_CTX_use_PrivateKey(tls.native_handle(), identities.server.key.get()) == 1,
          "preparing TLS");
  return tls;
}

// As above, for clients that show a certificate of our own only.
context make_mutual_tls_context(const TlsIdentities& identities) {
  context tls = make_tls_context(identities);
  X509_STORE* const trusted = SSL_CTX_get_cert_store(tls.native_handle());
  require(X509_STORE_add_cert(trusted, identities.authority.certificate.get()) == 1,
          "preparing mutual TLS");
  tls.set_verify_mode(asio::ssl::verify_peer | asio::ssl::verify_fail_if_no_peer_cert);
  return tls;
}

// One JSON object of so many octets.
std::string huge_object(std::size_t octets) {
  constexpr std::string_view kFrame = "{\"state\":\"\"}";
  std::string text = "{\"state\":\"";
  text.append(octets - std::min(octets, kFrame.size()), 'x');
  return text.append("\"}");
}

// Bodies are JSON or nothing; what is no JSON never reaches the service.
Response ask_service(Upstream& upstream, const Request& request) {
  nlohmann::json body;
  if (!request.body.empty()) body = nlohmann::json::parse(request.body, nullptr, false);
  if (body.is_discarded()) {
    return json_response(400, {{"error", "the body is not JSON"}});
  }
  const Upstream::Response answer = upstream.answer(request.method, request.target, body);
  return json_response(static_cast<unsigned>(answer.status), answer.body);
}

// With the faults that were asked for. A status comes instead of the service; after the others it
// has done what was asked, whether the caller gets to know it or not.
Response ask_upstream(World& world, const Request& request) {
  constexpr const char* kJson = "application/json";
  const std::vector<Fault> faults = world.faults.strike(request.path());
  Response response;
  if (const Fault* const status = find_fault(faults, FaultKind::status)) {
    response = json_response(static_cast<unsigned>(status->value), {{"error", "as_asked_for"}});
  } else {
    response = ask_service(world.upstream, request);
  }
  if (const Fault* const garbage = find_fault(faults, FaultKind::garbage)) {
    response = text_response(200, kJson, std::string(garbage->value, '{'));
  }
  if (const Fault* const huge = find_fault(faults, FaultKind::huge)) {
    response = text_response(200, kJson, huge_object(huge->value));
  }
  delay_or_break(faults, response.delivery);
  return response;
}

void write_ports(const Places& places) {
  const nlohmann::json ports{{"http", places.http},
                             {"https", places.https},
                             {"control", places.control},
                             {"upstream", places.upstream}};
  write_text(places.directory / "ports.json", ports.dump(2).append("\n"), Access::everyone);
}

}  // namespace

void run_standin(const StandinOptions& options) {
  // Of an earlier run; whoever waits for it must not find that one.
  std::filesystem::remove(options.directory / "ports.json");
  World world(options.world);
  const TlsIdentities identities = make_tls_identities(options.world.country.seed);
  write_handout(options.directory, options.world.country.seed, world.authorities, identities);
  context tls = make_tls_context(identities);
  context mutual_tls = make_mutual_tls_context(identities);

  Places places{std::filesystem::absolute(options.directory), {}, {}, {}, {}};
  ListSite site(world.authorities, world.publisher, world.faults);
  Control control(world, places);
  const auto lists_over = [&](const char* scheme) {
    return [&site, &world, scheme](const Request& request) -> asio::awaitable<Response> {
      Response response = site.answer(request);
      world.requests.add(world.country.now(), scheme, request, response);
      co_return response;
    };
  };

  asio::io_context io(1);
  const HttpServer http(io, options.http, nullptr, lists_over("http"));
  const HttpServer https(io, options.https, &tls, lists_over("https"));
  const HttpServer control_port(io, options.control, nullptr, [&control](const Request& request) {
    return control.answer(request);
  });
  const HttpServer upstream_port(io, options.upstream, &mutual_tls,
                                 [&world](const Request& request) -> asio::awaitable<Response> {
                                   co_return ask_upstream(world, request);
                                 });
  places.http = http.address();
  places.https = https.address();
  places.control = control_port.address();
  places.upstream = upstream_port.address();
  asio::signal_set signals(io, SIGTERM, SIGINT);
  signals.async_wait([&io](const auto&, int) { io.stop(); });
  write_ports(places);
  io.run();
}

}  // namespace authority
