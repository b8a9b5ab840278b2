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

// Whether the first line of `input` is whole and three words, the last of them an HTTP version,
// whichever it is.
bool has_version(std::string_view input) {
  const std::size_t end = input.find('\r');
  if (end == std::string_view::npos || input.substr(end, 2) != "\r\n") return false;
  const std::string_view line = input.substr(0, end);
  if (line.size() < 9 || std::ranges::count(line, ' ') != 2) return false;
  const std::string_view version = line.substr(line.size() - 9);
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  return version.starts_with(" HTTP/") && is_digit(version[6]) && version[7] == '.' &&
         is_digit(version[8]);
}

// A line feed that no carriage return precedes.
bool has_bare_line_feed(std::string_view input) {
  for (std::size_t at = input.find('\n'); at != std::string_view::npos;
       at = input.find('\n', at + 1)) {
    if (at == 0 || input[at - 1] != '\r') return true;
  }
  return false;
}

// A carriage return that something else than a line feed follows.
bool has_bare_carriage_return(std::string_view input) {
  for (std::size_t at = input.find('\r'); at != std::string_view::npos;
       at = input.find('\r', at + 1)) {
    if (at + 1 < input.size() && input[at + 1] != '\n') return true;
  }
  return false;
}

// Whether what is unread of a request's line, fields or framing cannot become well-formed. Beast,
// once it has seen a part of a header, does not look again before an empty line has come: without
// this a client that ends its lines otherwise would be told so only by a deadline.
bool is_hopeless(std::string_view input, bool has_line) {
  if (has_bare_line_feed(input) || has_bare_carriage_return(input)) return true;
  return !has_line && input.contains("\r\n") && !has_version(input);
}

// Whether a Host field says a host and a port at most (RFC 9110, 7.2), by its characters.
bool is_host(std::string_view value) {
  static constexpr std::string_view kOthers = "-._~!$&'()*+,;=:[]%";
  return std::ranges::all_of(value, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           kOthers.contains(c);
  });
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
      if (is_hopeless(input, has_line_)) return fail_with(ParseError::bad_line_ending, input);
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
      if (!is_host(value)) refuse(400, "The Host field is no host.", error);
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
