#include "camera.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <future>
#include <thread>

#include "check.h"
#include "fingerprint.h"
#include "pipeline.h"

using namespace facelatch;
using namespace std::chrono_literals;

namespace {

using Type = CameraOutcome::Type;

struct Opening {
  std::shared_ptr<Camera> camera;
  std::optional<Error> error;
};

Opening open(const CameraOptions& options) {
  std::promise<std::optional<Error>> opened;
  Opening opening;
  opening.camera = Camera::open(options, [&opened](const std::optional<Error>& error) { opened.set_value(error); });
  opening.error = opened.get_future().get();
  return opening;
}

CameraOptions everyFrame(const std::string& pipeline) {
  CameraOptions options;
  options.source = "gst:" + pipeline;
  options.realtime = false;
  return options;
}

CameraOptions live(const std::string& pipeline) {
  CameraOptions options;
  options.source = "gst:" + pipeline;
  return options;
}

CameraOutcome next(const std::shared_ptr<Camera>& camera) {
  const auto answered = std::make_shared<std::promise<CameraOutcome>>();
  CHECK(camera->next([answered](const CameraOutcome& outcome) { answered->set_value(outcome); }));
  return answered->get_future().get();
}

void close(const std::shared_ptr<Camera>& camera) {
  std::promise<void> closed;
  camera->close([&closed] { closed.set_value(); });
  CHECK(closed.get_future().wait_for(5s) == std::future_status::ready);
}

void everyFrameComesInOrderThenTheEnd() {
  const Opening opening = open(everyFrame("videotestsrc num-buffers=40 ! video/x-raw,width=61,height=33"));
  CHECK(!opening.error);
  double at = -1;
  for (int i = 1; i <= 40; ++i) {
    const CameraOutcome outcome = next(opening.camera);
    CHECK(outcome.type == Type::frame);
    if (outcome.type != Type::frame) break;
    CHECK(outcome.picture->sequence == i && outcome.picture->at > at);
    CHECK(outcome.picture->rgb().size() == 61 * 33 * 3);
    at = outcome.picture->at;
    if (i == 3) std::this_thread::sleep_for(300ms);  // a slow reader loses nothing
  }
  CHECK(next(opening.camera).type == Type::end);
  CHECK(next(opening.camera).type == Type::end);
  const CameraStats stats = opening.camera->stats();
  CHECK(stats.decoded == 40 && stats.delivered == 40 && stats.dropped == 0);
  close(opening.camera);
  close(opening.camera);
  CHECK(next(opening.camera).type == Type::end);
}

void paddedRowsAreUnpacked() {
  // 61 pixels of RGB take 183 bytes, and GStreamer pads rows to 184.
  const Opening opening = open(everyFrame("videotestsrc pattern=red num-buffers=1 ! video/x-raw,width=61,height=7"));
  const CameraOutcome outcome = next(opening.camera);
  CHECK(outcome.type == Type::frame);
  for (size_t i = 0; outcome.picture && i < outcome.picture->rgb().size(); ++i) {
    const int value = outcome.picture->rgb()[i];
    CHECK(i % 3 == 0 ? value > 240 : value < 15);
  }
  close(opening.camera);
}

/// What GStreamer makes of bars of colour, against ours.
void nv12BecomesTheSameRgb() {
  for (const char* colours : {"bt601", "bt709", "1:4:0:0"}) {  // the last one: BT.601 in full range, as of JPEG
    for (const char* size : {"width=320,height=48", "width=309,height=33"}) {
      // As I420 first, so that the colour differences are the same for both.
      const std::string source = std::string("videotestsrc pattern=smpte75 num-buffers=1 ! video/x-raw,format=I420,") +
                                 size + ",colorimetry=" + colours;
      CameraOptions options = everyFrame(source);
      const Opening plain = open(options);
      options.nv12 = true;
      const Opening packed = open(options);
      const CameraOutcome rgb = next(plain.camera), nv12 = next(packed.camera);
      CHECK(rgb.picture && rgb.picture->view().nv12 == nullptr);
      CHECK(nv12.picture && nv12.picture->view().nv12 != nullptr && nv12.picture->view().pixels == nullptr);
      if (!rgb.picture || !nv12.picture) continue;
      const std::vector<uint8_t>&expected = rgb.picture->rgb(), &actual = nv12.picture->rgb();
      CHECK(nv12.picture->bytes() < expected.size() * 6 / 10 && actual.size() == expected.size());
      // Away from the bars' edges, where GStreamer repeats colour differences instead of going from one to the next;
      // its arithmetic of seven bits is up to five off the standard's.
      const int width = rgb.picture->width;
      const uint8_t *theirs = &expected[30 * static_cast<size_t>(width)],
                    *ours = &actual[30 * static_cast<size_t>(width)];
      int compared = 0;
      for (int x = 3; x + 3 < width; ++x) {
        const auto apart = [&](int other, int c) { return std::abs(theirs[3 * other + c] - theirs[3 * x + c]); };
        int edge = 0;
        for (const int c : {0, 1, 2}) edge += apart(x - 3, c) + apart(x + 3, c);
        if (edge > 6) continue;
        ++compared;
        for (const int c : {0, 1, 2}) CHECK_NEAR(ours[3 * x + c], theirs[3 * x + c], 5);
      }
      CHECK(compared > width / 2);
      CHECK(fingerprint(nv12.picture->view()) != 0);
      close(plain.camera);
      close(packed.camera);
    }
  }
}

YuvColours coloursOf(const std::string& caps) {
  CameraOptions options = everyFrame("videotestsrc num-buffers=1 ! video/x-raw,format=I420,width=64,height=48," + caps);
  options.nv12 = true;
  const Opening opening = open(options);
  const CameraOutcome outcome = next(opening.camera);
  CHECK(outcome.picture && outcome.picture->view().nv12 != nullptr);
  const YuvColours colours = outcome.picture ? outcome.picture->view().nv12->colours() : YuvColours{};
  close(opening.camera);
  return colours;
}

void theStreamSaysHowItsColoursAreMeant() {
  const YuvColours mpeg = coloursOf("chroma-site=mpeg2,colorimetry=bt601"),
                   jpeg = coloursOf("chroma-site=jpeg,colorimetry=1:4:0:0");
  CHECK(mpeg.onColumn && !mpeg.onRow && mpeg.black == 16);
  CHECK(!jpeg.onColumn && !jpeg.onRow && jpeg.black == 0);
  CHECK(coloursOf("chroma-site=dv,colorimetry=bt601").onRow);
  CHECK(coloursOf("colorimetry=bt709").redOfV > coloursOf("colorimetry=bt601").redOfV);
}

void theSizeMayChange() {
  for (const bool nv12 : {false, true}) {
    CameraOptions options = everyFrame(
        "videotestsrc num-buffers=2 ! video/x-raw,width=64,height=48 ! c. videotestsrc num-buffers=2 ! "
        "video/x-raw,width=31,height=17 ! c. concat name=c");
    options.nv12 = nv12;
    const Opening opening = open(options);
    CHECK(!opening.error);
    for (const int width : {64, 64, 31, 31}) {
      const CameraOutcome outcome = next(opening.camera);
      CHECK(outcome.picture && outcome.picture->width == width);
    }
    CHECK(next(opening.camera).type == Type::end);
    close(opening.camera);
  }
}

void liveDropsOldFrames() {
  const Opening opening = open(live("videotestsrc is-live=true ! video/x-raw,framerate=200/1"));
  std::this_thread::sleep_for(300ms);
  const CameraOutcome outcome = next(opening.camera);
  const CameraStats stats = opening.camera->stats();
  CHECK(outcome.type == Type::frame && outcome.picture->sequence > 10);
  CHECK(stats.delivered == 1 && stats.dropped >= 10 && stats.decoded >= stats.delivered + stats.dropped);
  close(opening.camera);
}

void errorsComeAfterTheFrames() {
  const Opening opening = open(everyFrame("videotestsrc num-buffers=50 ! identity error-after=20"));
  int frames = 0;
  CameraOutcome outcome = next(opening.camera);
  for (; outcome.type == Type::frame; outcome = next(opening.camera)) ++frames;
  CHECK(frames == 19 && outcome.type == Type::error);
  CHECK(outcome.message.find("identity0: Failed after iterations") != std::string::npos);
  CHECK(outcome.message.find("camera.source") != std::string::npos);
  close(opening.camera);
}

void stallsAreToldAndTimed() {
  // After three frames nothing comes, not even an end: the funnel waits for a source that never sends.
  CameraOptions options = live(
      "videotestsrc num-buffers=3 ! f. appsrc is-live=true format=time caps=video/x-raw,format=RGB,width=8,height=8 ! "
      "f. "
      "funnel name=f");
  options.stallSeconds = 0.3;
  const Opening opening = open(options);
  CHECK(!opening.error);
  CameraOutcome outcome = next(opening.camera);
  while (outcome.type == Type::frame) outcome = next(opening.camera);
  CHECK(outcome.type == Type::stall);
  CHECK_NEAR(outcome.seconds, 0.4, 0.15);
  CHECK(next(opening.camera).type == Type::stall);
  close(opening.camera);
}

void closeAnswersAPendingNext() {
  CameraOptions options = live("videotestsrc is-live=true ! video/x-raw,framerate=1/1");
  const Opening opening = open(options);
  CHECK(next(opening.camera).type == Type::frame);
  const auto answered = std::make_shared<std::promise<CameraOutcome>>();
  CHECK(opening.camera->next([answered](const CameraOutcome& outcome) { answered->set_value(outcome); }));
  CHECK(!opening.camera->next([](const CameraOutcome&) { CHECK(false); }));
  const auto start = std::chrono::steady_clock::now();
  close(opening.camera);
  CHECK(std::chrono::steady_clock::now() - start < 1s);
  CHECK(answered->get_future().get().type == Type::end);
}

void sourcesAreRefused() {
  for (const char* source :
       {"", "nothing", "bogus:1", "csi:x", "csi:", "csi:-1", "v4l2:video0", "rtsp:", "rtsp://", "file:", "gst:"}) {
    CHECK_THROWS(Source{source}, Error);
  }
  for (const char* source : {"file:/nowhere/x.mp4", "file:/tmp", "v4l2:/dev/null", "v4l2:/nowhere", "gst:nosuchelement",
                             "gst:videotestsrc num-buffers=0"}) {
    CameraOptions options;
    options.source = source;
    const Opening opening = open(options);
    const std::string text = source;
    const Code expected = text == "v4l2:/nowhere"                    ? Code::cameraAbsent
                          : text == "gst:videotestsrc num-buffers=0" ? Code::cameraSilent
                                                                     : Code::cameraOpen;
    CHECK(opening.error && opening.error->code == expected);
    CHECK(opening.error && std::string(opening.error->what()).find('\n') == std::string::npos);
    CHECK(opening.camera->waitClosed(5s));
  }
  const std::string message = Source("rtsp://door:sec@ret@10.0.0.9/live").message("cannot open", "10.0.0.9 said no");
  CHECK(message.find("sec") == std::string::npos && message.find("10.0.0.9/live") != std::string::npos);
}

// Debian lacks NVIDIA's elements: these have their names, pads and properties, and give no pictures.

enum Property { sensorId = 1, gainRange, whiteBalance, exposureLock };

struct Standin {
  std::string gain;
  int id = -1, balance = 1;
  bool lock = false;
} standin;

void setProperty(GObject*, guint id, const GValue* value, GParamSpec*) {
  if (id == sensorId) standin.id = g_value_get_int(value);
  if (id == gainRange) standin.gain = g_value_get_string(value);
  if (id == whiteBalance) standin.balance = g_value_get_int(value);
  if (id == exposureLock) standin.lock = g_value_get_boolean(value) != FALSE;
}

void describe(gpointer klass, gpointer) {
  auto* object = static_cast<GObjectClass*>(klass);
  object->set_property = setProperty;
  const auto flags = G_PARAM_WRITABLE;
  g_object_class_install_property(object, sensorId, g_param_spec_int("sensor-id", "", "", 0, 255, 0, flags));
  g_object_class_install_property(object, gainRange, g_param_spec_string("gainrange", "", "", nullptr, flags));
  g_object_class_install_property(object, whiteBalance, g_param_spec_int("wbmode", "", "", 0, 9, 1, flags));
  g_object_class_install_property(object, exposureLock, g_param_spec_boolean("aelock", "", "", FALSE, flags));
  gst_element_class_set_static_metadata(GST_ELEMENT_CLASS(klass), "stand-in", "Source", "for tests", "tests");
}

void addSource(GTypeInstance* element, gpointer) {
  gst_element_add_pad(GST_ELEMENT(element), gst_pad_new("src", GST_PAD_SRC));
}

void addBoth(GTypeInstance* element, gpointer klass) {
  gst_element_add_pad(GST_ELEMENT(element), gst_pad_new("sink", GST_PAD_SINK));
  addSource(element, klass);
}

void registerStandins() {
  initialiseGStreamer();
  const GType bin = gst_bin_get_type();
  GTypeQuery parent;
  g_type_query(bin, &parent);
  const auto nothing = [](gpointer, gpointer) {};
  const GType converter = g_type_register_static_simple(bin, "StandinConverter", parent.class_size, nothing,
                                                        parent.instance_size, addBoth, GTypeFlags(0));
  CHECK(gst_element_register(nullptr, "nvvidconv", GST_RANK_NONE, converter));
  const GType source = g_type_register_static_simple(bin, "StandinSource", parent.class_size, describe,
                                                     parent.instance_size, addSource, GTypeFlags(0));
  CHECK(gst_element_register(nullptr, "nvarguscamerasrc", GST_RANK_NONE, source));
}

void settingsReachTheSensor() {
  CameraOptions options;
  options.source = "csi:3";
  options.properties = {{"gainrange", "1 10.5"}, {"wbmode", "5"}, {"aelock", "true"}};
  const auto refusal = [&options] {
    try {
      Owned<GstElement> built(Source(options.source).build(options));
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  CHECK(refusal().find("no element nvarguscamerasrc") != std::string::npos);
  registerStandins();
  CHECK(refusal().empty());
  CHECK(standin.id == 3 && standin.gain == "1 10.5" && standin.balance == 5 && standin.lock);
  // Nothing in the stream says that nvvidconv's NV12 is BT.601.
  options.nv12 = true;
  {
    const Owned<GstElement> built(Source(options.source).build(options));
    const Owned<GstIterator> all(gst_bin_iterate_elements(GST_BIN(built.get())));
    GValue setter = G_VALUE_INIT;
    const auto named = [](gconstpointer item, gconstpointer) {
      auto* element = static_cast<GstElement*>(g_value_get_object(static_cast<const GValue*>(item)));
      return g_strcmp0(GST_OBJECT_NAME(gst_element_get_factory(element)), "capssetter");
    };
    CHECK(gst_iterator_find_custom(all.get(), named, &setter, nullptr));
    g_value_unset(&setter);
  }
  options.properties = {{"tnr-mode", "2"}};
  CHECK(refusal().find("no property tnr-mode; take it out of camera.csi") != std::string::npos);
}

void aFifoNobodyWritesHasALimit() {
  const std::string path = "/tmp/facelatch-fifo-" + std::to_string(getpid());
  CHECK(mkfifo(path.c_str(), 0600) == 0);
  CameraOptions options;
  options.source = "file:" + path;
  options.stallSeconds = 0.1;
  const auto start = std::chrono::steady_clock::now();
  const Opening opening = open(options);
  CHECK(opening.error && opening.error->code == Code::cameraSilent);
  CHECK(std::chrono::steady_clock::now() - start < 9s);
  CHECK(opening.camera->waitClosed(1s));
  CHECK(Pipeline::stuck() == 1);
  // A writer that comes and goes lets the abandoned thread out, each time it opens the FIFO.
  for (int i = 0; i < 100 && Pipeline::stuck() > 0; ++i) {
    const int writer = ::open(path.c_str(), O_WRONLY | O_NONBLOCK);
    if (writer >= 0) ::close(writer);
    std::this_thread::sleep_for(20ms);
  }
  CHECK(Pipeline::stuck() == 0);
  std::remove(path.c_str());
}

void nothingIsLeft() {
  Camera::closeAll(5s);
  for (int i = 0; i < 50 && Camera::alive() > 0; ++i) std::this_thread::sleep_for(20ms);
  CHECK(Camera::alive() == 0 && Picture::alive() == 0 && Pipeline::stuck() == 0);
}

}  // namespace

int main() {
  return runAll(everyFrameComesInOrderThenTheEnd, paddedRowsAreUnpacked, nv12BecomesTheSameRgb,
                theStreamSaysHowItsColoursAreMeant, theSizeMayChange, liveDropsOldFrames, errorsComeAfterTheFrames,
                stallsAreToldAndTimed, closeAnswersAPendingNext, sourcesAreRefused, settingsReachTheSensor,
                aFifoNobodyWritesHasALimit, nothingIsLeft);
}
