#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

/// Linux's GPIO character device, second version of its interface (kernel 5.10 and later, so JetPack 5 and later):
/// include/uapi/linux/gpio.h. Everything throws std::system_error with the kernel's own errno.
namespace facelatch::gpio {

struct Chip {
  std::string name;
  std::string label;
  uint32_t lines;
};

struct Line {
  std::string name;
  /// Who holds it, in that program's own words; may be empty although it is held.
  std::string consumer;
  bool used;
};

enum class Bias { asIs, pullUp, pullDown, none };

struct Request {
  uint32_t offset;
  std::string consumer;
  bool output;
  /// Logical level of an output from its first moment on: the kernel sets it together with the direction.
  bool initial;
  bool activeLow;
  Bias bias;
  /// Of an input; the kernel debounces in software where the chip cannot.
  uint32_t debounceMicroseconds;
};

Chip chipInfo(const std::string& path);
Line lineInfo(const std::string& path, uint32_t offset);
/// The line is held as long as any process has the descriptor. Inputs report both edges.
int requestLine(const std::string& path, const Request& request);
bool getLine(int descriptor);
void setLine(int descriptor, bool on);

/// Reads edges of many lines on one thread of its own.
class Watch {
 public:
  /// `on`: after a rising edge, in logical levels; -1: the line is gone. Called on the watch's thread.
  using Listener = std::function<void(int descriptor, int on)>;

  Watch(const std::vector<int>& descriptors, Listener listener);
  /// Returns after the last call of the listener.
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace facelatch::gpio
