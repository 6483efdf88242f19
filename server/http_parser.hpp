// http_parser.hpp: HTTP/1.0 and 1.1 requests, by Beast's parser, into an HttpRequest.
//
// Beast checks the grammar, the framing and the limits; this keeps the few header fields that the
// program looks at, and what RFC 9112 asks of them beyond the grammar.
#pragma once

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <cstdint>
#include <optional>
#include <string_view>

#include "server/http_message.hpp"

namespace server {

// How large a body may be, asked once the request line is known.
class BodyLimit {
 public:
  // Not given: as large as the listener allows.
  [[nodiscard]] virtual std::optional<std::uint32_t> body_bytes_max(Method /*method*/,
                                                                    std::string_view /*target*/) {
    return std::nullopt;
  }

 protected:
  ~BodyLimit() = default;
};

// One request; made anew for each. Fills `out`, whose buffers are used again.
class HttpParser final : public boost::beast::http::basic_parser<true> {
 public:
  // `own_limit` is asked for an exception to body_bytes_max, and must outlive the parser.
  HttpParser(HttpRequest& out, HeaderFields fields, std::uint32_t header_bytes_max,
             std::uint64_t body_bytes_max, BodyLimit& own_limit);

  // The client waits for "100 Continue" before it sends the body.
  [[nodiscard]] bool expects_continue() const { return expects_continue_; }
  [[nodiscard]] bool is_http_1_0() const { return version_ == 10; }

 private:
  using Base = boost::beast::http::basic_parser<true>;
  using Error = boost::beast::error_code;
  using Text = boost::beast::string_view;
  using Field = boost::beast::http::field;
  using Verb = boost::beast::http::verb;

  void on_request_impl(Verb method, Text method_text, Text target, int version, Error& ec) override;
  void on_response_impl(int, Text, int, Error&) override {}
  void on_field_impl(Field field, Text name, Text value, Error& ec) override;
  void on_header_impl(Error& ec) override;
  void on_body_init_impl(const boost::optional<std::uint64_t>&, Error&) override {}
  std::size_t on_body_impl(Text body, Error&) override;
  void on_chunk_header_impl(std::uint64_t, Text, Error&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t remain, Text body, Error& ec) override;
  void on_finish_impl(Error&) override {}

  void keep_charset(Text parameters);
  void keep_api_field(Field field, Text name, Text value, Error& ec);
  void keep_single(std::string& kept, Text value, unsigned bit, Error& ec);

  HttpRequest& out_;
  const HeaderFields fields_;
  BodyLimit& own_limit_;
  unsigned seen_ = 0;  // of the fields that may come once, a bit each
  int version_ = 11;
  int hosts_ = 0;
  bool expects_continue_ = false;
  bool has_header_ = false;
};

// The status to refuse a request with, by what Beast found: 400, 413 or 431.
[[nodiscard]] unsigned status_of(const boost::beast::error_code& ec);

}  // namespace server
