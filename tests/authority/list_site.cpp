#include "authority/list_site.hpp"

#include <charconv>
#include <optional>

#include "authority/failure.hpp"
#include "authority/file_response.hpp"

namespace authority {
namespace {

constexpr const char* kListType = "application/pkix-crl";
constexpr const char* kTextType = "text/plain; charset=us-ascii";

bool take(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

bool take_end(std::string_view& text, std::string_view suffix) {
  if (!text.ends_with(suffix)) return false;
  text.remove_suffix(suffix.size());
  return true;
}

std::optional<std::size_t> parse_partition(std::string_view text) {
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool whole = error == std::errc{} && end == text.data() + text.size();
  return whole && text.size() >= 4 ? std::optional(number) : std::nullopt;
}

}  // namespace

PublishedFilePointer ListSite::find_in(std::size_t authority, std::string_view file,
                                       std::size_t age) const {
  const auto keep = [](PublishedFile made) {
    return std::make_shared<const PublishedFile>(std::move(made));
  };
  if (file == "partitions.txt") return keep(publisher_.manifest(authority, ListKind::complete));
  if (file == "partition-deltas.txt") return keep(publisher_.manifest(authority, ListKind::delta));
  if (file == "issued.txt") return keep(publisher_.issued(authority));
  ListName name{authority, std::nullopt, ListKind::complete};
  if (file == "full.crl") return publisher_.list(name, age);
  if (file == "delta.crl") {
    name.kind = ListKind::delta;
    return publisher_.list(name, age);
  }
  if (!take(file, "partitions/") || !take_end(file, ".crl")) return nullptr;
  if (take_end(file, ".delta")) name.kind = ListKind::delta;
  name.partition = parse_partition(file);
  return name.partition ? publisher_.list(name, age) : nullptr;
}

PublishedFilePointer ListSite::find(std::string_view path, std::size_t age) const {
  if (!take(path, "/crl/")) return nullptr;
  for (std::size_t i = 0; i < authorities_.size(); ++i) {
    std::string_view rest = path;
    if (take(rest, authorities_[i].name) && take(rest, "/")) return find_in(i, rest, age);
  }
  return nullptr;
}

Response ListSite::answer(const Request& request) {
  const std::vector<Fault> faults = faults_.strike(request.path());
  Response response;
  if (const Fault* const fault = find_fault(faults, FaultKind::status)) {
    response = text_response(static_cast<unsigned>(fault->value), kTextType, "as asked for\n");
    delay_or_break(faults, response.delivery);
    return response;
  }
  const Fault* const old = find_fault(faults, FaultKind::old_list);
  const auto file = find(request.path(), old == nullptr ? 0 : old->value);
  if (!file) return text_response(404, kTextType, "there is no such list\n");

  // Shares ownership with the file the octets are part of.
  std::shared_ptr<const Octets> content(file, &file->octets);
  if (find_fault(faults, FaultKind::wrong_signature) != nullptr && !content->empty()) {
    Octets changed = *content;
    changed.back() ^= 1U;
    content = std::make_shared<const Octets>(std::move(changed));
  }
  const bool is_list = request.path().ends_with(".crl");
  response = file_response(request, std::move(content), file->published_at,
                           is_list ? kListType : kTextType);
  delay_or_break(faults, response.delivery);
  return response;
}

}  // namespace authority
