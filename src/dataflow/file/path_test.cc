// Goal: what a path is called, what counts as a product file, and which error a system call's is.
#include "dataflow/file/path.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>

#include "dataflow/file/test_support.h"

namespace dataflow::file {
namespace {

using testing::HasSubstr;
using testing_support::TemporaryFolder;

TEST(ProductFile, IsKnownByTheEndOfItsName) {
  for (const char* name :
       {"p.jsonl", "p.ndjson", "p.json", "p.jsonl.gz", "p.json.zst", "P.JSONL.GZ", "a.b.jsonl"}) {
    EXPECT_TRUE(is_product_file(name)) << name;
  }
  for (const char* name :
       {"", "p", "p.txt", "jsonl", "p.jsonl.bak", "p.gz", ".jsonl", ".p.jsonl", "p.jsonl.gz.zst"}) {
    EXPECT_FALSE(is_product_file(name)) << name;
  }
}

TEST(NameOf, IsAbsoluteWithTheLinksOfItsFoldersResolved) {
  const TemporaryFolder folder;
  folder.put("real/p.jsonl");
  std::filesystem::create_directory_symlink(folder / "real", folder / "link");
  std::filesystem::create_symlink(folder / "real/p.jsonl", folder / "real/latest.jsonl");
  const std::string name = folder / "real/p.jsonl";
  EXPECT_EQ(name_of(name, true), name);
  EXPECT_EQ(name_of(folder / "real//./p.jsonl", true), name);
  EXPECT_EQ(name_of(folder / "link/p.jsonl", true), name);
  EXPECT_EQ(name_of(folder / "link/../real/p.jsonl", true), name);
  EXPECT_EQ(name_of(folder / "real/latest.jsonl", true), folder / "real/latest.jsonl");
  EXPECT_EQ(name_of("/dev/stdin", false), "/dev/stdin");
  EXPECT_EQ(name_of("/p.jsonl", true), "/p.jsonl");
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(folder / "real");
  EXPECT_EQ(name_of("p.jsonl", true), name);
  EXPECT_EQ(name_of("../link/p.jsonl", true), name);
  std::filesystem::current_path(before);
}

TEST(ObjectAt, AVersionIsTheModificationTimeToTheNanosecondAndTheSize) {
  const TemporaryFolder folder;
  const std::string path = folder.put("p.jsonl", "123");
  testing_support::touch(path, 1'700'000'000, 7);
  EXPECT_EQ(object_at(path).value(), (Object{path, 3, "1700000000000000007:3"}));
}

TEST(ObjectAt, WhatIsNoFileHasNeitherSizeNorVersion) {
  EXPECT_EQ(object_at("-").value(), (Object{"-", std::nullopt, ""}));
  EXPECT_EQ(object_at("/dev/null").value(), (Object{"/dev/null", std::nullopt, ""}));
}

TEST(SystemError, HasItsCodeAndNamesThePath) {
  const std::pair<int, ErrorCode> cases[] = {
      {ENOENT, ErrorCode::kNotFound},      {ENOTDIR, ErrorCode::kNotFound},
      {EACCES, ErrorCode::kUnauthorized},  {EPERM, ErrorCode::kUnauthorized},
      {EISDIR, ErrorCode::kInvalid},       {ELOOP, ErrorCode::kInvalid},
      {ENAMETOOLONG, ErrorCode::kInvalid}, {ENXIO, ErrorCode::kInvalid},
      {EBADF, ErrorCode::kInvalid},        {EIO, ErrorCode::kUnavailable},
      {EMFILE, ErrorCode::kUnavailable},   {ESTALE, ErrorCode::kUnavailable},
  };
  for (const auto& [number, code] : cases) {
    const Error error = system_error(number, "read", "/a/b");
    EXPECT_EQ(error.code, code) << number;
    EXPECT_THAT(error.message, HasSubstr("cannot read /a/b: "));
  }
  EXPECT_THAT(system_error(EIO, "read", "-").message, HasSubstr("standard input"));
}

}  // namespace
}  // namespace dataflow::file
