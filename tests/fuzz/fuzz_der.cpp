// fuzz_der.cpp: der::Reader and der::Writer over arbitrary bytes.
//
// Walks every element down to the leaves; what was read must come out of the Writer unchanged, and
// OpenSSL must see the same tags, lengths and values in it.
#include "fuzz_support.hpp"
#include "libpki/der.hpp"
#include "libpki/der_writer.hpp"
#include "libpki/extension.hpp"
#include "libpki/serial.hpp"
#include "libpki/x509.hpp"

namespace {

using pki::Bytes;
using pki::der::Element;
using pki::der::Reader;
using pki::der::Tag;
using pki::der::Writer;

constexpr unsigned kDepthMax = 64;  // below it, elements are copied and not entered

bool is_constructed(const Element& element) {
  return (static_cast<std::uint8_t>(element.tag) & 0x20) != 0;
}

// OpenSSL's view of tag, class and length.
void check_header(const Element& element) {
  const unsigned char* at = element.whole.data();
  long length = 0;
  int tag = 0;
  int tag_class = 0;
  const int flags =
      ASN1_get_object(&at, &length, &tag, &tag_class, static_cast<long>(element.whole.size()));
  const unsigned identifier = static_cast<std::uint8_t>(element.tag);
  FUZZ_CHECK((flags & 0x81) == 0);
  FUZZ_CHECK(((flags & V_ASN1_CONSTRUCTED) != 0) == is_constructed(element));
  FUZZ_CHECK(static_cast<std::size_t>(length) == element.content.size());
  FUZZ_CHECK(at == element.content.data());
  FUZZ_CHECK(static_cast<unsigned>(tag) == (identifier & 0x1F));
  FUZZ_CHECK(static_cast<unsigned>(tag_class) == (identifier & 0xC0));
}

void check_serial(Bytes content) {
  const pki::SerialKey key = pki::SerialKey::from_der(content);
  FUZZ_CHECK(pki::equal(key.to_der(), content));
  const auto again = pki::serial_from_string(pki::serial_to_string(content));
  FUZZ_CHECK(again && pki::equal(*again, content));
}

void check_integer(const Reader& reader, const Element& element) {
  const auto content = pki::der::integer(reader, element, "integer");
  const auto theirs = fuzz::decode<fuzz::IntegerPointer>(d2i_ASN1_INTEGER, element.whole);
  FUZZ_CHECK(content.has_value() == (theirs != nullptr));
  if (!content) return;
  FUZZ_CHECK(fuzz::same_integer(*content, theirs.get()));

  const auto small = pki::der::small_integer(reader, element, UINT32_MAX, "integer");
  std::uint64_t value = 0;
  const bool fits = ASN1_INTEGER_get_uint64(&value, theirs.get()) == 1;
  if (small) FUZZ_CHECK(fits && *small == value);

  if (((*content)[0] & 0x80) == 0) {  // unsigned_integer() writes the shortest form again
    Writer writer;
    writer.unsigned_integer(*content);
    FUZZ_CHECK(pki::equal(writer.bytes(), element.whole));
  }
  Reader again(element.whole);
  const auto serial = pki::read_serial(again, "serial");
  if (serial) check_serial(*serial);
}

void check_bit_string(const Reader& reader, const Element& element) {
  const auto bits = pki::der::bit_string(reader, element, "bits");
  const auto theirs = fuzz::decode<fuzz::BitStringPointer>(d2i_ASN1_BIT_STRING, element.whole);
  if (!bits) return;
  FUZZ_CHECK(theirs != nullptr);
  FUZZ_CHECK(pki::equal(bits->octets, fuzz::octets_of(theirs.get())));
  for (std::size_t i = 0; i < bits->octets.size() * 8 + 8; ++i) {
    FUZZ_CHECK(bits->bit(i) == (ASN1_BIT_STRING_get_bit(theirs.get(), static_cast<int>(i)) == 1));
  }
  const auto octets = pki::der::octets_of_bit_string(reader, element, "bits");
  FUZZ_CHECK(octets.has_value() == (bits->unused_bits == 0));
  if (octets) {
    Writer writer;
    writer.bit_string(*octets);
    FUZZ_CHECK(pki::equal(writer.bytes(), element.whole));
  }
}

void check_oid(const Reader& reader, const Element& element) {
  const auto ours = pki::der::oid(reader, element, "oid");
  const auto theirs = fuzz::decode<fuzz::ObjectPointer>(d2i_ASN1_OBJECT, element.whole);
  FUZZ_CHECK(ours.has_value() == (theirs != nullptr));
  if (ours) {
    FUZZ_CHECK(pki::equal(*ours, Bytes(OBJ_get0_data(theirs.get()), OBJ_length(theirs.get()))));
  }
}

void check_leaf(const Reader& reader, const Element& element) {
  switch (element.tag) {
    case Tag::integer: check_integer(reader, element); break;
    case Tag::bit_string: check_bit_string(reader, element); break;
    case Tag::oid: check_oid(reader, element); break;
    case Tag::boolean: {
      const auto value = pki::der::boolean(reader, element, "boolean");
      if (value) FUZZ_CHECK(*value == (element.content[0] != 0));
      break;
    }
    case Tag::null:
      FUZZ_CHECK(pki::der::null(reader, element, "null").has_value() == element.content.empty());
      break;
    case Tag::enumerated: {
      // ENUMERATED has the rules of INTEGER.
      const auto ours = pki::der::integer(reader, element, "enumerated");
      const auto theirs = fuzz::decode<fuzz::EnumeratedPointer>(d2i_ASN1_ENUMERATED, element.whole);
      FUZZ_CHECK(ours.has_value() == (theirs != nullptr));
      break;
    }
    case Tag::utc_time:
    case Tag::generalized_time: {
      Reader again(element.whole);
      const auto ours = pki::read_time(again, "time");
      const auto theirs = fuzz::decode<fuzz::TimePointer>(d2i_ASN1_TIME, element.whole);
      if (ours) FUZZ_CHECK(theirs && fuzz::time_of(theirs.get()) == *ours);
      break;
    }
    default: break;
  }
}

// Structures that several parsers share are tried at every SEQUENCE.
void check_shared_structures(const Element& element) {
  Reader as_extension(element.whole);
  const auto extension = pki::read_extension(as_extension, "extension");
  fuzz::check_refusal(extension, element.whole.size());
  if (extension) {
    Writer writer;
    writer.sequence([&] {
      writer.oid(extension->id);
      if (extension->critical) writer.boolean_true();
      writer.octet_string(extension->value.rest());
    });
    FUZZ_CHECK(pki::equal(writer.bytes(), element.whole));
  }

  Reader as_signature(element.whole);
  const auto algorithm = pki::read_signature_algorithm(as_signature, "algorithm");
  fuzz::check_refusal(algorithm, element.whole.size());
  if (algorithm && algorithm->scheme != pki::SignatureScheme::rsa_pss) {
    Writer writer;
    pki::write_signature_algorithm(writer, *algorithm);
    Reader written(writer.bytes());
    const auto again = pki::read_signature_algorithm(written, "algorithm");
    FUZZ_CHECK(again && *again == *algorithm);
  }
  Reader as_digest(element.whole);
  fuzz::check_refusal(pki::read_digest_algorithm(as_digest, "digest"), element.whole.size());
  fuzz::check_refusal(pki::read_authority_key_id(Reader(element.whole), "aki"),
                      element.whole.size());
}

// Copies all that `reader` holds into `out`, element by element; false at the first refusal.
bool copy(Reader reader, Writer& out, unsigned depth) {
  while (!reader.empty()) {
    const std::uint64_t at = reader.offset();
    const std::size_t left = reader.rest().size();
    const auto element = reader.any("element");
    if (!element) {
      FUZZ_CHECK(reader.offset() == at && reader.rest().size() == left);
      fuzz::check_refusal(element, at + left);
      return false;
    }
    FUZZ_CHECK(reader.offset() == at + element->whole.size());
    check_header(*element);
    if (!is_constructed(*element)) {
      check_leaf(reader, *element);
      out.primitive(element->tag, element->content);
      continue;
    }
    if (element->tag == Tag::sequence) check_shared_structures(*element);
    if (depth == kDepthMax) {
      out.raw(element->whole);
      continue;
    }
    bool whole = true;
    out.constructed(element->tag, [&] { whole = copy(Reader(reader, *element), out, depth + 1); });
    if (!whole) return false;
  }
  FUZZ_CHECK(reader.finish("end").has_value());
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::Run run;
  const Bytes input(data, size);
  Writer out;
  if (copy(Reader(input), out, 0)) FUZZ_CHECK(pki::equal(out.bytes(), input));
  return 0;
}
