#include "authority/entry_encoder.hpp"

#include <algorithm>
#include <string>

#include "authority/der_emitter.hpp"
#include "authority/failure.hpp"
#include "authority/mixing.hpp"

namespace authority {
namespace {

constexpr std::uint32_t kWindowDays = 5 * 365;
constexpr std::uint32_t kDaySeconds = 86400;
constexpr std::size_t kTimeBytes = 15;    // 17 0D YYMMDDHHMMSSZ
constexpr std::size_t kReasonBytes = 14;  // kReasonExtension and the value

// crlEntryExtensions with one Extension { id-ce-cRLReasons, OCTET STRING { ENUMERATED } }, up to
// the value.
constexpr std::uint8_t kReasonExtension[] = {0x30, 0x0C, 0x30, 0x0A, 0x06, 0x03, 0x55,
                                             0x1D, 0x15, 0x04, 0x03, 0x0A, 0x01};

// The jpki mix: of 100 draws, those below the bound and not below the one before.
struct Share {
  std::uint64_t below;
  std::optional<Reason> reason;
};
constexpr std::array<Share, 6> kJpkiShares{{
    {62, Reason::affiliation_changed},
    {80, Reason::superseded},
    {90, Reason::cessation_of_operation},
    {93, Reason::certificate_hold},
    {95, Reason::key_compromise},
    {100, std::nullopt},
}};

std::size_t entry_content_bytes(const Serial& serial, std::optional<Reason> reason) {
  return 2 + serial.der_bytes() + kTimeBytes + (reason ? kReasonBytes : 0);
}

template <typename Container>
std::uint8_t* put(const Container& octets, std::uint8_t* out) {
  return std::copy(std::begin(octets), std::end(octets), out);
}

// SEQUENCE header and userCertificate. Every entry is shorter than 128 octets: lengths have one
// octet.
std::uint8_t* put_head(const Serial& serial, std::optional<Reason> reason, std::uint8_t* out) {
  *out++ = kSequence;
  *out++ = static_cast<std::uint8_t>(entry_content_bytes(serial, reason));
  *out++ = kInteger;
  *out++ = static_cast<std::uint8_t>(serial.der_bytes());
  if (serial.der_bytes() > serial.size) *out++ = 0x00;
  return std::copy_n(serial.octets.data(), serial.size, out);
}

std::uint8_t* put_reason(std::optional<Reason> reason, std::uint8_t* out) {
  if (!reason) return out;
  out = put(kReasonExtension, out);
  *out++ = static_cast<std::uint8_t>(*reason);
  return out;
}

std::uint8_t* put_two_digits(std::uint32_t number, std::uint8_t* out) {
  *out++ = static_cast<std::uint8_t>('0' + number / 10);
  *out++ = static_cast<std::uint8_t>('0' + number % 10);
  return out;
}

void require_utc_time(Instant date) {
  if (year_of(date) >= 1950 && year_of(date) <= 2049) return;
  throw Failure("revocation dates must lie in 1950..2049 (UTCTime), " + digits_of(date) +
                " does not; change --revoked-before, --this-update or the date in --revoke");
}

}  // namespace

EntryEncoder::EntryEncoder(const SerialSet& set, std::uint64_t seed, ReasonMix mix,
                           Instant revoked_before, Instant named_date)
    : set_(set),
      details_seed_(derive_seed(seed, "entry details")),
      mix_(mix),
      named_date_(named_date),
      days_(kWindowDays) {
  const Instant first_day = revoked_before - kWindowDays * kSecondsPerDay;
  require_utc_time(first_day);
  require_utc_time(revoked_before);
  for (std::size_t day = 0; day < days_.size(); ++day) {
    const std::string digits = digits_of(first_day + static_cast<Instant>(day) * kSecondsPerDay);
    std::copy_n(digits.begin() + 2, days_[day].size(), days_[day].begin());
  }
  for (const NamedRevocation& revocation : set.named()) {
    require_utc_time(revocation.date.value_or(named_date));
  }
}

EntryEncoder::Details EntryEncoder::details_at(std::uint64_t index) const {
  const std::uint64_t draw = mix64(details_seed_ + index);
  Details details{std::nullopt, static_cast<std::uint32_t>(
                                    scale32(draw, std::uint64_t{kWindowDays} * kDaySeconds))};
  if (mix_ == ReasonMix::none) return details;
  const std::uint64_t percent = scale32(draw << 32U, 100);
  for (const Share& share : kJpkiShares) {
    if (percent >= share.below) continue;
    details.reason = share.reason;
    break;
  }
  return details;
}

std::optional<Reason> EntryEncoder::reason_of_named(const NamedRevocation& revocation) const {
  if (revocation.reason || mix_ == ReasonMix::none) return revocation.reason;
  return Reason::affiliation_changed;
}

std::size_t EntryEncoder::encoded_bytes(std::uint64_t index) const {
  if (index >= set_.generated_count()) {
    const NamedRevocation& revocation = set_.named()[index - set_.generated_count()];
    return 2 + entry_content_bytes(revocation.serial, reason_of_named(revocation));
  }
  return 2 + entry_content_bytes(set_.serial_at(index), details_at(index).reason);
}

std::uint8_t* EntryEncoder::encode(std::uint64_t index, std::uint8_t* out) const {
  if (index >= set_.generated_count()) {
    return encode_named(set_.named()[index - set_.generated_count()], out);
  }
  const Details details = details_at(index);
  out = put_head(set_.serial_at(index), details.reason, out);
  *out++ = kUtcTime;
  *out++ = kTimeBytes - 2;
  out = put(days_[details.window_second / kDaySeconds], out);
  const std::uint32_t second = details.window_second % kDaySeconds;
  out = put_two_digits(second / 3600, out);
  out = put_two_digits(second / 60 % 60, out);
  out = put_two_digits(second % 60, out);
  *out++ = 'Z';
  return put_reason(details.reason, out);
}

std::uint8_t* EntryEncoder::encode_named(const NamedRevocation& revocation,
                                         std::uint8_t* out) const {
  const auto reason = reason_of_named(revocation);
  out = put_head(revocation.serial, reason, out);
  out = put(time_element(revocation.date.value_or(named_date_)), out);
  return put_reason(reason, out);
}

}  // namespace authority
