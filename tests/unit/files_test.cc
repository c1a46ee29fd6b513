#include "io/files.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <thread>
#include <vector>

#include "attnbench/error.h"
#include "unit/store_fixture.h"

namespace attnbench {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

class FilesTest : public StoreFixture {
 protected:
  std::vector<std::string> names() const {
    std::vector<std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator(directory_))
      found.push_back(entry.path().filename().string());
    return found;
  }
};

TEST_F(FilesTest, OnePlaceHasManySpellings) {
  const auto folder = std::filesystem::current_path();
  std::filesystem::current_path(directory_);
  EXPECT_TRUE(same_regular_file("new", "./new"));
  EXPECT_TRUE(same_regular_file("new", path("new")));
  EXPECT_FALSE(same_regular_file("new", "newer"));
  std::filesystem::current_path(folder);
}

TEST_F(FilesTest, AFileIsReplacedWholeAndTheUnfinishedOneHidesNoOther) {
  write_text(path("a.csv"), "old");
  write_text(path("a.csv.part"), "the user's own");
  chmod(path("a.csv").c_str(), 0640);
  write_text_file(path("a.csv"), "new");
  EXPECT_EQ(read_text(path("a.csv")), "new");
  EXPECT_EQ(read_text(path("a.csv.part")), "the user's own");
  EXPECT_THAT(names(), UnorderedElementsAre("a.csv", "a.csv.part"));
  struct stat status{};
  ASSERT_EQ(stat(path("a.csv").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0640U) << "the file keeps its mode";
}

TEST_F(FilesTest, AFileThatCannotBeFinishedLeavesWhatWasThere) {
  write_text(path("a.csv"), "old");
  const auto child = fork();
  if (child == 0) {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{1000, 1000};  // as a full disk
    setrlimit(RLIMIT_FSIZE, &limit);
    const auto message = error_of([&] { write_text_file(path("a.csv"), std::string(100000, 'x')); });
    _exit(message.find("a.csv' cannot be written") != std::string::npos ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_EQ(read_text(path("a.csv")), "old");
  EXPECT_THAT(names(), UnorderedElementsAre("a.csv"));
}

TEST_F(FilesTest, ALinkStaysAndItsTargetIsWritten) {
  std::filesystem::create_directory(path("data"));
  write_text(path("data/target.csv"), "old");
  std::filesystem::create_symlink("data/target.csv", path("link.csv"));
  std::filesystem::create_symlink("link.csv", path("second.csv"));
  write_text_file(path("second.csv"), "new");
  EXPECT_EQ(read_text(path("data/target.csv")), "new");
  EXPECT_TRUE(std::filesystem::is_symlink(path("second.csv")));
  EXPECT_TRUE(std::filesystem::is_symlink(path("link.csv")));

  std::filesystem::create_symlink("data/fresh.csv", path("dangling.csv"));
  write_text_file(path("dangling.csv"), "first");
  EXPECT_EQ(read_text(path("data/fresh.csv")), "first");
  EXPECT_TRUE(std::filesystem::is_symlink(path("dangling.csv")));
}

TEST_F(FilesTest, APipeIsWrittenTo) {
  ASSERT_EQ(mkfifo(path("pipe").c_str(), 0600), 0);
  require_writable(path("pipe"));
  std::string arrived;
  std::thread reader([&] { arrived = read_text_file(path("pipe")); });
  const std::string sent(300000, 'p');  // more than a pipe holds
  write_text_file(path("pipe"), sent);
  reader.join();
  EXPECT_TRUE(arrived == sent);
  struct stat status{};
  ASSERT_EQ(lstat(path("pipe").c_str(), &status), 0);
  EXPECT_TRUE(S_ISFIFO(status.st_mode)) << "the pipe was replaced";
}

TEST_F(FilesTest, APipeWhoseReaderLeavesIsAnError) {
  ASSERT_EQ(mkfifo(path("pipe").c_str(), 0600), 0);
  std::thread reader([&] { ::close(::open(path("pipe").c_str(), O_RDONLY)); });
  const auto message = error_of([&] { write_text_file(path("pipe"), std::string(300000, 'p')); });
  reader.join();
  EXPECT_THAT(message, HasSubstr("cannot be written: Broken pipe"));
}

TEST_F(FilesTest, ADeviceIsWrittenToAndNotReplaced) {
  std::filesystem::create_symlink("/dev/null", path("null"));
  write_text_file(path("null"), "x");
  EXPECT_TRUE(std::filesystem::is_character_file("/dev/null"));
  EXPECT_TRUE(std::filesystem::is_symlink(path("null")));
}

// As `--csv out.txt > out.txt`, or by a link as /dev/stdout is one.
TEST_F(FilesTest, WhatIsStandardOutputTakesTheTextInItsPlace) {
  for (const auto* name : {"out.txt", "link"}) {
    write_text(path("out.txt"), "");
    std::filesystem::remove(path("link"));
    std::filesystem::create_symlink("out.txt", path("link"));
    std::fflush(stdout);
    const auto child = fork();
    if (child == 0) {
      dup2(open(path("out.txt").c_str(), O_WRONLY | O_TRUNC), STDOUT_FILENO);
      std::fputs("before ", stdout);
      write_text_file(path(name), "text ");
      std::fputs("after", stdout);
      std::fflush(stdout);
      _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_EQ(read_text(path("out.txt")), "before text after") << name;
    EXPECT_TRUE(std::filesystem::is_symlink(path("link")));
  }
}

// Another descriptor of one's own, as /dev/fd/5 is one, where the file has lost its name.
TEST_F(FilesTest, AnOpenFileIsWrittenByItsDescriptor) {
  const int descriptor = ::open(path("gone").c_str(), O_RDWR | O_CREAT, 0600);
  std::filesystem::remove(path("gone"));
  write_text_file("/proc/self/fd/" + std::to_string(descriptor), "text");
  EXPECT_EQ(read_text("/proc/self/fd/" + std::to_string(descriptor)), "text");
  EXPECT_TRUE(names().empty());
  ::close(descriptor);
}

TEST_F(FilesTest, WhatCannotBeWrittenIsSaidBeforehand) {
  const auto refused = [&](const std::string& file) {
    const auto before = error_of([&] { require_writable(file, "csv"); });
    EXPECT_EQ(error_of([&] { write_text_file(file, "x", "csv"); }), before);
    return before;
  };
  std::filesystem::create_symlink("loop", path("loop"));
  write_text(path("file"), "x");
  write_text(path("store.db"), std::string("SQLite format 3\0 and pages", 26));
  EXPECT_THAT(refused(directory_.string()), AllOf(HasSubstr("csv: '"), HasSubstr("Is a directory")));
  EXPECT_THAT(refused(path("new/")), HasSubstr("Is a directory"));
  EXPECT_THAT(refused(path("no/dir/a.csv")), HasSubstr("No such file"));
  EXPECT_THAT(refused(path("file/a.csv")), HasSubstr("Not a directory"));
  EXPECT_THAT(refused(path("loop")), HasSubstr("Too many levels of symbolic links"));
  EXPECT_THAT(refused(path(std::string(300, 'n'))), HasSubstr("File name too long"));
  EXPECT_THAT(refused(path("store.db")), HasSubstr("is an SQLite file"));
  EXPECT_THAT(refused(""), HasSubstr("names no file"));
  if (geteuid() == 0) return;  // root may write anywhere
  std::filesystem::create_directory(path("closed"));
  write_text(path("read_only"), "x");
  chmod(path("read_only").c_str(), 0400);
  chmod(path("closed").c_str(), 0500);
  EXPECT_THAT(refused(path("read_only")), HasSubstr("Permission denied"));
  EXPECT_THAT(refused(path("closed/a.csv")), HasSubstr("Permission denied"));
}

TEST_F(FilesTest, WhatCannotBeReadIsNamed) {
  std::filesystem::create_symlink("loop", path("loop"));
  const auto message = [&](const std::string& file) {
    return error_of([&] { read_text_file(file, "store"); });
  };
  EXPECT_THAT(message(path("none")),
              AllOf(HasSubstr("store: '"), HasSubstr("none' cannot be read: No such")));
  EXPECT_THAT(message(directory_.string()), HasSubstr("Is a directory"));
  EXPECT_THAT(message(path("loop")), HasSubstr("Too many levels"));
  EXPECT_THAT(message(path(std::string(300, 'n'))), HasSubstr("File name too long"));
  EXPECT_THAT(message("/dev/zero"), HasSubstr("is a device"));
  EXPECT_THAT(error_of([&] { kind_of_file(path("loop"), "study"); }), HasSubstr("study: '"));
  EXPECT_EQ(kind_of_file(path("none")), FileKind::none);
  EXPECT_EQ(kind_of_file(directory_.string()), FileKind::folder);
}

TEST_F(FilesTest, FoldersAreMadeUnlessAFileHasTheirName) {
  make_folder(path("a/b"));
  make_folder(path("a/b"));
  EXPECT_EQ(kind_of_file(path("a/b")), FileKind::folder);
  write_text(path("results"), "x");
  EXPECT_THAT(error_of([&] { make_folder(path("results")); }), HasSubstr("results' cannot be made a folder"));
}

TEST_F(FilesTest, OneFileUnderTwoNames) {
  write_text(path("a"), "x");
  std::filesystem::create_symlink("a", path("link"));
  EXPECT_TRUE(same_regular_file(path("a"), path("link")));
  EXPECT_TRUE(same_regular_file(path("a"), directory_.string() + "/./a"));
  EXPECT_TRUE(same_regular_file(path("new"), directory_.string() + "/./new"));
  EXPECT_FALSE(same_regular_file(path("new"), path("newer")));
  EXPECT_FALSE(same_regular_file(path("a"), path("new")));
  EXPECT_FALSE(same_regular_file("/dev/null", "/dev/null"));
}

}  // namespace
}  // namespace attnbench
