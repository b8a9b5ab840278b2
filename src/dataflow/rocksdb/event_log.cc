#include "dataflow/rocksdb/event_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdarg>
#include <cstdio>
#include <ctime>
#include <mutex>
#include <utility>

namespace dataflow::rocksdb {
namespace {

constexpr off_t kMaxBytes = 1 << 20;
constexpr std::size_t kMaxEventBytes = 2048;

class EventLog : public ::rocksdb::Logger {
 public:
  explicit EventLog(const std::string& folder)
      : Logger(::rocksdb::InfoLogLevel::WARN_LEVEL), path_(folder + "/LOG") {}

  ~EventLog() override {
    if (file_ >= 0) ::close(file_);
  }

  // The dump of all options at every open: not an event.
  void LogHeader(const char* /*format*/, va_list /*arguments*/) override {}

  using Logger::Logv;
  void Logv(const char* format, va_list arguments) override {
    std::array<char, kMaxEventBytes> line;
    const std::time_t now = std::time(nullptr);
    std::tm parts{};
    ::gmtime_r(&now, &parts);
    std::size_t size = std::strftime(line.data(), line.size(), "%Y-%m-%dT%H:%M:%SZ ", &parts);
    const std::size_t room = line.size() - size - 1;  // for the end of the line
    const int said = std::vsnprintf(line.data() + size, room, format, arguments);
    size += std::min(static_cast<std::size_t>(std::max(said, 0)), room - 1);
    if (line[size - 1] != '\n') line[size++] = '\n';

    const std::lock_guard lock(mutex_);
    if (file_ < 0) open();
    // Nobody can be told of a failure but those who ask for the event.
    if (file_ >= 0) (void)!::write(file_, line.data(), size);
  }

 private:
  void open() {
    struct stat now{};
    if (::stat(path_.c_str(), &now) == 0 && now.st_size > kMaxBytes) {
      (void)std::rename(path_.c_str(), (path_ + ".old").c_str());
    }
    file_ = ::open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
  }

  const std::string path_;
  std::mutex mutex_;
  int file_ = -1;
};

class NoLog : public ::rocksdb::Logger {
 public:
  NoLog() : Logger(::rocksdb::InfoLogLevel::FATAL_LEVEL) {}
  void LogHeader(const char* /*format*/, va_list /*arguments*/) override {}
  using Logger::Logv;
  void Logv(const char* /*format*/, va_list /*arguments*/) override {}
};

}  // namespace

std::shared_ptr<::rocksdb::Logger> event_log(const std::string& folder) {
  return std::make_shared<EventLog>(folder);
}

std::shared_ptr<::rocksdb::Logger> no_log() { return std::make_shared<NoLog>(); }

}  // namespace dataflow::rocksdb
