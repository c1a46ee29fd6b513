#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#pragma GCC visibility push(default)

namespace attnbench {

enum class MechanismKind : std::uint8_t { mha, gqa, mqa, swa, block_sparse, linear, causal_linear };

std::string_view name(MechanismKind kind);
const std::vector<MechanismKind>& all_mechanism_kinds();

/// The mathematical function, apart from sizes. With i' = i + seqlen_kv - seqlen_q:
/// - mha, gqa, mqa: softmax(scale Q K^T) V; query head h reads kv head floor(h / (H / num_kv_heads)).
/// - swa: keys [i' - floor(w/2), i' + floor(w/2)]; causal: (i' - w, i'].
/// - block_sparse: floor(i'/bs) = floor(j/bs), or j < globals, or i' < globals; one softmax over the union.
/// - linear, causal_linear: phi(x) = elu(x) + 1; phi(q)^T S / (phi(q)^T z + eps)
///   (Katharopoulos et al. 2020, "Transformers are RNNs", eq. 4-12).
/// causal_bottom_right adds j <= i'. A row that may see no key returns zeros with lse = -inf.
struct Mechanism {
  MechanismKind kind = MechanismKind::mha;
  std::int64_t num_kv_heads = 0;  ///< 0: not yet bound to a shape (see bind_kv_heads)
  std::int64_t window = 0;        ///< swa only
  std::int64_t block_size = 0;    ///< block_sparse only
  std::int64_t globals = 0;       ///< block_sparse only
  bool causal_bottom_right = false;
  double eps = 1e-6;  ///< linear and causal_linear only

  bool operator==(const Mechanism&) const = default;
  bool is_softmax() const { return kind != MechanismKind::linear && kind != MechanismKind::causal_linear; }
  /// True for causal_linear too.
  bool is_causal() const { return causal_bottom_right || kind == MechanismKind::causal_linear; }
};

/// Canonical text: "mha", "gqa(kv=4)", "swa(w=64,causal)", "block_sparse(bs=32,globals=1)", "linear".
std::string to_string(const Mechanism& mechanism);
/// The part between the parentheses: "w=64,causal"; empty when there is none.
std::string params(const Mechanism& mechanism);
/// Accepts canonical text only; throws InputError with the nearest names.
Mechanism parse_mechanism(std::string_view text);

/// Fills num_kv_heads: mha takes num_q_heads, mqa 1, gqa keeps its own, all others take num_kv_heads
/// (0: num_q_heads).
Mechanism bind_kv_heads(Mechanism mechanism, std::int64_t num_q_heads, std::int64_t num_kv_heads);

/// Half-open range of key positions.
struct KeyRange {
  std::int64_t begin = 0;
  std::int64_t end = 0;
  std::int64_t size() const { return end > begin ? end - begin : 0; }
};

/// Keys that one query may see: global keys first, then its own range; disjoint, either may be empty.
struct AllowedKeys {
  KeyRange globals;
  KeyRange local;
  std::int64_t size() const { return globals.size() + local.size(); }
};

/// position = i + seqlen_kv - seqlen_q (may be negative: sees nothing). Linear mechanisms see all keys
/// (causal_linear: those up to position).
AllowedKeys allowed_keys(const Mechanism& mechanism, std::int64_t position, std::int64_t seqlen_kv);

}  // namespace attnbench

#pragma GCC visibility pop
