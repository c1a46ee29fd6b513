#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>

namespace attnbench {

/// A JSON value as a member of a struct whose header knows the type's name alone: most who include it never
/// look inside, and nlohmann/json.hpp costs each of them a second to compile. A value, copied whole; null at
/// first.
class JsonDocument {
 public:
  JsonDocument() noexcept;
  JsonDocument(const nlohmann::json& value);
  JsonDocument(nlohmann::json&& value);
  JsonDocument(const JsonDocument& other);
  JsonDocument(JsonDocument&& other) noexcept;  ///< leaves null
  JsonDocument& operator=(const JsonDocument& other);
  JsonDocument& operator=(JsonDocument&& other) noexcept;
  ~JsonDocument();

  const nlohmann::json& operator*() const;
  nlohmann::json& operator*();
  const nlohmann::json* operator->() const { return &**this; }
  nlohmann::json* operator->() { return &**this; }

  bool operator==(const JsonDocument& other) const;

 private:
  std::unique_ptr<nlohmann::json> value_;  ///< none: null
};

}  // namespace attnbench
