#pragma once

#include <cstddef>
#include <type_traits>
#include <vector>

#include "run/verification/nameless_file.h"

namespace attnbench {

/// Bytes written once, in order, for processes started from this one to read. Each piece begins at a multiple
/// of 64 bytes. Neither files nor names are left behind.
class SharedWriter {
 public:
  /// Throws std::system_error, as do the others.
  SharedWriter();
  ~SharedWriter();
  SharedWriter(const SharedWriter&) = delete;
  SharedWriter& operator=(const SharedWriter&) = delete;

  void put(const void* data, std::size_t bytes);
  template <typename T>
  void put_value(const T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    put(&value, sizeof value);
  }
  template <typename T>
  void put_list(const std::vector<T>& list) {
    static_assert(std::is_trivially_copyable_v<T>);
    put_value(list.size());
    put(list.data(), list.size() * sizeof(T));
  }
  /// Room that reads as zeros and takes no memory.
  void skip(std::size_t bytes);
  /// Where the next piece begins.
  std::size_t position() const { return position_; }
  /// From now on nobody can change it.
  void seal();
  int descriptor() const { return file_.fd; }

 private:
  NamelessFile file_;
  std::size_t position_ = 0;
};

/// What a SharedWriter wrote, in a process that has inherited its descriptor. Whoever writes to it changes a
/// copy of his own.
class SharedReader {
 public:
  /// Takes over the descriptor. Throws std::system_error.
  explicit SharedReader(int fd);
  ~SharedReader();
  SharedReader(const SharedReader&) = delete;
  SharedReader& operator=(const SharedReader&) = delete;

  /// The next pieces are read from there.
  void seek(std::size_t position) { position_ = position; }
  /// Throws std::out_of_range where so much is not there.
  void* take(std::size_t bytes);
  template <typename T>
  T take_value() {
    return *static_cast<T*>(take(sizeof(T)));
  }
  template <typename T>
  std::vector<T> take_list() {
    const auto size = take_value<std::size_t>();
    const auto* first = static_cast<T*>(take(size * sizeof(T)));
    return {first, first + size};
  }

 private:
  char* data_ = nullptr;
  std::size_t bytes_ = 0;
  std::size_t position_ = 0;
};

}  // namespace attnbench
