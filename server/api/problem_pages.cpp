#include "server/api/problem_pages.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
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
      headings.language, escape(text.title), headings.meaning, escape(text.meaning), headings.cause,
      escape(text.cause), headings.fix, escape(text.fix));
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
  double japanese = 0;
  double english = 0;
  while (!accept_language.empty()) {
    std::string_view one = accept_language.substr(0, accept_language.find(','));
    accept_language.remove_prefix(std::min(accept_language.size(), one.size() + 1));
    while (one.starts_with(' ')) one.remove_prefix(1);
    double weight = 1;
    if (const auto at = one.find(";q="); at != std::string_view::npos) {
      // 0 to 1 with up to three digits; what is no number weighs nothing.
      weight = std::strtod(std::string(one.substr(at + 3, 5)).c_str(), nullptr);
    }
    if (one.starts_with("ja") || one.starts_with("JA")) japanese = std::max(japanese, weight);
    if (one.starts_with("en") || one.starts_with("EN")) english = std::max(english, weight);
  }
  return english > japanese ? PageLanguage::english : PageLanguage::japanese;
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
  const bool is_retryable = type.retryable == Retryable::yes;
  const std::string content = fmt::format(
      "<header><nav><a href=\"/problems\">一覧 / All problems</a> · <a href=\"#ja\">日本語</a> · "
      "<a href=\"#en\">English</a></nav>\n<h1><code>{}</code></h1>\n"
      "<p><span class=\"status\">HTTP {}</span> · {}</p></header>\n{}{}"
      "<h2>例 / Example</h2>\n<pre>{}</pre>\n"
      "<footer><code>X-Request-Id</code> を添えてお問い合わせください。 "
      "When you ask the operator, give the <code>X-Request-Id</code>.</footer>\n",
      type.slug, type.status,
      is_retryable
          ? "同じ要求を再送できます / the same request may be sent again"
          : "同じ要求を再送しても解決しません / sending the same request again does not help",
      is_japanese ? japanese : english, is_japanese ? english : japanese,
      escape(example(kind, base_url)));
  return page(type.slug, first, content);
}

}  // namespace server
