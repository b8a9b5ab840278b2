// One request, parsed by Beast without storing its fields: what the service needs is kept, the rest
// is checked and forgotten, so that a request costs no allocation.
//
// Feed it with put() of a buffer that begins where the last call stopped consuming. What is wrong
// with a request is the status to answer with; after that the connection has to be closed, for
// nobody knows where the next request would begin. One parser a request, one thread.
#pragma once

#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/verb.hpp>
#include <cstdint>
#include <string>
#include <string_view>

#include "dataflow/http/options.h"
#include "dataflow/http/problem.h"

namespace dataflow::http {

// What is wrong with a request: how to answer it.
struct BadRequest {
  Status status = 0;  // 0: nothing is
  std::string_view detail;
};

class RequestParser final : public boost::beast::http::basic_parser<true> {
 public:
  // `target` is where the request's target goes: a buffer that outlives the parser and is used
  // again.
  RequestParser(const Options& options, std::string& target);

  enum class Progress { kNeedMore, kHeader, kDone, kBad };

  // Parses what can be parsed of `input`; adds what it consumed to `consumed`. kHeader: the header
  // is complete and a body is still to come (told once, so that `100 Continue` can be sent).
  Progress parse(std::string_view input, std::size_t& consumed);

  bool started() const { return started_; }    // at least one byte of the request has come
  bool has_line() const { return has_line_; }  // method(), version() and the target are known
  boost::beast::http::verb method() const { return method_; }
  std::string_view method_text() const {
    return method_text_;
  }  // at most kLongestMethod characters
  int version() const { return version_; }  // 10 or 11
  bool expects_continue() const { return expects_continue_; }
  const BadRequest& bad() const { return bad_; }

 private:
  using string_view = boost::beast::string_view;
  using error_code = boost::beast::error_code;

  static constexpr std::size_t kLongestMethod = 16;

  void on_request_impl(boost::beast::http::verb method, string_view method_text, string_view target,
                       int version, error_code& error) override;
  void on_field_impl(boost::beast::http::field name, string_view name_text, string_view value,
                     error_code& error) override;
  void on_header_impl(error_code& error) override;
  void on_response_impl(int, string_view, int, error_code&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
  std::size_t on_body_impl(string_view body, error_code&) override { return body.size(); }
  void on_chunk_header_impl(std::uint64_t, string_view, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, string_view body, error_code&) override {
    return body.size();
  }
  void on_finish_impl(error_code&) override {}

  void refuse(Status status, std::string_view detail, error_code& error);
  Progress fail_with(const error_code& error, std::string_view input);

  const Options& options_;
  std::string& target_;
  std::string method_text_;
  boost::beast::http::verb method_ = boost::beast::http::verb::unknown;
  int version_ = 11;
  std::size_t consumed_ = 0;  // of this request, header and framing of its body
  std::uint32_t hosts_ = 0;
  bool started_ = false;
  bool has_line_ = false;
  bool header_done_ = false;
  bool header_told_ = false;
  bool expects_continue_ = false;
  BadRequest bad_;
};

}  // namespace dataflow::http
