// Runs a command and writes what it took as one line of JSON:
//
//   bench_launch FILE COMMAND [ARGUMENT...]
//
// The figures of wait4() for the command and the descendants it waited for. A program of its own
// and a small one, because the kernel counts the memory of the process that forked into the peak of
// the one that was executed: forked by an interpreter with the data in memory, every command would
// be as large as that.
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>

namespace {

constexpr int kNotStarted = 127;

double seconds_of(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

// Never returns. The command ends with its launcher, so that a benchmark that is interrupted leaves
// nothing behind.
[[noreturn]] void execute(char** command, pid_t launcher) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != launcher) _exit(kNotStarted);
  execvp(command[0], command);
  std::fprintf(stderr, "bench_launch: %s: %s\n", command[0], std::strerror(errno));
  _exit(kNotStarted);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: bench_launch FILE COMMAND [ARGUMENT...]\n");
    return 2;
  }
  const pid_t launcher = getpid();
  const auto start = std::chrono::steady_clock::now();
  const pid_t child = fork();
  if (child < 0) {
    std::perror("bench_launch: fork");
    return 1;
  }
  if (child == 0) execute(argv + 2, launcher);
  // The command may be interrupted from the terminal; its figures are wanted nevertheless.
  signal(SIGINT, SIG_IGN);
  int status = 0;
  rusage usage{};
  while (wait4(child, &status, 0, &usage) < 0 && errno == EINTR) {
  }
  const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - start;
  const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  std::FILE* file = std::fopen(argv[1], "w");
  if (file == nullptr) {
    std::fprintf(stderr, "bench_launch: %s: %s\n", argv[1], std::strerror(errno));
    return 1;
  }
  std::fprintf(file,
               "{\"wall_s\": %.6f, \"user_s\": %.6f, \"system_s\": %.6f, \"peak_bytes\": %ld, "
               "\"code\": %d}\n",
               wall.count(), seconds_of(usage.ru_utime), seconds_of(usage.ru_stime),
               usage.ru_maxrss * 1024, code);
  return std::fclose(file) == 0 ? 0 : 1;
}
