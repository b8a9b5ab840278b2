// Report: what a run has done, for people and for programs.
#pragma once

#include <string>

#include "dataflow/error.h"
#include "dataflow/pipeline/progress.h"

namespace dataflow::cmd {

// The lines for standard output: "Pipeline took 2.871s" and the numbers, each on a line with its
// name.
std::string summary_text(const pipeline::Summary& summary, double seconds);

// The same as JSON: files lines new changed unchanged superseded rejected written bytes seconds
// objects_skipped; and, where there are any, errors.
std::string report_json(const pipeline::Summary& summary, double seconds);

// Writes the text to the file, whole or not at all (see pipeline/output_file.h). kUnavailable where
// that cannot be done.
Result<void> write_report(const std::string& path, const std::string& text);

// 2871 milliseconds: "2.871s".
std::string duration_text(double seconds);

// 104857600: "104.9 MB".
std::string bytes_text(double bytes);

}  // namespace dataflow::cmd
