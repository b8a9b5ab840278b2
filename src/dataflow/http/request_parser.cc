#include "dataflow/http/request_parser.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/field.hpp>

namespace dataflow::http {

using boost::beast::http::field;
using boost::beast::http::verb;
using ParseError = boost::beast::http::error;

namespace {

// Whether the first line of `input` is three words, the last of them an HTTP version, whichever it
// is.
bool has_version(std::string_view input) {
  const std::string_view line = input.substr(0, input.find('\r'));
  if (line.size() < 9 || std::ranges::count(line, ' ') != 2) return false;
  const std::string_view end = line.substr(line.size() - 9);
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  return end.starts_with(" HTTP/") && is_digit(end[6]) && end[7] == '.' && is_digit(end[8]);
}

}  // namespace

RequestParser::RequestParser(const Options& options, std::string& target)
    : options_(options), target_(target) {
  target_.clear();
  header_limit(options.max_header_bytes);
  body_limit(options.max_body_bytes);
}

RequestParser::Progress RequestParser::parse(std::string_view input, std::size_t& consumed) {
  // A robust server ignores empty lines before a request (RFC 9112, 2.2).
  while (!started_ && input.starts_with("\r\n")) {
    consumed += 2;
    consumed_ += 2;
    input.remove_prefix(2);
    if (consumed_ > options_.max_header_bytes) return fail_with(ParseError::header_limit, input);
  }
  if (!started_ && (input.empty() || input == "\r")) return Progress::kNeedMore;
  started_ = true;
  while (!is_done()) {
    if (input.empty())
      return Progress::kNeedMore;  // Beast would take no bytes of a body as progress
    error_code error;
    const std::size_t parsed = put(boost::asio::const_buffer(input.data(), input.size()), error);
    consumed += parsed;
    consumed_ += parsed;
    if (error == ParseError::need_more) {
      input.remove_prefix(parsed);
      // Beast counts its limit from the last complete field, which drips never reach: count all.
      if (!header_done_ && consumed_ + input.size() >= options_.max_header_bytes) {
        return fail_with(ParseError::header_limit, input);
      }
      // The framing of a chunk, too, has to end somewhere.
      if (header_done_ && input.size() >= options_.max_header_bytes) {
        return fail_with(ParseError::body_limit, input);
      }
      return Progress::kNeedMore;
    }
    if (error) return fail_with(error, input);
    input.remove_prefix(parsed);
    if (header_done_ && !header_told_ && !is_done()) {
      header_told_ = true;
      return Progress::kHeader;
    }
  }
  return Progress::kDone;
}

void RequestParser::refuse(Status status, std::string_view detail, error_code& error) {
  bad_ = {status, detail};
  error = ParseError::bad_value;  // any error stops the parser; what counts is bad_
}

RequestParser::Progress RequestParser::fail_with(const error_code& error, std::string_view input) {
  if (bad_.status != 0) return Progress::kBad;
  if (error == ParseError::header_limit || error == ParseError::buffer_overflow) {
    bad_ = has_line_ || !started_ ? BadRequest{431, "The header is too large."}
                                  : BadRequest{414, "The request's target is too long."};
  } else if (error == ParseError::body_limit) {
    bad_ = {413, "No body is needed here, and this one is too large."};
  } else if (error == ParseError::bad_version && has_version(input)) {
    bad_ = {505, "HTTP/1.1 and HTTP/1.0 are spoken here."};
  } else {
    bad_ = {400, "The request is not well-formed HTTP."};
  }
  return Progress::kBad;
}

void RequestParser::on_request_impl(verb method, string_view method_text, string_view target,
                                    int version, error_code& error) {
  method_ = method;
  method_text_ = std::string(method_text.substr(0, kLongestMethod));
  version_ = version;
  has_line_ = true;
  if (target.size() > options_.max_target_bytes) {
    refuse(414, "The request's target is too long.", error);
    return;
  }
  target_.assign(target.data(), target.size());
}

void RequestParser::on_field_impl(field name, string_view, string_view value, error_code& error) {
  if (header_done_) return;  // trailers mean nothing here
  switch (name) {
    case field::host:
      ++hosts_;
      break;
    case field::transfer_encoding:
      // Beast overlooks codings that it does not know, and so would see no body where there is one.
      if (!boost::beast::iequals(value, "chunked") || version_ < 11) {
        refuse(400, "The only transfer coding understood is chunked, in HTTP/1.1.", error);
      }
      break;
    case field::expect:
      if (!boost::beast::iequals(value, "100-continue")) {
        refuse(417, "The only expectation understood is 100-continue.", error);
      }
      expects_continue_ = version_ >= 11;
      break;
    default:
      break;
  }
}

void RequestParser::on_header_impl(error_code& error) {
  header_done_ = true;
  // RFC 9112, 3.2.
  if (hosts_ > 1) refuse(400, "The request has more than one Host field.", error);
  if (hosts_ == 0 && version_ >= 11) refuse(400, "The request has no Host field.", error);
}

}  // namespace dataflow::http
