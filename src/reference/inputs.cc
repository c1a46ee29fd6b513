#include "reference/inputs.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "core/names.h"
#include "reference/elements.h"
#include "reference/mask.h"
#include "reference/on_all_cpus.h"
#include "reference/random.h"

namespace attnbench::reference {
namespace {

constexpr NameTable<InputKind, 6> kNames{{{InputKind::normal, "normal"},
                                          {InputKind::rising, "rising"},
                                          {InputKind::large_logits, "large_logits"},
                                          {InputKind::one_hot, "one_hot"},
                                          {InputKind::zero_q, "zero_q"},
                                          {InputKind::extreme, "extreme"}}};

/// Streams of random numbers, each of its own.
enum class Draw : std::uint64_t { direction, code, target, q, k, v, x, wq, wk, wv, wo };

/// A recipe asks for no more than this power of two, so that a tiny scale gives no infinities, and for no
/// more than the type holds with `spare` bits left.
constexpr int kLargestExponent = 100;
double largest(DType type, int spare) {
  return std::exp2(std::min(kLargestExponent, std::ilogb(largest_finite(type)) - spare));
}
/// With noise of up to 6 / 4 of it.
constexpr int kRoomForNoise = 2;

/// What a kind needs of the problem: sizes of q and k that give the scores it promises.
struct Recipe {
  const Problem& problem;
  InputKind kind;
  std::uint64_t seed;
  bool softmax = problem.mechanism.is_softmax();
  double head_dim = static_cast<double>(problem.shape.head_dim_qk);
  /// Linear mechanisms have no scale; a scale of 0 makes all scores 0 whatever q and k are.
  double scale =
      softmax && problem.shape.softmax_scale != 0 ? problem.shape.softmax_scale : 1 / std::sqrt(head_dim);
  DType q_type = problem.shape.dtype_q;
  DType kv_type = problem.shape.dtype_kv;
  /// In f16 q alone cannot carry what large scores or a tiny scale ask for, so that k takes a part.
  bool narrow = std::min(largest_finite(q_type), largest_finite(kv_type)) < std::exp2(kLargestExponent);

  RandomStream stream(Draw role, std::int64_t a, std::int64_t b = 0, std::int64_t c = 0) const {
    return RandomStream{seed, static_cast<std::uint64_t>(role), static_cast<std::uint64_t>(a),
                        static_cast<std::uint64_t>(b), static_cast<std::uint64_t>(c)};
  }
  /// The +-1 vector along which q and k of a kv head lie in `rising` and `large_logits`.
  std::vector<float> direction(std::int64_t kv_head) const {
    auto random = stream(Draw::direction, kv_head);
    std::vector<float> u(static_cast<std::size_t>(problem.shape.head_dim_qk));
    for (auto& element : u) element = random.sign();
    return u;
  }
  /// rising: q = size (u + 0.1 n), k = ramp u + noise n, with size * ramp * head_dim * scale from 64 to 96;
  /// the size is 1 unless the ramp would end beyond k's type.
  float rising_q() const {
    const double beyond = rising_product() / largest(kv_type, kRoomForNoise);
    const double size = std::exp2(std::ceil(std::log2(std::max(beyond, 1.0))));
    return static_cast<float>(std::min(size, largest(q_type, kRoomForNoise)));
  }
  float ramp_end() const {
    const double end = rising_product() / rising_q();
    return scale_sign() * static_cast<float>(std::min(end, largest(kv_type, kRoomForNoise)));
  }
  float rising_noise() const {
    const double noise = 0.5 / (std::abs(scale) * std::sqrt(head_dim)) / rising_q();
    return static_cast<float>(std::min(noise, largest_finite(kv_type) / 8));
  }
  double rising_product() const {
    return std::min(96 / (std::abs(scale) * head_dim), std::exp2(kLargestExponent));
  }
  /// 2/3 at the first key, 1 at the last.
  static float ramp_share(std::int64_t key, std::int64_t keys) {
    return keys < 2 ? 1.0f : 2.0f / 3 + static_cast<float>(key) / static_cast<float>(keys - 1) / 3;
  }
  /// large_logits: q = +-a (u + n/4), k = a (u + n/4), with a^2 head_dim |scale| = 120.
  float large() const {
    if (!softmax) return 120.0f;
    const double most = std::min(largest(q_type, kRoomForNoise), largest(kv_type, kRoomForNoise));
    return static_cast<float>(std::min(std::sqrt(120 / (std::abs(scale) * head_dim)), most));
  }
  float scale_sign() const { return scale < 0 ? -1.0f : 1.0f; }
  /// one_hot: q = A code(target), k = B code(j). Scores of different +-1 codes differ by at least
  /// 2 A B |scale|, which is at least 40; powers of two keep them exact in every element type. B is 1 unless
  /// A would be beyond q's type.
  float one_hot_q() const {
    return softmax ? scale_sign() * static_cast<float>(std::min(one_hot_product(), largest(q_type, 0)))
                   : 8.0f;
  }
  float one_hot_k() const {
    return softmax ? static_cast<float>(
                         std::clamp(one_hot_product() / largest(q_type, 0), 1.0, largest(kv_type, 0)))
                   : 4.0f;
  }
  double one_hot_product() const {
    const double size = std::exp2(std::ceil(std::log2(20 / std::abs(scale))));
    return std::min(size, std::exp2(kLargestExponent));
  }

  /// extreme: q = a (+-u - w), k = unit level u, or unit far w for keys that no row has weight on; u and w
  /// are at right angles, so that scores are +-a unit level head_dim and -a unit far w w. Whole numbers of up
  /// to 8 bits times a power of two keep all of it exact. f16 holds a up to 255 * 2^7 and k up to 12 * 2^12,
  /// so that magnitudes end near 2^33 for the usual scales.
  static constexpr int kLevels = 8;
  float extreme_unit() const { return softmax && narrow ? 0x1p12F : 1.0F; }
  float extreme_far() const { return narrow ? 12 : 32; }
  float far_value() const { return static_cast<float>(largest(kv_type, 0)); }
  std::vector<float> across(std::int64_t kv_head) const {
    auto w = direction(kv_head);
    for (std::size_t c = 1; c < w.size(); c += 2) w[c] = -w[c];
    if (w.size() % 2 != 0) w.back() = 0;
    return w;
  }
  /// The highest score is near 2^magnitude.
  float extreme_q(std::int64_t whole, double magnitude) const {
    const double rest = 256 * kLevels * head_dim * std::abs(scale) * double{extreme_unit()};
    const double power =
        softmax ? std::exp2(std::max(std::floor(magnitude - std::log2(rest)), -100.0)) : 0x1p12;
    return scale_sign() * static_cast<float>(whole) * static_cast<float>(std::min(power, largest(q_type, 8)));
  }
};

/// extreme: keys without weight. A query that sees one key alone keeps it.
std::vector<bool> far_keys(const Recipe& recipe, const Tensors& t, std::int64_t batch) {
  std::vector<bool> far(static_cast<std::size_t>(t[Role::k].sizes[2]));
  if (!recipe.softmax || t[Role::k].sizes[3] < 2) return far;
  const auto keys = keys_in_use(recipe.problem, t, batch);
  for (std::size_t j = 0; j < far.size(); ++j) far[j] = static_cast<std::int64_t>(j) >= keys || j % 4 == 1;
  for (std::int64_t i = 0; i < t[Role::q].sizes[2]; ++i) {
    const auto allowed = allowed_keys(recipe.problem.mechanism, i + keys - t[Role::q].sizes[2], keys);
    if (allowed.size() != 1) continue;
    far[static_cast<std::size_t>(allowed.globals.size() == 1 ? 0 : allowed.local.begin)] = false;
  }
  return far;
}

/// Of each batch entry.
std::vector<std::vector<bool>> far_keys(const Recipe& recipe, const Tensors& t) {
  std::vector<std::vector<bool>> result;
  for (std::int64_t b = 0; b < t[Role::k].sizes[0]; ++b) result.push_back(far_keys(recipe, t, b));
  return result;
}

void fill_normal(RandomStream random, float size, std::vector<float>& row) {
  for (auto& element : row) element = size * random.normal();
}

void add_along(const std::vector<float>& direction, float size, std::vector<float>& row) {
  for (std::size_t c = 0; c < row.size(); ++c) row[c] += size * direction[c];
}

void fill_code(RandomStream random, float size, std::vector<float>& row) {
  for (auto& element : row) element = size * random.sign();
}

/// A key that the query may see: far away if a few draws find one, else its own position.
std::int64_t draw_target(const Recipe& recipe, RandomStream random, std::int64_t position,
                         std::int64_t keys) {
  const auto& m = recipe.problem.mechanism;
  const auto near = std::min(std::max<std::int64_t>({m.window, m.block_size, 8}), keys);
  for (int draw = 0; draw < 16; ++draw) {
    const auto key = draw < 8 ? random.below(keys) : position + random.below(2 * near + 1) - near;
    if (key >= 0 && key < keys && may_see(m, position, key)) return key;
  }
  return std::clamp<std::int64_t>(position, 0, keys - 1);
}

/// Draws each row by fill(batch, head, position, row) and stores it.
template <typename Fill>
void fill_rows(const TensorView& view, Fill fill) {
  constexpr std::int64_t kRowsAtOnce = 1024;  // take longer than starting a thread
  const auto heads = view.sizes[1];
  const auto positions = view.sizes[2];
  on_all_cpus(view.sizes[0] * heads * positions, kRowsAtOnce, [&](auto begin, auto end) {
    std::vector<float> row(static_cast<std::size_t>(view.sizes[3]));
    for (auto n = begin; n < end; ++n) {
      const auto b = n / positions / heads;
      const auto h = n / positions % heads;
      fill(b, h, n % positions, row);
      store_row(view, b, h, n % positions, row.data());
    }
  });
}

/// Of each kv head.
std::vector<std::vector<float>> directions(const Recipe& recipe) {
  std::vector<std::vector<float>> result;
  for (std::int64_t h = 0; h < recipe.problem.mechanism.num_kv_heads; ++h)
    result.push_back(recipe.direction(h));
  return result;
}

void fill_q(const Recipe& recipe, const Tensors& t) {
  const auto along = directions(recipe);
  fill_rows(t[Role::q], [&](auto b, auto h, auto i, auto& row) {
    const auto keys = keys_in_use(recipe.problem, t, b);
    const auto kv_head = kv_head_of(recipe.problem, h);
    const auto& u = along[static_cast<std::size_t>(kv_head)];
    auto random = recipe.stream(Draw::q, b, h, i);
    switch (recipe.kind) {
      case InputKind::normal:
        fill_normal(random, 1, row);
        break;
      case InputKind::rising:
        fill_normal(random, 0.1f * recipe.rising_q(), row);
        add_along(u, recipe.rising_q(), row);
        break;
      case InputKind::large_logits: {
        const float side = random.sign();
        fill_normal(random, recipe.large() / 4, row);
        add_along(u, side * recipe.large(), row);
        break;
      }
      case InputKind::one_hot: {
        const auto position = i + keys - t[Role::q].sizes[2];
        const auto target = keys > 0 ? draw_target(recipe, random, position, keys) : 0;
        fill_code(recipe.stream(Draw::code, b, kv_head, target), recipe.one_hot_q(), row);
        break;
      }
      case InputKind::zero_q:
        std::fill(row.begin(), row.end(), 0.0f);
        break;
      case InputKind::extreme: {
        constexpr double kMagnitudes[] = {17, 20, 24, 28, 31, 36, 60, 100};
        const auto a = recipe.extreme_q(128 + random.below(128), kMagnitudes[random.below(8)]);
        const float side = random.sign();
        std::fill(row.begin(), row.end(), 0.0f);
        add_along(u, a * side, row);
        add_along(recipe.across(kv_head), -a, row);
        break;
      }
    }
  });
}

void fill_k(const Recipe& recipe, const Tensors& t) {
  const auto along = directions(recipe);
  const auto far = recipe.kind == InputKind::extreme ? far_keys(recipe, t) : std::vector<std::vector<bool>>();
  fill_rows(t[Role::k], [&](auto b, auto h, auto j, auto& row) {
    const auto& u = along[static_cast<std::size_t>(h)];
    auto random = recipe.stream(Draw::k, b, h, j);
    switch (recipe.kind) {
      case InputKind::normal:
      case InputKind::zero_q:
        fill_normal(random, 1, row);
        break;
      case InputKind::rising:
        fill_normal(random, recipe.rising_noise(), row);
        add_along(u, recipe.ramp_end() * Recipe::ramp_share(j, t[Role::k].sizes[2]), row);
        break;
      case InputKind::large_logits:
        fill_normal(random, recipe.large() / 4, row);
        add_along(u, recipe.scale_sign() * recipe.large(), row);
        break;
      case InputKind::one_hot:
        fill_code(recipe.stream(Draw::code, b, h, j), recipe.one_hot_k(), row);
        break;
      case InputKind::extreme:
        std::fill(row.begin(), row.end(), 0.0f);
        if (far[static_cast<std::size_t>(b)][static_cast<std::size_t>(j)]) {
          add_along(recipe.across(h), recipe.extreme_unit() * recipe.extreme_far(), row);
        } else {
          add_along(u, recipe.extreme_unit() * static_cast<float>(1 + random.below(Recipe::kLevels)), row);
        }
        break;
    }
  });
}

void fill_rows_normal(const Recipe& recipe, Draw role, float size, const TensorView& view) {
  fill_rows(view,
            [&](auto b, auto h, auto i, auto& row) { fill_normal(recipe.stream(role, b, h, i), size, row); });
}

/// extreme: huge values where no row has weight.
void fill_v(const Recipe& recipe, const Tensors& t) {
  if (recipe.kind != InputKind::extreme) return fill_rows_normal(recipe, Draw::v, 1, t[Role::v]);
  const auto far = far_keys(recipe, t);
  fill_rows(t[Role::v], [&](auto b, auto h, auto j, auto& row) {
    if (far[static_cast<std::size_t>(b)][static_cast<std::size_t>(j)]) {
      fill_code(recipe.stream(Draw::code, b, h, j), recipe.far_value(), row);
    } else {
      fill_normal(recipe.stream(Draw::v, b, h, j), 1, row);
    }
  });
}

/// Column 0 is the constant 1 and column 1 the row's ramp or sign where the kind needs them, column 2 its
/// level; the projections below give each its meaning.
void fill_x(const Recipe& recipe, const TensorView& x) {
  std::vector<float> row(static_cast<std::size_t>(x.sizes[3]));
  const std::size_t second = row.size() > 1 ? 1 : 0;
  const std::size_t third = std::min<std::size_t>(row.size() - 1, 2);
  for (std::int64_t b = 0; b < x.sizes[0]; ++b) {
    for (std::int64_t i = 0; i < x.sizes[2]; ++i) {
      auto random = recipe.stream(Draw::x, b, i);
      const float side = random.sign();
      if (recipe.kind == InputKind::one_hot) {
        fill_code(random, 1, row);
      } else {
        fill_normal(random, 1, row);
      }
      if (recipe.kind == InputKind::rising) {
        row[0] = 1;
        row[second] = Recipe::ramp_share(i, x.sizes[2]);
      } else if (recipe.kind == InputKind::large_logits) {
        row[0] = 1;
        row[second] = side;
      } else if (recipe.kind == InputKind::extreme) {
        row[second] = side;
        row[third] = static_cast<float>(1 + random.below(Recipe::kLevels));
      }
      store_row(x, b, 0, i, row.data());
    }
  }
}

/// wq (of_query) or wk so that the projected rows follow the kind's recipe of q and k.
void fill_qk_weights(const Recipe& recipe, bool of_query, const TensorView& w) {
  const auto head_dim = recipe.problem.shape.head_dim_qk;
  const auto inputs = w.sizes[2];
  const auto role = of_query ? Draw::wq : Draw::wk;
  const float even = 1 / std::sqrt(static_cast<float>(inputs));
  float noise = even;
  float along = 0;
  std::int64_t along_row = 0;
  if (recipe.kind == InputKind::rising) {
    noise = even * (of_query ? 0.1f * recipe.rising_q() : recipe.rising_noise());
    along = of_query ? recipe.rising_q() : recipe.ramp_end();
    along_row = of_query ? 0 : 1;
  } else if (recipe.kind == InputKind::large_logits) {
    noise = even * recipe.large() / 4;
    along = recipe.large() * (of_query ? 1 : recipe.scale_sign());
    along_row = of_query ? 1 : 0;
  } else if (recipe.kind == InputKind::extreme) {
    noise = 0;
    along = of_query ? recipe.extreme_q(183, 36) : recipe.extreme_unit();
    along_row = of_query ? 1 : 2;
  } else if (recipe.kind == InputKind::one_hot || (recipe.kind == InputKind::zero_q && of_query)) {
    noise = 0;
  }
  std::vector<float> row(static_cast<std::size_t>(w.sizes[3]));
  for (std::int64_t m = 0; m < inputs; ++m) {
    fill_normal(recipe.stream(role, m), noise, row);
    for (std::int64_t c = 0; c < w.sizes[3]; ++c) {
      const auto kv_head = of_query ? kv_head_of(recipe.problem, c / head_dim) : c / head_dim;
      auto& element = row[static_cast<std::size_t>(c)];
      if (along != 0 && m == std::min(along_row, inputs - 1)) {
        element += along * recipe.direction(kv_head)[static_cast<std::size_t>(c % head_dim)];
      }
      if (recipe.kind == InputKind::one_hot && (kv_head * head_dim + c % head_dim) % inputs == m) {
        element = of_query ? recipe.one_hot_q() : recipe.one_hot_k();
      }
    }
    store_row(w, 0, 0, m, row.data());
  }
}

}  // namespace

std::string_view name(InputKind kind) { return name_in(kNames, kind); }

const std::vector<InputKind>& all_input_kinds() {
  static const std::vector<InputKind> kinds = {InputKind::normal,  InputKind::rising, InputKind::large_logits,
                                               InputKind::one_hot, InputKind::zero_q, InputKind::extreme};
  return kinds;
}

void fill_inputs(const Problem& problem, InputKind kind, std::uint64_t seed, const Tensors& tensors) {
  const Recipe recipe{problem, kind, seed};
  if (problem.scope == Scope::core) {
    fill_q(recipe, tensors);
    fill_k(recipe, tensors);
    fill_v(recipe, tensors);
    return;
  }
  const auto even = [](const TensorView& w) { return 1 / std::sqrt(static_cast<float>(w.sizes[2])); };
  fill_x(recipe, tensors[Role::x]);
  fill_qk_weights(recipe, true, tensors[Role::wq]);
  fill_qk_weights(recipe, false, tensors[Role::wk]);
  fill_rows_normal(recipe, Draw::wv, even(tensors[Role::wv]), tensors[Role::wv]);
  fill_rows_normal(recipe, Draw::wo, even(tensors[Role::wo]), tensors[Role::wo]);
}

void poison_outputs(const Problem& problem, const Tensors& tensors) {
  for (const auto& spec : roles_of(problem)) {
    if (spec.access == Access::out && tensors[spec.role]) fill_nan(tensors[spec.role]);
  }
}

ProblemData make_data(const Problem& problem, InputKind kind, std::uint64_t seed, bool with_lse) {
  ProblemData data;
  for (const auto& spec : roles_of(problem)) {
    if (spec.optional && !with_lse) continue;
    data.buffers.emplace_back(spec.bytes());
    data.tensors[spec.role] = dense_view(data.buffers.back().data(), spec);
    // Pages lie where the calling thread runs, whoever fills them.
    std::memset(data.buffers.back().data(), 0, static_cast<std::size_t>(data.buffers.back().bytes()));
  }
  fill_inputs(problem, kind, seed, data.tensors);
  poison_outputs(problem, data.tensors);
  return data;
}

}  // namespace attnbench::reference
