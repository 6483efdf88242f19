#include "tests/server_unit/served.hpp"

namespace test {
namespace {

struct MemoryIndex {
  std::vector<std::uint8_t> file;
  server::OpenIndex open;
};

std::string day(pki::Time time) {
  return pki::to_string(time).substr(0, 10);
}

}  // namespace

pki::IndexedList complete_list(Dates dates, std::uint8_t scope) {
  pki::IndexedList list;
  list.number = pki::CrlNumber(pki::Bytes(serial_of(dates.number)));
  list.this_update = at(2026, 2, dates.from);
  list.next_update = at(2026, 2, dates.to);
  list.scope.fill(scope);
  list.identity.fill(static_cast<std::uint8_t>(dates.number));
  return list;
}

pki::IndexedList delta_list(Dates dates, std::uint8_t scope) {
  pki::IndexedList list = complete_list(dates, scope);
  list.base = pki::CrlNumber(pki::Bytes(serial_of(1)));
  return list;
}

std::shared_ptr<const server::OpenIndex> open_memory(std::vector<std::uint8_t> file) {
  auto holder = std::make_shared<MemoryIndex>();
  holder->file = std::move(file);
  const auto index = pki::Index::open(holder->file);
  REQUIRE(refusal(index) == "accepted");
  holder->open.index = *index;
  return {holder, &holder->open};
}

BuiltIndex base_file(const std::vector<pki::IndexedList>& lists, const std::vector<Listed>& entries,
                     std::uint64_t generation) {
  pki::IndexDescription described = description();
  described.lists = lists;
  described.generation = generation;
  return build_index(entries, described);
}

BuiltIndex overlay_file(const pki::Index& base, const std::vector<pki::IndexedList>& lists,
                        const std::vector<Listed>& entries, std::uint64_t generation) {
  pki::IndexDescription described = description();
  described.lists = lists;
  described.generation = generation;
  described.base = base.reference();
  described.listed_count = base.listed_count();
  for (const Listed& entry : entries) {
    const bool was = base.contains(pki::SerialKey::from_der(entry.serial));
    const bool is = entry.reason != pki::Reason::remove_from_crl;
    described.listed_count += is && !was ? 1U : 0U;
    described.listed_count -= was && !is ? 1U : 0U;
  }
  return build_index(entries, described);
}

BuiltIndex issued_file(const std::vector<std::uint64_t>& serials) {
  pki::IndexDescription described = description();
  described.content = pki::IndexContent::serials;
  std::vector<Listed> entries;
  for (const std::uint64_t serial : serials) entries.push_back({serial_of(serial), pki::Time{}});
  return build_index(entries, described);
}

std::shared_ptr<const server::OpenGeneration> generation_of(
    const std::vector<pki::IndexedList>& lists, const std::vector<Listed>& entries) {
  auto out = std::make_shared<server::OpenGeneration>();
  out->base = open_memory(base_file(lists, entries).file);
  out->view = pki::Generation(out->base->index);
  return out;
}

std::shared_ptr<const server::OpenGeneration> with_overlay(
    const std::shared_ptr<const server::OpenGeneration>& base,
    const std::vector<pki::IndexedList>& lists, const std::vector<Listed>& entries) {
  auto out = std::make_shared<server::OpenGeneration>();
  out->base = base->base;
  out->overlay = open_memory(overlay_file(base->base->index, lists, entries).file);
  const auto joined = pki::Generation::join(out->base->index, out->overlay->index);
  REQUIRE(refusal(joined) == "accepted");
  out->view = *joined;
  return out;
}

Listed listed(std::uint64_t serial, pki::Reason reason, std::size_t list) {
  return {serial_of(serial), at(2026, 1, 15), reason, list};
}

std::filesystem::path data_path(std::string_view file_name) {
  return std::filesystem::path(TASHIKA_SOURCE_DIR) / "tests/data" / file_name;
}

server::Config served_config() {
  server::Config config;
  config.ocsp.emplace();
  for (const std::string name : {"p256", "p384"}) {
    server::IssuerConfig issuer;
    issuer.name = name;
    issuer.certificate = data_path("ca_" + name + ".pem");
    issuer.responder.emplace();
    issuer.responder->certificate = data_path("responder.pem");
    issuer.responder->key = data_path("responder.key");
    issuer.responder->trusted = pki::TrustedResponder::yes;
    config.issuers.push_back(issuer);
  }
  return config;
}

Octets request_of(const std::vector<Question>& questions) {
  const Owned<OCSP_REQUEST, OCSP_REQUEST_free> request(OCSP_REQUEST_new());
  for (const Question& question : questions) {
    const X509Certificate ca = load_certificate(question.ca);
    const Asn1Integer serial(ASN1_INTEGER_new());
    ASN1_INTEGER_set_uint64(serial.get(), question.serial);
    OCSP_request_add0_id(request.get(),
                         OCSP_cert_id_new(EVP_sha1(), X509_get_subject_name(ca.get()),
                                          X509_get0_pubkey_bitstr(ca.get()), serial.get()));
  }
  unsigned char* out = nullptr;
  const int size = i2d_OCSP_REQUEST(request.get(), &out);
  Octets der(out, out + size);
  OPENSSL_free(out);
  return der;
}

Served::Served(const server::Config& config)
    : issuers_(server::load_issuers(config, at(2026, 2, 1))), config_(*config.ocsp) {
  auto empty = std::make_shared<server::Snapshot>();
  empty->issuers.resize(issuers_.issuers.size());
  empty->responses = std::make_shared<server::ResponseCache>(config_.cache_bytes);
  snapshot_ = std::move(empty);
  for (int i = 0; i < 2; ++i) {
    workers_.push_back(
        std::make_unique<server::OcspService>(issuers_, config_, config.index.clock_skew));
  }
}

// The next snapshot, as the keeper makes it.
server::IssuerSnapshot& Served::change(std::size_t issuer) {
  snapshot_ = std::make_shared<server::Snapshot>(*snapshot_);
  return snapshot_->issuers[issuer];
}

void Served::adopt(std::size_t issuer, std::shared_ptr<const server::OpenGeneration> lists) {
  change(issuer).adopt_lists(std::move(lists));
}

void Served::adopt_issued(std::size_t issuer, std::shared_ptr<const server::OpenIndex> issued) {
  change(issuer).adopt_issued(std::move(issued));
}

server::OcspService::Answer Served::ask(const Octets& request, pki::Time now, std::size_t worker) {
  server::OcspService& service = *workers_[worker];
  service.adopt(snapshot_);
  const auto answer =
      service.answer(request, server::kEveryIssuer, now, server::OcspService::Signing::any);
  REQUIRE(answer);
  return *answer;
}

pki::OcspResponse Served::response(const Question& question, pki::Time now) {
  body_ = pki::to_vector(ask(request_of({question}), now).body);
  const auto response = pki::parse_response(body_);
  REQUIRE(refusal(response) == "accepted");
  return *response;
}

std::string Served::said(const Question& question, pki::Time now) {
  const pki::OcspResponse response = this->response(question, now);
  if (response.status != pki::ResponseStatus::successful) {
    return std::string(pki::to_string(response.status));
  }
  REQUIRE(response.singles.size() == 1);
  const auto& single = response.singles[0];
  std::string out(pki::to_string(single.status));
  if (single.status == pki::CertStatus::revoked) {
    out.append(" ").append(pki::to_string(single.revocation.reason));
  }
  return out.append(" ")
      .append(day(single.this_update))
      .append(" - ")
      .append(day(*single.next_update));
}

}  // namespace test
