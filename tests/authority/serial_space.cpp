#include "authority/serial_space.hpp"

#include <limits>

namespace authority {
namespace {

constexpr std::uint64_t kClusterEntries = 4096;
constexpr std::uint64_t kClusterNumbers = 65536;
constexpr std::uint64_t kCellWidthMin = 2;
constexpr std::uint64_t kCellWidthMax = kClusterNumbers / kClusterEntries;

// Numbers of exactly eight octets with the top bit clear: first octet 0x01 to 0x7F.
constexpr std::uint64_t kUniformBegin = std::uint64_t{1} << 56U;
constexpr std::uint64_t kUniformEnd = std::uint64_t{1} << 63U;

constexpr std::uint8_t kTailOctets = kSerialOctetsMax - 8;

std::uint64_t leading_number(const Serial& serial) {
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < serial.size && i < 8; ++i) number = number << 8U | serial.octets[i];
  return number;
}

}  // namespace

SerialSpace::SerialSpace(SerialKind kind, std::uint64_t seed, std::uint64_t first_serial)
    : kind_(kind),
      first_serial_(first_serial),
      width_seed_(derive_seed(seed, "cell width")),
      place_seed_(derive_seed(seed, "place in cell")),
      tail_seed_(derive_seed(seed, "tail octets")),
      permutation_(kUniformBegin, kUniformEnd, derive_seed(seed, "uniform serials")) {}

std::uint64_t SerialSpace::size() const {
  if (kind_ != SerialKind::counter) return kUniformEnd - kUniformBegin;
  const std::uint64_t numbers = std::numeric_limits<std::uint64_t>::max() - first_serial_;
  return numbers / kClusterNumbers * kClusterEntries;
}

std::uint64_t SerialSpace::cell_width(std::uint64_t cluster) const {
  return kCellWidthMin + scale32(mix64(width_seed_ + cluster), kCellWidthMax - kCellWidthMin + 1);
}

std::uint64_t SerialSpace::key_at(std::uint64_t index) const {
  if (kind_ != SerialKind::counter) return permutation_.forward(kUniformBegin + index);
  const std::uint64_t cluster = index / kClusterEntries;
  const std::uint64_t width = cell_width(cluster);
  return first_serial_ + cluster * kClusterNumbers + index % kClusterEntries * width +
         scale32(mix64(place_seed_ + index), width);
}

Serial SerialSpace::serial_of(std::uint64_t key) const {
  Serial serial = Serial::of(key);
  if (kind_ != SerialKind::random20) return serial;
  std::uint64_t tail = mix64(tail_seed_ ^ key);
  for (std::uint8_t i = 0; i < kTailOctets; ++i) {
    if (i == 8) tail = mix64(tail_seed_ + key);
    serial.octets[serial.size++] = static_cast<std::uint8_t>(tail >> (i % 8 * 8U));
  }
  return serial;
}

std::uint64_t SerialSpace::index_of_key(std::uint64_t key) const {
  if (kind_ != SerialKind::counter) return permutation_.inverse(key) - kUniformBegin;
  const std::uint64_t offset = key - first_serial_;
  const std::uint64_t cluster = offset / kClusterNumbers;
  return cluster * kClusterEntries + offset % kClusterNumbers / cell_width(cluster);
}

std::optional<std::uint64_t> SerialSpace::index_in_counter(std::uint64_t number) const {
  if (number < first_serial_) return std::nullopt;
  const std::uint64_t offset = number - first_serial_;
  const std::uint64_t cluster = offset / kClusterNumbers;
  if (offset % kClusterNumbers / cell_width(cluster) >= kClusterEntries) return std::nullopt;
  const std::uint64_t index = index_of_key(number);
  if (index >= size() || key_at(index) != number) return std::nullopt;
  return index;
}

std::optional<std::uint64_t> SerialSpace::index_of(const Serial& serial) const {
  const std::uint64_t key = leading_number(serial);
  if (kind_ == SerialKind::counter) {
    return serial.size <= 8 ? index_in_counter(key) : std::nullopt;
  }
  if (serial.size < 8 || key < kUniformBegin || key >= kUniformEnd || serial_of(key) != serial) {
    return std::nullopt;
  }
  return index_of_key(key);
}

Serial SerialSpace::gap_beside(std::uint64_t index, std::uint64_t draw) const {
  const std::uint64_t width = cell_width(index / kClusterEntries);
  const std::uint64_t place = scale32(mix64(place_seed_ + index), width);
  const std::uint64_t other = (place + 1 + scale32(draw, width - 1)) % width;
  return serial_of(key_at(index) - place + other);
}

}  // namespace authority
