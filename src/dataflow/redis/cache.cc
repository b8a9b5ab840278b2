#include "dataflow/redis/cache.h"

#include "dataflow/redis/session.h"

namespace dataflow::redis {

Cache::Cache(Options options) : session_(std::make_unique<Session>(std::move(options))) {}

Cache::~Cache() = default;

Task<Result<std::string>> Cache::identity() { co_return co_await session_->identity(); }

Task<Result<void>> Cache::open(std::string_view incarnation, Mode mode) {
  auto opened = co_await session_->open(std::string(incarnation), mode == Mode::kReadOnly);
  co_return opened;
}

Task<Result<bool>> Cache::still_trustworthy() {
  auto generation = session_->readable();
  if (!generation) co_return std::unexpected(std::move(generation.error()));
  Commands commands;
  commands.command("INFO").add("stats");
  auto reply = co_await session_->ask(*generation, commands);
  if ((*generation)->over) co_return false;
  if (!reply) co_return std::unexpected(std::move(reply.error()));
  const auto now = parse_statistics(clients::Values(*reply).next().bytes);
  co_return now.has_value() && now->quiet_since((*generation)->statistics);
}

}  // namespace dataflow::redis
