#include "cmd/job/arguments.h"

#include <algorithm>
#include <utility>

#include "cmd/common/cpus.h"
#include "cmd/common/flags.h"

namespace dataflow::cmd {

namespace {

constexpr std::uint64_t kMaxConcurrency = 1024;

struct Given {
  std::optional<std::string> config, report, rejects, replication;
  std::optional<std::uint64_t> concurrency, max_errors;
  bool dry_run = false, no_cache = false, provision = false;
  std::vector<std::string> sources;
};

std::optional<int> parse_flags(Given& given, std::span<const char* const> arguments,
                               std::ostream& out, std::ostream& err) {
  Flags flags("job",
              "loads product files (JSONL, also .gz and .zst) into the store and writes only what "
              "is new or has changed");
  flags.arguments("SOURCE", given.sources,
                  "a file, a folder, a glob, - for standard input, s3://bucket/prefix or "
                  "s3://bucket/glob*; none: products-*.jsonl of AWS_S3_BUCKET");
  flags.text("config", "FILE", given.config,
             "configuration; without it the environment counts alone, and without [cassandra] and "
             "[redis] store and cache are embedded");
  flags.number("concurrency", "N", given.concurrency, 1, kMaxConcurrency,
               "threads that parse and compare (default: one for each CPU that the job may use)");
  flags.yes("dry-run", given.dry_run,
            "tell what is new, changed and rejected; write nothing (rejected lines only where "
            "-rejects says)");
  flags.text("report", "FILE", given.report, "write the summary there as JSON");
  flags.text("rejects", "FILE", given.rejects,
             "where rejected lines go (default rejects.jsonl), their reasons beside it in "
             "FILE.reasons; a pipe or device is written straight into, without reasons");
  flags.number("max-errors", "N", given.max_errors, 0, UINT64_MAX,
               "rejected lines that are borne; one more stops the run (default 1000)");
  flags.yes("no-cache", given.no_cache, "neither ask nor tell the cache: write every row");
  flags.yes("provision", given.provision,
            "create the keyspace and its tables where they are missing, and load nothing");
  flags.text("replication", "R", given.replication,
             "with -provision: copies of each row, or a replication map as in CQL (default 1)");
  return flags.parse(arguments, out, err);
}

int usage(std::ostream& err, const std::string& message) {
  err << "job: " << message << "\n";
  return kExitUsage;
}

}  // namespace

std::variant<JobArguments, int> parse_job_arguments(std::span<const char* const> arguments,
                                                    const Environment& environment,
                                                    std::ostream& out, std::ostream& err) {
  Given given;
  if (auto code = parse_flags(given, arguments, out, err)) return *code;
  auto config = load_config(given.config.value_or(""), environment);
  if (!config) return usage(err, config.error().describe());

  JobArguments result;
  result.config = std::move(*config);
  PipelineConfig& pipeline = result.config.pipeline;
  if (given.max_errors) pipeline.max_errors = *given.max_errors;
  if (given.rejects) pipeline.rejects = *given.rejects;
  // What a real run rejected is to be mended: a look at another input must not replace it.
  if (given.dry_run && !given.rejects) pipeline.rejects.clear();
  const std::uint64_t cores = usable_cpus();
  result.concurrency = given.concurrency.value_or(
      pipeline.concurrency > 0 ? pipeline.concurrency : std::min(cores, kMaxConcurrency));
  result.dry_run = given.dry_run;
  result.use_cache = !given.no_cache;
  result.report = std::move(given.report);
  result.provision = given.provision;
  result.replication = given.replication.value_or("1");
  result.sources = std::move(given.sources);

  if (given.provision) {
    if (!result.config.cassandra) {
      return usage(err,
                   "-provision is for Cassandra: name a configuration with a [cassandra] section "
                   "(-config dataflow.conf) or set DATAFLOW_CASSANDRA_HOST; the embedded store "
                   "needs none");
    }
    if (!result.sources.empty())
      return usage(err, "-provision loads nothing: leave the sources away");
    return result;
  }
  if (given.replication) return usage(err, "-replication goes with -provision");
  if (given.dry_run && given.no_cache) {
    return usage(err, "-dry-run compares with the cache, so -no-cache cannot go with it");
  }
  if (result.sources.empty()) {
    if (result.config.s3.bucket.empty()) {
      return usage(
          err,
          "nothing to load: name a SOURCE (a file, a folder, a glob, -, s3://bucket/prefix) or "
          "set AWS_S3_BUCKET; see job -help");
    }
    result.sources.push_back("s3://" + result.config.s3.bucket + "/products-*.jsonl");
  }
  for (const std::string& source : result.sources) {
    const auto scheme = source.find("://");
    if (scheme != std::string::npos && !source.starts_with("s3://")) {
      return usage(err, source + ": sources are files, folders, globs, - and s3://bucket/prefix");
    }
  }
  return result;
}

}  // namespace dataflow::cmd
