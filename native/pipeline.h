// A running GStreamer pipeline that ends in an appsink. No call here blocks for longer than it says.
#pragma once

#include <gst/app/gstappsink.h>
#include <gst/gst.h>

#include <atomic>
#include <chrono>
#include <memory>

#include "camera_source.h"
#include "picture.h"

namespace facelatch {

class Pipeline {
 public:
  explicit Pipeline(Owned<GstElement> pipeline);
  /// Stops it, waiting at most two seconds. A driver may hang in there for ever: such a pipeline is then left, with a
  /// thread waiting for it, and counted by stuck(). Freeing it under the driver's feet would crash the process.
  ~Pipeline();
  Pipeline(const Pipeline&) = delete;
  Pipeline& operator=(const Pipeline&) = delete;

  /// Returns at once; opening a device, a FIFO or a connection may block another thread.
  void start();
  /// Reads the bus. Call it before pull: when it had seen the end and pull gives nothing, nothing will come.
  void poll();
  Owned<GstSample> pull(std::chrono::milliseconds limit);
  bool ended() const { return ended_; }
  bool failed() const { return error_ || *refused_; }
  /// The first error on the bus; null when the pipeline just refused to start.
  GstMessage* error() const { return error_.get(); }
  /// Plays from the start again. False when the source cannot seek.
  bool rewind();

  static int stuck();

 private:
  Owned<GstElement> pipeline_;
  Owned<GstElement> sink_;
  Owned<GstBus> bus_;
  Owned<GstMessage> error_;
  std::shared_ptr<std::atomic<bool>> refused_ = std::make_shared<std::atomic<bool>>(false);
  bool ended_ = false;
};

/// One copy, rows packed; null for what is no picture. `at` is negative without a time stamp. Copied rather than
/// mapped: rows from videoconvert are padded, and a mapped buffer would keep a small pool, or a stopped driver, waiting
/// for the JavaScript garbage collector.
std::unique_ptr<Picture> pictureOf(GstSample* sample);

/// CLOCK_MONOTONIC.
double monotonicMilliseconds();

}  // namespace facelatch
