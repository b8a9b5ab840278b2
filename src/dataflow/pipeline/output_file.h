// OutputFile: a file that takes its name when it is whole.
//
// Until then what has the name is intact, whatever ends the process, and no two processes write
// into one file: it has no name, and is gone with the process; where the file system has no files
// without, it lies in the folder as .dataflow-<random>.part, which a process that is killed leaves
// behind. Links are followed. What is there and is no regular file (a pipe, a device), or is this
// process's standard output or error, is written straight into, as the lines come. The file has the
// permissions and, where this process may give it that, the owner of the one that it replaces;
// before that, only this user reads it.
//
// Blocking; a pipe whose reader is slower than kReader is an error. Used by one thread at a time.
// Errors: kUnavailable, naming the path and the flag that names another.
#pragma once

#include <sys/stat.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "dataflow/error.h"
#include "dataflow/fetch.h"

namespace dataflow::pipeline {

class OutputFile {
 public:
  // What a reader of a pipe may take: so long for a piece, and as long again as the text takes at
  // this speed for all that is written at a time.
  struct Reader {
    std::chrono::milliseconds patience;
    std::uint64_t bytes_per_second;
  };
  static constexpr Reader kReader{std::chrono::seconds(10), 1024};

  // What it is, for the messages.
  struct Purpose {
    std::string_view what;  // "report"
    std::string_view flag;  // "-report"
  };

  // Whether the file may do without a name until it is whole. The others are for tests: kForEver
  // is as on a file system that has files without a name and gives them none.
  enum class Nameless { kWherePossible, kNever, kForEver };

  static Result<std::unique_ptr<OutputFile>> create(std::string path, Purpose purpose,
                                                    Nameless nameless = Nameless::kWherePossible,
                                                    Reader reader = kReader);
  // One that never takes a name, for what is only put by. It lies where this one will.
  Result<std::unique_ptr<OutputFile>> create_spool() const;

  // Whether both lead to one file, be it there or not, which the second one would replace. Into
  // what is no file, several may write.
  static bool are_one(const std::string& path, const std::string& other);

  // Whether the object is this file: a source that an output would replace.
  static bool is_object(const Object& object, const struct stat& file);

  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;
  ~OutputFile();  // without its name, it is removed

  const std::string& path() const { return path_; }      // as it was given
  const std::string& target() const { return target_; }  // where that leads
  std::string folder() const;                            // of that
  bool is_straight() const { return straight_; }
  std::uint64_t size() const { return written_ + buffer_.size(); }

  // With a buffer; write_line adds the newline. After an error what was written is a beginning of
  // what it should be.
  Result<void> write(std::string_view text);
  Result<void> write_line(std::string_view line);
  Result<void> flush();

  // Appends [begin, end) of this file to `to`. Not of one that is written straight.
  Result<void> copy(std::uint64_t begin, std::uint64_t end, OutputFile& to);

  // Everything is written and lies beside the path: all that may fail for want of room. `durable`:
  // also where the machine loses its power then.
  Result<void> settle(bool durable = false);

  // After settle(): replaces what has the name. In folder().
  Result<void> take_name(const std::string& name);

  // The error of a system call on it that failed, with errno. `what`: "write", "name", ...
  std::unexpected<Error> error(std::string_view what) const;

 private:
  OutputFile(std::string path, Purpose purpose, Reader reader);

  // False, with errno, where that cannot be.
  bool open_straight(bool is_pipe);
  bool open_nameless(bool for_ever = false);
  bool open_part();
  bool give_part_name();
  Result<void> move_to_part();
  void take_after(const std::string& path);

  std::string make_part_name() const;
  std::ptrdiff_t write_some(std::string_view text, std::chrono::steady_clock::time_point until);

  std::string path_, target_;
  std::string part_;  // its name until it is whole; empty: none
  Purpose purpose_;
  Reader reader_;
  int descriptor_ = -1;
  unsigned mode_;  // while it is not whole
  bool straight_ = false;
  std::string buffer_;
  std::uint64_t written_ = 0;
};

}  // namespace dataflow::pipeline
