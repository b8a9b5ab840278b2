// Goal: a source names exactly the files that its documentation says, each once, in byte order, and
// nothing that should be read is left out in silence.
#include "dataflow/file/sources.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "dataflow/file/test_support.h"

namespace dataflow::file {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing_support::TemporaryFolder;
namespace fs = std::filesystem;

class SourcesTest : public testing::Test {
 protected:
  // The names below the folder, or the error.
  std::vector<std::string> listed(const std::string& source) const {
    const auto objects = objects_of(folder_ / source);
    if (!objects) return {objects.error().describe()};
    std::vector<std::string> names;
    for (const auto& object : *objects) {
      EXPECT_TRUE(object.name.starts_with(folder_.path())) << object.name;
      names.push_back(object.name.substr(folder_.path().size() + 1));
    }
    return names;
  }
  ErrorCode error_of(const std::string& source) const {
    return objects_of(folder_ / source).error().code;
  }

  const TemporaryFolder folder_;
};

TEST_F(SourcesTest, AFileOfAnyName) {
  folder_.put("products.txt", "abc");
  EXPECT_THAT(listed("products.txt"), ElementsAre("products.txt"));
  EXPECT_EQ(objects_of(folder_ / "products.txt").value().at(0).size, 3U);
}

TEST_F(SourcesTest, AFolderStandsForTheProductFilesBelowItInByteOrder) {
  for (const char* name :
       {"b.jsonl", "a/z.ndjson.gz", "a/b/c.json.zst", "a-b.jsonl", "B.JSONL", "a.jsonl"}) {
    folder_.put(name);
  }
  for (const char* name :
       {"readme.txt", ".hidden.jsonl", ".git/p.jsonl", "a/.b/p.jsonl", "p.jsonl.bak"}) {
    folder_.put(name);
  }
  ASSERT_EQ(::mkfifo((folder_ / "pipe.jsonl").c_str(), 0600), 0);
  EXPECT_THAT(listed(""), ElementsAre("B.JSONL", "a-b.jsonl", "a.jsonl", "a/b/c.json.zst",
                                      "a/z.ndjson.gz", "b.jsonl"));
  EXPECT_THAT(listed("a/../a/b/"), ElementsAre("a/b/c.json.zst"));
}

TEST_F(SourcesTest, WhatARunRejectedIsReadOnlyWhenItIsNamed) {
  for (const char* name : {"a.jsonl", "rejects.jsonl", "rejects.jsonl.reasons"}) folder_.put(name);
  EXPECT_THAT(listed(""), ElementsAre("a.jsonl"));
  EXPECT_THAT(listed("rejects.jsonl"), ElementsAre("rejects.jsonl"));
  EXPECT_THAT(listed("*.jsonl"), ElementsAre("a.jsonl", "rejects.jsonl"));
}

TEST_F(SourcesTest, AnEmptyFolderIsAnEmptyListing) {
  EXPECT_THAT(objects_of(folder_.path()).value(), IsEmpty());
}

TEST_F(SourcesTest, LinksAreFollowedAndLoopsEnd) {
  folder_.put("a/p.jsonl");
  fs::create_directory_symlink(folder_.path(), folder_ / "a/up");
  fs::create_directory_symlink("../a", folder_ / "a/self");
  fs::create_directory_symlink("a", folder_ / "again");
  fs::create_symlink("a/p.jsonl", folder_ / "latest.jsonl");
  EXPECT_THAT(listed(""), ElementsAre("a/p.jsonl", "latest.jsonl"));
  EXPECT_THAT(listed("again"), ElementsAre("a/p.jsonl", "latest.jsonl"));
}

TEST_F(SourcesTest, ALinkToNowhereIsAnErrorWhereItShouldBeRead) {
  folder_.put("p.jsonl");
  fs::create_symlink("nowhere", folder_ / "note.txt");
  EXPECT_THAT(listed(""), ElementsAre("p.jsonl"));
  fs::create_symlink("nowhere", folder_ / "q.jsonl");
  EXPECT_EQ(error_of(""), ErrorCode::kNotFound);
  EXPECT_THAT(listed("").at(0), HasSubstr("q.jsonl"));
  fs::remove(folder_ / "q.jsonl");
  fs::create_symlink("loop.jsonl", folder_ / "loop.jsonl");
  EXPECT_EQ(error_of(""), ErrorCode::kInvalid);
}

TEST_F(SourcesTest, ALinkToNowhereIsAnErrorWhereAPatternMatchesIt) {
  folder_.put("p.jsonl");
  folder_.put("d/p.jsonl");
  fs::create_symlink("nowhere", folder_ / "q.jsonl");
  for (const char* pattern : {"*.jsonl", "**/*.jsonl", "q*"}) {
    EXPECT_EQ(error_of(pattern), ErrorCode::kNotFound) << pattern;
    EXPECT_THAT(listed(pattern).at(0), HasSubstr("q.jsonl")) << pattern;
    EXPECT_THAT(listed(pattern).at(0), HasSubstr("follow the link")) << pattern;
  }
  EXPECT_THAT(listed("p*"), ElementsAre("p.jsonl"));
}

TEST_F(SourcesTest, PatternsMatchAsAShellDoes) {
  for (const char* name :
       {"p-1.jsonl", "p-2.jsonl", "p-10.jsonl", "q.txt", "d/p-3.jsonl", ".p-4.jsonl"}) {
    folder_.put(name);
  }
  EXPECT_THAT(listed("p-*.jsonl"), ElementsAre("p-1.jsonl", "p-10.jsonl", "p-2.jsonl"));
  EXPECT_THAT(listed("p-?.jsonl"), ElementsAre("p-1.jsonl", "p-2.jsonl"));
  EXPECT_THAT(listed("p-[2-9].jsonl"), ElementsAre("p-2.jsonl"));
  EXPECT_THAT(listed("*.txt"), ElementsAre("q.txt"));
  EXPECT_THAT(listed("*/p-*"), ElementsAre("d/p-3.jsonl"));
  EXPECT_THAT(listed(".p*"), ElementsAre(".p-4.jsonl"));
  EXPECT_THAT(listed("d*"), ElementsAre("d/p-3.jsonl"));
  EXPECT_EQ(error_of("x*"), ErrorCode::kNotFound);
  EXPECT_EQ(error_of("p-1.jsonl/*"), ErrorCode::kNotFound);
}

TEST_F(SourcesTest, TwoStarsStandForAnyFolders) {
  for (const char* name :
       {"p.jsonl", "a/p.jsonl", "a/b/p.jsonl", "a/b/q.txt", "a/.h/p.jsonl", "[x]/*/p.jsonl"}) {
    folder_.put(name);
  }
  EXPECT_THAT(listed("**/p.jsonl"),
              ElementsAre("[x]/*/p.jsonl", "a/b/p.jsonl", "a/p.jsonl", "p.jsonl"));
  EXPECT_THAT(listed("a/**/*.jsonl"), ElementsAre("a/b/p.jsonl", "a/p.jsonl"));
  EXPECT_THAT(listed("a/**"), ElementsAre("a/b/p.jsonl", "a/b/q.txt", "a/p.jsonl"));
  EXPECT_THAT(listed("**/b/**/*.txt"), ElementsAre("a/b/q.txt"));
  EXPECT_EQ(error_of("**/nothing"), ErrorCode::kNotFound);
}

// Going through each way to each folder takes a lifetime here.
TEST_F(SourcesTest, ManyStarsInADeepTreeTakeNoLongTime) {
  std::string deep = "t/";
  for (int i = 0; i < 100; ++i) deep += "d/";
  folder_.put(deep + "p.jsonl");
  std::string pattern = "t/**";
  for (int i = 0; i < 20; ++i) pattern += "/d/**";
  EXPECT_THAT(listed(pattern + "/p.jsonl"), ElementsAre(deep + "p.jsonl"));
  EXPECT_THAT(listed("t/**/**/**/**/**/**/**/p.jsonl"), ElementsAre(deep + "p.jsonl"));
}

TEST_F(SourcesTest, AnEmptyFolderThatAPatternMatchesIsThere) {
  fs::create_directory(folder_ / "empty");
  EXPECT_THAT(objects_of(folder_ / "emp*").value(), IsEmpty());
}

TEST_F(SourcesTest, APathThatIsLiterallyThereWinsOverAPattern) {
  folder_.put("p[12].jsonl");
  folder_.put("p1.jsonl");
  folder_.put("*");
  EXPECT_THAT(listed("p[12].jsonl"), ElementsAre("p[12].jsonl"));
  EXPECT_THAT(listed("*"), ElementsAre("*"));
  EXPECT_THAT(listed("p\\[12].*"), ElementsAre("p[12].jsonl"));
}

TEST_F(SourcesTest, NamesOfEveryKind) {
  for (const char* name : {"new\nline.jsonl", "quote'\".jsonl", "\xFF\xFE.jsonl", "-dash.jsonl",
                           " space .jsonl", "back\\slash.jsonl", "\xC3\xBC.jsonl"}) {
    folder_.put(name);
    EXPECT_THAT(listed(name), ElementsAre(name));
  }
  EXPECT_EQ(listed("").size(), 7U);
  EXPECT_EQ(listed("*.jsonl").size(), 7U);
}

TEST_F(SourcesTest, WhatIsNotThereIsNotFoundAndNamed) {
  folder_.put("file");
  EXPECT_EQ(error_of("nothing"), ErrorCode::kNotFound);
  EXPECT_THAT(listed("nothing").at(0), HasSubstr(folder_ / "nothing"));
  EXPECT_EQ(error_of("file/p.jsonl"), ErrorCode::kNotFound);
  EXPECT_THAT(listed("file/p.jsonl").at(0), HasSubstr("not a folder"));
  EXPECT_EQ(error_of("file/"), ErrorCode::kNotFound);
}

TEST_F(SourcesTest, WhatCannotBeUnderstoodIsInvalid) {
  EXPECT_EQ(objects_of("").error().code, ErrorCode::kInvalid);
  EXPECT_EQ(objects_of(std::string("a\0b", 3)).error().code, ErrorCode::kInvalid);
  EXPECT_EQ(error_of(std::string(300, 'x')), ErrorCode::kInvalid);
  const int listener = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = folder_ / "socket";
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  ASSERT_EQ(::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  EXPECT_EQ(error_of("socket"), ErrorCode::kInvalid);
  ::close(listener);
}

// In a process of its own, which may give up being root.
TEST_F(SourcesTest, WhatMayNotBeReadIsUnauthorized) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  constexpr uid_t kNobody = 65534;
  const auto check = [&] {
    folder_.put("open/shut/p.jsonl");
    fs::permissions(folder_.path(), fs::perms::all);
    fs::permissions(folder_ / "open/shut", fs::perms::none);
    const bool root = ::geteuid() == 0;
    if (root && ::seteuid(kNobody) != 0) return 10;
    const int wrong = (error_of("open") != ErrorCode::kUnauthorized ? 1 : 0) +
                      (error_of("open/shut/p.jsonl") != ErrorCode::kUnauthorized ? 2 : 0) +
                      (error_of("open/*/*.jsonl") != ErrorCode::kUnauthorized ? 4 : 0) +
                      (error_of("**/p.jsonl") != ErrorCode::kUnauthorized ? 8 : 0);
    if (root && ::seteuid(0) != 0) return 20;
    fs::permissions(folder_ / "open/shut", fs::perms::owner_all);
    fs::remove_all(folder_.path());
    return wrong;
  };
  EXPECT_EXIT(std::exit(check()), testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace dataflow::file
