// Goal: the service sees what another process writes, soon, whatever becomes of that process and
// its files.
#include "dataflow/rocksdb/secondary_product_service.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "dataflow/mock/wait.h"
#include "dataflow/rocksdb/secondary_view.h"
#include "dataflow/rocksdb/test_support.h"

namespace dataflow::rocksdb {
namespace {

namespace fs = std::filesystem;
using mock::wait;
using testing::eventually;
using testing::Peer;
using testing::product_of;
using testing::TempDir;

// The code of an error; nullopt where there is a value.
template <class T>
std::optional<ErrorCode> code_of(const Result<T>& result) {
  return result ? std::nullopt : std::optional(result.error().code);
}

class SecondaryTest : public ::testing::Test {
 protected:
  SecondaryTest() {
    SecondaryOptions options;
    options.path = path_;
    service_ = std::make_unique<SecondaryProductService>(options);
  }

  // 0 where there is none.
  int find(ProductId id) {
    const auto product = wait(service_->find(id));
    if (!product) {
      EXPECT_TRUE(product.error().code == ErrorCode::kNotFound ||
                  product.error().code == ErrorCode::kUnavailable)
          << product.error().describe();
      return 0;
    }
    const auto version = testing::version_of(*product);
    EXPECT_TRUE(version) << "product " << id << " is not what was written";
    return version.value_or(-1);
  }
  bool sees(ProductId id, int version) {
    return eventually([&] { return find(id) == version; });
  }
  static std::string save(ProductId first, std::size_t count, int version) {
    return "save " + std::to_string(first) + " " + std::to_string(count) + " " +
           std::to_string(version);
  }
  void expect_newest_after(const std::vector<std::pair<std::string, std::string>>& asked);

  const TempDir dir_;
  const std::string path_ = dir_ / "db";
  std::unique_ptr<SecondaryProductService> service_;
};

TEST_F(SecondaryTest, WithoutADatabaseItSaysWhatToDoAndPicksItUpWhenItAppears) {
  const auto nothing = wait(service_->find(1));
  ASSERT_FALSE(nothing);
  EXPECT_EQ(nothing.error().code, ErrorCode::kUnavailable);
  EXPECT_NE(nothing.error().message.find("run the job"), std::string::npos);
  EXPECT_EQ(code_of(wait(service_->incarnation())), ErrorCode::kUnavailable);
  const ProductId ids[] = {1, 2};
  EXPECT_EQ(code_of(wait(service_->find_many(ids))), ErrorCode::kUnavailable);

  Peer job;
  ASSERT_EQ(job.ask("open " + path_), "ok open");
  ASSERT_EQ(job.ask(save(1, 1, 1)), "ok saved");
  EXPECT_TRUE(sees(1, 1));
  const auto found = wait(service_->find_many(ids));
  ASSERT_TRUE(found);
  EXPECT_EQ((*found)[0], product_of(1, 1));
  EXPECT_EQ((*found)[1], std::nullopt);
  EXPECT_EQ(code_of(wait(service_->find(2))), ErrorCode::kNotFound);
}

TEST_F(SecondaryTest, TellsTheIncarnationThatTheWriterTells) {
  Options options;
  options.path = path_;
  const auto database = Database::open(options);
  const auto is_told = [&] {
    const auto incarnation = wait(service_->incarnation());
    return incarnation && *incarnation == (*database)->incarnation();
  };
  EXPECT_TRUE(eventually(is_told));
  ASSERT_TRUE((*database)->begin_epoch());
  EXPECT_TRUE(eventually(is_told));
}

TEST_F(SecondaryTest, WritesNothing) {
  const Product product = product_of(1, 1);
  const ProductView views[] = {view_of(product)};
  bool stored[1] = {};
  EXPECT_EQ(code_of(wait(service_->save_many(views, 1, stored))), ErrorCode::kUnauthorized);
  EXPECT_EQ(code_of(wait(service_->disown_caches())), ErrorCode::kUnauthorized);
  EXPECT_EQ(code_of(wait(service_->writer_number())), ErrorCode::kUnauthorized);
  EXPECT_TRUE(wait(service_->flush()));
  EXPECT_FALSE(stored[0]);
}

// Every row that the job says is saved is seen, in that version or a later one, while tables are
// written and merged under the reader.
TEST_F(SecondaryTest, FollowsARunningJob) {
  Peer job({"--write-buffer", std::to_string(1 << 20)});
  ASSERT_EQ(job.ask("open " + path_), "ok open");
  constexpr std::size_t kRows = 3'000;
  for (int version = 1; version <= 12; ++version) {
    ASSERT_EQ(job.ask(save(1, kRows, version)), "ok saved");
    job.send("stream 1000000 4000 200 " + std::to_string(version));
    for (const ProductId id : {1, 1'500, 3'000}) {
      EXPECT_TRUE(eventually([&] {
        const int seen = find(id);
        EXPECT_TRUE(seen == version || seen == version - 1) << seen << " in round " << version;
        return seen == version;
      }));
    }
    std::string answer;
    while ((answer = job.receive()) != "ok end") ASSERT_TRUE(answer.starts_with("ok")) << answer;
  }
  EXPECT_TRUE(sees(1'003'999, 12));
}

// RocksDB's reader keeps rows that it took from a log in front of newer ones that went into a table
// while it was not looking, when the log is gone and no newer one brings rows.
// Versions of ten rows, of which the second comes into tables by these commands.
void SecondaryTest::expect_newest_after(
    const std::vector<std::pair<std::string, std::string>>& asked) {
  Peer job;
  ASSERT_EQ(job.ask("open " + path_), "ok open");
  for (int round = 0; round < 5; ++round) {
    const int version = 2 * round + 1;
    ASSERT_EQ(job.ask(save(1, 10, version)), "ok saved");
    ASSERT_TRUE(sees(1, version));
    ASSERT_EQ(job.ask(save(1, 10, version + 1)), "ok saved");
    for (const auto& [command, answer] : asked) ASSERT_EQ(job.ask(command), answer);
    EXPECT_TRUE(sees(1, version + 1)) << "round " << round;
  }
}

TEST_F(SecondaryTest, RowsFromALogThatIsGoneDoNotHideNewerOnes) {
  expect_newest_after({{"table", "ok written"}, {"remember 1 10", "ok remembered"}});
}

// The log stays, because of what is not the products': its end is passed over all the same.
TEST_F(SecondaryTest, RowsFromALogThatWasPassedOverDoNotHideNewerOnes) {
  expect_newest_after({{"products_table", "ok written"}});
}

TEST_F(SecondaryTest, TheSameWhenTheJobWasKilledAndItsSuccessorWritesNothing) {
  for (int round = 0; round < 4; ++round) {
    Peer job;
    ASSERT_EQ(job.ask("open " + path_), "ok open");
    const int version = 2 * round + 1;
    ASSERT_EQ(job.ask(save(1, 10, version)), "ok saved");
    ASSERT_TRUE(sees(1, version));
    ASSERT_EQ(job.ask(save(1, 10, version + 1)), "ok saved");
    job.kill();
    Peer next;
    ASSERT_EQ(next.ask("open " + path_), "ok open");
    EXPECT_TRUE(sees(1, version + 1)) << "round " << round;
  }
}

TEST_F(SecondaryTest, SeesWhatAKilledJobHadAcknowledged) {
  std::mt19937 random(std::random_device{}());
  for (int round = 1; round <= 6; ++round) {
    Peer job({"--write-buffer", std::to_string(1 << 20)});
    ASSERT_EQ(job.ask("open " + path_), "ok open");
    job.send("stream 1 20000 100 " + std::to_string(round));
    const std::size_t stop_at = 100 + random() % 19'000;
    std::size_t acknowledged = 0;
    while (acknowledged < stop_at) {
      const std::string answer = job.receive();
      ASSERT_TRUE(answer.starts_with("ok ")) << answer;
      acknowledged = std::stoul(answer.substr(3));
      if (acknowledged % 2'000 == 0) (void)find(static_cast<ProductId>(acknowledged));
    }
    job.kill();
    for (std::size_t id = 1; id <= acknowledged; id += 997) {
      EXPECT_TRUE(sees(static_cast<ProductId>(id), round)) << id;
    }
    EXPECT_TRUE(sees(static_cast<ProductId>(acknowledged), round));
  }
}

TEST_F(SecondaryTest, ADatabaseThatIsRemovedAndMadeAnewIsFollowedAnew) {
  for (int round = 1; round <= 3; ++round) {
    {
      Peer job;
      ASSERT_EQ(job.ask("open " + path_), "ok open");
      ASSERT_EQ(job.ask(save(round, 1, round)), "ok saved");
      EXPECT_TRUE(sees(round, round));
      EXPECT_EQ(find(round - 1), 0);
    }
    fs::remove_all(path_);
    EXPECT_TRUE(eventually(
        [&] { return code_of(wait(service_->find(round))) == ErrorCode::kUnavailable; }));
  }
}

TEST_F(SecondaryTest, ADatabaseReplacedByAnotherBetweenTwoReadsIsNoticed) {
  {
    Peer job;
    ASSERT_EQ(job.ask("open " + path_), "ok open");
    ASSERT_EQ(job.ask(save(1, 1, 1)), "ok saved");
    ASSERT_EQ(job.ask("close"), "ok closed");
    ASSERT_EQ(job.ask("open " + (dir_ / "other")), "ok open");
    ASSERT_EQ(job.ask(save(1, 1, 2)), "ok saved");
    ASSERT_EQ(job.ask("close"), "ok closed");
  }
  ASSERT_TRUE(sees(1, 1));
  fs::rename(path_, dir_ / "old");
  fs::rename(dir_ / "other", path_);
  EXPECT_TRUE(sees(1, 2));
}

TEST_F(SecondaryTest, NeedsNoMoreThanThePermissionToReadAndLeavesNoFiles) {
  fs::permissions(dir_.path(), fs::perms::owner_all | fs::perms::group_read |
                                   fs::perms::group_exec | fs::perms::others_read |
                                   fs::perms::others_exec);
  {
    Peer job;
    ASSERT_EQ(job.ask("open " + path_), "ok open");
    ASSERT_EQ(job.ask(save(1, 5, 1)), "ok saved");
    ASSERT_EQ(job.ask("close"), "ok closed");
  }
  const auto count_files = [this] {
    return std::distance(fs::directory_iterator(path_), fs::directory_iterator());
  };
  const auto before = count_files();
  Peer reader({"--nobody"});
  ASSERT_EQ(reader.ask("follow " + path_), "ok follows");
  EXPECT_EQ(reader.ask("find 3"), "ok 1");
  EXPECT_EQ(count_files(), before);
}

TEST_F(SecondaryTest, WithoutPermissionItSaysSo) {
  fs::create_directory(path_);
  fs::permissions(path_, fs::perms::none);
  Peer reader({"--nobody"});
  ASSERT_EQ(reader.ask("follow " + path_), "ok follows");
  const std::string answer = reader.ask("find 3");
  EXPECT_TRUE(answer.starts_with("error unauthorized")) << answer;
}

TEST_F(SecondaryTest, WhatIsNoDatabaseIsInvalid) {
  fs::create_directory(path_);
  fs::create_directory(path_ + "/photos");
  const auto found = wait(service_->find(1));
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, ErrorCode::kInvalid);
}

// A job that has ended leaves rows in the log: to open the view again for them at each look would
// throw away its block cache five times a second.
TEST_F(SecondaryTest, RowsInALogThatStaysNeedNoOpeningAgain) {
  Peer job;
  ASSERT_EQ(job.ask("open " + path_), "ok open");
  ASSERT_EQ(job.ask(save(1, 10, 1)), "ok saved");
  const auto view = SecondaryView::open(path_, kDefaultBlockCacheBytes);
  ASSERT_TRUE(view) << view.error().describe();
  for (int look = 0; look < 3; ++look) {
    EXPECT_EQ((*view)->catch_up(), SecondaryView::State::kCurrent) << look;
  }
  ASSERT_EQ(job.ask("close"), "ok closed");
  EXPECT_EQ((*view)->catch_up(), SecondaryView::State::kCurrent);
}

// Readers on several threads while the view is renewed and replaced below them by a writer in such
// a hurry that its logs go while they are read: nobody is told that there is no database, and
// nobody sees an older version than before.
TEST_F(SecondaryTest, ManyReadersAtOnceOfAWriterInAHurry) {
  Peer job({"--write-buffer", std::to_string(1 << 18)});
  ASSERT_EQ(job.ask("open " + path_), "ok open");
  ASSERT_EQ(job.ask(save(1, 1'000, 1)), "ok saved");
  ASSERT_TRUE(sees(1'000, 1));
  std::atomic<bool> done = false;
  {
    std::vector<std::jthread> readers;
    for (unsigned reader = 0; reader < 4; ++reader) {
      readers.emplace_back([this, reader, &done] {
        std::mt19937 random(reader);
        std::vector<int> seen(1'000, 1);
        while (!done) {
          const auto id = random() % seen.size();
          const auto product = wait(service_->find(static_cast<ProductId>(id + 1)));
          ASSERT_TRUE(product) << product.error().describe();
          const int version = testing::version_of(*product).value_or(-1);
          ASSERT_GE(version, seen[id]) << "product " << id + 1;
          seen[id] = version;
        }
      });
    }
    for (int version = 2; version <= 5; ++version) {
      job.send("stream 1 20000 100 " + std::to_string(version));
      std::string answer;
      while ((answer = job.receive()) != "ok end" && answer.starts_with("ok")) {
      }
      EXPECT_EQ(answer, "ok end");
      EXPECT_TRUE(sees(20'000, version));
    }
    done = true;
  }
}

}  // namespace
}  // namespace dataflow::rocksdb
