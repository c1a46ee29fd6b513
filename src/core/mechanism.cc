#include "attnbench/mechanism.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "core/names.h"

namespace attnbench {
namespace {

constexpr NameTable<MechanismKind, 7> kNames{{{MechanismKind::mha, "mha"},
                                              {MechanismKind::gqa, "gqa"},
                                              {MechanismKind::mqa, "mqa"},
                                              {MechanismKind::swa, "swa"},
                                              {MechanismKind::block_sparse, "block_sparse"},
                                              {MechanismKind::linear, "linear"},
                                              {MechanismKind::causal_linear, "causal_linear"}}};

/// A parameter of a mechanism kind, in canonical order.
struct Parameter {
  std::string_view key;
  std::int64_t Mechanism::* field;
  std::int64_t minimum;
};

std::vector<Parameter> parameters_of(MechanismKind kind) {
  switch (kind) {
    case MechanismKind::gqa:
      return {{"kv", &Mechanism::num_kv_heads, 1}};
    case MechanismKind::swa:
      return {{"w", &Mechanism::window, 1}};
    case MechanismKind::block_sparse:
      return {{"bs", &Mechanism::block_size, 1}, {"globals", &Mechanism::globals, 0}};
    default:
      return {};
  }
}

std::string canonical_form(MechanismKind kind) {
  std::vector<std::string> parts;
  for (const auto& parameter : parameters_of(kind)) parts.push_back(fmt::format("{}=NUMBER", parameter.key));
  if (parts.empty()) return std::string(name(kind));
  return fmt::format("{}({})", name(kind), fmt::join(parts, ","));
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const auto at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

}  // namespace

std::string_view name(MechanismKind kind) { return name_in(kNames, kind); }

const std::vector<MechanismKind>& all_mechanism_kinds() {
  static const std::vector<MechanismKind> kinds = [] {
    std::vector<MechanismKind> all;
    for (const auto& [kind, text] : kNames) all.push_back(kind);
    return all;
  }();
  return kinds;
}

std::string params(const Mechanism& mechanism) {
  std::vector<std::string> parts;
  for (const auto& parameter : parameters_of(mechanism.kind)) {
    parts.push_back(fmt::format("{}={}", parameter.key, mechanism.*parameter.field));
  }
  if (mechanism.causal_bottom_right) parts.emplace_back("causal");
  return fmt::format("{}", fmt::join(parts, ","));
}

std::string to_string(const Mechanism& mechanism) {
  const auto inner = params(mechanism);
  return inner.empty() ? std::string(name(mechanism.kind))
                       : fmt::format("{}({})", name(mechanism.kind), inner);
}

Mechanism parse_mechanism(std::string_view text) {
  const auto open = text.find('(');
  Mechanism mechanism;
  mechanism.kind = parse_in(kNames, "mechanism", text.substr(0, open));
  const auto expected = parameters_of(mechanism.kind);
  const auto fail = [&](std::string_view why) {
    throw InputError("mechanism", text,
                     fmt::format("{}; the canonical form is {}", why, canonical_form(mechanism.kind)));
  };

  std::vector<std::string_view> parts;
  if (open != std::string_view::npos) {
    if (!text.ends_with(')')) fail("lacks its closing parenthesis");
    parts = split(text.substr(open + 1, text.size() - open - 2), ',');
  }
  if (!parts.empty() && parts.back() == "causal") {
    const bool has_causal_form = mechanism.is_softmax();
    if (!has_causal_form)
      fail("has no causal form of that name (causal_linear is the causal form of linear)");
    mechanism.causal_bottom_right = true;
    parts.pop_back();
  }
  if (parts.size() != expected.size()) fail("has the wrong number of parameters");
  for (std::size_t p = 0; p < expected.size(); ++p) {
    const auto prefix = fmt::format("{}=", expected[p].key);
    if (!parts[p].starts_with(prefix))
      fail(fmt::format("needs parameter '{}' in place {}", expected[p].key, p + 1));
    const auto digits = parts[p].substr(prefix.size());
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc{} || end != digits.data() + digits.size()) {
      fail(fmt::format("has '{}' where a number is needed", digits));
    }
    if (value < expected[p].minimum) {
      fail(fmt::format("has {}={}, the smallest allowed is {}", expected[p].key, value, expected[p].minimum));
    }
    mechanism.*expected[p].field = value;
  }
  return mechanism;
}

Mechanism bind_kv_heads(Mechanism mechanism, std::int64_t num_q_heads, std::int64_t num_kv_heads) {
  switch (mechanism.kind) {
    case MechanismKind::mha:
      mechanism.num_kv_heads = num_q_heads;
      break;
    case MechanismKind::mqa:
      mechanism.num_kv_heads = 1;
      break;
    case MechanismKind::gqa:
      break;
    default:
      mechanism.num_kv_heads = num_kv_heads > 0 ? num_kv_heads : num_q_heads;
  }
  return mechanism;
}

AllowedKeys allowed_keys(const Mechanism& mechanism, std::int64_t position, std::int64_t seqlen_kv) {
  if (position < 0) return {};
  const std::int64_t causal_end = mechanism.is_causal() ? std::min(position + 1, seqlen_kv) : seqlen_kv;
  KeyRange local{0, causal_end};
  std::int64_t globals = 0;
  if (mechanism.kind == MechanismKind::swa) {
    const auto half = mechanism.window / 2;
    local.begin = mechanism.causal_bottom_right ? position - mechanism.window + 1 : position - half;
    local.end = std::min(causal_end, position + half + 1);
  } else if (mechanism.kind == MechanismKind::block_sparse && position >= mechanism.globals) {
    local.begin = position / mechanism.block_size * mechanism.block_size;
    local.end = std::min(causal_end, local.begin + mechanism.block_size);
    globals = std::min(mechanism.globals, causal_end);
  }
  local.begin = std::max({local.begin, std::int64_t{0}, globals});
  local.end = std::max(local.begin, local.end);
  return {{0, globals}, local};
}

}  // namespace attnbench
