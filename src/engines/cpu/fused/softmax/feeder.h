#pragma once

#include <algorithm>
#include <cstddef>

#include "engines/cpu/fused/softmax/block.h"

namespace attnbench::cpu::fused {

/// Collects spans and hands them to the kernel, `keys` keys at a time.
class Feeder {
 public:
  Feeder(const BlockKernel& kernel, Block& block, int keys) : kernel_(kernel), block_(block), keys_(keys) {}

  /// Adds all of the span's keys, or cuts it at multiples of kKeyUnit.
  void add(KeySpan span) {
    while (span.keys > 0) {
      auto keys = std::min(span.keys, keys_ - used_);
      if (keys < span.keys) keys = keys / kKeyUnit * kKeyUnit;
      if (keys == 0 || count_ == kSpans) {
        flush();
        continue;
      }
      spans_[count_] = span;
      spans_[count_++].keys = keys;
      used_ += keys + keys % 2;
      span.keys -= keys;
      span.first_key += keys;
      const auto rows = [&](int keys_per_row) {
        return span.first_key / keys_per_row - (span.first_key - keys) / keys_per_row;
      };
      span.k += rows(span.keys_per_key_row) * span.k_stride_bytes;
      span.v += rows(span.keys_per_value_row) * span.v_stride_bytes;
    }
  }
  void flush() {
    if (count_ > 0) kernel_.attend(block_, {spans_, count_});
    count_ = 0;
    used_ = 0;
  }

 private:
  static constexpr std::size_t kSpans = 4;
  const BlockKernel& kernel_;
  Block& block_;
  int keys_;
  KeySpan spans_[kSpans];
  std::size_t count_ = 0;
  std::int32_t used_ = 0;
};

}  // namespace attnbench::cpu::fused
