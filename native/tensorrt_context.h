// What the networks of a recognizer share on the GPU: device, stream, picture, working memory, plans.
#pragma once

#include <NvInfer.h>
#include <cuda_runtime_api.h>

#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "cuda_shot.h"
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

/// Memory that grows and never shrinks: shapes come again with every frame.
class CudaBuffer {
 public:
  /// Device memory and its page-locked mirror, which alone is copied without a detour; device memory alone; or
  /// page-locked memory that the device reads across the bus.
  enum class Where { both, device, host };

  explicit CudaBuffer(Where where = Where::both) : where_(where) {}
  CudaBuffer(const CudaBuffer&) = delete;
  CudaBuffer& operator=(const CudaBuffer&) = delete;
  ~CudaBuffer() { release(); }

  /// Whether the memory is another one now. What was in it is lost then.
  bool hold(size_t bytes);
  template <typename T>
  T* device() const {
    return static_cast<T*>(device_);
  }
  template <typename T>
  T* host() const {
    return static_cast<T*>(host_);
  }
  size_t size() const { return size_; }

 private:
  void release();

  Where where_;
  void* device_ = nullptr;
  void* host_ = nullptr;
  size_t size_ = 0;
};

/// The engine made of a network's plan and, before TensorRT 10, the plan, of which each context makes its own.
struct TrtPlan {
  std::unique_ptr<nvinfer1::ICudaEngine> engine;
  std::vector<char> bytes;
};

struct TrtContext {
  explicit TrtContext(const TensorRtOptions& options);
  ~TrtContext();
  TrtContext(const TrtContext&) = delete;
  TrtContext& operator=(const TrtContext&) = delete;

  /// The plan of a model: from the cache, or built now and kept. Throws MODEL_LOAD with TensorRT's words.
  TrtPlan planOf(const std::string& path, const ModelSpec& spec);
  void note(const std::string& text);

  /// Queues the picture's way to the device, where it becomes RGB, unless it is there.
  void show(const View& picture);
  /// A context that works in the memory all share: one network runs at a time. Throws ENGINE.
  std::unique_ptr<nvinfer1::IExecutionContext> contextOf(nvinfer1::ICudaEngine& engine);
  /// Before a context runs, as the memory may have moved.
  void lend(nvinfer1::IExecutionContext& context) const;
  void wait(const char* what);

  TrtLog log;
  PlanCache cache;
  PlanKey key;
  bool half = false;
  cudaStream_t stream = nullptr;
  std::unique_ptr<nvinfer1::IRuntime> runtime;
  std::vector<std::string> notes;
  /// A CudaFrame.
  CudaBuffer frame{CudaBuffer::Where::device};
  /// Changes when memory moved that a captured graph knows by its address.
  uint64_t generation = 1;

 private:
  std::vector<char> build(const std::string& path, const std::vector<char>& model, const ModelSpec& spec);

  CudaBuffer scratch_{CudaBuffer::Where::device};
  CudaBuffer staged_{CudaBuffer::Where::host};
  CudaBuffer nv12_{CudaBuffer::Where::device};
  uint64_t shown_ = 0;
};

}  // namespace facelatch
