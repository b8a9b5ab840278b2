// Commands: what one round trip says to Redis, in the form that the client takes: all arguments one
// after another in one buffer, so that a row costs no allocation. Private to the folder; for one
// thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dataflow/product.h"

namespace dataflow::redis {

class Commands {
 public:
  // Room for so many more arguments of so many bytes altogether.
  void reserve(std::size_t arguments, std::size_t bytes);

  // Begins the next command; add() gives it arguments.
  Commands& command(std::string_view name);
  Commands& add(std::string_view argument);
  Commands& add(std::size_t number);
  // The key of a row: prefix and decimal id.
  Commands& add_row(std::string_view prefix, ProductId id);
  // `size` bytes that the caller fills at once.
  std::span<char> add_space(std::size_t size);

  std::span<const std::uint8_t> bytes() const;
  std::span<const std::uint32_t> lengths() const { return lengths_; }
  // How many arguments, its name included, each command has.
  std::span<const std::uint32_t> arguments() const { return arguments_; }

 private:
  Commands& ended(std::size_t size_before);

  std::string bytes_;
  std::vector<std::uint32_t> lengths_;
  std::vector<std::uint32_t> arguments_;
};

}  // namespace dataflow::redis
