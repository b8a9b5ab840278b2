#include "dataflow/cassandra/writer_numbers.h"

#include <charconv>
#include <random>
#include <string_view>
#include <utility>

#include "dataflow/cassandra/schema.h"
#include "dataflow/product_service.h"

namespace dataflow::cassandra {
namespace {

// Epochs' rows are named after the table first ("products:<id>").
std::string row_name(const Options& options) {
  std::string name = "writers:" + std::string(kProductsTable);
  if (options.consistency == "local_quorum" && !options.datacenter.empty()) {
    name += ":" + options.datacenter;
  }
  return name;
}

std::uint64_t one_at_random() { return std::random_device{}() % ProductService::kWritersApart; }

// What is not a number is of another hand.
std::uint64_t number_after(const std::optional<std::string>& count) {
  if (!count) return one_at_random();
  std::uint64_t number = 0;
  const char* const last = count->data() + count->size();
  const auto [end, error] = std::from_chars(count->data(), last, number);
  return error == std::errc{} && end == last ? number + 1 : one_at_random();
}

}  // namespace

WriterNumbers::WriterNumbers(Connection& connection, const Options& options)
    : connection_(connection),
      keyspace_(options.keyspace),
      table_(options.keyspace + "." + std::string(kEpochTable)),
      name_(quoted(row_name(options))),
      has_majority_(options.consistency.ends_with("quorum") || options.consistency == "all") {}

Task<Result<std::uint64_t>> WriterNumbers::next() {
  if (!has_majority_) co_return one_at_random();
  auto count = co_await read();
  if (!count) co_return std::unexpected(with_rights_hint(std::move(count.error()), keyspace_));
  for (int round = 0; round < kMaxRounds; ++round) {
    const std::uint64_t number = number_after(*count);
    auto replaced = co_await replace(*count, number);
    if (!replaced) {
      co_return std::unexpected(with_rights_hint(std::move(replaced.error()), keyspace_));
    }
    if (*replaced) co_return number;
  }
  co_return fail(ErrorCode::kUnavailable, "other jobs that begin keep changing " + table_ +
                                              ": try again when they have begun");
}

Task<Result<WriterNumbers::Count>> WriterNumbers::read() {
  auto rows = co_await connection_.query("SELECT epoch FROM " + table_ + " WHERE name = " + name_);
  if (!rows && rows.error().code == ErrorCode::kInvalid) {
    // There is no such table, as it was before there were epochs; or the next statement says what
    // is wrong.
    rows = co_await connection_.query(create_epochs(keyspace_));
  }
  if (!rows) co_return std::unexpected(std::move(rows.error()));
  co_return next_value(*rows);
}

Task<Result<bool>> WriterNumbers::replace(Count& count, std::uint64_t next) {
  // A row that is not there has a null as well.
  const std::string expected = count ? quoted(*count) : "null";
  auto rows =
      co_await connection_.query("UPDATE " + table_ + " SET epoch = '" + std::to_string(next) +
                                 "' WHERE name = " + name_ + " IF epoch = " + expected);
  if (!rows) co_return std::unexpected(std::move(rows.error()));
  const bool applied = was_applied(*rows);
  // Where it was not, the epoch that there is comes behind.
  if (!applied) count = next_value(*rows);
  co_return applied;
}

}  // namespace dataflow::cassandra
