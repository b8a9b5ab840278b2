#include "cmd/common/ending.h"

#include <poll.h>
#include <sys/time.h>
#include <unistd.h>

#include <atomic>
#include <boost/system/system_error.hpp>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <new>
#include <system_error>

namespace dataflow::cmd {

namespace {

// Written in advance: where it is needed nothing may be allocated, and little be called.
struct Words {
  const char* program = "";
  const char* remedy = "";
  int exit_code = EXIT_FAILURE;
  char aborted[512] = {};
};
Words words;

// What libraries say that could not have memory, a thread or a descriptor.
[[noreturn]] void tell_need(const char* what,
                            const char* allow = "memory and threads (ulimit -a)") noexcept {
  std::fprintf(stderr, "error: %s cannot go on: %s; allow it more %s; %s\n", words.program, what,
               allow, words.remedy);
  std::_Exit(words.exit_code);
}

template <class SystemError>
[[noreturn]] void tell_need_of(const SystemError& error) noexcept {
  const int number = error.code().value();
  if (number == EMFILE || number == ENFILE) tell_need(error.what(), "open files (ulimit -n)");
  tell_need(error.what());
}

[[noreturn]] void tell_defect(const char* what) noexcept {
  std::fprintf(stderr, "error: %s ended unexpectedly: %s; %s; this is a defect: please report it\n",
               words.program, what, words.remedy);
  std::_Exit(words.exit_code);
}

[[noreturn]] void tell_exception() noexcept {
  try {
    if (const auto exception = std::current_exception()) std::rethrow_exception(exception);
  } catch (const std::bad_alloc& e) {
    tell_need(e.what());
  } catch (const std::system_error& e) {  // a thread that could not be started
    tell_need_of(e);
  } catch (const boost::system::system_error& e) {  // or a thing of the system's, Asio's
    tell_need_of(e);
  } catch (const std::exception& e) {
    tell_defect(e.what());
  } catch (...) {
    tell_defect("an exception of no known kind");
  }
  // While an exception was on its way something could not be left in order: what it was, is lost.
  if (std::uncaught_exceptions() > 0) tell_need("a part of it could not be begun");
  tell_defect("a part of it ended before the others");
}

[[noreturn]] void tell_no_memory() { tell_need("no memory is left"); }

extern "C" void tell_abort(int) {
  if (::write(STDERR_FILENO, words.aborted, std::strlen(words.aborted)) < 0) {
    // Nobody listens; the exit code tells.
  }
  ::_exit(words.exit_code);
}

// What end_after() has been told.
struct Deadline {
  std::atomic<int> exit_code = EXIT_FAILURE;
  std::atomic<const char*> words = "";
  std::atomic<bool> reached = false;
};
Deadline deadline;

extern "C" void tell_deadline(int) {
  if (!deadline.reached.exchange(true)) {
    // Others may fill what has just had room: then a second alarm ends the wait.
    ::alarm(1);
    const char* text = deadline.words;
    pollfd ready{STDERR_FILENO, POLLOUT, 0};
    if (::poll(&ready, 1, 0) == 1 && ::write(STDERR_FILENO, text, std::strlen(text)) < 0) {
      // Nobody listens; the exit code tells.
    }
  }
  ::_exit(deadline.exit_code);
}

}  // namespace

void end_in_words(const char* program, const char* remedy, int exit_code) {
  words.program = program;
  words.remedy = remedy;
  words.exit_code = exit_code;
  std::snprintf(
      words.aborted, sizeof words.aborted,
      "error: %s cannot go on, for the reason above: where memory, threads or open files are "
      "lacking, allow it more (ulimit -a); %s; anything else is a defect: please report it\n",
      program, remedy);
  std::set_terminate(tell_exception);
  std::signal(SIGABRT, tell_abort);
}

void end_where_memory_ends() { std::set_new_handler(tell_no_memory); }

void end_after(std::chrono::milliseconds time, int exit_code, const char* text) {
  using std::chrono::duration_cast;
  deadline.exit_code = exit_code;
  deadline.words = text;
  struct sigaction action{};
  action.sa_handler = tell_deadline;
  action.sa_flags = SA_NODEFER;
  ::sigaction(SIGALRM, &action, nullptr);
  // Whoever started the process may have blocked it.
  sigset_t alarms;
  sigemptyset(&alarms);
  sigaddset(&alarms, SIGALRM);
  ::pthread_sigmask(SIG_UNBLOCK, &alarms, nullptr);
  const auto seconds = duration_cast<std::chrono::seconds>(time);
  itimerval timer{};
  timer.it_value.tv_sec = seconds.count();
  timer.it_value.tv_usec = duration_cast<std::chrono::microseconds>(time - seconds).count();
  ::setitimer(ITIMER_REAL, &timer, nullptr);
}

}  // namespace dataflow::cmd
