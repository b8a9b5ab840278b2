// Prints what the splitter and the parser make of standard input, for tests/input/test_parser.py to
// compare with another parser. A line for each row, "A OFFSET ID PRICE TITLE CATEGORY BRAND URL
// DESCRIPTION", and for each rejected line, "R OFFSET LINE REASON". Texts are in hexadecimal behind
// an "x", the price as the 16 digits of its bits; "-" is null.
//
// usage: parser_peer [BLOCK_BYTES [MAX_LINE_BYTES]]
#include <unistd.h>

#include <bit>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "dataflow/pipeline/parser.h"
#include "dataflow/pipeline/splitter.h"

namespace dataflow::pipeline {
namespace {

class StandardInput final : public Reader {
 public:
  Task<Result<std::size_t>> read(std::span<char> buffer) override {
    const ssize_t size = ::read(STDIN_FILENO, buffer.data(), buffer.size());
    if (size < 0) co_return fail(ErrorCode::kUnavailable, "cannot read standard input");
    co_return static_cast<std::size_t>(size);
  }
};

void print_text(const std::optional<std::string_view>& text) {
  if (!text) {
    std::fputs(" -", stdout);
    return;
  }
  std::fputs(" x", stdout);
  for (const char c : *text) std::printf("%02x", static_cast<unsigned char>(c));
}

void print(const Rows& rows) {
  for (const Row& row : rows.rows) {
    const ProductView& product = row.product;
    std::printf("A %ju %jd", static_cast<std::uintmax_t>(row.offset),
                static_cast<std::intmax_t>(product.id));
    if (product.price) {
      const auto bits = std::bit_cast<std::uint64_t>(*product.price);
      std::printf(" %016jx", static_cast<std::uintmax_t>(bits));
    } else {
      std::fputs(" -", stdout);
    }
    print_text(product.title);
    print_text(product.category);
    print_text(product.brand);
    print_text(product.url);
    print_text(product.description);
    std::putchar('\n');
  }
  for (const RejectedLine& line : rows.rejected) {
    std::printf("R %ju %ju %s\n", static_cast<std::uintmax_t>(line.byte),
                static_cast<std::uintmax_t>(line.line), line.reason.c_str());
  }
}

Task<void> print_everything(SplitterOptions options, int& code) {
  Splitter splitter(std::make_unique<StandardInput>(), options);
  Parser parser(options.max_line_bytes);
  while (true) {
    auto step = co_await splitter.next();
    if (!step) {
      std::fprintf(stderr, "%s\n", step.error().message.c_str());
      code = EXIT_FAILURE;
      co_return;
    }
    if (std::holds_alternative<EndOfObject>(*step)) co_return;
    if (const auto* piece = std::get_if<LongLinePiece>(&*step)) {
      if (!piece->last) continue;
      std::printf("R %ju %ju %s\n", static_cast<std::uintmax_t>(piece->byte),
                  static_cast<std::uintmax_t>(piece->line),
                  too_long(options.max_line_bytes).c_str());
      continue;
    }
    print(parser.parse(std::get<Block>(*step)));
  }
}

}  // namespace
}  // namespace dataflow::pipeline

int main(int argc, char** argv) {
  using namespace dataflow::pipeline;
  SplitterOptions options;
  if (argc > 1) options.block_bytes = std::strtoull(argv[1], nullptr, 10);
  if (argc > 2) options.max_line_bytes = std::strtoull(argv[2], nullptr, 10);
  if (options.block_bytes == 0 || options.max_line_bytes == 0) {
    std::fputs("usage: parser_peer [BLOCK_BYTES [MAX_LINE_BYTES]]\n", stderr);
    return 2;
  }
  int code = EXIT_SUCCESS;
  boost::asio::io_context context;
  boost::asio::co_spawn(context, print_everything(options, code),
                        [&code](std::exception_ptr thrown) {
                          if (thrown) code = EXIT_FAILURE;
                        });
  context.run();
  if (std::fflush(stdout) != 0) code = EXIT_FAILURE;
  return code;
}
