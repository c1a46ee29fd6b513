#include "plan/model_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "attnbench/error.h"
#include "plan/find_study.h"
#include "plan/study_json.h"

namespace attnbench {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const CellTable& table_of(const StudyTables& study) {
  EXPECT_EQ(study.tables.size(), 1u);
  return study.tables.front();
}

std::vector<std::string> mechanisms_of(const StudyTables& study) {
  std::vector<std::string> names;
  for (const auto& mechanism : table_of(study).mechanisms) names.push_back(to_string(mechanism));
  return names;
}

// Fields of the configurations that the models were published with.
const char* const kLlama3 =
    R"({"architectures": ["LlamaForCausalLM"], "hidden_size": 4096, "model_type": "llama",
  "num_attention_heads": 32, "num_hidden_layers": 32, "num_key_value_heads": 8, "max_position_embeddings": 8192,
  "torch_dtype": "bfloat16"})";
const char* const kGemma2 = R"({"model_type": "gemma2", "hidden_size": 3584, "num_attention_heads": 16,
  "num_key_value_heads": 8, "head_dim": 256, "num_hidden_layers": 42, "sliding_window": 4096,
  "query_pre_attn_scalar": 144, "attn_logit_softcapping": 50.0, "max_position_embeddings": 8192, "torch_dtype": "float32"})";

TEST(ModelConfig, GroupedHeadsAndTheirSizes) {
  const auto study = parse_model_config(kLlama3, "models/Llama-3-8B/config.json");
  const auto& table = table_of(study);
  EXPECT_EQ(study.name, "Llama-3-8B");
  EXPECT_THAT(table.heads, ElementsAre(32));
  EXPECT_THAT(table.kv_heads, ElementsAre(8));
  EXPECT_THAT(table.head_dim, ElementsAre(128));  // 4096 / 32
  EXPECT_THAT(table.dtype, ElementsAre(DType::bf16));
  EXPECT_THAT(table.seqlen, ElementsAre(512, 2048, 8192));
  EXPECT_THAT(mechanisms_of(study), ElementsAre("gqa(kv=8,causal)"));
  EXPECT_EQ(table.baselines,
            (std::vector<std::string>{"gqa(kv=8,causal)/unfused@cpu", "gqa(kv=8,causal)/unfused_f32@cpu"}));
  EXPECT_THAT(study.not_computed, IsEmpty());
  EXPECT_EQ(expand(study).cells.size(), 6u);  // three lengths, prefill and decode
}

TEST(ModelConfig, TheBuiltInStudyOfAModelHasTheSameCells) {
  const auto from_file = expand(parse_model_config(kLlama3, "llama3-8b.json"));
  const auto built_in = find_study("llama3-8b");
  ASSERT_EQ(from_file.cells.size(), built_in.cells.size());
  for (std::size_t i = 0; i < from_file.cells.size(); ++i)
    EXPECT_EQ(from_file.cells[i].id(), built_in.cells[i].id());
  EXPECT_THAT(model_names(), ElementsAre("gemma2-9b", "gpt2-small", "llama3-8b", "mistral-7b", "qwen25-7b"));
}

TEST(ModelConfig, WhatCannotBeComputedIsNamed) {
  const auto study = parse_model_config(kGemma2, "config.json");
  EXPECT_EQ(study.name, "gemma2");
  EXPECT_THAT(mechanisms_of(study), ElementsAre("gqa(kv=8,causal)", "swa(w=4096,causal)"));
  EXPECT_FALSE(table_of(study).scale_is_rsqrt);
  EXPECT_DOUBLE_EQ(*table_of(study).softmax_scale, 1.0 / 12);  // 144 = 12^2, while head_dim is 256
  EXPECT_THAT(
      study.not_computed,
      ElementsAre(
          "soft cap 50.0 of the scores",
          "layers of different windows (21 see 4096 tokens, 21 all): each kind is measured by itself"));
  EXPECT_EQ(study_from_json(to_json(expand(study))), expand(study));
}

TEST(ModelConfig, OneWindowForAllLayersIsNoShortcoming) {
  const auto study = parse_model_config(
      R"({"model_type": "mistral", "hidden_size": 4096, "num_attention_heads": 32, "num_key_value_heads": 8,
          "num_hidden_layers": 32, "sliding_window": 4096, "max_position_embeddings": 32768, "torch_dtype": "bfloat16"})",
      "mistral.json");
  EXPECT_THAT(mechanisms_of(study), ElementsAre("gqa(kv=8,causal)", "swa(w=4096,causal)"));
  EXPECT_THAT(study.not_computed, IsEmpty());
}

TEST(ModelConfig, AWindowThatIsOffIsNone) {
  const auto study = parse_model_config(
      R"({"model_type": "qwen2", "hidden_size": 3584, "num_attention_heads": 28, "num_key_value_heads": 4,
          "num_hidden_layers": 28, "sliding_window": 131072, "use_sliding_window": false, "max_window_layers": 28})",
      "qwen.json");
  EXPECT_THAT(mechanisms_of(study), ElementsAre("gqa(kv=4,causal)"));
  EXPECT_THAT(study.not_computed, IsEmpty());
}

TEST(ModelConfig, OtherNamesOneKvHeadAndShortSequences) {
  const auto gpt2 = parse_model_config(
      R"({"model_type": "gpt2", "n_embd": 768, "n_head": 12, "n_layer": 12, "n_positions": 256})",
      "gpt2.json");
  EXPECT_THAT(mechanisms_of(gpt2), ElementsAre("mha(causal)"));
  EXPECT_THAT(table_of(gpt2).head_dim, ElementsAre(64));
  EXPECT_THAT(table_of(gpt2).seqlen, ElementsAre(256));
  EXPECT_THAT(table_of(gpt2).dtype, ElementsAre(DType::f32));
  const auto nested = parse_model_config(
      R"({"text_config": {"hidden_size": 2048, "num_attention_heads": 8, "num_key_value_heads": 1, "head_dim": 256},
          "torch_dtype": "float16"})",
      "nested.json");
  EXPECT_THAT(mechanisms_of(nested), ElementsAre("mqa(causal)"));
  EXPECT_THAT(table_of(nested).dtype, ElementsAre(DType::f16));
}

TEST(ModelConfig, OtherWaysToSayHowManyKvHeads) {
  const auto dense = [](const std::string& more) {
    return mechanisms_of(
               parse_model_config(R"({"hidden_size": 64, "num_attention_heads": 4, )" + more + "}", "m.json"))
        .front();
  };
  EXPECT_EQ(dense(R"("multi_query": true, "num_kv_heads": 4)"), "mqa(causal)");  // as of falcon-7b
  EXPECT_EQ(dense(R"("multi_query": true, "new_decoder_architecture": true, "num_kv_heads": 2)"),
            "gqa(kv=2,causal)");
  EXPECT_EQ(dense(R"("multi_query_group_num": 2)"), "gqa(kv=2,causal)");
  EXPECT_EQ(dense(R"("attn_config": {"kv_n_heads": 2})"), "gqa(kv=2,causal)");
}

TEST(ModelConfig, AnEncoderSeesBothSidesAndDecodesNothing) {
  const auto study = parse_model_config(
      R"({"model_type": "bert", "hidden_size": 768, "num_attention_heads": 12, "max_position_embeddings": 512})",
      "bert.json");
  EXPECT_THAT(mechanisms_of(study), ElementsAre("mha"));
  EXPECT_THAT(table_of(study).phase, ElementsAre(Phase::prefill));
  EXPECT_EQ(expand(study).cells.size(), 1u);
}

TEST(ModelConfig, EachShortcomingHasItsWords) {
  const auto named = [](const std::string& more) {
    const auto study = parse_model_config(
        R"({"hidden_size": 64, "num_attention_heads": 4, "num_hidden_layers": 6, )" + more + "}", "m.json");
    return study.not_computed.empty() ? "" : study.not_computed.front();
  };
  EXPECT_EQ(named(R"("model_type": "bloom")"), "ALiBi");
  EXPECT_EQ(named(R"("alibi": true)"), "ALiBi");
  EXPECT_EQ(named(R"("alibi": false)"), "");
  EXPECT_EQ(named(R"("attn_config": {"alibi": true})"), "ALiBi");
  EXPECT_EQ(named(R"("model_type": "gpt_oss")"), "attention sinks");
  EXPECT_EQ(named(R"("attn_logit_softcapping": null)"), "");
  EXPECT_EQ(named(R"("is_encoder_decoder": true)"), "an encoder, and attention to what it gives");
  EXPECT_EQ(named(R"("attention_types": [[["global", "local"], 12]])"),
            "layers of different windows (attention_types)");
  EXPECT_EQ(named(R"("relative_attention_num_buckets": 32)"), "relative position bias");
  EXPECT_EQ(named(R"("sliding_window": 8, "sliding_window_pattern": 6)"),
            "layers of different windows (5 see 8 tokens, 1 all): each kind is measured by itself");
  EXPECT_EQ(named(R"("sliding_window": 8, "layer_types": ["full_attention", "sliding_attention"])"),
            "layers of different windows (1 see 8 tokens, 1 all): each kind is measured by itself");
  EXPECT_EQ(named(R"("layer_types": ["full_attention", "foo", "foo"])"), "2 layers of foo");
  EXPECT_EQ(named(R"("layer_types": ["full_attention", "linear_attention"])"), "1 layer of linear_attention");
  EXPECT_EQ(named(R"("kv_lora_rank": 512, "qk_nope_head_dim": 16, "qk_rope_head_dim": 8, "v_head_dim": 16)"),
            "keys and values kept as a latent vector of 512");
}

// Granite's: scores are multiplied by it.
TEST(ModelConfig, AMultiplierOfTheScoresIsTheScale) {
  const auto study = parse_model_config(
      R"({"num_attention_heads": 8, "num_hidden_layers": 2, "hidden_size": 64, "attention_multiplier": 0.0625})",
      "g.json");
  EXPECT_FALSE(table_of(study).scale_is_rsqrt);
  EXPECT_EQ(table_of(study).softmax_scale, 0.0625);
}

TEST(ModelConfig, WhatIsNoneIsRefusedNamingTheField) {
  const auto problem = [](const char* text) -> std::string {
    try {
      parse_model_config(text, "c.json");
      return "";
    } catch (const InputError& error) {
      return error.what();
    }
  };
  EXPECT_THAT(problem("{"), HasSubstr("c.json"));
  EXPECT_THAT(problem("[]"), HasSubstr("c.json: config: '[]' is no JSON object"));
  EXPECT_THAT(problem("{}"), HasSubstr("num_attention_heads: '' is missing"));
  EXPECT_THAT(problem(R"({"num_attention_heads": "8"})"), HasSubstr("num_attention_heads"));
  EXPECT_THAT(problem(R"({"num_attention_heads": 0})"),
              HasSubstr("num_attention_heads: '0' is not a positive size"));
  EXPECT_THAT(problem(R"({"num_attention_heads": 8, "num_key_value_heads": 3, "hidden_size": 64})"),
              HasSubstr("num_key_value_heads: '3' does not divide"));
  EXPECT_THAT(problem(R"({"num_attention_heads": 8, "hidden_size": 65})"), HasSubstr("hidden_size: '65'"));
  const std::string sizes = R"({"num_attention_heads": 8, "num_hidden_layers": 2, "hidden_size": 64, )";
  EXPECT_THAT(problem((sizes + R"("layer_types": ["sliding_attention"]})").c_str()),
              HasSubstr("sliding_window: 'nothing' is not given"));
  for (const auto* field : {"query_pre_attn_scalar", "attention_multiplier"}) {
    EXPECT_THAT(problem((sizes + '"' + field + R"(": -3})").c_str()),
                HasSubstr(std::string(field) + ": '-3' is not positive"));
    EXPECT_THAT(problem((sizes + '"' + field + R"(": 0})").c_str()), HasSubstr("'0' is not positive"));
  }
  EXPECT_THAT(problem(R"({"num_attention_heads": 8, "hidden_size": 64, "torch_dtype": "int8"})"),
              HasSubstr("torch_dtype: 'int8'"));
}

}  // namespace
}  // namespace attnbench
