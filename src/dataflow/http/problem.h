// Errors as the client sees them: problem+json (RFC 9457), and the one table from ErrorCode to
// status.
#pragma once

#include <string>
#include <string_view>

#include "dataflow/error.h"

namespace dataflow::http {

using Status = unsigned;  // of HTTP: 200, 404, ...

// The one table. What a store reports about itself goes through store_error() first.
Status status_of(ErrorCode code);

// What a store's error is to a client of the service. Only that a product is not there is for the
// client to know; everything else is the service's own trouble, unavailable when a retry or an
// operator may mend it, and says nothing about servers, credentials or tables: that is for the log.
Error store_error(const Error& error);

// "Not Found", ...
std::string_view reason_of(Status status);

// Appends {"type":"about:blank","title":...,"status":...,"detail":...}.
void append_problem(std::string& out, Status status, std::string_view detail);

}  // namespace dataflow::http
