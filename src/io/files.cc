#include "io/files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <optional>

#include "attnbench/error.h"

namespace attnbench {
namespace {

[[noreturn]] void refuse(std::string_view field, const std::string& file, const char* what, int error) {
  throw InputError(field, file, fmt::format("cannot be {}: {}", what, std::strerror(error)));
}

/// Absent where nothing bears the name.
std::optional<struct stat> status_of(const std::string& file, std::string_view field, const char* what) {
  struct stat status{};
  if (::stat(file.c_str(), &status) == 0) return status;
  if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
  refuse(field, file, what, errno);
}

FileKind kind_of(const struct stat& status) {
  if (S_ISREG(status.st_mode)) return FileKind::file;
  if (S_ISDIR(status.st_mode)) return FileKind::folder;
  return S_ISBLK(status.st_mode) ? FileKind::disk : FileKind::stream;
}

bool same_file(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/// Where the last of the links that `file` is leads to, whether anything is there or not.
std::filesystem::path end_of_links(const std::string& file) {
  constexpr int kMostLinks = 40;  // the system's own limit
  std::filesystem::path path = file;
  std::error_code error;
  for (int links = 0; links < kMostLinks; ++links) {
    const auto next = std::filesystem::read_symlink(path, error);
    if (error) break;
    path = next.is_absolute() ? next : path.parent_path() / next;
  }
  return path;
}

bool is_sqlite_file(const std::string& file) {
  const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  char start[16] = {};
  const bool found = descriptor >= 0 && ::read(descriptor, start, sizeof start) == sizeof start &&
                     std::memcmp(start, "SQLite format 3", sizeof start) == 0;
  if (descriptor >= 0) ::close(descriptor);
  return found;
}

/// How an output is written.
struct Target {
  enum class How { replace, open, standard } how = How::replace;
  std::string path;     ///< to replace or to open
  int descriptor = -1;  ///< standard output or error
  mode_t mode = 0;      ///< of the file that is replaced; 0: a new one
};

/// The standard stream that is this very file. Reopened or replaced by its name, it would lose what the
/// program prints before and after.
std::optional<int> standard_stream(const struct stat& status) {
  for (const int descriptor : {STDOUT_FILENO, STDERR_FILENO}) {
    struct stat stream{};
    if (::fstat(descriptor, &stream) == 0 && same_file(stream, status)) return descriptor;
  }
  return std::nullopt;
}

void check_folder(const std::filesystem::path& path, const std::string& file, std::string_view field) {
  const auto folder = path.has_parent_path() ? path.parent_path().string() : ".";
  if (::access((folder + "/.").c_str(), W_OK | X_OK) != 0) {
    const auto reason = std::strerror(errno);
    throw InputError(field, file, fmt::format("cannot be written: folder '{}': {}", folder, reason));
  }
}

Target target_of(const std::string& file, std::string_view field) {
  if (file.empty()) throw InputError(field, file, "names no file");
  const auto status = status_of(file, field, "written");
  const auto path = end_of_links(file);
  if (!status) {
    if (!path.has_filename()) refuse(field, file, "written", EISDIR);
    check_folder(path, file, field);
    return {Target::How::replace, path.string(), -1, 0};
  }
  const auto kind = kind_of(*status);
  if (kind == FileKind::folder) refuse(field, file, "written", EISDIR);
  if (kind == FileKind::disk) throw InputError(field, file, "is a disk; nothing is written over it");
  if (kind == FileKind::file && is_sqlite_file(file))
    throw InputError(field, file, "is an SQLite file; text would overwrite it");
  if (const auto stream = standard_stream(*status)) return {Target::How::standard, file, *stream, 0};
  if (::access(file.c_str(), W_OK) != 0) refuse(field, file, "written", errno);
  // A link of /proc leads to an open file, which its text names only while nobody moves it.
  struct stat followed{};
  const bool found = ::stat(path.c_str(), &followed) == 0 && same_file(followed, *status);
  if (kind == FileKind::stream || !found) return {Target::How::open, file, -1, 0};
  check_folder(path, file, field);
  return {Target::How::replace, path.string(), -1, static_cast<mode_t>(status->st_mode & 07777)};
}

/// A reader that goes away is an error to name, not the end of the program.
class PipesStayQuiet {
 public:
  PipesStayQuiet() : before_(std::signal(SIGPIPE, SIG_IGN)) {}
  ~PipesStayQuiet() { std::signal(SIGPIPE, before_); }
  PipesStayQuiet(const PipesStayQuiet&) = delete;
  PipesStayQuiet& operator=(const PipesStayQuiet&) = delete;

 private:
  void (*before_)(int);
};

/// 0, or the error number.
int write_all(int descriptor, std::string_view text) {
  const PipesStayQuiet quiet;
  while (!text.empty()) {
    const auto written = ::write(descriptor, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return 0;
}

mode_t mode_of_new_files() {
  const mode_t mask = ::umask(0);
  ::umask(mask);
  return 0666 & ~mask;
}

/// 0, or the error number. The unfinished file has a name of its own, so that it can hide no one else's.
int replace_file(const Target& target, std::string_view text) {
  auto unfinished = (std::filesystem::path(target.path).parent_path() / ".attnbench-XXXXXX").string();
  const int descriptor = ::mkstemp(unfinished.data());
  if (descriptor < 0) return errno;
  int error = write_all(descriptor, text);
  const auto note = [&error](int result) {
    if (result != 0 && error == 0) error = errno;
  };
  note(::fchmod(descriptor, target.mode != 0 ? target.mode : mode_of_new_files()));
  note(::fsync(descriptor));
  note(::close(descriptor));
  if (error == 0) note(std::rename(unfinished.c_str(), target.path.c_str()));
  if (error != 0) ::unlink(unfinished.c_str());
  return error;
}

int write_to_open(const Target& target, std::string_view text) {
  const int descriptor = ::open(target.path.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC);
  if (descriptor < 0) return errno;
  const int error = write_all(descriptor, text);
  const int closed = ::close(descriptor) == 0 ? 0 : errno;
  return error != 0 ? error : closed;
}

int write_to(const Target& target, std::string_view text) {
  if (target.how == Target::How::replace) return replace_file(target, text);
  if (target.how == Target::How::open) return write_to_open(target, text);
  std::fflush(target.descriptor == STDOUT_FILENO ? stdout : stderr);
  return write_all(target.descriptor, text);
}

}  // namespace

FileKind kind_of_file(const std::string& file, std::string_view field) {
  const auto status = status_of(file, field, "read");
  return status ? kind_of(*status) : FileKind::none;
}

std::string read_text_file(const std::string& file, std::string_view field) {
  struct stat status{};
  if (::stat(file.c_str(), &status) != 0) refuse(field, file, "read", errno);
  if (S_ISDIR(status.st_mode)) refuse(field, file, "read", EISDIR);
  // Most devices never end.
  if (S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode))
    throw InputError(field, file, "is a device, no file");
  const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) refuse(field, file, "read", errno);
  std::string text;
  std::string part(std::size_t{1} << 16, '\0');
  while (true) {
    const auto size = ::read(descriptor, part.data(), part.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) {
      const int error = size < 0 ? errno : 0;
      ::close(descriptor);
      if (error != 0) refuse(field, file, "read", error);
      return text;
    }
    text.append(part, 0, static_cast<std::size_t>(size));
  }
}

void require_writable(const std::string& file, std::string_view field) { target_of(file, field); }

void write_text_file(const std::string& file, std::string_view text, std::string_view field) {
  const auto target = target_of(file, field);
  const int error = write_to(target, text);
  if (error == 0) return;
  const auto* consequence = target.how == Target::How::replace ? "; what was there before is unchanged" : "";
  throw InputError(field, file, fmt::format("cannot be written: {}{}", std::strerror(error), consequence));
}

bool same_regular_file(const std::string& a, const std::string& b) {
  struct stat of_a{}, of_b{};
  const bool a_there = ::stat(a.c_str(), &of_a) == 0, b_there = ::stat(b.c_str(), &of_b) == 0;
  if (a_there != b_there) return false;
  if (a_there) return S_ISREG(of_a.st_mode) && same_file(of_a, of_b);
  std::error_code error;
  const auto place = [&](const std::string& file) {
    return std::filesystem::weakly_canonical(std::filesystem::absolute(end_of_links(file), error), error);
  };
  return place(a) == place(b);
}

bool is_standard_stream(const std::string& file) {
  struct stat status{};
  return ::stat(file.c_str(), &status) == 0 && standard_stream(status).has_value();
}

void make_folder(const std::string& folder, std::string_view field) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (!error && kind_of_file(folder, field) == FileKind::folder) return;
  throw InputError(
      field, folder,
      fmt::format("cannot be made a folder: {}", error ? error.message() : "a file has that name"));
}

}  // namespace attnbench
