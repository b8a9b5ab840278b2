// Goal: Occurrences keeps what it was told last of each product, in bounded memory, and leaves
// nothing behind.
#include "dataflow/rocksdb/occurrences.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <random>
#include <thread>
#include <unordered_map>

#include "dataflow/rocksdb/test_support.h"

namespace dataflow::rocksdb {
namespace {

namespace fs = std::filesystem;
using testing::Peer;
using testing::TempDir;
using Seen = Occurrences::Seen;

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(thread_sanitizer)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

// A number of /proc/self/status in KiB.
std::size_t process_kib(const std::string& name) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(name + ":")) return std::stoul(line.substr(name.size() + 1));
  }
  return 0;
}

TEST(Occurrences, AtFirstNothingWasSeen) {
  const TempDir dir;
  const auto occurrences = Occurrences::create(dir.path());
  ASSERT_TRUE(occurrences) << occurrences.error().describe();
  const ProductId ids[] = {0, 5, kMaxProductId};
  Seen seen[3] = {{1, true}, {1, true}, {1, true}};
  ASSERT_TRUE((*occurrences)->get(ids, seen));
  for (const Seen& one : seen) EXPECT_EQ(one, Seen{});
  EXPECT_TRUE((*occurrences)->get({}, {}));
  EXPECT_TRUE((*occurrences)->put({}, {}));
}

TEST(Occurrences, KeepsWhatItWasToldLast) {
  const TempDir dir;
  const auto made = Occurrences::create(dir.path());
  ASSERT_TRUE(made);
  Occurrences& occurrences = **made;
  std::unordered_map<ProductId, Seen> reference;
  std::mt19937_64 random(5);
  for (int round = 0; round < 300; ++round) {
    std::vector<ProductId> ids(random() % 1'500);
    for (ProductId& id : ids) id = static_cast<ProductId>(random() % 20'000);
    std::vector<Seen> seen(ids.size());
    ASSERT_TRUE(occurrences.get(ids, seen));
    for (std::size_t i = 0; i < ids.size(); ++i) ASSERT_EQ(seen[i], reference[ids[i]]);
    for (std::size_t i = 0; i < ids.size(); ++i) {
      seen[i] = {1 + (random() >> (1 + random() % 63)) / 2, random() % 2 != 0};
      reference[ids[i]] = seen[i];
    }
    ASSERT_TRUE(occurrences.put(ids, seen));
  }
}

TEST(Occurrences, DifferentIdsMayBeAskedAtTheSameTime) {
  const TempDir dir;
  const auto occurrences = Occurrences::create(dir.path());
  ASSERT_TRUE(occurrences);
  std::vector<std::jthread> threads;
  for (ProductId thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      for (std::uint64_t round = 1; round <= 50; ++round) {
        std::vector<ProductId> ids;
        for (ProductId i = 0; i < 200; ++i) ids.push_back(4 * i + thread);
        std::vector<Seen> seen(ids.size(), Seen{round, thread % 2 == 0});
        EXPECT_TRUE((*occurrences)->put(ids, seen));
        std::vector<Seen> again(ids.size());
        EXPECT_TRUE((*occurrences)->get(ids, again));
        EXPECT_EQ(again, seen);
      }
    });
  }
}

TEST(Occurrences, OurOwnMistakesAreErrors) {
  const TempDir dir;
  const auto occurrences = Occurrences::create(dir.path());
  const ProductId ids[] = {1};
  const Seen too_late[] = {{~std::uint64_t{0}, false}};
  EXPECT_EQ((*occurrences)->get(ids, {}).error().code, ErrorCode::kInternal);
  EXPECT_EQ((*occurrences)->put(ids, {}).error().code, ErrorCode::kInternal);
  EXPECT_EQ((*occurrences)->put(ids, too_late).error().code, ErrorCode::kInternal);
}

TEST(Occurrences, NeedsAFolderAndLeavesItAsItWas) {
  const TempDir dir;
  EXPECT_EQ(Occurrences::create(dir / "nowhere").error().code, ErrorCode::kInvalid);
  {
    const auto first = Occurrences::create(dir.path());
    const auto second = Occurrences::create(dir.path());
    ASSERT_TRUE(first && second);
    EXPECT_NE((*first)->path(), (*second)->path());
    EXPECT_FALSE(fs::is_empty(dir.path()));
  }
  EXPECT_TRUE(fs::is_empty(dir.path()));
}

TEST(Occurrences, WithoutAFolderItTakesTheTemporaryOne) {
  const TempDir dir;
  const char* before = std::getenv("TMPDIR");
  const std::string saved = before == nullptr ? "" : before;
  ::setenv("TMPDIR", dir.path().c_str(), 1);
  const auto occurrences = Occurrences::create();
  before == nullptr ? ::unsetenv("TMPDIR") : ::setenv("TMPDIR", saved.c_str(), 1);
  ASSERT_TRUE(occurrences);
  EXPECT_TRUE((*occurrences)->path().starts_with(dir.path() + "/"));
}

TEST(Occurrences, RemovesWhatAKilledRunLeftAndNothingElse) {
  const TempDir dir;
  const auto age = [&](const std::string& name) {
    fs::create_directory(dir / name);
    std::ofstream(dir / (name + "/LOCK"));
    fs::last_write_time(dir / (name + "/LOCK"),
                        fs::file_time_type::clock::now() - std::chrono::hours(1));
  };
  age("dataflow-run.999999999.1.part");
  const std::string same_pid = "dataflow-run." + std::to_string(::getpid()) + ".1.part";
  age(same_pid);  // in a container each run is process 1
  age("dataflow-run.999999999.1.kept");
  age("something.part");
  fs::create_directory(dir / "dataflow-run.999999998.1.part");
  std::ofstream(dir / "dataflow-run.999999998.1.part/LOCK");  // just being made
  const auto occurrences = Occurrences::create(dir.path());
  ASSERT_TRUE(occurrences);
  EXPECT_FALSE(fs::exists(dir / "dataflow-run.999999999.1.part"));
  EXPECT_FALSE(fs::exists(dir / same_pid));
  EXPECT_TRUE(fs::exists(dir / "dataflow-run.999999999.1.kept"));
  EXPECT_TRUE(fs::exists(dir / "something.part"));
  EXPECT_TRUE(fs::exists(dir / "dataflow-run.999999998.1.part"));
}

TEST(Occurrences, AFullDiskIsAnErrorAndLeavesNothingBehind) {
  const TempDir dir;
  Peer peer({"--file-limit", std::to_string(300'000)});
  const std::string answer = peer.ask("occurrences " + dir.path() + " 2000000");
  EXPECT_TRUE(answer.starts_with("error unavailable writing to the embedded database")) << answer;
  EXPECT_TRUE(fs::is_empty(dir.path()));
}

TEST(Occurrences, MemoryDoesNotGrowWithTheProducts) {
  const TempDir dir;
  const auto occurrences = Occurrences::create(dir.path());
  ASSERT_TRUE(occurrences);
  constexpr ProductId kIds = kSanitized ? 200'000 : 1'000'000;
  constexpr ProductId kBlock = 500;
  constexpr ProductId kStep = 7'919;  // prime to kIds: every id once, in no order
  constexpr std::size_t kMaxGrowthKib = (kSanitized ? 400 : 48) * 1024;
  std::ofstream("/proc/self/clear_refs") << "5";  // the highest memory is measured from here
  const std::size_t before = process_kib("VmRSS");
  std::vector<ProductId> ids(kBlock);
  std::vector<Seen> seen(kBlock);
  for (int round = 0; round < 2; ++round) {
    for (ProductId first = 0; first < kIds; first += kBlock) {
      for (ProductId i = 0; i < kBlock; ++i) {
        ids[static_cast<std::size_t>(i)] = (first + i) * kStep % kIds;
      }
      ASSERT_TRUE((*occurrences)->get(ids, seen));
      for (std::size_t i = 0; i < seen.size(); ++i) {
        const auto order = static_cast<std::uint64_t>(ids[i]) + 1;
        ASSERT_EQ(seen[i], (round == 0 ? Seen{} : Seen{order, true}));
        seen[i] = {order, true};
      }
      if (round == 0) {
        ASSERT_TRUE((*occurrences)->put(ids, seen));
      }
    }
  }
  EXPECT_LT(process_kib("VmHWM"), before + kMaxGrowthKib) << "KiB, from " << before;
}

}  // namespace
}  // namespace dataflow::rocksdb
