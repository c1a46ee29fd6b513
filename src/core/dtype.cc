#include "attnbench/dtype.h"

#include <fmt/format.h>

#include <string>
#include <vector>

#include "attnbench/error.h"

namespace attnbench {

void no_such_dtype(DType dtype) {
  throw InputError("dtype", fmt::format("number {}", static_cast<int>(dtype)), "is no element type");
}

std::string_view name(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return "f32";
    case DType::bf16:
      return "bf16";
    case DType::f16:
      return "f16";
  }
  no_such_dtype(dtype);
}

DType parse_dtype(std::string_view text) {
  std::vector<std::string> names;
  for (const auto dtype : kDTypes) {
    if (name(dtype) == text) return dtype;
    names.emplace_back(name(dtype));
  }
  throw InputError("dtype", text,
                   fmt::format("is not one of {}{}", fmt::join(names, ", "), suggestion(text, names)));
}

double unit_in_last_place(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return 0x1p-23;
    case DType::bf16:
      return 0x1p-7;
    case DType::f16:
      return 0x1p-10;
  }
  no_such_dtype(dtype);
}

double largest_finite(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return 0x1.fffffep127;
    case DType::bf16:
      return 0x1.fep127;
    case DType::f16:
      return 65504;
  }
  no_such_dtype(dtype);
}

}  // namespace attnbench
