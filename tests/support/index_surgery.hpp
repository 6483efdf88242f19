// index_surgery.hpp: index files that are altered on purpose, and sealed again so that only their
// content can be at fault.
#pragma once

#include <xxhash.h>

#include <cstring>

#include "libpki/index_format.hpp"
#include "tests/support/der_builder.hpp"

namespace test {

template <class T>
T read_at(const Octets& file, std::size_t offset) {
  T value;
  std::memcpy(&value, file.data() + offset, sizeof value);
  return value;
}
template <class T>
void write_at(Octets& file, std::size_t offset, const T& value) {
  std::memcpy(file.data() + offset, &value, sizeof value);
}

inline pki::index_format::Header header_of(const Octets& file) {
  return read_at<pki::index_format::Header>(file, 0);
}
inline std::size_t group_record_at(const Octets& file, std::size_t number) {
  namespace format = pki::index_format;
  return sizeof(format::Header) + header_of(file).list_count * sizeof(format::ListRecord) +
         number * sizeof(format::GroupRecord);
}
inline pki::index_format::Sections sections_of(const Octets& file, std::size_t number) {
  namespace format = pki::index_format;
  const format::Header header = header_of(file);
  return sections(read_at<format::GroupRecord>(file, group_record_at(file, number)),
                  format::shape_of(header.flags, header.list_count));
}

// Where a section of a group lies.
inline std::size_t section_at(const Octets& file, std::size_t number,
                              pki::index_format::Section section) {
  return sections_of(file, number).extents[section].offset;
}

// Puts every checksum right.
inline void seal(Octets& file) {
  namespace format = pki::index_format;
  format::Header header = header_of(file);
  for (std::size_t g = 0; g < header.group_count; ++g) {
    const format::Sections where = sections_of(file, g);
    if (where.end > file.size()) continue;
    auto record = read_at<format::GroupRecord>(file, group_record_at(file, g));
    for (std::size_t s = 0; s < format::kSectionCount; ++s) {
      record.checksums[s] =
          XXH3_64bits(file.data() + where.extents[s].offset, where.extents[s].bytes);
    }
    write_at(file, group_record_at(file, g), record);
  }
  const std::size_t head = group_record_at(file, header.group_count);
  header.checksum = format::head_checksum(pki::Bytes(file).first(head));
  write_at(file, 0, header);
}

}  // namespace test
