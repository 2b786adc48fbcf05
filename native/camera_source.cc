#include "camera_source.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <mutex>

namespace facelatch {
namespace {

struct Scheme {
  const char* prefix;
  SourceKind kind;
};

constexpr Scheme schemes[] = {{"csi:", SourceKind::csi},    {"v4l2:", SourceKind::v4l2}, {"rtsp:", SourceKind::rtsp},
                              {"rtsps:", SourceKind::rtsp}, {"file:", SourceKind::file}, {"gst:", SourceKind::gst}};

// Audio and subtitle streams are not decoded: a branch nobody reads would hold the picture back. Any kind of memory is
// welcome, since a Jetson's decoder leaves pictures in NVMM; linkVideo brings them out.
constexpr const char* decoder = "decodebin name=decoder caps=\"video/x-raw(ANY)\" expose-all-streams=false";

/// nvvidconv takes these words out of the stream's description. It gives BT.601 in limited range, as nvbufsurface.h of
/// NVIDIA's multimedia API says of NVBUF_COLOR_FORMAT_NV12; without a word GStreamer would take 1280x720 for BT.709.
constexpr const char* nvidiaColours = "capssetter join=true caps=\"video/x-raw,colorimetry=(string)bt601\"";

void linkVideo(GstElement* decodebin, GstPad* pad, gpointer data) {
  auto* converter = static_cast<GstElement*>(data);
  GstPad* target = gst_element_get_static_pad(converter, "sink");
  GstCaps* caps = gst_pad_get_current_caps(pad);
  const GstCapsFeatures* features = caps != nullptr ? gst_caps_get_features(caps, 0) : nullptr;
  const bool nvmm = features != nullptr && gst_caps_features_contains(features, "memory:NVMM");
  if (gst_pad_is_linked(target)) {
    // A second video stream: the first one is the camera.
  } else if (!nvmm) {
    gst_pad_link(pad, target);
  } else if (GstElement* copier = gst_parse_bin_from_description(
                 (std::string("nvvidconv ! video/x-raw,format=NV12 ! ") + nvidiaColours).c_str(), TRUE, nullptr)) {
    gst_bin_add(GST_BIN(GST_ELEMENT_PARENT(decodebin)), copier);
    gst_element_link(copier, converter);
    GstPad* entry = gst_element_get_static_pad(copier, "sink");
    gst_pad_link(pad, entry);
    gst_object_unref(entry);
    gst_element_sync_state_with_parent(copier);
  }
  if (caps != nullptr) gst_caps_unref(caps);
  gst_object_unref(target);
}

std::string sizeCaps(const CameraOptions& options) {
  std::string caps;
  if (options.width > 0) caps += ",width=" + std::to_string(options.width);
  if (options.height > 0) caps += ",height=" + std::to_string(options.height);
  if (options.fps > 0) caps += ",framerate=" + std::to_string(options.fps) + "/1";
  return caps;
}

void replaceAll(std::string& text, const std::string& from, const std::string& to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
}

/// Passwords stand in addresses, and messages go to logs and to the broker.
std::string userInfo(const std::string& text) {
  const size_t start = text.find("://");
  if (start == std::string::npos) return "";
  const size_t end = text.find_first_of("/ ", start + 3);
  const size_t at = text.rfind('@', end);
  return at == std::string::npos || at < start + 3 ? "" : text.substr(start + 3, at - start - 2);
}

}  // namespace

Source::Source(const std::string& text) : kind_(SourceKind::gst), text_(text) {
  for (const Scheme& scheme : schemes) {
    if (text.rfind(scheme.prefix, 0) != 0) continue;
    kind_ = scheme.kind;
    rest_ = kind_ == SourceKind::rtsp ? text : text.substr(std::strlen(scheme.prefix));
    if (rest_.empty()) refuse("nothing follows the scheme");
    if (rest_.find('\0') != std::string::npos) refuse("it holds a NUL character");
    if (kind_ == SourceKind::csi && (rest_.size() > 2 || rest_.find_first_not_of("0123456789") != std::string::npos)) {
      refuse("the sensor must be a number, as in csi:0");
    }
    if (kind_ == SourceKind::v4l2 && rest_[0] != '/') refuse("the device must be a path, as in v4l2:/dev/video0");
    if (kind_ == SourceKind::rtsp && (text.find("://") == std::string::npos || text.find("://") + 3 == text.size())) {
      refuse("the address must be like rtsp://host/path");
    }
    return;
  }
  refuse("unknown scheme");
}

void Source::refuse(const std::string& why) const {
  throw Error(Code::cameraSource,
              message("cannot use", why,
                      "set camera.source to csi:N, v4l2:/dev/videoN, rtsp://HOST/PATH, file:PATH or gst:PIPELINE"));
}

std::string Source::remedy() const {
  switch (kind_) {
    case SourceKind::csi:
      return "check the ribbon cable and camera.source, or restart nvargus-daemon";
    case SourceKind::v4l2:
      return "check camera.source, the cable and, with v4l2-ctl --list-formats-ext, the sizes it offers";
    case SourceKind::rtsp:
      return "check camera.source, the network and the camera's user and password";
    case SourceKind::file:
    case SourceKind::gst:
      return "check camera.source";
  }
  return "check camera.source";
}

std::string Source::message(const std::string& what, const std::string& why) const {
  return message(what, why, remedy());
}

std::string Source::message(const std::string& what, const std::string& why, const std::string& remedy) const {
  std::string line = what + " camera " + text_ + ": " + why + "; " + remedy;
  const std::string secret = userInfo(text_);
  if (!secret.empty()) replaceAll(line, secret, "***@");
  for (char& c : line) {
    if (static_cast<unsigned char>(c) < ' ') c = ' ';
  }
  return line;
}

std::string Source::message(const std::string& what, GstMessage* error) const {
  GError* reason = nullptr;
  gchar* details = nullptr;
  gst_message_parse_error(error, &reason, &details);
  std::string why = std::string(GST_MESSAGE_SRC_NAME(error)) + ": " + (reason != nullptr ? reason->message : "error");
  // The first line of the details names a source file of GStreamer; what went wrong, if said, comes after it.
  const char* newline = details != nullptr ? std::strchr(details, '\n') : nullptr;
  if (newline != nullptr && newline[1] != '\0') why += std::string(" (") + (newline + 1) + ")";
  g_clear_error(&reason);
  g_free(details);
  return message(what, why);
}

void Source::checkPresence() const {
  const char* needed = kind_ == SourceKind::csi    ? "nvarguscamerasrc"
                       : kind_ == SourceKind::v4l2 ? "v4l2src"
                       : kind_ == SourceKind::rtsp ? "rtspsrc"
                                                   : nullptr;
  if (needed != nullptr && !hasElement(needed)) {
    throw Error(
        Code::cameraOpen,
        message("cannot open", std::string("this machine's GStreamer has no element ") + needed,
                kind_ == SourceKind::csi ? "it comes with NVIDIA's JetPack: install that, or use another camera.source"
                                         : "install gstreamer1.0-plugins-good"));
  }
  if (kind_ != SourceKind::v4l2 && kind_ != SourceKind::file) return;
  struct stat info {};
  const auto fail = [this](const std::string& why) { throw Error(Code::cameraOpen, message("cannot open", why)); };
  if (stat(rest_.c_str(), &info) != 0) {
    const bool missing = errno == ENOENT || errno == ENOTDIR;
    if (missing && kind_ == SourceKind::v4l2) {
      throw Error(Code::cameraAbsent,
                  message("cannot open", "no such device", "plug the camera in, or correct camera.source"));
    }
    fail(missing ? "no such file" : std::strerror(errno));
  }
  if (kind_ == SourceKind::v4l2 && !S_ISCHR(info.st_mode)) fail("not a device");
  if (S_ISDIR(info.st_mode)) fail("it is a directory");
  if (S_ISREG(info.st_mode) && info.st_size == 0) fail("the file is empty");
  if (access(rest_.c_str(), R_OK) != 0) fail(std::strerror(errno));
}

std::string Source::description(const CameraOptions& options) const {
  const std::string size = sizeCaps(options);
  switch (kind_) {
    case SourceKind::csi:
      return "nvarguscamerasrc name=source sensor-id=" + rest_ + " ! video/x-raw(memory:NVMM),format=NV12" + size +
             " ! nvvidconv ! video/x-raw,format=" + (options.nv12 ? std::string("NV12 ! ") + nvidiaColours : "BGRx") +
             " ! videoconvert name=converter";
    case SourceKind::v4l2:
      return "v4l2src name=source ! " +
             (size.empty() ? std::string() : "capsfilter caps=\"video/x-raw" + size + ";image/jpeg" + size + "\" ! ") +
             decoder + " videoconvert name=converter";
    case SourceKind::rtsp:
      // Over UDP a lossy network tears pictures apart, and a torn face is a wrong embedding.
      return std::string(
                 "rtspsrc name=source protocols=tcp latency=100 drop-on-latency=true ! "
                 "application/x-rtp,media=video ! ") +
             decoder + " videoconvert name=converter";
    case SourceKind::file:
      return std::string("filesrc name=source ! ") + decoder + " videoconvert name=converter";
    case SourceKind::gst:
      return rest_ + " ! videoconvert name=converter";
  }
  return rest_;
}

void Source::adjust(GstElement* camera, const CameraOptions& options) const {
  for (const auto& [name, value] : options.properties) {
    if (g_object_class_find_property(G_OBJECT_GET_CLASS(camera), name.c_str()) == nullptr) {
      throw Error(Code::cameraSource,
                  message("cannot use", "its nvarguscamerasrc has no property " + name,
                          "take it out of camera.csi; gst-inspect-1.0 nvarguscamerasrc lists them"));
    }
    gst_util_set_object_arg(G_OBJECT(camera), name.c_str(), value.c_str());
  }
}

GstElement* Source::build(const CameraOptions& options) const {
  checkPresence();
  // Cameras are shown as they come, anything else at the pace of its time stamps.
  const bool paced = options.realtime && !endless();
  const std::string text = description(options) + " ! video/x-raw,format=" + (options.nv12 ? "NV12" : "RGB") +
                           " ! appsink name=" + sinkName +
                           " max-buffers=2 drop=false sync=" + (paced ? "true" : "false");
  GError* error = nullptr;
  Owned<GstElement> pipeline(gst_parse_launch_full(text.c_str(), nullptr, GST_PARSE_FLAG_FATAL_ERRORS, &error));
  if (error != nullptr || !pipeline) {
    const std::string why = error != nullptr ? error->message : "no pipeline";
    const bool lacking = error != nullptr && g_error_matches(error, GST_PARSE_ERROR, GST_PARSE_ERROR_NO_SUCH_ELEMENT);
    g_clear_error(&error);
    if (kind_ == SourceKind::gst && !lacking) throw Error(Code::cameraSource, message("cannot use", why));
    throw Error(Code::cameraOpen, message("cannot open", why));
  }
  const auto named = [&pipeline](const char* name) {
    return Owned<GstElement>(gst_bin_get_by_name(GST_BIN(pipeline.get()), name));
  };
  if (kind_ == SourceKind::gst) return pipeline.release();
  if (kind_ == SourceKind::csi) {
    adjust(named("source").get(), options);
  } else if (const auto source = named("source")) {
    // Set here, not in the text, where a quote or a blank would need escaping.
    g_object_set(source.get(), kind_ == SourceKind::v4l2 ? "device" : "location", rest_.c_str(), nullptr);
  }
  if (const auto bin = named("decoder")) {
    g_signal_connect(bin.get(), "pad-added", G_CALLBACK(linkVideo), named("converter").get());
  }
  return pipeline.release();
}

void initialiseGStreamer() {
  static std::once_flag once;
  std::call_once(once, [] {
    GError* error = nullptr;
    if (gst_init_check(nullptr, nullptr, &error)) return;
    const std::string why = error != nullptr ? error->message : "unknown reason";
    g_clear_error(&error);
    throw Error(Code::cameraOpen, "cannot start GStreamer: " + why + "; install gstreamer1.0-plugins-base");
  });
}

std::string gstreamerVersion() {
  guint major = 0, minor = 0, micro = 0, nano = 0;
  gst_version(&major, &minor, &micro, &nano);
  return std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(micro);
}

bool hasElement(const std::string& name) {
  initialiseGStreamer();
  GstElementFactory* factory = gst_element_factory_find(name.c_str());
  if (factory == nullptr) return false;
  gst_object_unref(factory);
  return true;
}

}  // namespace facelatch
