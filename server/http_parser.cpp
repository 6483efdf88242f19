#include "server/http_parser.hpp"

#include <algorithm>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/rfc7230.hpp>

namespace server {

namespace http = boost::beast::http;

namespace {

void append_to_list(std::string& list, boost::beast::string_view value) {
  if (!list.empty()) list += ',';
  list.append(value.data(), value.size());
}

}  // namespace

HttpParser::HttpParser(HttpRequest& out, HeaderFields fields, std::uint32_t header_bytes_max,
                       std::uint64_t body_bytes_max, BodyLimit& own_limit)
    : out_(out), fields_(fields), own_limit_(own_limit) {
  header_limit(header_bytes_max);
  body_limit(body_bytes_max);
  eager(true);
  out_.content_type.clear();
  out_.if_none_match.clear();
  out_.body.clear();
  if (fields_ == HeaderFields::of_status) return;
  for (std::string* text :
       {&out_.authorization, &out_.idempotency_key, &out_.if_match, &out_.client_request_id,
        &out_.content_encoding, &out_.charset, &out_.accept, &out_.accept_language}) {
    text->clear();
  }
}

void HttpParser::on_request_impl(Verb method, Text, Text target, int version, Error& ec) {
  switch (method) {
    case Verb::get: out_.method = Method::get; break;
    case Verb::head: out_.method = Method::head; break;
    case Verb::post: out_.method = Method::post; break;
    case Verb::put: out_.method = Method::put; break;
    default: out_.method = Method::other;
  }
  if (version != 10 && version != 11) ec = http::error::bad_version;
  version_ = version;
  out_.target.assign(target.data(), target.size());
  if (const auto own = own_limit_.body_bytes_max(out_.method, out_.target)) body_limit(*own);
}

void HttpParser::on_field_impl(Field field, Text name, Text value, Error& ec) {
  if (has_header_) return;  // a trailer changes nothing
  switch (field) {
    case Field::host: ++hosts_; break;
    case Field::transfer_encoding:
      // Beast takes a body of any other coding for none, and what follows for the next request.
      if (!boost::beast::iequals(value, "chunked")) ec = http::error::bad_transfer_encoding;
      break;
    case Field::content_type: {
      const Text type = value.substr(0, std::min(value.find(';'), value.size()));
      for (const char c : type) {
        if (c != ' ' && c != '\t') {
          out_.content_type.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c);
        }
      }
      if (fields_ == HeaderFields::of_api) keep_charset(value.substr(type.size()));
      break;
    }
    case Field::if_none_match: append_to_list(out_.if_none_match, value); break;
    case Field::expect: expects_continue_ = boost::beast::iequals(value, "100-continue"); break;
    default:
      if (fields_ == HeaderFields::of_api) keep_api_field(field, name, value, ec);
  }
}

// Of `;a=b; charset="utf-8"`. The first that is there counts.
void HttpParser::keep_charset(Text parameters) {
  for (const auto& [name, value] : boost::beast::http::param_list(parameters)) {
    if (!boost::beast::iequals(name, "charset")) continue;
    out_.charset.assign(value.data(), value.size());
    return;
  }
}

void HttpParser::keep_single(std::string& kept, Text value, unsigned bit, Error& ec) {
  if ((seen_ & bit) != 0) ec = http::error::bad_field;
  seen_ |= bit;
  kept.assign(value.data(), value.size());
}

// Two tokens or two keys in one request: whichever was taken, somebody before us may have checked
// the other.
void HttpParser::keep_api_field(Field field, Text name, Text value, Error& ec) {
  switch (field) {
    case Field::authorization: return keep_single(out_.authorization, value, 1, ec);
    case Field::if_match: return keep_single(out_.if_match, value, 2, ec);
    case Field::content_encoding: return keep_single(out_.content_encoding, value, 16, ec);
    case Field::accept: return append_to_list(out_.accept, value);
    case Field::accept_language: return append_to_list(out_.accept_language, value);
    case Field::unknown: break;
    default: return;
  }
  if (boost::beast::iequals(name, "Idempotency-Key")) {
    keep_single(out_.idempotency_key, value, 4, ec);
  } else if (boost::beast::iequals(name, "X-Client-Request-Id")) {
    keep_single(out_.client_request_id, value, 8, ec);
  }
}

// RFC 9112 3.2: a request of HTTP/1.1 has exactly one Host.
void HttpParser::on_header_impl(Error& ec) {
  if (hosts_ > 1 || (hosts_ == 0 && version_ == 11)) ec = http::error::bad_field;
  if (version_ == 10) expects_continue_ = false;
  has_header_ = true;
}

std::size_t HttpParser::on_body_impl(Text body, Error&) {
  out_.body.append(body.data(), body.size());
  return body.size();
}

std::size_t HttpParser::on_chunk_body_impl(std::uint64_t, Text body, Error& ec) {
  return on_body_impl(body, ec);
}

unsigned status_of(const boost::beast::error_code& ec) {
  if (ec == http::error::header_limit) return 431;
  if (ec == http::error::body_limit) return 413;
  return 400;
}

}  // namespace server
