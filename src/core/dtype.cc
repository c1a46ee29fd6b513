#include "attnbench/dtype.h"

#include "core/names.h"

namespace attnbench {
namespace {
constexpr NameTable<DType, 3> kNames{{{DType::f32, "f32"}, {DType::bf16, "bf16"}, {DType::f16, "f16"}}};
}

std::int64_t size_bytes(DType dtype) { return dtype == DType::f32 ? 4 : 2; }

std::string_view name(DType dtype) { return name_in(kNames, dtype); }

DType parse_dtype(std::string_view text) { return parse_in(kNames, "dtype", text); }

double unit_in_last_place(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return 0x1p-23;
    case DType::bf16:
      return 0x1p-7;
    case DType::f16:
      return 0x1p-10;
  }
  return 0;
}

}  // namespace attnbench
