#pragma once

#include <string>
#include <string_view>

namespace attnbench {

/// Every file that a person names is read and written here, so that each kind of file and each failure of the
/// system is one InputError that names the field and the file.
enum class FileKind { none, file, folder, stream, disk };  ///< stream: a pipe, a socket, a character device

/// What the name stands for, links followed. Throws InputError where the system cannot say: a loop of links,
/// a name too long, a folder that may not be entered.
FileKind kind_of_file(const std::string& file, std::string_view field = "file");

/// All bytes of a file or a pipe.
std::string read_text_file(const std::string& file, std::string_view field = "file");

/// Throws InputError where write_text_file() would, as far as it can be known before there is anything to
/// write.
void require_writable(const std::string& file, std::string_view field = "out");

/// Writes a whole file. A regular file is replaced at once or not at all, keeps its mode, and where the name
/// is a link the file it leads to is written. A pipe or a device is written to. What is standard output
/// already takes the text where that stands. Never replaces an SQLite file: it may be a store.
void write_text_file(const std::string& file, std::string_view text, std::string_view field = "out");

/// Whether two names stand for one regular file, or would. Pipes and devices may be named twice.
bool same_regular_file(const std::string& a, const std::string& b);

/// Whether the name stands for what standard output or standard error goes to.
bool is_standard_stream(const std::string& file);

/// Makes a folder and those above it, unless it is there.
void make_folder(const std::string& folder, std::string_view field = "out");

}  // namespace attnbench
