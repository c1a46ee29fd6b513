#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "attnbench/dispatch.h"

/// Sizes of a decoder. As they stand, those of GPT-2 small (github.com/openai/gpt-2, hparams.json of 124M).
struct DecoderShape {
  std::int64_t layers = 12, heads = 12, head_dim = 64, feed_forward = 3072, vocabulary = 50257;
  std::int64_t d_model() const { return heads * head_dim; }
};

/// Random weights, f32, each matrix (inputs, outputs).
struct Weights {
  struct Layer {
    std::vector<float> qkv, out, up, down;
  };
  explicit Weights(const DecoderShape& shape);
  std::vector<float> embedding;  ///< (vocabulary, d_model), of inputs and outputs
  std::vector<Layer> layers;
};

/// A decoder of one sequence with a cache of K and V: norm, attention, norm, two products with GELU between
/// them, each added to what came in. No positions are encoded and the norms have no weights: neither costs
/// anything that is to be seen here.
class Decoder {
 public:
  /// For a prompt of so many tokens and so many after it. Chooses one kernel for each phase.
  Decoder(const DecoderShape& shape, const Weights& weights, const attnbench::Dispatcher& dispatcher,
          std::int64_t prompt, std::int64_t tokens);
  ~Decoder();

  /// Forgets all before; returns the token that comes next.
  std::int64_t prefill(const std::vector<std::int64_t>& prompt);
  /// One token more; returns the next.
  std::int64_t decode(std::int64_t token);
  /// Of the last token: what its logits are computed of.
  const std::vector<float>& last_hidden() const;

  std::string prefill_kernel() const, decode_kernel() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};
