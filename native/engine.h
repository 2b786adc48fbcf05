// What the recognizer asks of an inference engine. ONNX Runtime and TensorRT implement it.
#pragma once

#include <cstdint>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "shot.h"

namespace facelatch {

/// Names and shapes a model file must have; -1 stands for a dimension that must be free, 0 for one that may be
/// anything. An empty name means "the only one".
struct TensorSpec {
  std::string name;
  std::vector<int64_t> shape;
};

/// Input shapes an engine that compiles ahead of time must be made for, and the one to be fastest at.
struct ShapeRange {
  std::vector<int64_t> least;
  std::vector<int64_t> usual;
  std::vector<int64_t> most;
};

/// Free dimensions show as "?".
inline std::string shapeText(const std::vector<int64_t>& shape) {
  std::string text = "[";
  for (const int64_t size : shape) text += (text.size() > 1 ? "," : "") + (size <= 0 ? "?" : std::to_string(size));
  return text + "]";
}

struct ModelSpec {
  TensorSpec input;
  std::vector<TensorSpec> outputs;
  ShapeRange range{};
  /// Where a small error is not forgotten but chooses another path: computed in FP32 whatever is asked for.
  bool exact = false;
};

struct Tensor {
  std::vector<int64_t> shape;
  std::vector<float> values;

  /// Gives the tensor this shape; values are left as they were, whatever they were.
  void reshape(std::vector<int64_t> to) {
    shape = std::move(to);
    values.resize(std::accumulate(shape.begin(), shape.end(), size_t{1},
                                  [](size_t product, int64_t size) { return product * static_cast<size_t>(size); }));
  }
};

/// What a network says of one shot.
struct Answer {
  /// In the order of the ModelSpec; empty for a shot of nothing.
  std::vector<Tensor> outputs;
  /// The pieces, RGB packed, where the shot wanted them.
  std::vector<std::vector<uint8_t>> kept;
};

/// One loaded network. Not for two threads at once.
class Engine {
 public:
  virtual ~Engine() = default;
  /// An answer for each shot. Throws ENGINE.
  virtual void look(const View& picture, const std::vector<Shot>& shots, std::vector<Answer>& answers) = 0;
};

/// One whose network takes what the CPU has cut: each shot is one run.
class TensorEngine : public Engine {
 public:
  void look(const View& picture, const std::vector<Shot>& shots, std::vector<Answer>& answers) override;
  /// The number of items a run must have, or -1 when it is free: many published files are frozen at one.
  virtual int64_t batch() const = 0;
  /// Outputs come in the order of the ModelSpec. Throws ENGINE with the runtime's own words.
  virtual void run(const Tensor& input, std::vector<Tensor>& outputs) = 0;

 private:
  void runRows(const Tensor& rows, std::vector<Tensor>& outputs);

  Tensor input_;
  Tensor part_;
};

/// Makes engines that share one runtime and its threads.
class EngineFactory {
 public:
  virtual ~EngineFactory() = default;
  /// Throws MODEL_LOAD when the file is missing, damaged or not of the shape of `spec`.
  virtual std::unique_ptr<Engine> load(const std::string& path, const ModelSpec& spec) = 0;
  /// Whether NV12 pictures cost it less than RGB.
  virtual bool prefersNv12() const { return false; }
  /// For people: runtime, version, device, threads.
  virtual std::string description() const = 0;
  /// One line for people per thing worth telling about loading: what was built, in which time, what could not be kept.
  virtual std::vector<std::string> notes() const { return {}; }
};

/// CPU. `threads` 0 means one per core. The process has one pool: while another factory lives, its pool is shared.
std::shared_ptr<EngineFactory> onnxRuntime(int threads);
std::string onnxRuntimeVersion();

enum class Precision { automatic, fp32, fp16 };

struct TensorRtOptions {
  Precision precision = Precision::automatic;
  /// Folder of plans; empty keeps none.
  std::string plans;
  /// The shared object that knows TensorRT; empty for the one beside this code.
  std::string module;
};

/// GPU. Throws MODEL_LOAD when the module, one of NVIDIA's libraries or a device is missing.
std::shared_ptr<EngineFactory> tensorRt(const TensorRtOptions& options);
/// Whether somebody could expect a GPU here: the module was built, or the driver is there.
bool tensorRtExpected(const TensorRtOptions& options);

}  // namespace facelatch
