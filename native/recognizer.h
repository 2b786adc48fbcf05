// Detector, embedder, liveness nets and gallery as one object: what JavaScript calls a Recognizer.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "clarity.h"
#include "detector.h"
#include "embedder.h"
#include "gallery.h"
#include "landmarks.h"
#include "liveness.h"
#include "picture.h"

namespace facelatch {

/// `automatic` takes the GPU where there is one and the CPU where that fails.
enum class EngineChoice { automatic, tensorrt, onnxruntime };

struct RecognizerOptions {
  DetectorOptions detector;
  /// O-Net, which settles the points of a face before it is aligned, whoever detected it.
  std::string landmarks;
  EmbedderOptions embedder;
  /// Of the CPU's engine.
  int threads;
  EngineChoice engine = EngineChoice::onnxruntime;
  TensorRtOptions tensorrt{};
  /// Empty where nobody asks whether a face lives.
  std::vector<LivenessNetOptions> liveness{};
};

struct Identification {
  std::vector<float> embedding;
  std::vector<Match> matches;
  Clarity clarity;
  /// Log-odds of a living face, one a net; empty where it was not asked.
  std::vector<float> liveness;
};

struct IdentifyTimings {
  double align = 0;
  double embed = 0;
  double match = 0;
  double liveness = 0;
};

/// One call at a time, except setGallery and setTemplates, which any thread may call at any time: they wait for a
/// search.
class Recognizer : Counted<Recognizer> {
 public:
  using Counted<Recognizer>::alive;

  /// Throws MODEL_LOAD.
  explicit Recognizer(const RecognizerOptions& options);

  std::vector<Face> detect(const Picture& picture, DetectTimings& timings);
  std::vector<Face> refine(const Picture& picture, const std::vector<Box>& regions, DetectTimings& timings);
  /// `boxes`: the same faces', to judge whether they live; empty to leave that out.
  std::vector<Identification> identify(const Picture& picture, const std::vector<Landmarks>& faces,
                                       const std::vector<Box>& boxes, size_t k, IdentifyTimings& timings);
  std::vector<uint8_t> align(const Picture& picture, const Landmarks& landmarks);
  void setGallery(Gallery gallery);
  /// Gallery::replace.
  void setTemplates(int32_t label, std::vector<float> rows);

  size_t dimensions() const { return nets_->embedder.dimensions(); }
  bool prefersNv12() const { return nets_->engines->prefersNv12(); }
  std::string engine() const { return nets_->engines->description(); }
  /// Why the CPU computes although a GPU was to be expected; empty otherwise.
  const std::string& fallback() const { return fallback_; }
  std::vector<std::string> notes() const { return nets_->engines->notes(); }

 private:
  struct Nets {
    Nets(std::shared_ptr<EngineFactory> factory, const RecognizerOptions& options);
    std::shared_ptr<EngineFactory> engines;
    std::unique_ptr<Detector> detector;
    Landmarker landmarker;
    Embedder embedder;
    Liveness liveness;
  };

  static std::unique_ptr<Nets> load(const RecognizerOptions& options, std::string& fallback);

  /// First in, so last out, also when loading fails.
  struct Trim {
    ~Trim();
  };

  Trim trim_;
  std::string fallback_;
  std::unique_ptr<Nets> nets_;
  std::mutex searching_;
  Gallery gallery_;
};

}  // namespace facelatch
