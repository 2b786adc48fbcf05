// From a camera's source string to a GStreamer pipeline, and from GStreamer's messages to one line for people.
#pragma once

#include <gst/gst.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "error.h"

namespace facelatch {

struct CameraOptions {
  std::string source;
  /// 0 leaves the choice to the camera.
  int width = 0;
  int height = 0;
  int fps = 0;
  bool loop = false;
  bool realtime = true;
  double stallSeconds = 5;
  /// Limit of the first frame; 0 is stallSeconds, at least five.
  double openSeconds = 0;
  /// GObject properties of a csi camera's element, as text.
  std::vector<std::pair<std::string, std::string>> properties{};
  /// Frames come as NV12 instead of RGB.
  bool nv12 = false;
};

enum class SourceKind { csi, v4l2, rtsp, file, gst };

/// A source string taken apart. Parsing touches nothing but the string.
class Source {
 public:
  /// Throws CAMERA_SOURCE.
  explicit Source(const std::string& text);

  /// True for cameras, whose stream has no end of its own.
  bool endless() const { return kind_ == SourceKind::csi || kind_ == SourceKind::v4l2 || kind_ == SourceKind::rtsp; }
  SourceKind kind() const { return kind_; }

  /// A pipeline in state NULL whose appsink is named `sinkName` and takes RGB or NV12. Throws CAMERA_SOURCE or
  /// CAMERA_OPEN.
  GstElement* build(const CameraOptions& options) const;

  /// `<what> camera <source>: <why>; <remedy>` on one line, without the password of an RTSP address.
  std::string message(const std::string& what, const std::string& why) const;
  std::string message(const std::string& what, const std::string& why, const std::string& remedy) const;
  std::string message(const std::string& what, GstMessage* error) const;

  static constexpr const char* sinkName = "facelatch_sink";

 private:
  std::string description(const CameraOptions& options) const;
  void checkPresence() const;
  void adjust(GstElement* camera, const CameraOptions& options) const;
  [[noreturn]] void refuse(const std::string& why) const;
  std::string remedy() const;

  SourceKind kind_;
  std::string text_;
  /// What follows the scheme; for RTSP the whole address.
  std::string rest_;
};

struct Unref {
  void operator()(GstElement* element) const { gst_object_unref(element); }
  void operator()(GstBus* bus) const { gst_object_unref(bus); }
  void operator()(GstMessage* message) const { gst_message_unref(message); }
  void operator()(GstSample* sample) const { gst_sample_unref(sample); }
  void operator()(GstIterator* iterator) const { gst_iterator_free(iterator); }
};

template <typename T>
using Owned = std::unique_ptr<T, Unref>;

/// Loads GStreamer once. Throws CAMERA_OPEN. May take seconds when plugins have changed.
void initialiseGStreamer();
std::string gstreamerVersion();
bool hasElement(const std::string& name);

}  // namespace facelatch
