#include "dataflow/redis/session.h"

#include <deque>
#include <utility>

#include "dataflow/redis/limits.h"
#include "dataflow/redis/scripts.h"

namespace dataflow::redis {
namespace {

// The last value of a reply, `before` values from its end; empty for null.
std::string_view tail(const clients::Reply& reply, std::size_t before) {
  const std::size_t count = reply.lengths.size();
  if (before >= count) return {};
  std::size_t end = reply.bytes.size();
  for (std::size_t i = 1; i <= before; ++i) {
    end -= static_cast<std::size_t>(std::max(reply.lengths[count - i], 0));
  }
  const auto size = static_cast<std::size_t>(std::max(reply.lengths[count - 1 - before], 0));
  return {reinterpret_cast<const char*>(reply.bytes.data()) + end - size, size};
}

}  // namespace

Task<Result<std::string>> Session::identity() {
  auto good = check(connector_.options());
  if (!good) co_return std::unexpected(std::move(good.error()));
  connector_.try_again();
  auto link = co_await connector_.link();
  if (!link) co_return std::unexpected(std::move(link.error()));
  co_return "redis " + (*link)->run_id() + " database " + std::to_string(connector_.options().db);
}

Task<Result<void>> Session::open(std::string incarnation, bool read_only) {
  if (incarnation.empty()) co_return fail(ErrorCode::kInternal, "an incarnation has a name");
  auto good = check(connector_.options());
  if (!good) co_return good;
  connector_.try_again();
  for (int attempt = 1;; ++attempt) {
    auto link = co_await connector_.link();
    if (!link) co_return std::unexpected(std::move(link.error()));
    auto opened = co_await open_on(**link, incarnation, read_only);
    if (opened) {
      const std::lock_guard lock(mutex_);
      generation_ = std::move(*opened);
      co_return Result<void>{};
    }
    if ((*link)->connected() || attempt == kAttempts) {
      co_return std::unexpected(std::move(opened.error()));
    }
  }
}

Task<Result<GenerationPtr>> Session::open_on(Link& link, std::string_view incarnation,
                                             bool read_only) {
  auto generation = std::make_shared<Generation>();
  generation->run_id = link.run_id();
  generation->read_only = read_only;
  generation->pointer = pointer_key(incarnation, link.run_id());
  std::string registry = registry_key(incarnation);

  Commands commands;
  commands.command("INFO").add("stats");
  if (read_only) {
    commands.command("GET").add(generation->pointer);
  } else {
    commands.command("EVAL").add(kOpenScript).add(2).add(generation->pointer).add(registry);
    commands.add(random_name());
  }
  auto reply = co_await link.call(commands);
  if (!reply) co_return std::unexpected(std::move(reply.error()));

  clients::Values values(*reply);
  const auto statistics = parse_statistics(values.next().bytes);
  generation->name = values.done() ? std::string_view{} : values.next().bytes;
  const bool nothing_to_read = read_only && generation->name.empty();
  if (!statistics || !(is_name(generation->name) || nothing_to_read)) {
    co_return fail(ErrorCode::kUnavailable,
                   "what answers at " + connector_.options().addr + " does not talk as Redis does");
  }
  generation->statistics = *statistics;
  generation->rows = row_prefix(generation->name);
  generation->records = record_prefix(generation->name);
  std::deque<Cleaner::Retired> retired;
  while (!values.done()) {
    std::string member(values.next().bytes);
    if (!values.done()) retired.push_back({std::move(member), std::string(values.next().bytes)});
  }
  cleaner_.start(std::move(registry), std::move(retired));
  co_return generation;
}

Result<GenerationPtr> Session::readable() const {
  const std::lock_guard lock(mutex_);
  if (generation_ == nullptr) {
    return fail(ErrorCode::kInternal, "the cache was used before it was opened");
  }
  return generation_;
}

Result<GenerationPtr> Session::writable() const {
  auto generation = readable();
  if (generation && (*generation)->read_only) {
    return fail(ErrorCode::kInternal, "the cache was opened for reading only");
  }
  return generation;
}

Error Session::over(Generation& generation, std::string_view what) const {
  generation.over = true;
  std::string message = "Redis at " + connector_.options().addr + " was ";
  message.append(what).append(" since the cache was opened: what it knew is not used any more");
  return {ErrorCode::kUnavailable, std::move(message), {}};
}

Task<Result<clients::Reply>> Session::send(GenerationPtr generation, const Commands& commands) {
  for (int attempt = 1;; ++attempt) {
    auto link = co_await connector_.link();
    if (!link) co_return std::unexpected(std::move(link.error()));
    if ((*link)->run_id() != generation->run_id) {
      co_return std::unexpected(over(*generation, "restarted or replaced"));
    }
    auto reply = co_await (*link)->call(commands);
    if (reply || (*link)->connected() || attempt == kAttempts) co_return reply;
  }
}

Task<Result<clients::Reply>> Session::ask(GenerationPtr generation, Commands& commands) {
  if (generation->over) co_return std::unexpected(over(*generation, "restarted or emptied"));
  const auto step = cleaner_.append(commands, Cleaner::Clock::now());
  commands.command("GET").add(generation->pointer);
  auto reply = co_await send(generation, commands);
  if (!reply) {
    if (step) cleaner_.failed(*step);
    co_return reply;
  }
  if (step) cleaner_.took(*step, tail(*reply, 1));
  if (tail(*reply, 0) != generation->name) {
    co_return std::unexpected(over(*generation, "emptied"));
  }
  co_return reply;
}

}  // namespace dataflow::redis
