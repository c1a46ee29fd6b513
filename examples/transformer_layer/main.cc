/// Tokens per second of a decoder of GPT-2 small's shapes, random weights, f32, with a dispatcher's kernels
/// and with fixed ones:
///   transformer_layer [--profile FILE] [--fixed KERNEL] [--prompt N] [--tokens N] [--rounds N] [--threads N]
///                     [--layers N] [--vocabulary N]
/// In each round every variant reads the prompt and generates tokens, in turns and backwards in every other
/// round. Medians over rounds with intervals of at least 95 % by order statistics; the ratio to dispatch is
/// taken within each round. Ends with 1 where the variants, or decoding and reading all at once, disagree.
#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "attnbench/cpu_device.h"
#include "attnbench/dispatch.h"
#include "decoder.h"

namespace {

struct Median {
  double value = 0, low = 0, high = 0;
};
/// Both bounds are the k-th from their end, k the largest with P(fewer than k of n coins are heads) <= 2.5 %.
/// Pre: at least six values.
Median median_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const auto n = values.size();
  double term = std::pow(0.5, static_cast<double>(n)), below = term;
  std::size_t k = 1;
  for (;; ++k) {
    term *= static_cast<double>(n - k + 1) / static_cast<double>(k);
    if (below + term > 0.025) break;
    below += term;
  }
  const double middle = n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
  return {middle, values[k - 1], values[n - k]};
}

double now_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

struct Options {
  std::string profile, fixed = "unfused@cpu";
  std::map<std::string, std::int64_t> counts = {{"prompt", 512}, {"tokens", 64}, {"rounds", 11},
                                                {"threads", 0},  {"layers", 12}, {"vocabulary", 50257}};
};

Options read_options(int argc, char** argv) {
  Options options;
  if (const char* file = std::getenv("ATTNBENCH_PROFILE")) options.profile = file;
  for (int i = 1; i < argc; i += 2) {
    const std::string name = argv[i];
    const std::string option = name.starts_with("--") ? name.substr(2) : "";
    if (i + 1 == argc) throw std::runtime_error(name + ": has no value");
    const std::string value = argv[i + 1];
    if (option == "profile") {
      options.profile = value;
    } else if (option == "fixed") {
      options.fixed = value;
    } else if (const auto count = options.counts.find(option); count != options.counts.end()) {
      const std::int64_t least = option == "rounds" ? 6 : option == "threads" ? 0 : 1;
      const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), count->second);
      if (error != std::errc() || end != value.data() + value.size() || count->second < least ||
          count->second > 1'000'000)
        throw std::runtime_error(name + ": '" + value + "' is not a whole number from " +
                                 std::to_string(least) + " to 1000000");
    } else {
      throw std::runtime_error(name + ": is unknown");
    }
  }
  return options;
}

struct Variant {
  std::string name;
  std::unique_ptr<attnbench::Dispatcher> dispatcher;
  std::unique_ptr<Decoder> decoder;
  std::vector<double> prefill, decode;  ///< tokens per second, by round
  std::vector<float> hidden;            ///< after the last token
};

double largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    largest =
        std::max(largest, std::isnan(a[i] - b[i]) ? INFINITY : std::abs(static_cast<double>(a[i]) - b[i]));
  return largest;
}

void print_rates(const char* phase, const std::vector<Variant>& variants,
                 std::vector<double> Variant::* rates) {
  std::printf("\n| %s | tokens per second | of dispatch |\n|---|---|---|\n", phase);
  for (const auto& variant : variants) {
    const auto rate = median_of(variant.*rates);
    auto ratios = variant.*rates;
    for (std::size_t i = 0; i < ratios.size(); ++i) ratios[i] /= (variants.front().*rates)[i];
    const auto ratio = median_of(ratios);
    std::printf("| %s | %.4g [%.4g, %.4g] | %.3f [%.3f, %.3f] |\n", variant.name.c_str(), rate.value,
                rate.low, rate.high, ratio.value, ratio.low, ratio.high);
  }
}

int run(Options options) {
  auto& counts = options.counts;
  unsetenv("ATTNBENCH_PROFILE");  // the default is to be without one
  const auto device = attnbench::cpu_device(static_cast<int>(counts["threads"]));
  DecoderShape shape;
  shape.layers = counts["layers"];
  shape.vocabulary = counts["vocabulary"];
  const Weights weights(shape);
  const auto prompt = counts["prompt"], tokens = counts["tokens"];

  std::vector<Variant> variants;
  const auto add = [&](const std::string& name, const attnbench::Policy& policy) {
    Variant variant;
    variant.name = name;
    variant.dispatcher = std::make_unique<attnbench::Dispatcher>(device, policy);
    variant.decoder = std::make_unique<Decoder>(shape, weights, *variant.dispatcher, prompt, tokens);
    std::printf("%s\n  prefill: %s\n  decode: %s\n", name.c_str(), variant.decoder->prefill_kernel().c_str(),
                variant.decoder->decode_kernel().c_str());
    variants.push_back(std::move(variant));
  };
  add("dispatch", {.profile = options.profile});
  add("default", {});
  add("fixed", {.forced = options.fixed});

  std::vector<std::int64_t> words;
  for (std::int64_t i = 0; i < prompt; ++i) words.push_back(i * 7919 % shape.vocabulary);
  std::vector<std::int64_t> said;  // by the first variant; the others are made to say the same
  for (std::int64_t round = -1; round < counts["rounds"]; ++round) {  // the first to warm up
    for (std::size_t i = 0; i < variants.size(); ++i) {
      const bool backwards = round > 0 && round % 2 != 0;
      auto& variant = variants[backwards ? variants.size() - 1 - i : i];
      const double start = now_seconds();
      auto next = variant.decoder->prefill(words);
      const double middle = now_seconds();
      for (std::int64_t t = 0; t < tokens; ++t) {
        if (static_cast<std::int64_t>(said.size()) == t) said.push_back(next);
        next = variant.decoder->decode(said[static_cast<std::size_t>(t)]);
      }
      const double end = now_seconds();
      variant.hidden = variant.decoder->last_hidden();
      if (round < 0) continue;
      variant.prefill.push_back(static_cast<double>(prompt) / (middle - start));
      variant.decode.push_back(static_cast<double>(tokens) / (end - middle));
    }
  }
  std::printf("\n%lld layers of %lld x %lld, %d threads, prompt of %lld, %lld tokens, %lld rounds\n",
              static_cast<long long>(shape.layers), static_cast<long long>(shape.heads),
              static_cast<long long>(shape.head_dim), device.threads, static_cast<long long>(prompt),
              static_cast<long long>(tokens), static_cast<long long>(counts["rounds"]));
  print_rates("prefill", variants, &Variant::prefill);
  print_rates("decode", variants, &Variant::decode);

  // Elements of the last hidden row have variance 1.
  constexpr double kTolerance = 1e-2;
  words.insert(words.end(), said.begin(), said.end());
  Decoder at_once(shape, weights, *variants[1].dispatcher, prompt + tokens, 1);
  at_once.prefill(words);
  double apart = 0;
  for (const auto& variant : variants)
    apart = std::max(apart, largest_difference(variant.hidden, at_once.last_hidden()));
  std::printf("\nlargest difference of the last hidden row to reading all at once: %.2g\n", apart);
  if (apart <= kTolerance) return 0;
  std::fprintf(stderr, "transformer_layer: the variants disagree\n");
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(read_options(argc, argv));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "transformer_layer: %s\n", error.what());
    return 2;
  }
}
