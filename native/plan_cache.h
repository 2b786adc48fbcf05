// Files of compiled networks that are expensive to make and worthless, or worse, anywhere but where they were made.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace facelatch {

/// Everything a plan depends on. A plan made under another value of any of these is not the one asked for.
struct PlanKey {
  std::string runtime;
  std::string capability;
  std::string device;
  /// sha256 of the model file; empty for what belongs to no model.
  std::string model;
  std::string precision;
  std::string profile;

  std::string text() const;
};

/// A file holds its whole key and the sha256 of its body: a name or a date is never trusted. Nothing here throws and
/// no failure matters to the caller beyond having to build again.
class PlanCache {
 public:
  /// An empty folder keeps nothing.
  explicit PlanCache(std::string folder) : folder_(std::move(folder)) {}

  /// None when there is no such plan or it cannot be trusted; `why` says so of a file that is there.
  std::optional<std::vector<char>> load(const std::string& stem, const PlanKey& key, std::string& why) const;
  /// Whole or not at all, and durable. Answers what went wrong, or nothing.
  std::string store(const std::string& stem, const PlanKey& key, const void* body, size_t size) const;
  /// The file `key` is kept in.
  std::string path(const std::string& stem, const PlanKey& key) const;

 private:
  std::string folder_;
};

}  // namespace facelatch
