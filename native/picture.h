// One decoded picture and the counter behind `alive()`.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "image.h"
#include "nv12.h"

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

/// RGB, 8 bits a channel, rows packed; or NV12, which becomes RGB where somebody reads that. Immutable once made, so
/// threads share it without a lock.
struct Picture : Counted<Picture> {
  Picture(std::vector<uint8_t> rgb, int width, int height) : width(width), height(height), rgb_(std::move(rgb)) {}
  Picture(std::vector<uint8_t> nv12, Nv12Size size, const YuvColours& colours)
      : width(size.width), height(size.height), nv12_(std::make_unique<const Nv12>(std::move(nv12), size, colours)) {}

  View view() const {
    return {nv12_ ? nullptr : rgb_.data(), width, height, static_cast<size_t>(width) * 3, id.value, nv12_.get()};
  }
  const std::vector<uint8_t>& rgb() const { return nv12_ ? nv12_->rgb() : rgb_; }
  /// What it came as takes.
  size_t bytes() const { return nv12_ ? nv12_->size().bytes() : rgb_.size(); }

  int width;
  int height;
  PictureId id;
  /// Frames decoded in this camera session up to this one; 0 when not from a camera.
  double sequence = 0;
  /// Stream time and CLOCK_MONOTONIC on arrival, milliseconds.
  double at = 0;
  double arrived = 0;

 private:
  std::vector<uint8_t> rgb_;
  std::unique_ptr<const Nv12> nv12_;
};

using PicturePtr = std::shared_ptr<const Picture>;

}  // namespace facelatch
