#include "run/verification/placement.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "core/each_row.h"

namespace attnbench {
namespace {

/// Gives a dense bhsd view the shape's strides and memory of its own.
void spread(const VerifyShape& shape, TensorView& view, std::vector<SparseMemory>& memory) {
  if (shape.row_stride > 0) view.strides[2] = shape.row_stride;
  view.strides[1] = view.sizes[2] * view.strides[2];
  view.strides[0] = shape.batch_stride > 0 ? shape.batch_stride : view.sizes[1] * view.strides[1];
  memory.emplace_back(view.sizes[0] * view.strides[0] * size_bytes(view.dtype));
  view.data = memory.back().data();
}

}  // namespace

SparseMemory::SparseMemory(std::int64_t bytes) : bytes_(static_cast<std::size_t>(bytes)) {
  data_ = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (data_ == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "mmap");
}

SparseMemory::SparseMemory(SparseMemory&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), bytes_(other.bytes_) {}

SparseMemory::~SparseMemory() {
  if (data_ != nullptr) munmap(data_, bytes_);
}

PlacedData place_data(const VerifyShape& shape, const Problem& problem, reference::InputKind kind,
                      std::uint64_t seed) {
  PlacedData placed;
  placed.dense = reference::make_data(problem, kind, seed, true);
  auto& t = placed.tensors = placed.dense.tensors;
  if (shape.keys > 0) t[Role::k].sizes[2] = t[Role::v].sizes[2] = shape.keys;
  if (shape.row_stride > 0 || shape.batch_stride > 0) {
    for (const auto& spec : roles_of(problem)) {
      if (!spec.optional) spread(shape, t[spec.role], placed.sparse);
    }
    reference::poison_outputs(problem, t);
  } else if (shape.keys == 0) {
    return placed;
  }
  reference::fill_inputs(problem, kind, seed, t);
  return placed;
}

std::string find_gap_write(const VerifyShape& shape, const TensorView& o) {
  const auto gap = std::min<std::int64_t>(shape.row_stride - o.sizes[3], 16) * size_bytes(o.dtype);
  if (gap <= 0) return {};
  std::string found;
  any_row(o, [&](auto b, auto h, auto i) {
    const auto* bytes = o.row_bytes(b, h, i) + o.sizes[3] * size_bytes(o.dtype);
    if (std::any_of(bytes, bytes + gap, [](std::byte byte) { return byte != std::byte{0}; }))
      found = fmt::format("it wrote behind the end of o[batch {}, head {}, row {}]", b, h, i);
    return !found.empty();
  });
  return found;
}

}  // namespace attnbench
