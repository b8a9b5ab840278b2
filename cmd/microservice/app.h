// App: the service from its arguments to its exit code. Tests run it in their own process.
//
// run() binds the address, connects to the store, serves, and returns after stop() or a signal when
// what was in flight has been answered. Where the store is Cassandra and cannot be reached, it
// serves all the same, answers 503, and goes on trying. Thread safety: stop() from any thread while
// run() runs, the rest from one.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "cmd/microservice/arguments.h"

namespace dataflow::cmd {

inline constexpr int kExitStopped = 0;  // by a signal, as it should be
// The port is in use or not permitted, or there is no descriptor for it.
inline constexpr int kExitCannotListen = 1;
// kExitUsage = 2 (flags.h): usage or configuration
inline constexpr int kExitFailed = 4;  // the system does not allow what it needs

class App {
 public:
  explicit App(ServiceArguments arguments);
  ~App();
  App(const App&) = delete;
  App& operator=(const App&) = delete;

  int run();
  void stop();

  // Called once by run() when requests are answered, with the address: "127.0.0.1:8080".
  std::function<void(const std::string& address)> on_listening;

  // Whether everything has come back that run() began. Where it has not (a store that does not
  // answer), the process should end without destroying anything; the App then leaves behind what is
  // still referred to.
  bool is_clean() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace dataflow::cmd
