#include "recognizer.h"

#include <malloc.h>

#include <chrono>

#include "error.h"

namespace facelatch {
namespace {

using Clock = std::chrono::steady_clock;

double milliseconds(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double, std::milli>(to - from).count();
}

/// Reading a model takes several times its size for a moment, and glibc keeps that for the thread that read it.
void trimMemory() {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

}  // namespace

Recognizer::Trim::~Trim() { trimMemory(); }

Recognizer::Nets::Nets(std::shared_ptr<EngineFactory> factory, const RecognizerOptions& options)
    : engines(std::move(factory)),
      detector(makeDetector(*engines, options.detector)),
      landmarker(*engines, options.landmarks),
      embedder(*engines, options.embedder),
      liveness(*engines, options.liveness) {}

/// A door with a slow recognizer is better than one without: whatever TensorRT lacks, the CPU takes over all nets.
std::unique_ptr<Recognizer::Nets> Recognizer::load(const RecognizerOptions& options, std::string& fallback) {
  const bool wanted = options.engine == EngineChoice::tensorrt ||
                      (options.engine == EngineChoice::automatic && tensorRtExpected(options.tensorrt));
  if (wanted) {
    try {
      return std::make_unique<Nets>(tensorRt(options.tensorrt), options);
    } catch (const Error& error) {
      if (options.engine == EngineChoice::tensorrt) throw;
      fallback = error.what();
    }
  }
  return std::make_unique<Nets>(onnxRuntime(options.threads), options);
}

Recognizer::Recognizer(const RecognizerOptions& options)
    : nets_(load(options, fallback_)), gallery_(nets_->embedder.dimensions()) {
  trimMemory();
}

std::vector<Face> Recognizer::detect(const Picture& picture, DetectTimings& timings) {
  return nets_->detector->detect(picture.view(), timings);
}

std::vector<Face> Recognizer::refine(const Picture& picture, const std::vector<Box>& regions, DetectTimings& timings) {
  return nets_->detector->refine(picture.view(), regions, timings);
}

std::vector<Identification> Recognizer::identify(const Picture& picture, const std::vector<Landmarks>& faces,
                                                 const std::vector<Box>& boxes, size_t k, IdentifyTimings& timings) {
  const auto start = Clock::now();
  const std::vector<Landmarks> settled = nets_->landmarker.settle(picture.view(), faces);
  const auto settledAt = Clock::now();
  std::vector<Embedded> embedded = nets_->embedder.embed(picture.view(), settled);
  const auto embeddedAt = Clock::now();
  std::vector<Identification> identifications;
  {
    // Through all of them: the faces of one picture meet the same gallery.
    const std::lock_guard<std::mutex> lock(searching_);
    for (const Embedded& face : embedded) {
      identifications.push_back({{}, gallery_.best(face.embedding.data(), k), {}, {}});
    }
  }
  for (size_t i = 0; i < embedded.size(); ++i) {
    identifications[i].clarity = nets_->embedder.clarity(embedded[i].aligned);
    identifications[i].embedding = std::move(embedded[i].embedding);
  }
  const auto matchedAt = Clock::now();
  std::vector<std::vector<float>> liveness = nets_->liveness.judge(picture.view(), boxes);
  for (size_t i = 0; i < liveness.size(); ++i) identifications.at(i).liveness = std::move(liveness[i]);
  timings = {milliseconds(start, settledAt), milliseconds(settledAt, embeddedAt), milliseconds(embeddedAt, matchedAt),
             milliseconds(matchedAt, Clock::now())};
  return identifications;
}

std::vector<uint8_t> Recognizer::align(const Picture& picture, const Landmarks& landmarks) {
  return nets_->embedder.align(picture.view(), nets_->landmarker.settle(picture.view(), {landmarks}).front());
}

void Recognizer::setGallery(Gallery gallery) {
  const std::lock_guard<std::mutex> lock(searching_);
  std::swap(gallery_, gallery);
}

void Recognizer::setTemplates(int32_t label, std::vector<float> rows) {
  const std::lock_guard<std::mutex> lock(searching_);
  gallery_.replace(label, std::move(rows));
}

}  // namespace facelatch
