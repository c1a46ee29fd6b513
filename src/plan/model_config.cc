#include "plan/model_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "attnbench/error.h"
#include "io/json.h"

namespace attnbench {
namespace {

using nlohmann::json;

/// Present and not null, as configurations write what a model does not have.
bool has(const json& config, const char* field) {
  return config.contains(field) && !config.at(field).is_null();
}

/// Present, and neither null, false nor 0.
bool is_on(const json& config, const char* field) {
  return has(config, field) && config.at(field) != false && config.at(field) != 0;
}

/// The first of the names that is there: GPT-2 calls its sizes otherwise.
std::optional<std::int64_t> size_of(const json& config, std::initializer_list<const char*> names) {
  for (const auto* name : names) {
    if (!has(config, name)) continue;
    const auto size = read_field<std::int64_t>(config, name);
    if (size < 1) throw InputError(name, std::to_string(size), "is not a positive size");
    return size;
  }
  return std::nullopt;
}

std::int64_t required_size(const json& config, std::initializer_list<const char*> names) {
  if (const auto size = size_of(config, names)) return *size;
  throw InputError(*names.begin(), "", "is missing: this is no configuration of a language model");
}

DType dtype_of(const json& config) {
  for (const auto* field : {"dtype", "torch_dtype"}) {
    if (!has(config, field)) continue;
    const auto text = read_field<std::string>(config, field);
    if (text == "bfloat16") return DType::bf16;
    if (text == "float16") return DType::f16;
    if (text == "float32" || text == "auto") return DType::f32;
    throw InputError(field, text, "is not one of bfloat16, float16, float32");
  }
  return DType::f32;  // what the library takes where none is given
}

/// Which layers see a window, and which see everything.
struct Windows {
  std::int64_t size = 0;  ///< keys that a query sees, itself among them; 0: no layer has one
  std::int64_t windowed = 0, full = 0;
};

constexpr std::string_view kWindowed = "sliding_attention", kFull = "full_attention";

/// Of each layer; empty where the configuration does not say.
std::vector<std::string> layer_types(const json& config) {
  if (!has(config, "layer_types")) return {};
  return read_field<std::vector<std::string>>(config, "layer_types");
}

Windows windows_of(const json& config, std::int64_t layers) {
  Windows windows{0, 0, layers};
  if (!has(config, "sliding_window")) {
    const auto types = layer_types(config);
    if (std::find(types.begin(), types.end(), kWindowed) != types.end())
      throw InputError("sliding_window", "nothing",
                       "is not given, and layer_types has layers of sliding_attention");
    return windows;
  }
  if (has(config, "use_sliding_window") && !is_on(config, "use_sliding_window")) return windows;
  const auto size = *size_of(config, {"sliding_window"});
  if (has(config, "layer_types")) {
    const auto types = layer_types(config);
    windows.windowed = std::count(types.begin(), types.end(), kWindowed);
    windows.full = std::count(types.begin(), types.end(), kFull);
  } else if (const auto pattern = size_of(config, {"sliding_window_pattern"})) {
    windows.full = layers / *pattern;  // every so many layers one sees everything
    windows.windowed = layers - windows.full;
  } else if (has(config, "max_window_layers")) {
    windows.full = std::min(layers, read_field<std::int64_t>(config, "max_window_layers"));
    windows.windowed = layers - windows.full;
  } else if (has(config, "model_type") && config.at("model_type") == "gemma2") {
    windows.windowed = (layers + 1) / 2;  // alternating, the first with a window
    windows.full = layers - windows.windowed;
  } else {
    windows = {size, layers, 0};
  }
  if (windows.windowed > 0) windows.size = size;
  return windows;
}

/// Of the scores, where it is not 1/sqrt(head_dim): as Gemma 2 and Granite give it.
std::optional<double> scale_of(const json& config) {
  const auto positive = [&](const char* field) {
    const auto value = read_field<double>(config, field);
    if (!(value > 0) || !std::isfinite(value))
      throw InputError(field, fmt::format("{}", value), "is not positive");
    return value;
  };
  if (has(config, "query_pre_attn_scalar")) return 1 / std::sqrt(positive("query_pre_attn_scalar"));
  if (has(config, "attention_multiplier")) return positive("attention_multiplier");
  return std::nullopt;
}

/// What the model's attention has and no kernel here computes.
std::vector<std::string> not_computed(const json& config, const Windows& windows) {
  std::vector<std::string> list;
  const auto type = has(config, "model_type") ? read_field<std::string>(config, "model_type") : "";
  for (const auto* field : {"attn_logit_softcapping", "attn_logit_soft_cap", "attention_logit_cap"}) {
    if (is_on(config, field))
      list.push_back(fmt::format("soft cap {} of the scores", config.at(field).dump()));
  }
  const bool mpt_alibi = has(config, "attn_config") && is_on(config.at("attn_config"), "alibi");
  if (is_on(config, "alibi") || is_on(config, "use_alibi") || mpt_alibi || type == "bloom")
    list.emplace_back("ALiBi");
  if (type == "gpt_oss" || is_on(config, "attention_sink") || is_on(config, "attention_sinks") ||
      is_on(config, "add_swa_attention_sink_bias") || is_on(config, "add_full_attention_sink_bias"))
    list.emplace_back("attention sinks");
  if (is_on(config, "is_encoder_decoder")) list.emplace_back("an encoder, and attention to what it gives");
  if (has(config, "attention_types")) list.emplace_back("layers of different windows (attention_types)");
  if (is_on(config, "relative_attention_num_buckets")) list.emplace_back("relative position bias");
  if (is_on(config, "attention_chunk_size"))
    list.push_back(fmt::format("attention in chunks of {} tokens", config.at("attention_chunk_size").dump()));
  if (is_on(config, "kv_lora_rank"))
    list.push_back(
        fmt::format("keys and values kept as a latent vector of {}", config.at("kv_lora_rank").dump()));
  if (is_on(config, "index_topk")) list.emplace_back("keys chosen by an index");
  if (is_on(config, "scale_attn_by_inverse_layer_idx")) list.emplace_back("a scale that differs by layer");
  std::map<std::string, int> others;
  for (const auto& layer : layer_types(config)) {
    if (layer != kWindowed && layer != kFull) ++others[layer];
  }
  for (const auto& [other, count] : others)
    list.push_back(fmt::format("{} layer{} of {}", count, count == 1 ? "" : "s", other));
  if (windows.windowed > 0 && windows.full > 0) {
    list.push_back(
        fmt::format("layers of different windows ({} see {} tokens, {} all): each kind is measured by itself",
                    windows.windowed, windows.size, windows.full));
  }
  return list;
}

/// Encoders: every token sees every other.
bool is_bidirectional(const json& config) {
  constexpr std::array kEncoders{"bert",  "roberta",    "xlm-roberta", "distilbert", "albert", "electra",
                                 "mpnet", "modernbert", "nomic_bert",  "camembert",  "vit",    "esm"};
  const auto type = has(config, "model_type") ? read_field<std::string>(config, "model_type") : "";
  return std::find(kEncoders.begin(), kEncoders.end(), type) != kEncoders.end() &&
         !is_on(config, "is_decoder");
}

Mechanism dense_of(std::int64_t heads, std::int64_t kv_heads, bool causal) {
  if (kv_heads == heads) return parse_mechanism(causal ? "mha(causal)" : "mha");
  if (kv_heads == 1) return parse_mechanism(causal ? "mqa(causal)" : "mqa");
  return parse_mechanism(fmt::format("gqa(kv={}{})", kv_heads, causal ? ",causal" : ""));
}

std::int64_t kv_heads_of(const json& config, std::int64_t heads) {
  if (const auto given = size_of(config, {"num_key_value_heads", "num_kv_heads", "multi_query_group_num"});
      given && !(is_on(config, "multi_query") && !is_on(config, "new_decoder_architecture")))
    return *given;
  if (has(config, "attn_config")) {
    if (const auto given = size_of(config.at("attn_config"), {"kv_n_heads"})) return *given;
  }
  return is_on(config, "multi_query") && !is_on(config, "new_decoder_architecture") ? 1 : heads;
}

/// Powers of four from 512 up to the longest sequence, three at most; a shorter longest one alone.
std::vector<std::int64_t> lengths_up_to(std::int64_t longest) {
  std::vector<std::int64_t> lengths;
  for (const std::int64_t n : {512, 2048, 8192}) {
    if (n <= longest) lengths.push_back(n);
  }
  if (lengths.empty()) lengths.push_back(longest);
  return lengths;
}

std::string name_of(const json& config, const std::string& source) {
  const std::filesystem::path path(source);
  const auto stem = path.stem().string();
  // Every configuration is called config.json; its folder bears the model's name, or the kind of model does.
  if (stem != "config") return stem;
  if (const auto folder = path.parent_path().filename().string(); !folder.empty() && folder.front() != '.')
    return folder;
  return has(config, "model_type") ? read_field<std::string>(config, "model_type") : "model";
}

StudyTables study_of(const json& whole, const std::string& source) {
  const auto& config = has(whole, "text_config") ? whole.at("text_config") : whole;
  if (!config.is_object()) throw InputError("config", "", "is no JSON object");
  CellTable table;
  const auto heads = required_size(config, {"num_attention_heads", "n_head", "n_heads", "num_heads"});
  const auto kv_heads = kv_heads_of(config, heads);
  if (kv_heads > heads || heads % kv_heads != 0) {
    throw InputError("num_key_value_heads", std::to_string(kv_heads),
                     fmt::format("does not divide num_attention_heads = {}", heads));
  }
  auto head_dim = size_of(config, {"head_dim", "d_kv"});
  if (const auto nope = size_of(config, {"qk_nope_head_dim"})) {
    head_dim = *nope + size_of(config, {"qk_rope_head_dim"}).value_or(0);
    if (const auto value = size_of(config, {"v_head_dim"})) table.head_dim_v = {*value};
  }
  if (!head_dim) {
    const auto hidden = required_size(config, {"hidden_size", "n_embd", "d_model"});
    if (hidden % heads != 0)
      throw InputError("hidden_size", std::to_string(hidden),
                       fmt::format("is no multiple of {} heads", heads));
    head_dim = hidden / heads;
  }
  const auto layers = size_of(config, {"num_hidden_layers", "n_layer", "n_layers"}).value_or(1);
  const auto windows = windows_of(config, layers);
  table.scope = {Scope::core};
  table.phase = {Phase::prefill};
  table.condition = {Condition::hot};
  table.dtype = {dtype_of(has(config, "dtype") || has(config, "torch_dtype") ? config : whole)};
  table.layout = {Layout::bhsd};
  table.threads = {0};
  table.batch = {1};
  table.heads = {heads};
  table.kv_heads = {kv_heads};
  table.head_dim = {*head_dim};
  table.seqlen = lengths_up_to(
      size_of(config, {"max_position_embeddings", "n_positions", "n_ctx", "max_seq_len"}).value_or(8192));
  if (!is_bidirectional(config)) {
    table.phase.push_back(Phase::decode);
    table.seqlen_q = {1};
    table.seqlen_kv = table.seqlen;
  }
  const auto scale = scale_of(config);
  table.scale_is_rsqrt = !scale;
  if (scale) table.softmax_scale = *scale;
  const bool causal = !is_bidirectional(config);
  const auto dense = dense_of(heads, kv_heads, causal);
  table.mechanisms = {dense};
  if (windows.size > 0)
    table.mechanisms.push_back(
        parse_mechanism(fmt::format("swa(w={}{})", windows.size, causal ? ",causal" : "")));
  table.baselines = {to_string(dense) + "/unfused@cpu", to_string(dense) + "/unfused_f32@cpu"};

  StudyTables study;
  study.source = source;
  study.name = name_of(config, source);
  study.description = fmt::format("Attention of {}, {} layers: {}/{} heads, D = {}", study.name, layers,
                                  heads, kv_heads, *head_dim);
  study.not_computed = not_computed(config, windows);
  study.tables = {table};
  return study;
}

}  // namespace

StudyTables parse_model_config(std::string_view text, const std::string& source) {
  const auto config = parse_json(text, source);
  try {
    if (!config.is_object()) throw InputError("config", config.dump().substr(0, 20), "is no JSON object");
    return study_of(config, source);
  } catch (const InputError& error) {
    throw InputError(fmt::format("{}: {}", source, error.what()));
  }
}

}  // namespace attnbench
