#include "io/json_document.h"

#include <nlohmann/json.hpp>
#include <utility>

namespace attnbench {

using nlohmann::json;

JsonDocument::JsonDocument() noexcept = default;
JsonDocument::JsonDocument(const json& value) : value_(std::make_unique<json>(value)) {}
JsonDocument::JsonDocument(json&& value) : value_(std::make_unique<json>(std::move(value))) {}
JsonDocument::JsonDocument(const JsonDocument& other) : JsonDocument(*other) {}
JsonDocument::JsonDocument(JsonDocument&&) noexcept = default;
JsonDocument& JsonDocument::operator=(const JsonDocument& other) { return *this = JsonDocument(other); }
JsonDocument& JsonDocument::operator=(JsonDocument&&) noexcept = default;
JsonDocument::~JsonDocument() = default;

const json& JsonDocument::operator*() const {
  static const json null;
  return value_ ? *value_ : null;
}

json& JsonDocument::operator*() {
  if (!value_) value_ = std::make_unique<json>();
  return *value_;
}

bool JsonDocument::operator==(const JsonDocument& other) const { return **this == *other; }

}  // namespace attnbench
