#include "cmd/microservice/app.h"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <exception>
#include <optional>
#include <utility>
#include <vector>

#include "cmd/common/cpus.h"
#include "cmd/common/flags.h"
#include "cmd/common/line_writer.h"
#include "cmd/common/process.h"
#include "cmd/common/version.h"
#include "cmd/common/wiring.h"
#include "cmd/microservice/coalescing_product_service.h"
#include "cmd/microservice/late_product_service.h"
#include "dataflow/cassandra/product_service.h"
#include "dataflow/http/server.h"
#include "dataflow/rocksdb/secondary_product_service.h"

namespace dataflow::cmd {
namespace {

using std::chrono::milliseconds;

// How long the first request may be kept waiting for the store's first connection.
constexpr milliseconds kFirstConnection{3'000};
// Descriptors beside the connections': the store's, the logs', the embedded database's files.
constexpr std::size_t kOtherDescriptors = 512;

http::Options http_options(const HttpConfig& config, const Address& listen) {
  http::Options options;
  options.host = listen.host;
  options.port = listen.port;
  options.threads = config.threads > 0 ? config.threads : usable_cpus();
  options.max_connections = config.max_connections;
  options.max_header_bytes = config.max_header_bytes;
  options.max_target_bytes = config.max_target_bytes;
  options.max_body_bytes = config.max_body_bytes;
  options.max_unsent_bytes = config.max_unsent_bytes;
  options.tls = {config.cert_file, config.key_file};
  options.handshake_timeout = milliseconds(config.handshake_timeout_ms);
  options.header_timeout = milliseconds(config.header_timeout_ms);
  options.idle_timeout = milliseconds(config.idle_timeout_ms);
  options.request_timeout = milliseconds(config.request_timeout_ms);
  options.write_timeout = milliseconds(config.write_timeout_ms);
  options.drain_timeout = milliseconds(config.drain_timeout_ms);
  options.log = [](const std::string& what) { spdlog::warn("{}", what); };
  return options;
}

// A read that nobody waits for any more is of no use: the store gives up when the client is told
// so.
cassandra::Options read_options(const Config& config) {
  cassandra::Options options = cassandra_options(*config.cassandra);
  options.request_timeout_ms = std::min(options.request_timeout_ms, config.http.request_timeout_ms);
  return options;
}

Task<Result<std::unique_ptr<ProductService>>> open_cassandra(cassandra::Options options) {
  auto connected = co_await cassandra::ProductService::connect(std::move(options));
  if (!connected) co_return std::unexpected(std::move(connected.error()));
  co_return std::unique_ptr<ProductService>(std::move(*connected));
}

// A thread that could not be started, say: out of run(), and with it the process. `detached` would
// drop it, and nobody would ever be answered.
void rethrow(const std::exception_ptr& exception) {
  if (exception) std::rethrow_exception(exception);
}

std::string joined(const std::vector<std::string>& hosts) {
  std::string out;
  for (const std::string& host : hosts) out += (out.empty() ? "" : ", ") + host;
  return out;
}

}  // namespace

struct App::State {
  explicit State(ServiceArguments given) : arguments(std::move(given)), first_wait(context) {}

  Result<void> prepare();
  Task<void> serve();
  Task<void> connect();
  void begin_stop();
  void reload();

  const ServiceArguments arguments;
  std::function<void(const std::string&)> on_listening;
  std::optional<LineWriter> access_log;
  std::unique_ptr<LateProductService> late;              // the store, where it is Cassandra
  std::unique_ptr<CoalescingProductService> coalescing;  // in front of it
  std::unique_ptr<ProductService> embedded;              // the store, where it is not
  std::optional<http::Server> server;
  boost::asio::io_context context{1};
  boost::asio::steady_timer first_wait;
  bool serving = false;
  bool stopping = false;
  bool clean = true;
};

// Everything that can be wrong at once: the settings, the address.
Result<void> App::State::prepare() {
  const Config& config = arguments.config;
  for (const std::string& warning : config.warnings) spdlog::warn("{}", warning);
  if (config.cassandra) {
    const cassandra::Options options = read_options(config);
    if (auto right = cassandra::check(options); !right) return right;
    spdlog::info("microservice {}: products from Cassandra at {}, keyspace {}", version(),
                 joined(options.hosts), options.keyspace);
    late = std::make_unique<LateProductService>(
        [options] { return open_cassandra(options); },
        [this](const Error& error) {
          spdlog::error("{}; answering 503 and trying again", error.describe());
          first_wait.cancel();
        });
    coalescing = std::make_unique<CoalescingProductService>(*late);
  } else {
    rocksdb::SecondaryOptions options;
    options.path = config.rocksdb.path;
    options.block_cache_bytes = config.rocksdb.service_cache_bytes;
    spdlog::info("microservice {}: products from the embedded store {}", version(), options.path);
    embedded = std::make_unique<rocksdb::SecondaryProductService>(options);
  }
  http::Options options = http_options(config.http, arguments.listen);
  if (config.http.access_log) {
    access_log.emplace(STDOUT_FILENO);
    options.access_log = [this](std::string& lines) { access_log->write(lines); };
  }
  const std::size_t files = raise_open_files_limit();
  if (files < options.max_connections + kOtherDescriptors) {
    // A flood must not take the store's files: the connections have to leave some.
    const std::size_t connections =
        std::max<std::size_t>(files / 2, files - std::min(files, kOtherDescriptors));
    spdlog::warn(
        "{} open files are allowed, too few for {} connections: no more than {} are served; raise "
        "the limit (ulimit -n) or lower http.max_connections",
        files, options.max_connections, connections);
    options.max_connections = connections;
  }
  options.gather_answers = embedded != nullptr;
  // The embedded store answers in line, before another request could ask: nothing to be joined.
  ProductService& store = coalescing ? static_cast<ProductService&>(*coalescing) : *embedded;
  server.emplace(std::move(options), store);
  return server->listen();
}

Task<void> App::State::connect() {
  co_await late->connect();
  if (!late->connected()) co_return;
  spdlog::info("connected to Cassandra");
  first_wait.cancel();
  co_await late->watch([] { spdlog::info("connected to Cassandra again"); });
}

Task<void> App::State::serve() {
  if (late != nullptr) {
    first_wait.expires_after(kFirstConnection);
    boost::asio::co_spawn(context, connect(), rethrow);
    co_await first_wait.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
  }
  if (stopping) co_return;
  server->start();
  serving = true;
  const std::string address = server->address();
  const std::string certificate = server->tls_description();
  if (!certificate.empty()) spdlog::info("TLS: {}", certificate);
  spdlog::info("listening on {}://{}", certificate.empty() ? "http" : "https", address);
  if (on_listening) on_listening(address);
}

void App::State::begin_stop() {
  if (std::exchange(stopping, true)) return;
  if (late != nullptr) late->stop();
  first_wait.cancel();
  if (serving) server->stop();
  // What is left in this context is an attempt to connect, which nobody needs any more.
  context.stop();
}

void App::State::reload() {
  if (arguments.config.http.cert_file.empty()) {
    spdlog::info("SIGHUP: without a certificate (http.cert_file) there is nothing to read again");
    return;
  }
  const auto certificate = server->reload_tls();
  if (certificate) {
    spdlog::info("TLS, read again: {}", *certificate);
  } else {
    spdlog::error("{}; going on with the certificate there was", certificate.error().describe());
  }
}

App::App(ServiceArguments arguments) : state_(std::make_unique<State>(std::move(arguments))) {}

App::~App() {
  if (state_->clean) return;
  // What has not come back still refers to it: it is kept, and never destroyed.
  static auto* const kept = new std::vector<std::unique_ptr<State>>;
  kept->push_back(std::move(state_));
}

bool App::is_clean() const { return state_->clean; }

void App::stop() {
  boost::asio::post(state_->context, [state = state_.get()] { state->begin_stop(); });
}

int App::run() {
  State& state = *state_;
  // Without a certificate and on a terminal the signal keeps its meaning: the terminal is gone.
  std::optional<ReloadSignal> reload;
  if (!state.arguments.config.http.cert_file.empty() || !has_terminal()) {
    reload.emplace(state.context.get_executor(), [&state] { state.reload(); });
  }
  if (const auto ready = state.prepare(); !ready) {
    spdlog::error("{}", ready.error().describe());
    return ready.error().code == ErrorCode::kInvalid ? kExitUsage : kExitCannotListen;
  }
  state.on_listening = on_listening;
  StopSignals signals(state.context.get_executor(), [&state](int signal) {
    spdlog::info("{}: answering what is in flight, then stopping (again: stop at once)",
                 signal == SIGINT ? "interrupted" : "terminated");
    state.begin_stop();
  });
  boost::asio::co_spawn(state.context, state.serve(), rethrow);
  const auto work = boost::asio::make_work_guard(state.context);
  state.context.run();
  const std::size_t in_store = state.serving ? state.server->wait() : 0;
  state.clean = in_store == 0 && (state.late == nullptr || !state.late->attempting());
  state.access_log.reset();
  spdlog::info("stopped");
  return kExitStopped;
}

}  // namespace dataflow::cmd
