#include <array>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <random>

#include "check.h"

namespace facelatch::check {
namespace {

using Clock = std::chrono::steady_clock;

double since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

/// A thousand templates of nobody.
Gallery gallery(size_t dimensions) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> rows(1000 * dimensions);
  for (float& value : rows) value = normal(random);
  std::vector<int32_t> labels(1000);
  for (size_t i = 0; i < labels.size(); ++i) labels[i] = static_cast<int32_t>(i / 10);
  return Gallery(rows, labels, dimensions);
}

struct Columns {
  std::vector<double> frame, pnet, rnet, onet, align, embed, match;
};

/// From pixels in memory to names, as the addon does it: a sweep, or a refinement of the faces of a sweep.
size_t frame(Recognizer& recognizer, const Picture& picture, const std::vector<Box>* regions, Columns* columns) {
  DetectTimings detecting;
  IdentifyTimings identifying;
  const auto start = Clock::now();
  const std::vector<Face> faces =
      regions != nullptr ? recognizer.refine(picture, *regions, detecting) : recognizer.detect(picture, detecting);
  std::vector<Landmarks> landmarks;
  for (const Face& face : faces) landmarks.push_back(face.landmarks);
  recognizer.identify(picture, landmarks, {}, 2, identifying);
  if (columns != nullptr) {
    columns->frame.push_back(since(start));
    columns->pnet.push_back(detecting.pnet);
    columns->rnet.push_back(detecting.rnet);
    columns->onet.push_back(detecting.onet);
    columns->align.push_back(identifying.align);
    columns->embed.push_back(identifying.embed);
    columns->match.push_back(identifying.match);
  }
  return faces.size();
}

/// `scenes`: two pictures alike, in turn, since one that lies on the device already is not brought there again.
void measure(Recognizer& recognizer, const std::array<PicturePtr, 2>& scenes, size_t wanted, int frames, bool sweep) {
  DetectTimings ignored;
  std::vector<Box> regions;
  for (const Face& face : recognizer.detect(*scenes[0], ignored)) regions.push_back(face.box);
  const std::vector<Box>* given = sweep ? nullptr : &regions;
  for (size_t i = 0; i < 20; ++i) frame(recognizer, *scenes[i % 2], given, nullptr);
  Columns c;
  size_t faces = 0;
  const auto start = Clock::now();
  for (int i = 0; i < frames; ++i) faces = frame(recognizer, *scenes[static_cast<size_t>(i % 2)], given, &c);
  std::printf(
      "  %zu faces (%zu pasted), %-6s p50 %.3f p99 %.3f ms, %.0f frames/s; p50 by stage: pnet %.3f rnet %.3f onet %.3f "
      "align %.3f embed %.3f match %.3f\n",
      faces, wanted, sweep ? "sweep" : "refine", median(c.frame), percentile(c.frame, 0.99),
      1000.0 * frames / since(start), median(c.pnet), median(c.rnet), median(c.onet), median(c.align), median(c.embed),
      median(c.match));
  std::fflush(stdout);
}

/// VmRSS, MiB.
double resident() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    double kibibytes = 0;
    if (word == "VmRSS:" && status >> kibibytes) return kibibytes / 1024;
  }
  return 0;
}

/// Of the whole device, MiB; -1 where nvidia-smi is missing, as on a Jetson.
double deviceMemory() {
  FILE* pipe = popen("nvidia-smi --query-gpu=memory.used --format=csv,noheader,nounits 2>/dev/null", "r");
  double used = -1;
  if (pipe == nullptr || std::fscanf(pipe, "%lf", &used) != 1) used = -1;
  if (pipe != nullptr) pclose(pipe);
  return used;
}

}  // namespace

int timing(const Setup& setup, const std::string& folder, int frames) {
  const std::vector<NamedPicture> pictures = readPictures(setup, folder, 12);
  struct Run {
    EngineChoice engine;
    Precision precision;
  };
  for (const Run run : {Run{EngineChoice::onnxruntime, Precision::fp32}, Run{EngineChoice::tensorrt, Precision::fp32},
                        Run{EngineChoice::tensorrt, Precision::fp16}}) {
    const auto recognizer = load(options(setup, run.engine, run.precision));
    recognizer->setGallery(gallery(recognizer->dimensions()));
    const int count = run.engine == EngineChoice::onnxruntime ? std::max(1, frames / 10) : frames;
    for (const size_t faces : {size_t{1}, size_t{8}}) {
      const std::array<PicturePtr, 2> scenes{scene(setup, pictures, faces), scene(setup, pictures, faces)};
      for (const bool sweep : {true, false}) measure(*recognizer, scenes, faces, count, sweep);
    }
  }
  return 0;
}

int growth(const Setup& setup, const std::string& folder, int frames) {
  const std::vector<NamedPicture> pictures = readPictures(setup, folder, 12);
  const auto recognizer = load(options(setup, EngineChoice::tensorrt, Precision::fp16));
  recognizer->setGallery(gallery(recognizer->dimensions()));
  const PicturePtr one = scene(setup, pictures, 1), eight = scene(setup, pictures, 8);
  double hostBefore = 0, deviceBefore = 0;
  for (int i = 0; i < frames; ++i) {
    // Every shape has been seen, and every allocator is warm, after a tenth.
    if (i == frames / 10) hostBefore = resident(), deviceBefore = deviceMemory();
    frame(*recognizer, i % 2 == 0 ? *one : *eight, nullptr, nullptr);
  }
  const double hostGrowth = resident() - hostBefore, deviceGrowth = deviceMemory() - deviceBefore;
  std::printf("frames %d to %d: process %.1f MiB %+.2f, device %.0f MiB %+.0f\n", frames / 10, frames, hostBefore,
              hostGrowth, deviceBefore, deviceGrowth);
  return (hostGrowth < 2 ? 0 : 1) + (deviceGrowth < 1 ? 0 : 1);
}

}  // namespace facelatch::check
