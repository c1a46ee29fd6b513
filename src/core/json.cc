#include "core/json.h"

#include <cmath>
#include <string>

namespace attnbench {

using nlohmann::json;

json to_json(const Shape& s) {
  json out = {{"batch", s.batch},           {"num_q_heads", s.num_q_heads}, {"seqlen_q", s.seqlen_q},
              {"seqlen_kv", s.seqlen_kv},   {"head_dim_qk", s.head_dim_qk}, {"head_dim_v", s.head_dim_v},
              {"dtype_q", name(s.dtype_q)}, {"dtype_kv", name(s.dtype_kv)}, {"dtype_o", name(s.dtype_o)},
              {"layout", name(s.layout)},   {"d_model", s.d_model},         {"seqlens_kv", s.seqlens_kv}};
  out["softmax_scale"] = std::isnan(s.softmax_scale) ? json() : json(s.softmax_scale);
  return out;
}

json to_json(const Mechanism& m) {
  return {{"mechanism", to_string(m)}, {"num_kv_heads", m.num_kv_heads}, {"eps", m.eps}};
}

json to_json(const Problem& p) {
  return {{"shape", to_json(p.shape)},
          {"mechanism", to_json(p.mechanism)},
          {"scope", name(p.scope)},
          {"phase", name(p.phase)}};
}

Shape shape_from_json(const json& in) {
  Shape s;
  s.batch = read_field<std::int64_t>(in, "batch");
  s.num_q_heads = read_field<std::int64_t>(in, "num_q_heads");
  s.seqlen_q = read_field<std::int64_t>(in, "seqlen_q");
  s.seqlen_kv = read_field<std::int64_t>(in, "seqlen_kv");
  s.head_dim_qk = read_field<std::int64_t>(in, "head_dim_qk");
  s.head_dim_v = read_field<std::int64_t>(in, "head_dim_v");
  s.dtype_q = parse_dtype(read_field<std::string>(in, "dtype_q"));
  s.dtype_kv = parse_dtype(read_field<std::string>(in, "dtype_kv"));
  s.dtype_o = parse_dtype(read_field<std::string>(in, "dtype_o"));
  s.layout = parse_layout(read_field<std::string>(in, "layout"));
  s.d_model = read_field<std::int64_t>(in, "d_model");
  s.seqlens_kv = read_field<std::vector<std::int64_t>>(in, "seqlens_kv");
  const auto scale = read_field<json>(in, "softmax_scale");
  if (!scale.is_null()) s.softmax_scale = read_field<double>(in, "softmax_scale");
  return s;
}

Mechanism mechanism_from_json(const json& in) {
  auto m = parse_mechanism(read_field<std::string>(in, "mechanism"));
  m.num_kv_heads = read_field<std::int64_t>(in, "num_kv_heads");
  m.eps = read_field<double>(in, "eps");
  return m;
}

Problem problem_from_json(const json& in) {
  return {
      shape_from_json(read_field<json>(in, "shape")), mechanism_from_json(read_field<json>(in, "mechanism")),
      parse_scope(read_field<std::string>(in, "scope")), parse_phase(read_field<std::string>(in, "phase"))};
}

}  // namespace attnbench
