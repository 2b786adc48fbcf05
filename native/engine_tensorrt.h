// What the two halves of the TensorRT engine share: building plans and running them.
#pragma once

#include <NvInfer.h>
#include <cuda_runtime_api.h>

#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "engine.h"
#include "error.h"
#include "plan_cache.h"

namespace facelatch {

/// Keeps TensorRT's first and last error: the first names the layer, the last what became of it.
class TrtLog : public nvinfer1::ILogger {
 public:
  void log(Severity severity, const char* text) noexcept override;
  /// What was said since the last call, or `otherwise`.
  std::string take(const std::string& otherwise);

 private:
  std::mutex mutex_;
  std::string first_;
  std::string last_;
};

/// Throws ENGINE with CUDA's own words.
void checkCuda(cudaError_t result, const char* what);

inline double secondsSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// One device, one stream, one logger: what the networks of a recognizer share.
struct TrtContext {
  explicit TrtContext(const TensorRtOptions& options);
  ~TrtContext();
  TrtContext(const TrtContext&) = delete;
  TrtContext& operator=(const TrtContext&) = delete;

  /// The plan of a model: from the cache, or built now and kept. Throws MODEL_LOAD with TensorRT's words.
  std::unique_ptr<nvinfer1::ICudaEngine> engineFor(const std::string& path, const ModelSpec& spec);
  void note(const std::string& text);

  TrtLog log;
  PlanCache cache;
  PlanKey key;
  bool half = false;
  cudaStream_t stream = nullptr;
  std::unique_ptr<nvinfer1::IRuntime> runtime;
  std::vector<std::string> notes;

 private:
  std::vector<char> build(const std::string& path, const std::vector<char>& model, const ModelSpec& spec);
};

}  // namespace facelatch
