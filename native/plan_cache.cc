#include "plan_cache.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>

#include "digest.h"

namespace facelatch {
namespace {

const std::string magic = "facelatch plan 1\n";

std::string header(const PlanKey& key, const void* body, size_t size) {
  return magic + key.text() + "size=" + std::to_string(size) + "\nsha256=" + sha256(body, size) + "\n\n";
}

bool makeFolder(const std::string& folder) {
  for (size_t slash = folder.find('/', 1);; slash = folder.find('/', slash + 1)) {
    const std::string part = folder.substr(0, slash);
    if (mkdir(part.c_str(), 0755) != 0 && errno != EEXIST) return false;
    if (slash == std::string::npos) return true;
  }
}

bool writeAll(int file, const char* data, size_t size) {
  while (size > 0) {
    const ssize_t written = write(file, data, size);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    data += written;
    size -= static_cast<size_t>(written);
  }
  return true;
}

/// A value with a line break would end its line of the header.
std::string line(const char* name, std::string value) {
  for (char& c : value) {
    if (c == '\n' || c == '\r') c = ' ';
  }
  return std::string(name) + "=" + value + "\n";
}

}  // namespace

std::string PlanKey::text() const {
  return line("runtime", runtime) + line("capability", capability) + line("device", device) + line("model", model) +
         line("precision", precision) + line("profile", profile);
}

std::string PlanCache::path(const std::string& stem, const PlanKey& key) const {
  const std::string text = key.text();
  return folder_ + "/" + stem + "-" + sha256(text.data(), text.size()).substr(0, 16) + ".plan";
}

std::optional<std::vector<char>> PlanCache::load(const std::string& stem, const PlanKey& key, std::string& why) const {
  why.clear();
  if (folder_.empty()) return std::nullopt;
  std::ifstream file(path(stem, key), std::ios::binary);
  if (!file) return std::nullopt;
  std::vector<char> bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  const std::string expected = magic + key.text() + "size=";
  if (bytes.size() < expected.size() || std::memcmp(bytes.data(), expected.data(), expected.size()) != 0) {
    why = "the kept plan is another machine's, version's or model's, or damaged";
    return std::nullopt;
  }
  const std::string end = "\n\n";
  const auto gap =
      std::search(bytes.begin() + static_cast<std::ptrdiff_t>(expected.size()), bytes.end(), end.begin(), end.end());
  if (gap == bytes.end()) {
    why = "the kept plan is cut short";
    return std::nullopt;
  }
  std::vector<char> body(gap + static_cast<std::ptrdiff_t>(end.size()), bytes.end());
  const std::string found(bytes.begin(), gap + static_cast<std::ptrdiff_t>(end.size()));
  if (found != header(key, body.data(), body.size())) {
    why = "the kept plan is cut short or damaged";
    return std::nullopt;
  }
  return body;
}

std::string PlanCache::store(const std::string& stem, const PlanKey& key, const void* body, size_t size) const {
  if (folder_.empty()) return "no folder is set";
  if (!makeFolder(folder_)) return folder_ + ": " + std::strerror(errno);
  const std::string name = path(stem, key);
  // Two processes may build the same plan; each writes its own file, and the last one whole wins.
  const std::string temporary = name + "." + std::to_string(getpid()) + ".tmp";
  const int file = open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file < 0) return temporary + ": " + std::strerror(errno);
  const std::string head = header(key, body, size);
  bool kept = writeAll(file, head.data(), head.size()) && writeAll(file, static_cast<const char*>(body), size) &&
              fsync(file) == 0;
  int error = kept ? 0 : errno;
  if (close(file) != 0 && kept) kept = false, error = errno;
  if (kept && rename(temporary.c_str(), name.c_str()) != 0) kept = false, error = errno;
  if (!kept) {
    unlink(temporary.c_str());
    return name + ": " + std::strerror(error);
  }
  // Without this a power cut may lose the name, which only costs another build.
  const int folder = open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder >= 0) {
    fsync(folder);
    close(folder);
  }
  return "";
}

}  // namespace facelatch
