// problem_pages.hpp: a page for each kind of problem, in Japanese and English: what the `type` of
// an error answer leads to.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "server/platform/problem.hpp"

namespace server {

// What a page says in one language.
struct ProblemText {
  std::string title;
  std::string meaning;
  std::string cause;
  std::string fix;
};

struct ProblemPageText {
  ProblemText japanese;
  ProblemText english;
};

enum class PageLanguage : std::uint8_t { japanese, english };  // which comes first

// Throws std::logic_error if the text of a kind is missing: a fault of the build.
[[nodiscard]] const ProblemPageText& problem_page_text(ProblemKind kind);

// By Accept-Language (RFC 9110 12.5.4): the one of the two that is wanted more; Japanese without
// any wish.
[[nodiscard]] PageLanguage page_language(std::string_view accept_language);

// HTML, complete. The page about a kind has both languages, the wanted one first.
[[nodiscard]] std::string problem_list_page(PageLanguage first);
[[nodiscard]] std::string problem_page(ProblemKind kind, PageLanguage first,
                                       std::string_view base_url);

// Nothing if there is no such kind.
[[nodiscard]] std::optional<ProblemKind> problem_kind(std::string_view slug);

}  // namespace server
