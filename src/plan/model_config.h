#pragma once

#include <string>
#include <string_view>

#include "plan/study_tables.h"

namespace attnbench {

/// The study of a language model's attention, from its Hugging Face configuration (config.json; of a model
/// with several parts the one of its text): heads, key-value heads, head_dim, scale, window, element type and
/// longest sequence. Causal prefill and decode of one query (of an encoder prefill that sees both sides), in
/// core scope, each kind of layer by itself. StudyTables::not_computed names what the model's attention has
/// and the study has not: a soft cap, sinks, ALiBi, layers of different windows and the like. Throws
/// InputError("source: field: ..") for what is no such configuration.
StudyTables parse_model_config(std::string_view json, const std::string& source);

}  // namespace attnbench
