#include "server/api/problem_pages.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <vector>

#include "server/api/documents.hpp"
#include "server/platform/problem_body.hpp"

namespace server {
namespace {

constexpr std::string_view kStyle = R"(
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#5a6472;--line:#d9dee5;--paper:#fff;--tint:#f4f6f9;--mark:#9a2f1c}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ee;--soft:#9aa5b4;--line:#353c46;--paper:#15181c;--tint:#1e2329;--mark:#f08a72}}
*{box-sizing:border-box}
body{margin:0 auto;padding:2.5rem 1.25rem 4rem;max-width:50rem;background:var(--paper);color:var(--ink);
 font:1rem/1.75 system-ui,"Hiragino Sans","Noto Sans JP","Yu Gothic UI",sans-serif}
header{border-bottom:1px solid var(--line);padding-bottom:1rem}
header p{margin:0;color:var(--soft)}
h1{margin:.2rem 0 .4rem;font-size:1.55rem;line-height:1.35}
h2{margin:2.4rem 0 .4rem;font-size:1.2rem}
h3{margin:1.3rem 0 .1rem;font-size:.85rem;color:var(--soft);font-weight:600;letter-spacing:.03em}
p{margin:.2rem 0 .8rem}
code,pre{font-family:ui-monospace,"SFMono-Regular",Menlo,Consolas,monospace;font-size:.88em}
pre{background:var(--tint);border:1px solid var(--line);border-radius:6px;padding:1rem;overflow-x:auto;line-height:1.5}
a{color:inherit;text-underline-offset:.2em}
nav{color:var(--soft)}
.status{color:var(--mark);font-variant-numeric:tabular-nums;font-weight:600}
table{border-collapse:collapse;width:100%;margin-top:1.5rem}
td{border-top:1px solid var(--line);padding:.55rem .6rem .55rem 0;vertical-align:top}
tr:first-child td{border-top:0}
td small{color:var(--soft)}
footer{margin-top:3rem;border-top:1px solid var(--line);padding-top:1rem;color:var(--soft);font-size:.9rem}
)";

std::string escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      default: out += c;
    }
  }
  return out;
}

// A text of problem_texts.json: what stands between backticks is code.
std::string html(std::string_view text) {
  std::string out;
  bool is_code = false;
  for (const char c : escape(text)) {
    if (c != '`') {
      out += c;
      continue;
    }
    out += is_code ? "</code>" : "<code>";
    is_code = !is_code;
  }
  return out;
}

ProblemText read_text(const nlohmann::json& text) {
  return {text.at("title"), text.at("meaning"), text.at("cause"), text.at("fix")};
}

std::vector<ProblemPageText> read_texts() {
  const auto document = nlohmann::json::parse(problem_texts_document());
  std::vector<ProblemPageText> out;
  for (const ProblemType& type : problem_types()) {
    const auto found = document.find(std::string(type.slug));
    if (found == document.end()) {
      throw std::logic_error(fmt::format("problem_texts.json has no {}", type.slug));
    }
    out.push_back({read_text(found->at("ja")), read_text(found->at("en"))});
  }
  return out;
}

std::string page(std::string_view title, PageLanguage first, std::string_view content) {
  return fmt::format(
      "<!doctype html>\n<html lang=\"{}\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
      "<title>{} — Tashika</title>\n<style>{}</style>\n</head>\n<body>\n{}</body>\n</html>\n",
      first == PageLanguage::japanese ? "ja" : "en", escape(title), kStyle, content);
}

struct Headings {
  std::string_view language, meaning, cause, fix;
};
constexpr Headings kJapanese{"ja", "意味", "考えられる原因", "対応"};
constexpr Headings kEnglish{"en", "What it means", "Likely causes", "What to do"};

std::string section(const ProblemText& text, const Headings& headings) {
  return fmt::format(
      "<section lang=\"{0}\" id=\"{0}\">\n<h2>{1}</h2>\n<h3>{2}</h3>\n<p>{3}</p>\n<h3>{4}</h3>\n"
      "<p>{5}</p>\n<h3>{6}</h3>\n<p>{7}</p>\n</section>\n",
      headings.language, html(text.title), headings.meaning, html(text.meaning), headings.cause,
      html(text.cause), headings.fix, html(text.fix));
}

std::string_view retry_line(const ProblemType& type) {
  if (type.kind == ProblemKind::internal_error) {
    return "同じ Idempotency-Key でのみ再送できます / "
           "send it again only with the same Idempotency-Key";
  }
  if (type.retryable == Retryable::yes) {
    return "同じ要求を再送できます / the same request may be sent again";
  }
  return "同じ要求を再送しても解決しません / sending the same request again does not help";
}

// What a client gets, with a request id that is an example.
std::string example(ProblemKind kind, std::string_view base_url) {
  std::vector<FieldFault> faults;
  if (kind == ProblemKind::invalid_request) {
    faults.push_back({"/scopes/1", "not_allowed", "must be one of: attr:name, attr:address"});
  }
  const Problem problem(kind, {}, std::move(faults));
  return problem_json(problem, base_url, "3f0d9c9e-6c1b-4a53-9d64-0c8a2f4f5b11").dump(2);
}

// One language range of Accept-Language, in lower case, and how much it is wanted: 0 is not at all.
struct Wish {
  std::string range;
  double weight = 1;
};

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// "en-GB ; q = 0.8", in any case. Nothing for what is none.
std::optional<Wish> read_wish(std::string_view text) {
  Wish out;
  const auto semicolon = text.find(';');
  for (const char c : trim(text.substr(0, semicolon))) {
    out.range += static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  }
  if (semicolon == std::string_view::npos) return out;
  const std::string_view parameter = trim(text.substr(semicolon + 1));
  const auto equals = parameter.find('=');
  if (equals == std::string_view::npos) return std::nullopt;
  const std::string_view name = trim(parameter.substr(0, equals));
  const std::string_view value = trim(parameter.substr(equals + 1));
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), out.weight,
                                            std::chars_format::fixed);
  const bool is_number = error == std::errc{} && end == value.data() + value.size();
  const bool is_weight = is_number && out.weight >= 0 && out.weight <= 1;
  if (!is_weight || (name != "q" && name != "Q")) return std::nullopt;
  return out;
}

// "ja" is the language of "ja" and "ja-jp", and not of "jam".
bool is_language(std::string_view range, std::string_view language) {
  return range.substr(0, range.find('-')) == language;
}

}  // namespace

const ProblemPageText& problem_page_text(ProblemKind kind) {
  static const std::vector<ProblemPageText> texts = read_texts();
  return texts[static_cast<std::size_t>(kind)];
}

std::optional<ProblemKind> problem_kind(std::string_view slug) {
  for (const ProblemType& type : problem_types()) {
    if (type.slug == slug) return type.kind;
  }
  return std::nullopt;
}

PageLanguage page_language(std::string_view accept_language) {
  std::optional<double> japanese;
  std::optional<double> english;
  std::optional<double> any;
  while (!accept_language.empty()) {
    const std::string_view one = accept_language.substr(0, accept_language.find(','));
    accept_language.remove_prefix(std::min(accept_language.size(), one.size() + 1));
    const auto wish = read_wish(one);
    if (!wish) continue;
    std::optional<double>* const place = is_language(wish->range, "ja")   ? &japanese
                                         : is_language(wish->range, "en") ? &english
                                         : wish->range == "*"             ? &any
                                                                          : nullptr;
    if (place != nullptr) *place = std::max(place->value_or(0), wish->weight);
  }
  // What is excluded comes after what is not mentioned.
  const auto rank = [&](const std::optional<double>& wanted) {
    const auto weight = wanted ? wanted : any;
    return !weight ? 0 : *weight > 0 ? *weight : -1;
  };
  return rank(english) > rank(japanese) ? PageLanguage::english : PageLanguage::japanese;
}

std::string problem_list_page(PageLanguage first) {
  const bool is_japanese = first == PageLanguage::japanese;
  std::string rows;
  for (const ProblemType& type : problem_types()) {
    const ProblemPageText& text = problem_page_text(type.kind);
    const auto& [one, other] = is_japanese ? std::tie(text.japanese.title, text.english.title)
                                           : std::tie(text.english.title, text.japanese.title);
    rows += fmt::format(
        "<tr><td class=\"status\">{}</td><td><a href=\"/problems/{}\"><code>{}</code></a></td>"
        "<td>{}<br><small>{}</small></td></tr>\n",
        type.status, type.slug, type.slug, escape(one), escape(other));
  }
  return page(
      is_japanese ? "問題の一覧" : "Problems", first,
      fmt::format("<header><p>Tashika API</p><h1>問題の一覧 / Problems</h1>\n"
                  "<p>application/problem+json (RFC 9457) の <code>code</code> ごとの説明です。 "
                  "What each <code>code</code> means, and what to do about it.</p></header>\n"
                  "<table>\n{}</table>\n",
                  rows));
}

std::string problem_page(ProblemKind kind, PageLanguage first, std::string_view base_url) {
  const ProblemType& type = problem_type(kind);
  const ProblemPageText& text = problem_page_text(kind);
  const std::string japanese = section(text.japanese, kJapanese);
  const std::string english = section(text.english, kEnglish);
  const bool is_japanese = first == PageLanguage::japanese;
  const std::string content = fmt::format(
      "<header><nav><a href=\"/problems\">一覧 / All problems</a> · <a href=\"#ja\">日本語</a> · "
      "<a href=\"#en\">English</a></nav>\n<h1><code>{}</code></h1>\n"
      "<p><span class=\"status\">HTTP {}</span> · {}</p></header>\n{}{}"
      "<h2>例 / Example</h2>\n<pre>{}</pre>\n"
      "<footer><code>X-Request-Id</code> を添えてお問い合わせください。 "
      "When you ask the operator, give the <code>X-Request-Id</code>.</footer>\n",
      type.slug, type.status, retry_line(type), is_japanese ? japanese : english,
      is_japanese ? english : japanese, escape(example(kind, base_url)));
  return page(type.slug, first, content);
}

}  // namespace server
