#include "one_block.h"

#include <algorithm>
#include <cmath>
#include <random>

#include "engines/cpu/fused/softmax/geometry.h"
#include "engines/cpu/fused/softmax/spans.h"

namespace account {

using namespace attnbench;
using namespace attnbench::cpu::fused;

namespace {

constexpr std::int64_t kElement = 2;  // bytes of a bf16

Buffer random_bf16(std::int64_t elements, unsigned seed) {
  Buffer buffer(elements * kElement);
  std::mt19937 draw(seed);
  std::normal_distribution<float> normal;
  for (std::int64_t i = 0; i < elements; ++i) {
    const float value = normal(draw);
    std::uint32_t bits = 0;
    std::copy_n(reinterpret_cast<const std::byte*>(&value), sizeof bits, reinterpret_cast<std::byte*>(&bits));
    buffer.as<std::uint16_t>()[i] = static_cast<std::uint16_t>(bits >> 16);
  }
  return buffer;
}

}  // namespace

OneBlock::OneBlock(const Mechanism& mechanism, std::int64_t seqlen, std::int64_t head_dim,
                   std::int64_t first_row, const SoftmaxPath& path)
    : path_(path),
      head_dim_(head_dim),
      q_(random_bf16(kLanes * head_dim, 1)),
      k_(random_bf16(seqlen * head_dim, 2)),
      v_(random_bf16(seqlen * head_dim, 3)),
      o_(kLanes * head_dim * kElement),
      packed_k_(seqlen * head_dim * kElement),
      packed_v_(seqlen * head_dim * kElement),
      output_(kOutputBytes),
      queries_(kQueriesBytes),
      weights_(kWeightsBytes),
      scores_(kScoresBytes) {
  const HeadGeometry head(mechanism, 1, seqlen, seqlen);
  const auto row_bytes = head_dim * kElement;
  path.pack_keys(k_.as<std::byte>(), row_bytes, seqlen, head_dim, packed_k_.as<std::byte>());
  path.pack_values(v_.as<std::byte>(), row_bytes, seqlen, head_dim, packed_v_.as<std::byte>());

  block_.rows = kLanes;
  block_.head_dim_qk = block_.head_dim_v = head_dim;
  set_scale(block_, 1 / std::sqrt(static_cast<double>(head_dim)));
  block_.q_stride_bytes = row_bytes;
  for (int lane = 0; lane < kLanes; ++lane) {
    block_.q[lane] = q_.as<std::byte>() + lane * row_bytes;
    block_.o[lane] = o_.as<std::byte>() + lane * row_bytes;
    block_.lse[lane] = nullptr;
    const auto local = head.allowed(first_row + lane).local;
    block_.begin[lane] = static_cast<std::int32_t>(local.begin);
    block_.size[lane] = static_cast<std::int32_t>(local.size());
  }
  block_.output = output_.as<float>();
  block_.queries = queries_.as<std::byte>();
  block_.weights = weights_.as<std::byte>();
  block_.scores = scores_.as<float>();
  fill_scores();

  const auto globals = head.allowed(first_row).globals;
  for (std::int64_t key = 0; key < seqlen; key += path.attend_keys) {
    calls_.emplace_back();
    if (key == 0 && globals.size() > 0) add_span(globals, globals, Halves::both);
    const KeyRange within{key, std::min(key + path.attend_keys, seqlen)};
    const auto pieces = cut_pieces(head, first_row, first_row + kLanes, within);
    for (const auto& piece : pieces.view()) add_span(piece.keys, piece.full, piece.halves);
    if (calls_.back().empty()) calls_.pop_back();
  }
}

void OneBlock::add_span(KeyRange keys, KeyRange full, Halves halves) {
  KeySpan span;
  span.k_stride_bytes = span.v_stride_bytes = path_.packed_keys * head_dim_ * kElement;
  span.keys_per_key_row = span.keys_per_value_row = path_.packed_keys;
  const auto unit = keys.begin / path_.packed_keys;
  span.k = packed_k_.as<std::byte>() + unit * span.k_stride_bytes;
  span.v = packed_v_.as<std::byte>() + unit * span.v_stride_bytes;
  span.first_key = static_cast<std::int32_t>(keys.begin);
  span.keys = static_cast<std::int32_t>(keys.size());
  span.full_begin = static_cast<std::int32_t>(full.begin);
  span.full_end = static_cast<std::int32_t>(full.end);
  span.halves = halves;
  calls_.back().push_back(span);
}

void OneBlock::attend() {
  for (const auto& spans : calls_) path_.tile.attend(block_, spans);
}

void OneBlock::pack() {
  const auto row_bytes = head_dim_ * kElement;
  path_.pack_keys(k_.as<std::byte>(), row_bytes, path_.packed_keys, head_dim_, packed_k_.as<std::byte>());
  path_.pack_values(v_.as<std::byte>(), row_bytes, path_.packed_keys, head_dim_, packed_v_.as<std::byte>());
}

void OneBlock::fill_scores() { std::fill_n(scores_.as<float>(), kScoresBytes / 4, 1.0F); }

}  // namespace account
