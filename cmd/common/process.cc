#include "cmd/common/process.h"

#include <fcntl.h>
#include <spdlog/details/os.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "cmd/common/printable.h"

namespace dataflow::cmd {

namespace {

// A message's text, which may name files and keys that others have chosen: no line of its own.
class PrintableText final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&,
              spdlog::memory_buf_t& out) override {
    const std::string text = printable({message.payload.data(), message.payload.size()});
    out.append(text.data(), text.data() + text.size());
  }
  std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<PrintableText>();
  }
};

// As spdlog's own sinks do on a terminal.
std::string_view color_of(spdlog::level::level_enum level) {
  if (level >= spdlog::level::err) return "\033[31m\033[1m";
  return level == spdlog::level::warn ? "\033[33m\033[1m" : "\033[32m";
}

class HandOver final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit HandOver(std::function<void(std::string&)> write)
      : write_(std::move(write)),
        colored_(spdlog::details::os::in_terminal(stderr) &&
                 spdlog::details::os::is_color_terminal()) {}

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    line_.assign(line.data(), line.size());
    if (colored_) {
      line_.insert(message.color_range_end, "\033[m");
      line_.insert(message.color_range_start, color_of(message.level));
    }
    write_(line_);
  }
  void flush_() override {}

  const std::function<void(std::string&)> write_;
  const bool colored_;
  std::string line_;
};

void log_to(spdlog::sink_ptr sink) {
  auto logger = std::make_shared<spdlog::logger>("", std::move(sink));
  auto formatter = std::make_unique<spdlog::pattern_formatter>(spdlog::pattern_time_type::utc);
  formatter->add_flag<PrintableText>('*').set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %^%l%$ %*");
  logger->set_formatter(std::move(formatter));
  logger->flush_on(spdlog::level::trace);
  spdlog::set_default_logger(std::move(logger));
}

}  // namespace

void start_logging() { log_to(std::make_shared<spdlog::sinks::stderr_color_sink_mt>()); }

void start_logging(std::function<void(std::string&)> write) {
  log_to(std::make_shared<HandOver>(std::move(write)));
}

void keep_memory_private() { prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); }

void survive_failed_writes() {
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
}

bool has_terminal() {
  const int terminal = ::open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (terminal >= 0) ::close(terminal);
  return terminal >= 0;
}

void survive_hangups() { std::signal(SIGHUP, SIG_IGN); }

std::size_t raise_open_files_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  if (limit.rlim_cur < limit.rlim_max) {
    rlimit raised = limit;
    raised.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0) limit = raised;
  }
  return limit.rlim_cur;
}

struct StopSignals::State {
  State(const boost::asio::any_io_executor& executor, std::function<void(int)> on_stop)
      : signals(executor, SIGINT, SIGTERM), stop(std::move(on_stop)) {}
  boost::asio::signal_set signals;
  std::function<void(int)> stop;
};

StopSignals::StopSignals(const boost::asio::any_io_executor& executor,
                         std::function<void(int)> stop)
    : state_(std::make_shared<State>(executor, std::move(stop))) {
  state_->signals.async_wait([state = state_](boost::system::error_code error, int signal) {
    if (error) return;
    state->signals.clear();  // the default again: the next one ends the process
    state->stop(signal);
  });
}

StopSignals::~StopSignals() { cancel(); }

void StopSignals::cancel() {
  boost::system::error_code ignored;
  state_->signals.cancel(ignored);
}

struct ReloadSignal::State {
  State(const boost::asio::any_io_executor& executor, std::function<void()> on_reload)
      : signals(executor, SIGHUP), reload(std::move(on_reload)) {}
  boost::asio::signal_set signals;
  std::function<void()> reload;
};

ReloadSignal::ReloadSignal(const boost::asio::any_io_executor& executor,
                           std::function<void()> reload)
    : state_(std::make_shared<State>(executor, std::move(reload))) {
  wait(state_);
}

ReloadSignal::~ReloadSignal() {
  boost::system::error_code ignored;
  state_->signals.cancel(ignored);
}

void ReloadSignal::wait(const std::shared_ptr<State>& state) {
  state->signals.async_wait([state](boost::system::error_code error, int) {
    if (error) return;
    state->reload();
    wait(state);
  });
}

}  // namespace dataflow::cmd
