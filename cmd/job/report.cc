#include "cmd/job/report.h"

#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <utility>

#include "dataflow/pipeline/output_file.h"

namespace dataflow::cmd {

namespace {

std::string formatted(const char* format, double value) {
  std::array<char, 64> buffer;
  std::snprintf(buffer.data(), buffer.size(), format, value);
  return buffer.data();
}

void add_line(std::string& text, std::string_view name, const std::string& value) {
  constexpr std::size_t kNameWidth = 12;
  text += name;
  text.append(kNameWidth - name.size(), ' ');
  text += value + "\n";
}

}  // namespace

std::string duration_text(double seconds) { return formatted("%.3fs", seconds); }

std::string bytes_text(double bytes) {
  constexpr std::array kUnits = {"B", "kB", "MB", "GB", "TB", "PB"};
  std::size_t unit = 0;
  while (bytes >= 1000 && unit + 1 < kUnits.size()) {
    bytes /= 1000;
    ++unit;
  }
  return formatted(unit == 0 ? "%.0f " : "%.1f ", bytes) + kUnits[unit];
}

std::string summary_text(const pipeline::Summary& summary, double seconds) {
  const pipeline::Counts& counts = summary.counts;
  std::string text = "Pipeline took " + duration_text(seconds) + "\n";
  const std::string skipped =
      summary.objects_skipped == 0
          ? ""
          : " (" + std::to_string(summary.objects_skipped) + " unchanged and not read)";
  add_line(text, "files", std::to_string(summary.files) + skipped);
  add_line(text, "lines", std::to_string(counts.lines));
  add_line(text, "new", std::to_string(counts.added));
  add_line(text, "changed", std::to_string(counts.changed));
  add_line(text, "unchanged", std::to_string(counts.unchanged));
  if (counts.superseded > 0) {
    add_line(text, "superseded", std::to_string(counts.superseded) + " (a later line has the id)");
  }
  add_line(text, "rejected", std::to_string(counts.rejected));
  add_line(text, "written", std::to_string(counts.written));
  add_line(
      text, "bytes",
      std::to_string(counts.bytes) + " (" + bytes_text(static_cast<double>(counts.bytes)) + ")");
  const double rate = seconds > 0 ? static_cast<double>(counts.lines) / seconds : 0;
  add_line(text, "rows/s", formatted("%.0f", rate));
  return text;
}

std::string report_json(const pipeline::Summary& summary, double seconds) {
  nlohmann::ordered_json report;
  report["files"] = summary.files;
  report["lines"] = summary.counts.lines;
  report["new"] = summary.counts.added;
  report["changed"] = summary.counts.changed;
  report["unchanged"] = summary.counts.unchanged;
  report["superseded"] = summary.counts.superseded;
  report["rejected"] = summary.counts.rejected;
  report["written"] = summary.counts.written;
  report["bytes"] = summary.counts.bytes;
  report["seconds"] = seconds;
  report["objects_skipped"] = summary.objects_skipped;
  if (!summary.errors.empty()) {
    auto& errors = report["errors"] = nlohmann::ordered_json::array();
    for (const Error& error : summary.errors) errors.push_back(error.describe());
  }
  return report.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

Result<void> write_report(const std::string& path, const std::string& text) {
  auto file = pipeline::OutputFile::create(path, {"report", "-report"});
  if (!file) return std::unexpected(std::move(file.error()));
  if (auto done = (*file)->write(text); !done) return done;
  if (auto done = (*file)->settle(); !done) return done;
  return (*file)->take_name((*file)->target());
}

}  // namespace dataflow::cmd
