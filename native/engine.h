// What the recognizer asks of an inference engine. ONNX Runtime implements it; TensorRT will.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace facelatch {

/// Names and shapes a model file must have; -1 stands for a dimension that must be free, 0 for one that may be
/// anything. An empty name means "the only one".
struct TensorSpec {
  std::string name;
  std::vector<int64_t> shape;
};

struct ModelSpec {
  TensorSpec input;
  std::vector<TensorSpec> outputs;
};

struct Tensor {
  std::vector<int64_t> shape;
  std::vector<float> values;

  /// Gives the tensor this shape; values are left as they were, whatever they were.
  void reshape(std::vector<int64_t> to);
};

/// One loaded network. Not for two threads at once.
class Engine {
 public:
  virtual ~Engine() = default;
  /// The number of items a run must have, or -1 when it is free: many published files are frozen at one.
  virtual int64_t batch() const = 0;
  /// Outputs come in the order of the ModelSpec. Throws ENGINE with the runtime's own words.
  virtual void run(const Tensor& input, std::vector<Tensor>& outputs) = 0;
};

/// Makes engines that share one runtime and its threads.
class EngineFactory {
 public:
  virtual ~EngineFactory() = default;
  /// Throws MODEL_LOAD when the file is missing, damaged or not of the shape of `spec`.
  virtual std::unique_ptr<Engine> load(const std::string& path, const ModelSpec& spec) = 0;
  /// For people: runtime, version, device, threads.
  virtual std::string description() const = 0;
};

/// CPU. `threads` 0 means one per core. The process has one pool: while another factory lives, its pool is shared.
std::shared_ptr<EngineFactory> onnxRuntime(int threads);
std::string onnxRuntimeVersion();

}  // namespace facelatch
