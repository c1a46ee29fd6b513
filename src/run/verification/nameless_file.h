#pragma once

namespace attnbench {

/// Memory behind a descriptor that has no name and that no program inherits unasked.
struct NamelessFile {
  int fd = -1;         ///< to write and read; -1, with errno, where it cannot be had
  int read_only = -1;  ///< the same file, where the system has no seals
};
NamelessFile open_nameless_file();
/// From now on nobody who has the descriptor, or inherits it, can change the file: on Linux it is sealed, on
/// macOS `fd` becomes a descriptor for reading alone. False, with errno, where that fails.
bool make_unchangeable(NamelessFile& file);
/// From now on nobody can make the file smaller than it is, where the system has seals: its pages would be
/// gone from under who maps it. False, with errno, where that fails.
bool keep_from_shrinking(NamelessFile& file);

}  // namespace attnbench
