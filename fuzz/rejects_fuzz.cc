// Goal: rejected lines are read back as they were, one after another, and their reasons are a JSON
// object a line, whatever the lines, their sources, their pieces and the attempts taken back.
//
// Input: a program of operations for FuzzedDataProvider.
#include <fuzzer/FuzzedDataProvider.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "dataflow/pipeline/rejects.h"
#include "dataflow/pipeline/splitter.h"
#include "fuzz/memory_reader.h"
#include "fuzz/support.h"

namespace dataflow::pipeline {
namespace {

using fuzz::check;

constexpr std::size_t kMaxBytes = 4'096;  // more than most inputs write

struct Written {
  std::uint64_t object = 0;
  std::uint64_t line = 0;
  std::uint64_t byte = 0;
  std::string source, reason, text;
  bool settled = false;  // may not be taken back any more
};

// Never destroyed: the folder is removed after everything else.
const std::string& path() {
  static const auto* const made = [] {
    std::string pattern = std::filesystem::temp_directory_path() / "dataflow-fuzz-XXXXXX";
    check(::mkdtemp(pattern.data()) != nullptr, "there is a folder to write to");
    std::atexit([] { std::filesystem::remove_all(std::filesystem::path(path()).parent_path()); });
    return new std::string(pattern + "/rejects");
  }();
  return *made;
}

std::string content(const std::string& name) {
  std::ifstream file(name, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

bool is_utf8(const std::string& text) {
  try {
    return !nlohmann::json(text).dump().empty();
  } catch (const nlohmann::json::type_error&) {
    return false;
  }
}

// The lines of a file as a later run reads them: by the splitter, which cuts at newlines.
Task<std::vector<std::string>> lines_of(std::string text) {
  SplitterOptions options;
  options.block_bytes = 64;
  Splitter splitter(std::make_unique<fuzz::MemoryReader>(text, 7), options);
  std::vector<std::string> lines;
  while (true) {
    auto step = co_await splitter.next();
    check(step.has_value(), "the file can be read");
    if (std::holds_alternative<EndOfObject>(*step)) co_return lines;
    std::string_view left = std::get<Block>(*step).text();
    check(left.ends_with('\n'), "the last line is whole");
    while (!left.empty()) {
      const std::size_t end = left.find('\n');
      lines.emplace_back(left.substr(0, end));
      left.remove_prefix(end + 1);
    }
  }
}

// What the operations should leave behind.
class Model {
 public:
  explicit Model(FuzzedDataProvider& input) : input_(input), rejects_(path(), kMaxBytes) {}

  void step() {
    const auto object = input_.ConsumeIntegralInRange<std::uint64_t>(1, 3);
    switch (input_.ConsumeIntegralInRange<int>(0, 5)) {
      case 0:
        rejects_.discard(object);
        pieces_.erase(object);
        std::erase_if(written_,
                      [&](const Written& each) { return each.object == object && !each.settled; });
        return;
      case 1:
        rejects_.keep(object);
        for (Written& each : written_) each.settled |= each.object == object;
        return;
      case 2:
      case 3:
        return add_piece(object);
      default:
        return add(object);
    }
  }

  void finish() {
    const auto kept = rejects_.finish(true);
    check(kept.has_value(), "the files can be written");
    check(kept->lines.empty() == written_.empty(), "there is a file where there are lines");
    const auto lines = fuzz::run(lines_of(content(path())));
    const auto reasons = fuzz::run(lines_of(content(path() + ".reasons")));
    check(lines.size() == written_.size(), "each line is there, once");
    check(reasons.size() == written_.size(), "each reason is there, once");
    for (std::size_t i = 0; i < written_.size(); ++i) {
      check(lines[i] == written_[i].text, "a line is as it was", written_[i].text);
      check_reason(reasons[i], written_[i]);
    }
    std::filesystem::remove(path());
    std::filesystem::remove(path() + ".reasons");
    const auto folder = std::filesystem::path(path()).parent_path();
    check(std::filesystem::is_empty(folder), "nothing else is left behind");
  }

 private:
  static void check_reason(const std::string& text, const Written& written) {
    const auto reason = nlohmann::json::parse(text, nullptr, false);
    check(reason.is_object() && reason.size() == 4, "a reason is an object", text);
    check(reason["line"] == written.line && reason["byte"] == written.byte, "the place is", text);
    const auto same = [](const nlohmann::json& kept, const std::string& given) {
      // Bytes that are no UTF-8 cannot be in JSON; the others are as they were.
      return kept.is_string() && (kept == given || !is_utf8(given));
    };
    check(same(reason["source"], written.source), "the source is", text);
    check(same(reason["reason"], written.reason), "the reason is", text);
  }

  std::string text() {
    std::string some = input_.ConsumeRandomLengthString(64);
    if (input_.ConsumeBool()) {
      for (int doubled = 0; doubled < 4; ++doubled) some += some;
    }
    std::erase(some, '\n');
    return some;
  }

  Written draw(std::uint64_t object) {
    Written made;
    made.object = object;
    made.line = input_.ConsumeIntegral<std::uint64_t>();
    made.byte = input_.ConsumeIntegral<std::uint64_t>();
    made.source = input_.ConsumeRandomLengthString(16);
    made.reason = input_.ConsumeRandomLengthString(16);
    return made;
  }

  static Rejects::Line line_of(const Written& written) {
    return {written.source, written.object, written.line, written.byte, written.reason};
  }

  bool fits(std::size_t bytes) {
    if (bytes > kMaxBytes - bytes_) return false;
    bytes_ += bytes;
    return true;
  }

  void add(std::uint64_t object) {
    Written written = draw(object);
    written.text = text();
    const auto done = rejects_.add(line_of(written), written.text);
    check(done.has_value() == fits(written.text.size() + 1), "the limit holds");
    if (done) written_.push_back(std::move(written));
  }

  void add_piece(std::uint64_t object) {
    Written written = draw(object);
    const std::string piece = text();
    const bool last = input_.ConsumeBool();
    const auto done = rejects_.add_piece(line_of(written), piece, last);
    check(done.has_value() == fits(piece.size() + (last ? 1 : 0)), "the limit holds");
    if (!done) return;
    std::string& so_far = pieces_[object];
    so_far += piece;
    if (!last) return;
    written.text = std::move(so_far);
    pieces_.erase(object);
    written_.push_back(std::move(written));
  }

  FuzzedDataProvider& input_;
  Rejects rejects_;
  std::size_t bytes_ = 0;
  std::map<std::uint64_t, std::string> pieces_;
  std::vector<Written> written_;
};

}  // namespace
}  // namespace dataflow::pipeline

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzedDataProvider input(data, size);
  dataflow::pipeline::Model model(input);
  while (input.remaining_bytes() > 0) model.step();
  model.finish();
  return 0;
}
