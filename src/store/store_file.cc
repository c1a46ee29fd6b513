#include "store/store_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "attnbench/error.h"
#include "io/files.h"
#include "store/error.h"
#include "store/schema.h"

namespace attnbench {
namespace {

[[noreturn]] void refuse(const std::string& file, std::string_view problem) {
  throw InputError("store", file, problem);
}

void check_directory_writable(const std::string& file) {
  // SQLite makes its journal beside the file, so a writable file alone is not enough.
  const auto parent = std::filesystem::path(file).parent_path();
  const std::string directory = parent.empty() ? "." : parent.string();
  if (::access(directory.c_str(), W_OK | X_OK) != 0)
    refuse(file, fmt::format("cannot be written: directory '{}': {}", directory, std::strerror(errno)));
}

Descriptor open_descriptor(const std::string& file, bool write) {
  const int descriptor = write ? ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666)
                               : ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0)
    refuse(file, fmt::format("cannot be {}: {}", write ? "written" : "read", std::strerror(errno)));
  return Descriptor(descriptor);
}

void lock_for_writing(const std::string& file, int descriptor) {
  if (::flock(descriptor, LOCK_EX | LOCK_NB) == 0) return;
  if (errno == EWOULDBLOCK)
    refuse(file, "is being written by another attnbench process; wait for it to end or name another file");
  throw StoreError(fmt::format("{}: cannot be locked: {}", file, std::strerror(errno)));
}

std::uint32_t big_endian(const std::array<unsigned char, 100>& header, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value = value << 8 | header[at + i];
  return value;
}

[[noreturn]] void refuse_empty(const std::string& file) {
  refuse(file, "is empty: nothing was stored in it");
}

/// True for a file without content. Reads the header itself: SQLite could already change a foreign file while
/// opening it, by completing an interrupted transaction.
bool is_empty_else_own(const std::string& file, int descriptor) {
  struct stat status{};
  if (::fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) refuse(file, "is not a regular file");
  if (status.st_size == 0) return true;
  std::array<unsigned char, 100> header{};
  const auto size = ::pread(descriptor, header.data(), header.size(), 0);
  if (size < 16 || std::memcmp(header.data(), "SQLite format 3", 16) != 0)
    refuse(file, "is not an AttnBench store; it was left as it is");
  if (size < static_cast<ssize_t>(header.size()))
    refuse(file, "is corrupt (truncated); it was left as it is");
  if (big_endian(header, 68) != kStoreApplicationId)
    refuse(file, "is an SQLite file of another program, not an AttnBench store; it was left as it is");
  if (const auto format = big_endian(header, 60); format > kStoreFormat) {
    refuse(file,
           fmt::format("was written by a newer AttnBench (store format {}, this one knows {}); use that one",
                       format, kStoreFormat));
  }
  return false;
}

void check_integrity(const sqlite::Connection& connection) {
  sqlite::Statement check(connection, "PRAGMA quick_check(1)");
  check.next();
  if (const auto answer = check.take<std::string>(); answer != "ok")
    refuse(connection.file(), fmt::format("is corrupt ({}); it was left as it is", answer));
}

bool has_tables(const sqlite::Connection& connection) {
  sqlite::Statement count(connection, "SELECT count(*) FROM sqlite_schema");
  count.next();
  return count.take<int>() > 0;
}

void create_tables(const sqlite::Connection& connection) {
  sqlite::Transaction transaction(connection);
  connection.execute(kStoreSchema);
  connection.execute(
      fmt::format("PRAGMA application_id = {}; PRAGMA user_version = {}", kStoreApplicationId, kStoreFormat));
  transaction.commit();
}

/// The writer's lock, or null for a reader, whose descriptor must be closed before SQLite locks the file.
std::unique_ptr<Descriptor> open_checked(const std::string& file, bool write) {
  if (file.empty()) refuse(file, "names no file");
  if (file.find('\0') != std::string::npos) refuse(file, "cannot be a file's name");
  if (file == ":memory:")
    refuse(
        file,
        "is SQLite's name for no file: what is measured would be lost; './:memory:' is a file of that name");
  auto descriptor = std::make_unique<Descriptor>(open_descriptor(file, write));
  if (write && is_standard_stream(file))
    refuse(file, "is where this program's output goes; a store needs a file of its own");
  if (write) lock_for_writing(file, descriptor->get());
  if (is_empty_else_own(file, descriptor->get()) && !write) refuse_empty(file);
  if (!write) return nullptr;
  check_directory_writable(file);
  return descriptor;
}

}  // namespace

Descriptor::~Descriptor() {
  if (value_ >= 0) ::close(value_);
}

// A reader, too, needs write access where a killed writer left a journal to roll back.
StoreFile::StoreFile(const std::string& file, bool write)
    : lock_(open_checked(file, write)), connection_(file, SQLITE_OPEN_READWRITE) {
  connection_.execute(write ? "PRAGMA foreign_keys = ON; PRAGMA synchronous = FULL"
                            : "PRAGMA query_only = ON");
  if (has_tables(connection_)) {
    check_integrity(connection_);
  } else if (write) {
    create_tables(connection_);
  } else {
    refuse_empty(file);
  }
}

int StoreFile::format() const {
  sqlite::Statement version(connection_, "PRAGMA user_version");
  version.next();
  return version.take<int>();
}

}  // namespace attnbench
