#include "authority/faults.hpp"

#include <array>
#include <utility>

#include "authority/failure.hpp"

namespace authority {
namespace {

constexpr std::array<std::pair<const char*, FaultKind>, 9> kKinds{{
    {"delay", FaultKind::delay},
    {"status", FaultKind::status},
    {"truncate", FaultKind::truncate},
    {"wrong_signature", FaultKind::wrong_signature},
    {"old_list", FaultKind::old_list},
    {"drip", FaultKind::drip},
    {"reset", FaultKind::reset},
    {"garbage", FaultKind::garbage},
    {"huge", FaultKind::huge},
}};

constexpr std::uint64_t kBodyMax = std::uint64_t{256} << 20U;

FaultKind parse_kind(const std::string& text) {
  std::string possible;
  for (const auto& [name, kind] : kKinds) {
    if (text == name) return kind;
    possible.append(" ").append(name);
  }
  throw Failure(std::string("no kind of fault is called '").append(text).append("'; there are") +
                possible);
}

std::uint64_t default_value(FaultKind kind) {
  if (kind == FaultKind::delay) return 1000;
  if (kind == FaultKind::status) return 503;
  if (kind == FaultKind::drip || kind == FaultKind::garbage) return 100;
  if (kind == FaultKind::huge) return std::uint64_t{10} << 20U;
  return kind == FaultKind::old_list ? 1 : 0;
}

}  // namespace

void Faults::add(const nlohmann::json& request) {
  Fault fault;
  fault.path = request.value("path", std::string("/"));
  fault.kind = parse_kind(request.value("kind", std::string()));
  fault.value = request.value("value", default_value(fault.kind));
  if (request.contains("count")) fault.count = request.at("count").get<std::uint64_t>();
  if (fault.kind == FaultKind::status && (fault.value < 200 || fault.value > 599)) {
    throw Failure("the value of a status fault is an HTTP status from 200 to 599");
  }
  if (fault.kind == FaultKind::drip && fault.value == 0) {
    throw Failure("the value of a drip fault is octets a second, at least 1");
  }
  const bool makes_a_body = fault.kind == FaultKind::huge || fault.kind == FaultKind::garbage;
  if (makes_a_body && fault.value > kBodyMax) {
    throw Failure("the value of a fault that makes a body is octets, at most 256 MiB");
  }
  faults_.push_back(std::move(fault));
}

std::vector<Fault> Faults::strike(std::string_view path) {
  std::vector<Fault> struck;
  for (Fault& fault : faults_) {
    if (!path.starts_with(fault.path)) continue;
    if (fault.count && *fault.count == 0) continue;
    if (fault.count) --*fault.count;
    struck.push_back(fault);
  }
  return struck;
}

const Fault* find_fault(const std::vector<Fault>& faults, FaultKind kind) {
  for (const Fault& fault : faults) {
    if (fault.kind == kind) return &fault;
  }
  return nullptr;
}

void delay_or_break(const std::vector<Fault>& faults, Delivery& delivery) {
  for (const Fault& fault : faults) {
    switch (fault.kind) {
      case FaultKind::delay: delivery.delay = std::chrono::milliseconds(fault.value); break;
      case FaultKind::drip: delivery.bytes_per_second = fault.value; break;
      case FaultKind::truncate:
      case FaultKind::reset:
        delivery.end = fault.kind == FaultKind::reset ? Delivery::End::reset : Delivery::End::close;
        delivery.end_after = fault.value;
        break;
      case FaultKind::status:
      case FaultKind::wrong_signature:
      case FaultKind::old_list:
      case FaultKind::garbage:
      case FaultKind::huge: break;
    }
  }
}

}  // namespace authority
