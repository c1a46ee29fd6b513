#include "decoder.h"

#include <oneapi/dnnl/dnnl.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <stdexcept>

using namespace attnbench;

namespace {

/// y (rows, outputs) = x (rows, inputs) w (inputs, outputs), or w^T where `transposed`; added to y with
/// `add`.
void multiply(const float* x, const float* w, float* y, std::int64_t rows, std::int64_t inputs,
              std::int64_t outputs, bool transposed = false, bool add = false) {
  const auto status = dnnl_sgemm('N', transposed ? 'T' : 'N', rows, outputs, inputs, 1.0F, x, inputs, w,
                                 transposed ? inputs : outputs, add ? 1.0F : 0.0F, y, outputs);
  if (status != dnnl_success) throw std::runtime_error("dnnl_sgemm failed");
}

void normalise(const float* x, float* y, std::int64_t rows, std::int64_t width) {
  for (std::int64_t r = 0; r < rows; ++r, x += width, y += width) {
    double sum = 0, squares = 0;
    for (std::int64_t i = 0; i < width; ++i) sum += x[i];
    const double mean = sum / static_cast<double>(width);
    for (std::int64_t i = 0; i < width; ++i) squares += (x[i] - mean) * (x[i] - mean);
    const double scale = 1 / std::sqrt(squares / static_cast<double>(width) + 1e-5);
    for (std::int64_t i = 0; i < width; ++i) y[i] = static_cast<float>((x[i] - mean) * scale);
  }
}

void gelu(std::vector<float>& x) {
  for (auto& value : x)
    value *= 0.5F * (1 + std::tanh(0.7978846F * (value + 0.044715F * value * value * value)));
}

std::vector<float> random_matrix(std::int64_t inputs, std::int64_t outputs, std::mt19937& random) {
  // Uniform, and of a size that keeps what goes through near its own.
  const float bound = std::sqrt(3.0F / static_cast<float>(inputs));
  std::uniform_real_distribution<float> element(-bound, bound);
  std::vector<float> matrix(static_cast<std::size_t>(inputs * outputs));
  for (auto& value : matrix) value = element(random);
  return matrix;
}

Problem problem_of(const DecoderShape& shape, std::int64_t queries, std::int64_t keys, Phase phase) {
  Problem problem;
  auto& s = problem.shape;
  s.num_q_heads = shape.heads;
  s.seqlen_q = queries;
  s.seqlen_kv = keys;
  s.head_dim_qk = s.head_dim_v = shape.head_dim;
  s.softmax_scale = 1 / std::sqrt(static_cast<double>(shape.head_dim));
  problem.phase = phase;
  problem.mechanism = bind_kv_heads(parse_mechanism("mha(causal)"), shape.heads, 0);
  return problem;
}

}  // namespace

Weights::Weights(const DecoderShape& shape) {
  std::mt19937 random(1);
  embedding = random_matrix(shape.d_model(), shape.vocabulary, random);
  for (std::int64_t layer = 0; layer < shape.layers; ++layer)
    layers.push_back({random_matrix(shape.d_model(), 3 * shape.d_model(), random),
                      random_matrix(shape.d_model(), shape.d_model(), random),
                      random_matrix(shape.d_model(), shape.feed_forward, random),
                      random_matrix(shape.feed_forward, shape.d_model(), random)});
}

struct Decoder::Impl {
  Impl(const DecoderShape& s, const Weights& w, const Dispatcher& dispatcher, std::int64_t prompt,
       std::int64_t tokens)
      : shape(s),
        weights(w),
        capacity(prompt + tokens),
        prefill(dispatcher, problem_of(s, prompt, prompt, Phase::prefill)),
        decode(dispatcher, problem_of(s, 1, capacity, Phase::decode)) {
    const auto elements = static_cast<std::size_t>(capacity * shape.d_model());
    for (auto* cache : {&k, &v})
      cache->assign(static_cast<std::size_t>(shape.layers), std::vector<float>(elements));
  }

  /// Of so many positions of a buffer (heads, `room`, head_dim).
  TensorView view(std::vector<float>& data, std::int64_t positions, std::int64_t room) const {
    return {data.data(),
            DType::f32,
            {1, shape.heads, positions, shape.head_dim},
            {shape.heads * room * shape.head_dim, room * shape.head_dim, shape.head_dim, 1}};
  }

  /// Tokens at the positions from `length` on; returns the one that comes next.
  std::int64_t run(const std::vector<std::int64_t>& tokens, Attention& attention) {
    const auto rows = static_cast<std::int64_t>(tokens.size());
    const auto width = shape.d_model();
    const auto size = static_cast<std::size_t>(rows * width);
    x.resize(size), normal.resize(size), q.resize(size), o.resize(size), qkv.resize(3 * size);
    inner.resize(static_cast<std::size_t>(rows * shape.feed_forward));
    for (std::int64_t r = 0; r < rows; ++r)
      std::copy_n(&weights.embedding[static_cast<std::size_t>(tokens[static_cast<std::size_t>(r)] * width)],
                  width, &x[static_cast<std::size_t>(r * width)]);
    for (std::size_t layer = 0; layer < weights.layers.size(); ++layer) {
      const auto& matrices = weights.layers[layer];
      normalise(x.data(), normal.data(), rows, width);
      multiply(normal.data(), matrices.qkv.data(), qkv.data(), rows, width, 3 * width);
      for (std::int64_t r = 0; r < rows; ++r) {
        for (std::int64_t h = 0; h < shape.heads; ++h) {
          const float* from = &qkv[static_cast<std::size_t>(r * 3 * width + h * shape.head_dim)];
          const auto cached = static_cast<std::size_t>((h * capacity + length + r) * shape.head_dim);
          std::copy_n(from, shape.head_dim, &q[static_cast<std::size_t>((h * rows + r) * shape.head_dim)]);
          std::copy_n(from + width, shape.head_dim, &k[layer][cached]);
          std::copy_n(from + 2 * width, shape.head_dim, &v[layer][cached]);
        }
      }
      Tensors tensors;
      tensors[Role::q] = view(q, rows, rows);
      tensors[Role::k] = view(k[layer], length + rows, capacity);
      tensors[Role::v] = view(v[layer], length + rows, capacity);
      // Rows of all heads side by side, as the product after it reads them.
      tensors[Role::o] = {o.data(),
                          DType::f32,
                          {1, shape.heads, rows, shape.head_dim},
                          {rows * width, shape.head_dim, width, 1}};
      attention.bind(tensors);
      attention.run();
      multiply(o.data(), matrices.out.data(), x.data(), rows, width, width, false, true);
      normalise(x.data(), normal.data(), rows, width);
      multiply(normal.data(), matrices.up.data(), inner.data(), rows, width, shape.feed_forward);
      gelu(inner);
      multiply(inner.data(), matrices.down.data(), x.data(), rows, shape.feed_forward, width, false, true);
    }
    length += rows;
    hidden.resize(static_cast<std::size_t>(width));
    normalise(&x[size - hidden.size()], hidden.data(), 1, width);
    logits.resize(static_cast<std::size_t>(shape.vocabulary));
    multiply(hidden.data(), weights.embedding.data(), logits.data(), 1, width, shape.vocabulary, true);
    return std::max_element(logits.begin(), logits.end()) - logits.begin();
  }

  const DecoderShape shape;
  const Weights& weights;
  const std::int64_t capacity;
  Attention prefill, decode;
  std::int64_t length = 0;               ///< positions in the cache
  std::vector<std::vector<float>> k, v;  ///< by layer: (heads, capacity, head_dim)
  std::vector<float> x, normal, q, qkv, o, inner, hidden, logits;
};

Decoder::Decoder(const DecoderShape& shape, const Weights& weights, const Dispatcher& dispatcher,
                 std::int64_t prompt, std::int64_t tokens)
    : impl_(std::make_unique<Impl>(shape, weights, dispatcher, prompt, tokens)) {}
Decoder::~Decoder() = default;

std::int64_t Decoder::prefill(const std::vector<std::int64_t>& prompt) {
  impl_->length = 0;
  return impl_->run(prompt, impl_->prefill);
}
std::int64_t Decoder::decode(std::int64_t token) { return impl_->run({token}, impl_->decode); }
const std::vector<float>& Decoder::last_hidden() const { return impl_->hidden; }
std::string Decoder::prefill_kernel() const { return in_words(impl_->prefill.decision()); }
std::string Decoder::decode_kernel() const { return in_words(impl_->decode.decision()); }
