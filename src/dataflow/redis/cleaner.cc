#include "dataflow/redis/cleaner.h"

#include <utility>

#include "dataflow/redis/encoding.h"
#include "dataflow/redis/limits.h"
#include "dataflow/redis/scripts.h"

namespace dataflow::redis {

void Cleaner::start(std::string registry, std::deque<Retired> retired) {
  const std::lock_guard lock(mutex_);
  ++round_;
  registry_ = std::move(registry);
  retired_ = std::move(retired);
  under_way_ = false;
}

std::optional<Cleaner::Step> Cleaner::append(Commands& commands, Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  if (retired_.empty() || under_way_ || now < next_) return std::nullopt;
  const auto& [member, cursor] = retired_.front();
  const std::string_view name = std::string_view(member).substr(member.find(' ') + 1);
  commands.command("EVAL").add(kCleanScript).add(1).add(registry_);
  commands.add(cursor).add(row_prefix(name) + "*").add(kCleanKeysPerStep).add(member);
  under_way_ = true;
  next_ = now + kCleanPause;
  return Step{round_};
}

void Cleaner::took(Step step, std::string_view cursor) {
  const std::lock_guard lock(mutex_);
  if (step.round != round_) return;
  under_way_ = false;
  if (cursor.empty()) {
    // The server does not allow it: the entries stay until an open() finds that it does.
    retired_.clear();
  } else if (cursor == "0") {
    retired_.pop_front();
  } else {
    retired_.front().cursor = cursor;
  }
}

void Cleaner::failed(Step step) {
  const std::lock_guard lock(mutex_);
  if (step.round == round_) under_way_ = false;
}

}  // namespace dataflow::redis
