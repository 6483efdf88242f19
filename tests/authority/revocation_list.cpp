#include "authority/revocation_list.hpp"

#include <memory>

#include "authority/certificates.hpp"
#include "authority/der_emitter.hpp"
#include "authority/failure.hpp"
#include "authority/hashing_writer.hpp"
#include "authority/keys.hpp"
#include "authority/list_extensions.hpp"
#include "authority/output_file.hpp"
#include "authority/signatures.hpp"

namespace authority {
namespace {

constexpr int kCrlNumberOctetsMax = 20;  // RFC 5280 5.2.3

constexpr std::uint8_t kVersion2[] = {0x02, 0x01, 0x01};

Octets parse_crl_number(const std::string& text) {
  BIGNUM* raw = nullptr;
  const int digits = BN_dec2bn(&raw, text.c_str());
  const BignumPointer number(raw);
  if (digits == 0 || static_cast<std::size_t>(digits) != text.size() ||
      BN_is_negative(number.get()) == 1 || BN_num_bytes(number.get()) > kCrlNumberOctetsMax) {
    throw Failure("--number '" + text + "' is not a decimal number of at most 20 octets");
  }
  Octets magnitude(static_cast<std::size_t>(BN_num_bytes(number.get())));
  BN_bn2bin(number.get(), magnitude.data());
  return magnitude;
}

// The Name of a distribution point of our own: "…, OU=CRL Distribution Points, CN=<common name>".
Octets point_name(const std::string& common_name) {
  const std::unique_ptr<X509_NAME, Deleter<X509_NAME_free>> name(X509_NAME_new());
  const auto add = [&name](const char* type, const std::string& value) {
    const auto* octets = reinterpret_cast<const unsigned char*>(value.data());
    require(X509_NAME_add_entry_by_txt(name.get(), type, MBSTRING_UTF8, octets,
                                       static_cast<int>(value.size()), -1, 0) == 1,
            "naming a distribution point");
  };
  add("C", "JP");
  add("O", "Tashika Test");
  add("OU", "CRL Distribution Points");
  add("CN", common_name);
  unsigned char* encoded = nullptr;
  const int size = i2d_X509_NAME(name.get(), &encoded);
  require(size > 0, "encoding the name of a distribution point");
  Octets octets(encoded, encoded + size);
  OPENSSL_free(encoded);
  return octets;
}

// crlExtensions [0]: authorityKeyIdentifier, cRLNumber, and what makes a delta or a partition.
Octets list_extensions(X509* ca, const RevocationListOptions& options) {
  const bool is_delta = !options.base_number.empty();
  const bool is_partition = !options.distribution_point.empty();
  return element(
      kContext0,
      {element(kSequence,
               {authority_key_identifier(ca), list_number(parse_crl_number(options.number)),
                is_delta ? delta_indicator(parse_crl_number(options.base_number)) : Octets{},
                is_partition ? issuing_distribution_point(point_name(options.distribution_point))
                             : Octets{}})});
}

std::uint64_t entries_bytes(const SerialSet& set, const EntryEncoder& encoder) {
  std::uint64_t bytes = 0;
  for (std::uint64_t i = 0; i < set.count(); ++i) bytes += encoder.encoded_bytes(i);
  return bytes;
}

void append_entries(HashingWriter& writer, const SerialSet& set, const EntryEncoder& encoder,
                    EntryOrder& order) {
  for (std::uint64_t i = 0; i < set.count(); ++i) {
    writer.commit(encoder.encode(order.next(), writer.reserve(EntryEncoder::kEntryBytesMax)));
  }
}

Octets concatenate(std::initializer_list<OctetView> parts) {
  Octets octets;
  for (const OctetView part : parts) octets.insert(octets.end(), part.begin(), part.end());
  return octets;
}

}  // namespace

//   CertificateList ::= SEQUENCE {
//     tbsCertList SEQUENCE { version INTEGER (1), signature AlgorithmIdentifier, issuer Name,
//     thisUpdate Time,
//                            nextUpdate Time, revokedCertificates SEQUENCE OF ... OPTIONAL,
//                            crlExtensions [0] },
//     signatureAlgorithm AlgorithmIdentifier,
//     signatureValue BIT STRING }
//
// All lengths stand before what they measure, so the entries are counted first and made again while
// writing.
RevocationListSummary write_revocation_list(const RevocationListOptions& options) {
  const CertificatePointer ca = load_certificate(options.certificate);
  const KeyPointer key = load_key(options.key);
  if (X509_check_private_key(ca.get(), key.get()) != 1) {
    throw Failure(options.key.string() + " is not the key of " + options.certificate.string() +
                  "; give the pair that 'jlis-standin pki' wrote together");
  }
  const SignatureScheme scheme = scheme_of(key.get());
  const SerialSet set(options.serials);
  const std::uint64_t seed = options.serials.seed;
  const EntryEncoder encoder(set, seed, options.reasons, options.revoked_before,
                             options.this_update);
  EntryOrder order(set, options.order, seed);

  // revokedCertificates MUST be absent when there are none (RFC 5280 5.1.2.6).
  const std::uint64_t list_bytes = entries_bytes(set, encoder);
  const Octets before_entries =
      concatenate({kVersion2, scheme.algorithm_identifier, issuer_name(ca.get()),
                   time_element(options.this_update), time_element(options.next_update),
                   set.count() == 0 ? Octets{} : header(kSequence, list_bytes)});
  const Octets after_entries = list_extensions(ca.get(), options);
  const std::uint64_t tbs_content = before_entries.size() + list_bytes + after_entries.size();
  const Octets tbs_header = header(kSequence, tbs_content);
  constexpr std::uint8_t kNoUnusedBits[] = {0x00};
  const Octets signature_header = header(kBitString, 1 + scheme.signature_bytes);
  const std::uint64_t outer_content = tbs_header.size() + tbs_content +
                                      scheme.algorithm_identifier.size() + signature_header.size() +
                                      1 + scheme.signature_bytes;
  const Octets outer_header = header(kSequence, outer_content);

  OutputFile file(options.output, Access::everyone);
  file.write(outer_header);
  HashingWriter writer(file, scheme.digest);
  writer.append(tbs_header);
  writer.append(before_entries);
  append_entries(writer, set, encoder, order);
  writer.append(after_entries);
  const Octets signature = sign_digest(key.get(), scheme, writer.finish());
  file.write(
      concatenate({scheme.algorithm_identifier, signature_header, kNoUnusedBits, signature}));
  file.publish();
  return {set.count(), outer_header.size() + outer_content};
}

}  // namespace authority
