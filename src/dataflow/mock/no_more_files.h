// NoMoreFiles: while it lives, this process can open nothing more (EMFILE); what is open stays so.
// Not with UndefinedBehaviorSanitizer, which opens a pipe to look at memory: tests of it are left
// out there.
#pragma once

#include <gtest/gtest.h>
#include <sys/resource.h>

namespace dataflow::mock {

class NoMoreFiles {
 public:
  NoMoreFiles() {
    EXPECT_EQ(::getrlimit(RLIMIT_NOFILE, &before_), 0);
    rlimit none = before_;
    none.rlim_cur = 0;
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  }
  NoMoreFiles(const NoMoreFiles&) = delete;
  NoMoreFiles& operator=(const NoMoreFiles&) = delete;
  ~NoMoreFiles() { EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &before_), 0); }

 private:
  rlimit before_{};
};

}  // namespace dataflow::mock
