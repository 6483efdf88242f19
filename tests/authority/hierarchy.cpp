#include "authority/hierarchy.hpp"

#include <limits>

#include "authority/certificates.hpp"
#include "authority/failure.hpp"

namespace authority {
namespace {

constexpr std::int64_t kValidityDaysMax = 36500;

}  // namespace

void write_hierarchy(const HierarchyOptions& options) {
  if (options.validity_days < 1 || options.validity_days > kValidityDaysMax) {
    throw Failure("--days must be between 1 and " + std::to_string(kValidityDaysMax));
  }
  if (options.certificates > std::numeric_limits<std::uint64_t>::max() - options.first_serial) {
    throw Failure("--first-serial leaves no room for that many --certificates below 2^64");
  }
  std::error_code error;
  std::filesystem::create_directories(options.directory, error);
  if (error) {
    throw Failure("the directory " + options.directory.string() +
                  " cannot be made: " + error.message() + "; choose another --out");
  }
  const std::uint64_t seed = options.seed;
  const Validity validity{options.now - kSecondsPerHour,  // clocks differ a little
                          options.now + options.validity_days * kSecondsPerDay};

  const Identity ca = make_authority(make_key(options.authority_algorithm, seed, "ca"),
                                     {"JPKI for digital signature", options.name},
                                     own_serial(seed, "ca"), validity);
  write_identity(options.directory, "ca", ca);
  write_identity(options.directory, "responder",
                 make_responder(ca, make_key(options.responder_algorithm, seed, "responder", 1),
                                own_serial(seed, "responder"), validity));

  for (std::uint64_t i = 0; i < options.certificates; ++i) {
    const std::uint64_t serial = options.first_serial + i;
    const std::string label = hexadecimal(serial);
    write_identity(options.directory, "certificate-" + label,
                   make_end_entity(ca, make_key(Algorithm::p256, seed, "certificate " + label),
                                   serial, validity, options.ocsp_url));
  }
}

}  // namespace authority
