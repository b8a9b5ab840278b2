// WriterNumbers: counts the writers of the table of products, so that those who write at the same
// time have different numbers (ProductService::writer_number).
//
// The count is kept in the table of epochs, in a row of its own, and is changed by lightweight
// transactions: of those who ask at the same time each gets another number. Where it is missing
// (nobody has asked yet, somebody has emptied the table) it begins at random: jobs of before may
// still be writing.
//
// Lightweight transactions of a local consistency are agreed on within a datacenter only. So each
// has a count of its own there, and the writers of two datacenters are as likely to have the same
// number modulo kWritersApart as two at random.
//
// With a consistency that is to do without a majority of the replicas (one, two, three, local_one)
// nobody is asked: the number is drawn at random.
//
// Thread safe, also between processes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "dataflow/cassandra/connection.h"
#include "dataflow/cassandra/options.h"
#include "dataflow/error.h"
#include "dataflow/task.h"

namespace dataflow::cassandra {

class WriterNumbers {
 public:
  // How often others may be faster before we give up (kUnavailable).
  static constexpr int kMaxRounds = 10;

  // `connection` outlives this.
  WriterNumbers(Connection& connection, const Options& options);

  // As ProductService::writer_number. Where nobody else asks: one read and one transaction.
  Task<Result<std::uint64_t>> next();

 private:
  // As stored; nullopt: nothing.
  using Count = std::optional<std::string>;

  // Makes the table where it is missing.
  Task<Result<Count>> read();
  // True where `count` was replaced by `next`; else `count` is what somebody else has made of it.
  Task<Result<bool>> replace(Count& count, std::uint64_t next);

  Connection& connection_;
  const std::string keyspace_;
  const std::string table_;
  const std::string name_;  // of the row, in quotes
  const bool has_majority_;
};

}  // namespace dataflow::cassandra
