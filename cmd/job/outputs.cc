#include "cmd/job/outputs.h"

#include <sys/stat.h>

#include <cstdint>
#include <string>
#include <utility>

#include "dataflow/pipeline/output_file.h"

namespace dataflow::cmd {

namespace {

std::unexpected<Error> one_file(const std::string& report, const std::string& other) {
  return fail(ErrorCode::kInvalid,
              "-report " + report + " is " + other + ", which it would replace: name another FILE");
}

Result<void> check_rejects(const std::string& report, const std::string& rejects) {
  for (const char* ending : {"", ".reasons"}) {
    const std::string path = rejects + ending;
    if (!pipeline::OutputFile::are_one(report, path)) continue;
    return one_file(report, "where the rejected lines and their reasons go (" + path + ")");
  }
  return {};
}

bool is_the_file(const Object& object, const struct stat& file) {
  // Most objects are not even of its size.
  if (object.size && *object.size != static_cast<std::uint64_t>(file.st_size)) return false;
  return pipeline::OutputFile::is_object(object, file);
}

Task<bool> has_file(pipeline::Source source, struct stat file) {
  auto listing = co_await source.fetch->list(source.name);
  while (listing) {
    auto page = co_await (*listing)->next();
    if (!page || page->empty()) break;
    for (const Object& object : *page) {
      if (is_the_file(object, file)) co_return true;
    }
  }
  co_return false;
}

}  // namespace

Task<Result<void>> check_outputs(const JobArguments& arguments,
                                 std::vector<pipeline::Source> sources) {
  if (!arguments.report) co_return Result<void>();
  const std::string report = *arguments.report;
  const std::string rejects = arguments.config.pipeline.rejects;
  if (!rejects.empty()) {
    if (auto checked = check_rejects(report, rejects); !checked) co_return checked;
  }
  struct stat file{};
  if (::stat(report.c_str(), &file) != 0 || !S_ISREG(file.st_mode)) co_return Result<void>();
  for (const pipeline::Source& source : sources) {
    if (source.name.starts_with("s3://")) continue;
    const bool found = co_await has_file(source, file);
    if (found) co_return one_file(report, "a source (" + source.name + ")");
  }
  co_return Result<void>();
}

}  // namespace dataflow::cmd
