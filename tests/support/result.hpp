// result.hpp: what a test says about a pki::Result, and how Catch prints pki's types.
#pragma once

#include <catch2/catch.hpp>
#include <string>

#include "libpki/asn1_time.hpp"
#include "libpki/error.hpp"

namespace test {

// "bad_tag@4 version": code, byte offset and field of a refusal; "accepted" if there is none. Tests
// compare this text, so that a failure shows all three.
template <class T>
std::string refusal(const pki::Result<T>& result) {
  if (result) return "accepted";
  const pki::Error& error = result.error();
  return std::string(pki::name(error.code)) + "@" + std::to_string(error.offset) + " " +
         error.field;
}

// The code alone, where the place says nothing.
template <class T>
std::string code(const pki::Result<T>& result) {
  return result ? "accepted" : std::string(pki::name(result.error().code));
}

// A moment in UTC.
inline pki::Time at(int year, unsigned month, unsigned day, int hour = 0, int minute = 0,
                    int second = 0) {
  using namespace std::chrono;
  return sys_days{std::chrono::year{year} / static_cast<int>(month) / static_cast<int>(day)} +
         hours{hour} + minutes{minute} + seconds{second};
}

}  // namespace test

namespace Catch {

template <>
struct StringMaker<pki::Time> {
  static std::string convert(pki::Time time) { return pki::to_string(time); }
};
template <>
struct StringMaker<pki::Errc> {
  static std::string convert(pki::Errc code) { return std::string(pki::name(code)); }
};
template <class T>
struct StringMaker<boost::system::result<T, pki::Error>> {
  static std::string convert(const pki::Result<T>& result) { return test::refusal(result); }
};

}  // namespace Catch
