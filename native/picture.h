// One decoded picture and the counter behind `alive()`.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "image.h"

namespace facelatch {

/// Counts the living objects of type T. Atomic, since pictures are born on camera threads and die on the JavaScript
/// one.
template <typename T>
class Counted {
 public:
  static int alive() { return count(); }

 protected:
  Counted() { ++count(); }
  Counted(const Counted&) { ++count(); }
  Counted& operator=(const Counted&) = default;
  ~Counted() { --count(); }

 private:
  static std::atomic<int>& count() {
    static std::atomic<int> living{0};
    return living;
  }
};

/// Another one for each picture of this process, from 1 on: an address comes again, a number does not.
struct PictureId {
  PictureId() : value(next()) {}
  uint64_t value;

 private:
  static uint64_t next() {
    static std::atomic<uint64_t> last{0};
    return ++last;
  }
};

/// RGB, 8 bits a channel, rows packed. Immutable once made, so threads share it without a lock.
struct Picture : Counted<Picture> {
  Picture(std::vector<uint8_t> pixels, int width, int height)
      : pixels(std::move(pixels)), width(width), height(height) {}

  View view() const { return {pixels.data(), width, height, static_cast<size_t>(width) * 3, id.value}; }

  std::vector<uint8_t> pixels;
  int width;
  int height;
  PictureId id;
  /// Frames decoded in this camera session up to this one; 0 when not from a camera.
  double sequence = 0;
  /// Stream time and CLOCK_MONOTONIC on arrival, milliseconds.
  double at = 0;
  double arrived = 0;
};

using PicturePtr = std::shared_ptr<const Picture>;

}  // namespace facelatch
