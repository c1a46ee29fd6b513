#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>

#include "attnbench/dispatch.h"
#include "core/random.h"

namespace attnbench {

/// A problem and the mechanisms allowed beside its own, in words of 64 bits; those that are not used are not
/// looked at.
struct DecisionKey {
  static constexpr std::size_t kProblemWords = 15;
  static constexpr std::size_t kMechanismWords = 6;
  static constexpr std::size_t kMostWords = kProblemWords + kMostAllowed * kMechanismWords;

  std::array<std::uint64_t, kMostWords> words;
  std::size_t used = 0;

  /// Pre: no seqlens_kv, at most kMostAllowed mechanisms.
  DecisionKey(const Problem& problem, std::span<const Mechanism> allowed) {
    const auto& s = problem.shape;
    // Two choices cannot have the same words: the number allowed is among them.
    add(allowed.size());
    add(packed(s.dtype_q, s.dtype_kv, s.dtype_o, s.layout, problem.scope, problem.phase));
    for (const auto size :
         {s.batch, s.num_q_heads, s.seqlen_q, s.seqlen_kv, s.head_dim_qk, s.head_dim_v, s.d_model})
      add(static_cast<std::uint64_t>(size));
    add_bits(s.softmax_scale);
    add_mechanism(problem.mechanism);
    for (const auto& mechanism : allowed) add_mechanism(mechanism);
  }

  std::uint64_t hash() const {
    std::uint64_t hash = 0;
    for (std::size_t i = 0; i < used; ++i) hash = mix_bits(hash + kGoldenGamma + words[i]);
    return hash;
  }

 private:
  template <typename... Enums>
  static std::uint64_t packed(Enums... values) {
    std::uint64_t word = 0;
    ((word = word << 8 | static_cast<std::uint64_t>(values)), ...);
    return word;
  }
  void add(std::uint64_t word) { words[used++] = word; }
  void add_bits(double value) {
    std::uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof bits);
    add(bits);
  }
  void add_mechanism(const Mechanism& m) {
    add(packed(m.kind, m.causal_bottom_right));
    for (const auto number : {m.num_kv_heads, m.window, m.block_size, m.globals})
      add(static_cast<std::uint64_t>(number));
    add_bits(m.eps);
  }
};

/// Decisions by key, for any number of threads. A fixed number of slots, in sets of four; a new decision
/// takes the place of one of its set. Readers wait for nobody: each slot is a sequence lock (Boehm 2012, "Can
/// Seqlocks Get Along With Programming Language Memory Models?"), and one that is being written is not found.
/// Neither side allocates.
class DecisionTable {
 public:
  DecisionTable() : slots_(std::make_unique<Slot[]>(kSets * kWays)) {}

  bool find(const DecisionKey& key, Decision& decision) const {
    const auto* set = &slots_[set_of(key) * kWays];
    for (std::size_t way = 0; way < kWays; ++way) {
      if (read(set[way], key, decision)) return true;
    }
    return false;
  }

  void insert(const DecisionKey& key, const Decision& decision) {
    auto* set = &slots_[set_of(key) * kWays];
    auto way = next_.fetch_add(1, std::memory_order_relaxed) % kWays;
    for (std::size_t i = 0; i < kWays; ++i) {
      if (set[i].version.load(std::memory_order_relaxed) == 0) {
        way = i;
        break;
      }
    }
    write(set[way], key, decision);
  }

  static constexpr std::size_t kSlots = 1024;

 private:
  static constexpr std::size_t kWays = 4;
  static constexpr std::size_t kSets = kSlots / kWays;
  static constexpr std::size_t kDecisionWords = (sizeof(Decision) + 7) / 8;
  using DecisionWords = std::array<std::uint64_t, kDecisionWords>;

  struct Slot {
    std::atomic<std::uint64_t> version{0};  ///< odd: being written; 0: empty
    std::atomic<std::uint64_t> used{0};
    std::array<std::atomic<std::uint64_t>, kDecisionWords> decision{};
    std::array<std::atomic<std::uint64_t>, DecisionKey::kMostWords> key{};
  };

  static std::size_t set_of(const DecisionKey& key) { return key.hash() % kSets; }

  static bool read(const Slot& slot, const DecisionKey& key, Decision& decision) {
    const auto version = slot.version.load(std::memory_order_acquire);
    if (version == 0 || version % 2 != 0) return false;
    if (slot.used.load(std::memory_order_relaxed) != key.used) return false;
    for (std::size_t i = 0; i < key.used; ++i) {
      if (slot.key[i].load(std::memory_order_relaxed) != key.words[i]) return false;
    }
    DecisionWords words;
    for (std::size_t i = 0; i < kDecisionWords; ++i)
      words[i] = slot.decision[i].load(std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_acquire);
    if (slot.version.load(std::memory_order_relaxed) != version) return false;
    std::memcpy(static_cast<void*>(&decision), words.data(), sizeof decision);
    return true;
  }

  static void write(Slot& slot, const DecisionKey& key, const Decision& decision) {
    auto version = slot.version.load(std::memory_order_relaxed);
    // Another writer is there: his decision is as good to keep as this one.
    if (version % 2 != 0 || !slot.version.compare_exchange_strong(
                                version, version + 1, std::memory_order_acquire, std::memory_order_relaxed))
      return;
    std::atomic_thread_fence(std::memory_order_release);
    DecisionWords words{};
    std::memcpy(words.data(), static_cast<const void*>(&decision), sizeof decision);
    for (std::size_t i = 0; i < kDecisionWords; ++i)
      slot.decision[i].store(words[i], std::memory_order_relaxed);
    for (std::size_t i = 0; i < key.used; ++i) slot.key[i].store(key.words[i], std::memory_order_relaxed);
    slot.used.store(key.used, std::memory_order_relaxed);
    slot.version.store(version + 2, std::memory_order_release);
  }

  std::unique_ptr<Slot[]> slots_;
  std::atomic<std::size_t> next_{0};
};

}  // namespace attnbench
