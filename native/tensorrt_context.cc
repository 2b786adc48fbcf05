#include "tensorrt_context.h"

#include <cstring>
#include <utility>

namespace facelatch {
namespace {

/// Half precision pays where the chip has it at full rate or better: Nano, TX2, and everything since Volta.
bool fastHalf(int major, int minor) {
  const int capability = 10 * major + minor;
  return capability == 53 || capability == 60 || capability == 62 || capability >= 70;
}

}  // namespace

void TrtLog::log(Severity severity, const char* text) noexcept {
  if (severity > Severity::kERROR) return;
  try {
    const std::lock_guard<std::mutex> lock(mutex_);
    (first_.empty() ? first_ : last_) = oneLine(text);
  } catch (...) {  // out of memory: the message is lost, the failure is still seen by its caller
  }
}

std::string TrtLog::take(const std::string& otherwise) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const std::string said = first_.empty() ? otherwise : last_.empty() ? first_ : first_ + " / " + last_;
  first_.clear();
  last_.clear();
  return said;
}

void checkCuda(cudaError_t result, const char* what) {
  if (result == cudaSuccess) return;
  cudaGetLastError();  // an error that is told is not told again to the next call
  throw Error(Code::engine, std::string("CUDA cannot ") + what + ": " + cudaGetErrorString(result) +
                                "; look for NVRM lines in dmesg and restart");
}

TrtContext::TrtContext(const TensorRtOptions& options) : cache(options.plans) {
  int devices = 0;
  const cudaError_t counted = cudaGetDeviceCount(&devices);
  if (counted != cudaSuccess || devices == 0) {
    throw Error(Code::modelLoad, std::string("no GPU for TensorRT: ") +
                                     (counted != cudaSuccess ? cudaGetErrorString(counted) : "there is no device") +
                                     "; check the driver with nvidia-smi or tegrastats");
  }
  cudaDeviceProp device{};
  checkCuda(cudaGetDeviceProperties(&device, 0), "read the device's properties");
  key.capability = std::to_string(device.major) + "." + std::to_string(device.minor);
  key.device = device.name;
  // Of the library that runs, and of the headers: a plan is tied to the exact build.
  key.runtime = std::to_string(NV_TENSORRT_MAJOR) + "." + std::to_string(NV_TENSORRT_MINOR) + "." +
                std::to_string(NV_TENSORRT_PATCH);
  if (getInferLibVersion() != NV_TENSORRT_VERSION) {
    key.runtime += " on library " + std::to_string(getInferLibVersion());
  }
#if NV_TENSORRT_MAJOR < 11
  half = options.precision == Precision::fp16 ||
         (options.precision == Precision::automatic && fastHalf(device.major, device.minor));
#else
  // TensorRT 11 computes in the types of the file, which are FP32 here.
  if (options.precision == Precision::fp16) {
    throw Error(Code::modelLoad,
                "TensorRT 11 has no FP16 for FP32 model files; set recognizer.precision to auto or fp32");
  }
#endif
  key.precision = half ? "fp16" : "fp32";
  runtime.reset(nvinfer1::createInferRuntime(log));
  if (!runtime) throw Error(Code::modelLoad, "TensorRT does not start: " + log.take("it said nothing"));
  checkCuda(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "make a stream");
}

TrtContext::~TrtContext() {
  if (stream != nullptr) cudaStreamDestroy(stream);
}

bool CudaBuffer::hold(size_t bytes) {
  if (bytes <= size_) return false;
  // First the new, then the old: where there is no more memory, what was lent out stays good.
  CudaBuffer larger(where_);
  if (where_ != Where::host) checkCuda(cudaMalloc(&larger.device_, bytes), "take device memory");
  if (where_ != Where::device) {
    checkCuda(cudaHostAlloc(&larger.host_, bytes, cudaHostAllocMapped), "take page-locked memory");
  }
  if (where_ == Where::host) {
    checkCuda(cudaHostGetDevicePointer(&larger.device_, larger.host_, 0), "see page-locked memory");
  }
  std::swap(device_, larger.device_);
  std::swap(host_, larger.host_);
  size_ = bytes;
  return true;
}

void CudaBuffer::release() {
  if (where_ != Where::host) cudaFree(device_);
  cudaFreeHost(host_);
  device_ = host_ = nullptr;
  size_ = 0;
}

void TrtContext::show(const View& picture) {
  if (picture.id != 0 && picture.id == shown_) return;
  shown_ = 0;
  // Half of RGB's bytes cross the bus as NV12, and no processor of the host looks at a pixel.
  const Nv12* nv12 = picture.nv12;
  const Nv12Size size = nv12 != nullptr ? nv12->size() : Nv12Size{picture.width, picture.height};
  const size_t whole = CudaFrame::bytes(size.width, size.height), bytes = nv12 != nullptr ? size.bytes() : whole;
  if (frame.hold(whole)) ++generation;
  staged_.hold(bytes);
  if (nv12 != nullptr) {
    nv12_.hold(bytes);
    std::memcpy(staged_.host<void>(), nv12->bytes(), bytes);
  } else {
    *staged_.host<CudaFrame>() = {size.width, size.height};
    uint8_t* to = staged_.host<uint8_t>() + sizeof(CudaFrame);
    const size_t row = static_cast<size_t>(size.width) * 3;
    for (int y = 0; y < size.height; ++y, to += row) {
      std::memcpy(to, picture.pixels + static_cast<size_t>(y) * picture.stride, row);
    }
  }
  void* there = nv12 != nullptr ? nv12_.device<void>() : frame.device<void>();
  checkCuda(cudaMemcpyAsync(there, staged_.host<void>(), bytes, cudaMemcpyHostToDevice, stream), "copy a picture");
  if (nv12 != nullptr) {
    checkCuda(cudaRgb(stream, nv12_.device<uint8_t>(), size, nv12->colours(), frame.device<CudaFrame>()),
              "convert a picture");
  }
  shown_ = picture.id;
}

void TrtContext::wait(const char* what) {
  const cudaError_t done = cudaStreamSynchronize(stream);
  if (done != cudaSuccess) shown_ = 0;  // whether the picture came there is not known
  checkCuda(done, what);
}

std::unique_ptr<nvinfer1::IExecutionContext> TrtContext::contextOf(nvinfer1::ICudaEngine& engine) {
#if NV_TENSORRT_MAJOR < 10
  std::unique_ptr<nvinfer1::IExecutionContext> context(engine.createExecutionContextWithoutDeviceMemory());
  const size_t bytes = engine.getDeviceMemorySize();
#else
  std::unique_ptr<nvinfer1::IExecutionContext> context(
      engine.createExecutionContext(nvinfer1::ExecutionContextAllocationStrategy::kUSER_MANAGED));
  const auto bytes = static_cast<size_t>(engine.getDeviceMemorySizeV2());
#endif
  if (!context) throw Error(Code::engine, "TensorRT cannot run a network: " + log.take("no context"));
  if (scratch_.hold(bytes)) ++generation;
  lend(*context);
  return context;
}

void TrtContext::lend(nvinfer1::IExecutionContext& context) const {
#if NV_TENSORRT_MAJOR < 10
  context.setDeviceMemory(scratch_.device<void>());
#else
  context.setDeviceMemoryV2(scratch_.device<void>(), static_cast<int64_t>(scratch_.size()));
#endif
}

void TrtContext::note(const std::string& text) { notes.push_back(text); }

}  // namespace facelatch
