#include "pipeline.h"

#include <gst/video/video.h>

#include <future>
#include <thread>

namespace facelatch {
namespace {

constexpr std::chrono::seconds stopLimit{2};

// Outlives static objects: a stuck pipeline may come free while the process exits.
std::atomic<int>& stuckCount() {
  static auto& count = *new std::atomic<int>(0);
  return count;
}

/// Appends a plane's rows without their padding.
void pack(const GstVideoFrame& frame, guint plane, size_t length, int rows, std::vector<uint8_t>& to) {
  const auto* row = static_cast<const uint8_t*>(GST_VIDEO_FRAME_PLANE_DATA(&frame, plane));
  const int stride = GST_VIDEO_FRAME_PLANE_STRIDE(&frame, plane);
  for (int y = 0; y < rows; ++y, row += stride) to.insert(to.end(), row, row + length);
}

YuvColours coloursOf(const GstVideoInfo& info) {
  const GstVideoColorimetry& by = info.colorimetry;
  double kr = 0, kb = 0;
  if (!gst_video_color_matrix_get_Kr_Kb(by.matrix, &kr, &kb)) {
    gst_video_color_matrix_get_Kr_Kb(GST_VIDEO_COLOR_MATRIX_BT601, &kr, &kb);
  }
  YuvColours colours = YuvColours::of(kr, kb, by.range == GST_VIDEO_COLOR_RANGE_0_255);
  const auto site = static_cast<unsigned>(GST_VIDEO_INFO_CHROMA_SITE(&info));
  if (site != GST_VIDEO_CHROMA_SITE_UNKNOWN) {
    colours.onColumn = (site & GST_VIDEO_CHROMA_SITE_H_COSITED) != 0;
    colours.onRow = (site & GST_VIDEO_CHROMA_SITE_V_COSITED) != 0;
  }
  return colours;
}

/// Null for a buffer that is not what its caps say, or of another format.
std::unique_ptr<Picture> copied(const GstVideoInfo& info, GstBuffer* buffer) {
  GstVideoFrame frame;
  // Before 1.20 (JetPack 5 has 1.16) the parameter, which is only read, is not const.
  if (!gst_video_frame_map(&frame, const_cast<GstVideoInfo*>(&info), buffer, GST_MAP_READ)) return nullptr;
  const std::unique_ptr<GstVideoFrame, decltype(&gst_video_frame_unmap)> mapped(&frame, gst_video_frame_unmap);
  const int width = GST_VIDEO_FRAME_WIDTH(&frame), height = GST_VIDEO_FRAME_HEIGHT(&frame);
  std::vector<uint8_t> bytes;
  if (GST_VIDEO_FRAME_FORMAT(&frame) == GST_VIDEO_FORMAT_NV12) {
    const Nv12Size size{width, height};
    bytes.reserve(size.bytes());
    pack(frame, 0, static_cast<size_t>(width), height, bytes);
    pack(frame, 1, 2 * static_cast<size_t>(size.pairs()), size.chromaRows(), bytes);
    return std::make_unique<Picture>(std::move(bytes), size, coloursOf(info));
  }
  if (GST_VIDEO_FRAME_FORMAT(&frame) != GST_VIDEO_FORMAT_RGB) return nullptr;
  const size_t length = static_cast<size_t>(width) * 3;
  bytes.reserve(length * static_cast<size_t>(height));
  pack(frame, 0, length, height, bytes);
  return std::make_unique<Picture>(std::move(bytes), width, height);
}

}  // namespace

Pipeline::Pipeline(Owned<GstElement> pipeline)
    : pipeline_(std::move(pipeline)),
      sink_(gst_bin_get_by_name(GST_BIN(pipeline_.get()), Source::sinkName)),
      bus_(gst_element_get_bus(pipeline_.get())) {}

Pipeline::~Pipeline() {
  error_.reset();
  sink_.reset();
  bus_.reset();
  const auto stopped = std::make_shared<std::promise<void>>();
  std::future<void> done = stopped->get_future();
  ++stuckCount();
  std::thread([pipeline = pipeline_.release(), stopped] {
    gst_element_set_state(pipeline, GST_STATE_NULL);
    gst_object_unref(pipeline);
    --stuckCount();
    stopped->set_value();
  }).detach();
  done.wait_for(stopLimit);
}

int Pipeline::stuck() { return stuckCount(); }

void Pipeline::start() {
  std::thread([pipeline = GST_ELEMENT(gst_object_ref(pipeline_.get())), refused = refused_] {
    if (gst_element_set_state(pipeline, GST_STATE_PLAYING) == GST_STATE_CHANGE_FAILURE) *refused = true;
    gst_object_unref(pipeline);
  }).detach();
}

void Pipeline::poll() {
  while (Owned<GstMessage> message{gst_bus_pop(bus_.get())}) {
    switch (GST_MESSAGE_TYPE(message.get())) {
      case GST_MESSAGE_ERROR:
        if (!error_) error_ = std::move(message);
        break;
      case GST_MESSAGE_EOS:
        ended_ = true;
        break;
      case GST_MESSAGE_LATENCY:
        gst_bin_recalculate_latency(GST_BIN(pipeline_.get()));
        break;
      default:
        break;
    }
  }
}

Owned<GstSample> Pipeline::pull(std::chrono::milliseconds limit) {
  const auto start = std::chrono::steady_clock::now();
  Owned<GstSample> sample(gst_app_sink_try_pull_sample(GST_APP_SINK(sink_.get()), limit.count() * GST_MSECOND));
  // An appsink that is not running, or is at its end, answers at once.
  if (!sample && !ended_ && std::chrono::steady_clock::now() - start < limit / 2) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return sample;
}

bool Pipeline::rewind() {
  const auto flags = static_cast<GstSeekFlags>(GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_KEY_UNIT);
  if (!gst_element_seek_simple(pipeline_.get(), GST_FORMAT_TIME, flags, 0)) return false;
  ended_ = false;
  return true;
}

std::unique_ptr<Picture> pictureOf(GstSample* sample) {
  GstBuffer* buffer = gst_sample_get_buffer(sample);
  GstCaps* caps = gst_sample_get_caps(sample);
  GstVideoInfo info;
  // Read from each sample: a camera may change its size in mid-stream.
  if (buffer == nullptr || caps == nullptr || !gst_video_info_from_caps(&info, caps)) return nullptr;
  std::unique_ptr<Picture> picture = copied(info, buffer);
  if (!picture) return nullptr;
  const GstClockTime stamp = GST_BUFFER_PTS(buffer);
  const GstSegment* segment = gst_sample_get_segment(sample);
  const guint64 streamTime = GST_CLOCK_TIME_IS_VALID(stamp) && segment->format == GST_FORMAT_TIME
                                 ? gst_segment_to_stream_time(segment, GST_FORMAT_TIME, stamp)
                                 : GST_CLOCK_TIME_NONE;
  picture->at = GST_CLOCK_TIME_IS_VALID(streamTime) ? static_cast<double>(streamTime) / GST_MSECOND : -1;
  picture->arrived = monotonicMilliseconds();
  return picture;
}

double monotonicMilliseconds() {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace facelatch
