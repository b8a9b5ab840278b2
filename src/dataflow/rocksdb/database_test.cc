// Goal: the database opens what is one and refuses what is not, with the reason; it is held by one
// process; and it knows which incarnation it is.
#include "dataflow/rocksdb/database.h"

#include <gtest/gtest.h>
#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "dataflow/mock/no_more_files.h"
#include "dataflow/rocksdb/folder.h"
#include "dataflow/rocksdb/meta.h"
#include "dataflow/rocksdb/product_codec.h"
#include "dataflow/rocksdb/test_support.h"

namespace dataflow::rocksdb {
namespace {

namespace fs = std::filesystem;
using testing::Peer;
using testing::TempDir;

Options at(const std::string& path) {
  Options options;
  options.path = path;
  return options;
}

Error error_at(const std::string& path) {
  const auto database = Database::open(at(path));
  return database ? Error{} : database.error();
}

// Writes into the family kMeta from outside, as another version or another machine would have.
void set_meta(const std::string& path, std::string_view key, std::string_view value) {
  const auto database = Database::open(at(path));
  ASSERT_TRUE(database);
  ASSERT_TRUE((*database)->db().Put({}, (*database)->family(Family::kMeta), key, value).ok());
}

// Through RocksDB itself: Database would begin a session and end it in order.
void with_meta(const std::string& path, const std::function<void(::rocksdb::DB&)>& use) {
  ::rocksdb::DB* db = nullptr;
  std::vector<::rocksdb::ColumnFamilyHandle*> handles;
  std::vector<::rocksdb::ColumnFamilyDescriptor> families;
  for (const char* name : {"default", "products", "rows", "objects"}) {
    families.emplace_back(name, ::rocksdb::ColumnFamilyOptions());
  }
  ASSERT_TRUE(::rocksdb::DB::Open({}, path, families, &handles, &db).ok());
  use(*db);
  for (auto* handle : handles) EXPECT_TRUE(db->DestroyColumnFamilyHandle(handle).ok());
  delete db;
}

// The incarnation as it is after the process that had it was killed, with `value` as the session's
// mark.
std::string incarnation_after_a_kill(const std::string& path, std::string_view session) {
  {
    Peer peer;
    EXPECT_EQ(peer.ask("open " + path), "ok open");
    peer.kill();
  }
  if (!session.empty()) {
    with_meta(path, [&](::rocksdb::DB& db) { EXPECT_TRUE(db.Put({}, kSessionKey, session).ok()); });
  }
  const auto database = Database::open(at(path));
  EXPECT_TRUE(database);
  return database ? (*database)->incarnation() : "";
}

std::map<std::string, std::pair<std::uintmax_t, fs::file_time_type>> files_of(
    const std::string& path) {
  std::map<std::string, std::pair<std::uintmax_t, fs::file_time_type>> files;
  for (const auto& entry : fs::directory_iterator(path)) {
    files[entry.path().filename()] = {entry.file_size(), entry.last_write_time()};
  }
  return files;
}

TEST(Database, IsTheSameIncarnationWhenItIsOpenedAgain) {
  const TempDir dir;
  const auto first = (*Database::open(at(dir / "db")))->incarnation();
  const auto second = (*Database::open(at(dir / "db")))->incarnation();
  EXPECT_EQ(first, second);
  EXPECT_TRUE(first.starts_with("rocksdb:" + (dir / "db") + "\n")) << first;
}

TEST(Database, OneDatabaseHasOneNameWhateverItIsCalled) {
  const TempDir dir;
  const auto plain = (*Database::open(at(dir / "db")))->incarnation();
  fs::create_directory_symlink(dir / "db", dir / "link");
  EXPECT_EQ((*Database::open(at(dir / "link")))->incarnation(), plain);
  EXPECT_EQ((*Database::open(at(dir / "./x/../db/")))->incarnation(), plain);
}

TEST(Database, MadeAnewItIsAnotherIncarnation) {
  const TempDir dir;
  const auto first = (*Database::open(at(dir / "db")))->incarnation();
  fs::remove_all(dir / "db");
  EXPECT_NE((*Database::open(at(dir / "db")))->incarnation(), first);
}

TEST(Database, ANewEpochIsAnotherIncarnationAndStays) {
  const TempDir dir;
  std::string first;
  std::string second;
  {
    const auto database = Database::open(at(dir / "db"));
    first = (*database)->incarnation();
    ASSERT_TRUE((*database)->begin_epoch());
    second = (*database)->incarnation();
  }
  EXPECT_NE(first, second);
  EXPECT_EQ((*Database::open(at(dir / "db")))->incarnation(), second);
}

TEST(Database, AKilledProcessLeavesTheIncarnationAsItWas) {
  const TempDir dir;
  const auto first = (*Database::open(at(dir / "db")))->incarnation();
  EXPECT_EQ(incarnation_after_a_kill(dir / "db", ""), first);
}

TEST(Database, AfterALossOfPowerNoCacheIsTrusted) {
  const TempDir dir;
  const auto first = (*Database::open(at(dir / "db")))->incarnation();
  EXPECT_NE(incarnation_after_a_kill(dir / "db", "the boot before"), first);
}

// The mark of the session, read without beginning one. What the next session takes for a loss of
// power is a mark of another boot: with none, no start of the machine is one.
TEST(Database, AfterAnOrderlyEndNoMarkOfTheSessionIsLeft) {
  const TempDir dir;
  std::string first;
  {
    const auto database = Database::open(at(dir / "db"));
    ASSERT_TRUE(database);
    first = (*database)->incarnation();
    EXPECT_NE(*(*database)->read_meta(kSessionKey), "");
  }
  with_meta(dir / "db", [](::rocksdb::DB& db) {
    std::string session = "no such key";
    EXPECT_TRUE(db.Get({}, kSessionKey, &session).ok());
    EXPECT_EQ(session, "");
  });
  EXPECT_EQ((*Database::open(at(dir / "db")))->incarnation(), first);
}

#ifndef __SANITIZE_ADDRESS__  // see NoMoreFiles
TEST(Database, WithoutADescriptorItSaysWhichLimitToRaise) {
  const TempDir dir;
  ASSERT_TRUE(Database::open(at(dir / "db")));
  const mock::NoMoreFiles none;
  const Error error = error_at(dir / "db");
  EXPECT_EQ(error.code, ErrorCode::kUnavailable);
  EXPECT_NE(error.message.find("allow more open files (ulimit -n)"), std::string::npos)
      << error.describe();
}

// A reader that took it for empty would believe that no log has gone while it read.
TEST(Database, AFolderThatCannotBeListedIsNotTakenForEmpty) {
  const TempDir dir;
  std::ofstream(dir / "000004.log") << "rows";
  ASSERT_EQ(files_in(dir.path()).value(), std::vector<std::string>{"000004.log"});
  {
    const mock::NoMoreFiles none;
    for (const auto& listed : {files_in(dir.path()), logs_in(dir.path())}) {
      ASSERT_FALSE(listed);
      EXPECT_EQ(listed.error().code, ErrorCode::kUnavailable);
    }
  }
  EXPECT_FALSE(logs_in(dir / "missing"));
}
#endif

TEST(Database, HeldByAnotherProcessItSaysWhich) {
  const TempDir dir;
  Peer peer;
  ASSERT_EQ(peer.ask("open " + (dir / "db")), "ok open");
  const Error error = error_at(dir / "db");
  EXPECT_EQ(error.code, ErrorCode::kConflict);
  EXPECT_NE(
      error.message.find("in use by process " + std::to_string(peer.pid()) + " (dataflow_rock"),
      std::string::npos)
      << error.message;
  // Asking did not take it away from its holder.
  EXPECT_EQ(error_at(dir / "db"), error);
  ASSERT_EQ(peer.ask("close"), "ok closed");
  EXPECT_TRUE(Database::open(at(dir / "db")));
}

TEST(Database, HeldByThisProcessItSaysSoAndStaysHeld) {
  const TempDir dir;
  const auto database = Database::open(at(dir / "db"));
  const Error error = error_at(dir / "db");
  EXPECT_EQ(error.code, ErrorCode::kConflict);
  EXPECT_NE(error.message.find("in use by this process"), std::string::npos) << error.message;
  Peer peer;
  EXPECT_TRUE(peer.ask("open " + (dir / "db")).starts_with("error conflict"));
}

TEST(Database, WhatIsNoDatabaseIsRefusedAndLeftAlone) {
  const TempDir dir;
  std::ofstream(dir / "file") << "x";
  EXPECT_EQ(error_at(dir / "file").code, ErrorCode::kInvalid);
  EXPECT_EQ(error_at(dir / "file/db").code, ErrorCode::kInvalid);
  EXPECT_EQ(error_at(dir / "nowhere/db").code, ErrorCode::kInvalid);
  EXPECT_EQ(error_at(dir.path()).code, ErrorCode::kInvalid);
  EXPECT_EQ(files_of(dir.path()).size(), 1u);
}

// As many as are named; each file with its own name in it.
void make_folder(const std::string& path, std::initializer_list<const char*> names) {
  fs::create_directory(path);
  for (const char* name : names) std::ofstream(path + "/" + name) << name;
}

// RocksDB deletes what is named like a file of its own and is not in its manifest.
TEST(Database, AFolderWithOthersFilesThatAreNamedLikeItsOwnIsRefusedAndLeftAlone) {
  const TempDir dir;
  make_folder(dir / "site", {"access.log", "000123.sst"});
  make_folder(dir / "logs", {"20261128.log"});
  make_folder(dir / "tables", {"LOCK", "IDENTITY", "000123.sst"});
  make_folder(dir / "notes", {"LOGBOOK"});
  make_folder(dir / "ships", {"MANIFEST-of-the-Mayflower"});
  make_folder(dir / "scratch", {"mine.dbtmp"});
  for (const char* name : {"site", "logs", "tables", "notes", "ships", "scratch"}) {
    const auto before = files_of(dir / name);
    const Error error = error_at(dir / name);
    EXPECT_EQ(error.code, ErrorCode::kInvalid) << name << ": " << error.describe();
    EXPECT_EQ(files_of(dir / name), before) << name;
  }
}

// A database as another program makes it, with a row in each family.
void make_others_database(const std::string& path, const std::vector<std::string>& families) {
  ::rocksdb::Options options;
  options.create_if_missing = true;
  ::rocksdb::DB* opened = nullptr;
  ASSERT_TRUE(::rocksdb::DB::Open(options, path, &opened).ok());
  const std::unique_ptr<::rocksdb::DB> db(opened);
  ASSERT_TRUE(db->Put({}, "theirs", "1").ok());
  for (const std::string& name : families) {
    ::rocksdb::ColumnFamilyHandle* family = nullptr;
    ASSERT_TRUE(db->CreateColumnFamily({}, name, &family).ok());
    ASSERT_TRUE(db->Put({}, family, "theirs", "1").ok());
    ASSERT_TRUE(db->DestroyColumnFamilyHandle(family).ok());
  }
}

TEST(Database, AnotherProgramsDatabaseIsRefusedAndLeftAlone) {
  const std::vector<std::string> kinds[] = {{}, {"accounts"}, {"products"}};
  for (const auto& families : kinds) {
    const TempDir dir;
    make_others_database(dir / "db", families);
    if (families.empty()) fs::remove(dir / "db/IDENTITY");  // as LevelDB's, which has none
    const auto before = files_of(dir / "db");
    for (const bool read_only : {false, true}) {
      Options options = at(dir / "db");
      options.read_only = read_only;
      const auto database = Database::open(options);
      ASSERT_FALSE(database);
      EXPECT_EQ(database.error().code, ErrorCode::kInvalid) << database.error().describe();
      EXPECT_NE(database.error().message.find("name another path"), std::string::npos)
          << database.error().message;
      EXPECT_EQ(files_of(dir / "db"), before);
    }
  }
}

// Killed when it had made CURRENT, and some or all of the families, and had not noted its format.
TEST(Database, OneWhoseMakingWasInterruptedBecomesADatabase) {
  for (std::size_t made = 0; made < 4; ++made) {
    const TempDir dir;
    ::rocksdb::Options options;
    options.create_if_missing = true;
    ::rocksdb::DB* opened = nullptr;
    ASSERT_TRUE(::rocksdb::DB::Open(options, dir / "db", &opened).ok());
    std::unique_ptr<::rocksdb::DB> db(opened);
    const char* const names[] = {"products", "rows", "objects"};
    for (std::size_t i = 0; i < made; ++i) {
      ::rocksdb::ColumnFamilyHandle* family = nullptr;
      ASSERT_TRUE(db->CreateColumnFamily({}, names[i], &family).ok());
      ASSERT_TRUE(db->DestroyColumnFamilyHandle(family).ok());
    }
    db.reset();
    const auto before = files_of(dir / "db");
    Options dry = at(dir / "db");
    dry.read_only = true;
    const auto imagined = Database::open(dry);
    ASSERT_TRUE(imagined) << made << " families: " << imagined.error().describe();
    EXPECT_EQ(files_of(dir / "db"), before);
    const auto database = Database::open(at(dir / "db"));
    ASSERT_TRUE(database) << made << " families: " << database.error().describe();
    EXPECT_EQ(*(*database)->read_meta(kFormatKey), kFormat);
  }
}

TEST(Database, AnEmptyFolderAndOneLeftUnfinishedBecomeADatabase) {
  const TempDir dir;
  fs::create_directory(dir / "empty");
  EXPECT_TRUE(Database::open(at(dir / "empty")));
  fs::create_directory(dir / "unfinished");
  std::ofstream(dir / "unfinished/LOCK");
  std::ofstream(dir / "unfinished/MANIFEST-000001") << "x";
  std::ofstream(dir / "unfinished/000001.dbtmp") << "x";
  EXPECT_TRUE(Database::open(at(dir / "unfinished")));
}

TEST(Database, DamagedItSaysSo) {
  const TempDir dir;
  ASSERT_TRUE(Database::open(at(dir / "db")));
  for (const auto& entry : fs::directory_iterator(dir / "db")) {
    if (entry.path().filename().string().starts_with("MANIFEST-")) {
      std::ofstream(entry.path()) << std::string(200, 'x');
    }
  }
  const Error error = error_at(dir / "db");
  EXPECT_EQ(error.code, ErrorCode::kInternal);
  EXPECT_NE(error.message.find("damaged"), std::string::npos) << error.message;
  EXPECT_FALSE(error.cause.empty());
}

TEST(Database, OfAnotherFormatItSaysSo) {
  const TempDir dir;
  set_meta(dir / "db", kFormatKey, "2");
  const Error error = error_at(dir / "db");
  EXPECT_EQ(error.code, ErrorCode::kInvalid);
  EXPECT_NE(error.message.find("has format 2"), std::string::npos) << error.message;
}

TEST(Database, WithoutPermissionItSaysSo) {
  const TempDir dir;
  fs::permissions(dir.path(), fs::perms::owner_all | fs::perms::group_read | fs::perms::group_exec |
                                  fs::perms::others_read | fs::perms::others_exec);
  ASSERT_TRUE(Database::open(at(dir / "db")));
  fs::create_directory(dir / "mine");
  fs::permissions(dir / "mine", fs::perms::owner_read | fs::perms::owner_exec);
  if (::geteuid() != 0) fs::permissions(dir / "db", fs::perms::owner_read | fs::perms::owner_exec);
  Peer nobody({"--nobody"});
  for (const char* path : {"db", "mine", "new"}) {
    const std::string answer = nobody.ask("open " + (dir / path));
    if (::geteuid() != 0 && path == std::string("new")) continue;
    EXPECT_TRUE(answer.starts_with("error unauthorized")) << path << ": " << answer;
  }
}

TEST(Database, OpenedForADryRunItChangesNothing) {
  const TempDir dir;
  std::string incarnation;
  {
    const auto database = Database::open(at(dir / "db"));
    ASSERT_TRUE((*database)->db().Put({}, (*database)->family(Family::kRows), "k", "v").ok());
    incarnation = (*database)->incarnation();
  }
  const auto before = files_of(dir / "db");
  Options options = at(dir / "db");
  options.read_only = true;
  {
    const auto database = Database::open(options);
    ASSERT_TRUE(database) << database.error().describe();
    EXPECT_EQ((*database)->incarnation(), incarnation);
    std::string value;
    EXPECT_TRUE((*database)->db().Get({}, (*database)->family(Family::kRows), "k", &value).ok());
    ::rocksdb::WriteBatch batch;
    ASSERT_TRUE(batch.Put((*database)->family(Family::kRows), "k", "w").ok());
    EXPECT_EQ((*database)->write(batch).error().code, ErrorCode::kUnauthorized);
    EXPECT_EQ((*database)->begin_epoch().error().code, ErrorCode::kUnauthorized);
    EXPECT_TRUE((*database)->flush());
  }
  EXPECT_EQ(files_of(dir / "db"), before);
}

TEST(Database, OpenedForADryRunWhereNoneIsItIsEmptyAndNotMade) {
  const TempDir dir;
  Options options = at(dir / "db");
  options.read_only = true;
  {
    const auto database = Database::open(options);
    ASSERT_TRUE(database) << database.error().describe();
    EXPECT_FALSE((*database)->incarnation().empty());
    std::string value;
    EXPECT_TRUE(
        (*database)->db().Get({}, (*database)->family(Family::kRows), "k", &value).IsNotFound());
  }
  EXPECT_TRUE(files_of(dir.path()).empty());
}

// While tables are written and merged, and logs deleted, by a writer in a hurry.
TEST(Database, OpenedForADryRunBesideARunningJobItHasAllThatWasAcknowledgedBefore) {
  const TempDir dir;
  Options options = at(dir / "db");
  options.read_only = true;
  Peer job({"--write-buffer", std::to_string(1 << 18)});
  ASSERT_EQ(job.ask("open " + options.path), "ok open");
  job.send("stream 1 40000 100 1");
  for (std::string answer; (answer = job.receive()) != "ok end";) {
    ASSERT_TRUE(answer.starts_with("ok ")) << answer;
    const auto acknowledged = std::stol(answer.substr(3));
    if (acknowledged % 1'000 != 0) continue;
    const auto database = Database::open(options);
    ASSERT_TRUE(database) << acknowledged << ": " << database.error().describe();
    std::string row;
    auto& db = (*database)->db();
    auto* products = (*database)->family(Family::kProducts);
    for (ProductId id = acknowledged; id > 0; id -= 97) {
      ASSERT_TRUE(db.Get({}, products, ProductKey(id).view(), &row).ok())
          << id << " of " << acknowledged;
    }
  }
}

TEST(Database, SyncedItNeedsNoOrderlyEnd) {
  const TempDir dir;
  Options options = at(dir / "db");
  options.sync = true;
  const auto database = Database::open(options);
  ASSERT_TRUE(database);
  EXPECT_EQ(*(*database)->read_meta(kSessionKey), "");
}

}  // namespace
}  // namespace dataflow::rocksdb
