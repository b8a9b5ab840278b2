// Objects: their records.
//
// Why evictions make records worthless. A record is right as long as every row of the object has
// its entry: whoever takes the row finds the entry, and the object in it, and deletes the object's
// record. A row whose entry was evicted is new to the next job that meets it, in whatever object;
// it changes hands and nobody learns that the record is wrong. So the number of keys that the
// server evicted since it started is kept in the record, as it was when the record was begun
// (entries that went before that were found absent, and made again), and the record counts while
// that number stands. It is one number for the whole server, so it errs on the side of reading too
// much.
//
// An operator may set the server's counters to 0 (CONFIG RESETSTAT), and so hide evictions. They
// are set to 0 together, so the bytes that the server received are kept as well, as they were when
// the record was made: fewer than that now means that the counters begin anew. That shows until as
// many bytes have come again, and only then: nothing that INFO tells of evictions outlives a
// reset. Who resets the counters of a server that evicts keys has to know it (ADR 4).
#include "dataflow/redis/cache.h"
#include "dataflow/redis/limits.h"
#include "dataflow/redis/scripts.h"
#include "dataflow/redis/session.h"

namespace dataflow::redis {

Task<Result<std::vector<bool>>> Cache::find_objects(std::span<const Object> objects) {
  auto generation = session_->readable();
  if (!generation) co_return std::unexpected(std::move(generation.error()));
  std::vector<bool> stored;
  if ((*generation)->name.empty()) co_return std::vector<bool>(objects.size());
  stored.reserve(objects.size());
  while (stored.size() < objects.size()) {
    const auto these =
        objects.subspan(stored.size(), std::min(kRowsPerCommand, objects.size() - stored.size()));
    Commands commands;
    commands.command("MGET");
    for (const Object& object : these) {
      commands.add(record_key((*generation)->name, object_id(object.name)));
    }
    // After the records: an eviction between the two counts.
    commands.command("INFO").add("stats");
    auto reply = co_await session_->ask(*generation, commands);
    if (!reply) co_return std::unexpected(std::move(reply.error()));
    clients::Values values(*reply);
    std::vector<std::optional<Record>> records;
    for (std::size_t i = 0; i < these.size(); ++i) {
      records.push_back(parse_done_record(values.next().bytes));
    }
    const auto now = parse_statistics(values.next().bytes);
    for (std::size_t i = 0; i < these.size(); ++i) {
      const auto& record = records[i];
      stored.push_back(record && now && now->quiet_since(record->statistics) &&
                       !these[i].version.empty() && record->version == version_of(these[i]));
    }
  }
  co_return stored;
}

Task<Result<std::string>> Cache::begin_object(ObjectId object) {
  auto generation = session_->writable();
  if (!generation) co_return std::unexpected(std::move(generation.error()));
  Commands look;
  look.command("INFO").add("stats");
  auto reply = co_await session_->ask(*generation, look);
  if (!reply) co_return std::unexpected(std::move(reply.error()));
  const auto now = parse_statistics(clients::Values(*reply).next().bytes);
  std::string token = make_token(now.value_or(Statistics{}));

  Commands begin;
  begin.command("SET").add(record_key((*generation)->name, object)).add(open_record(token));
  reply = co_await session_->ask(*generation, begin);
  if (!reply) co_return std::unexpected(std::move(reply.error()));
  co_return token;
}

Task<Result<bool>> Cache::end_object(const Object& object, std::string_view token) {
  auto generation = session_->writable();
  if (!generation) co_return std::unexpected(std::move(generation.error()));
  const auto parts = parse_token(token);
  if (!parts) co_return false;  // not one of begin_object
  Commands commands;
  commands.command("EVAL").add(kEndScript).add(2);
  commands.add(record_key((*generation)->name, object_id(object.name)));
  commands.add((*generation)->pointer).add((*generation)->name).add(token);
  commands.add(parts->name).add(parts->evicted_keys).add(parts->input_bytes);
  commands.add(version_of(object));
  auto reply = co_await session_->ask(*generation, commands);
  if ((*generation)->over) co_return false;
  if (!reply) co_return std::unexpected(std::move(reply.error()));
  co_return clients::Values(*reply).next().bytes == "1";
}

}  // namespace dataflow::redis
