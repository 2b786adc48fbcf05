// One network on the GPU through enqueueV3, which TensorRT 8.5 to 11 share.
#include "engine_tensorrt.h"

#include <algorithm>
#include <cstring>

#include "engine_module.h"

namespace facelatch {
namespace {

/// Device memory and its page-locked mirror, which alone is copied without a detour. Grows and never shrinks: shapes
/// come again with every frame.
class Buffer {
 public:
  Buffer() = default;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() { release(); }

  void hold(size_t bytes) {
    if (bytes <= size_) return;
    release();
    checkCuda(cudaMalloc(&device_, bytes), "take device memory");
    checkCuda(cudaHostAlloc(&host_, bytes, cudaHostAllocDefault), "take page-locked memory");
    size_ = bytes;
  }
  void* device() const { return device_; }
  float* host() const { return static_cast<float*>(host_); }

 private:
  void release() {
    cudaFree(device_);
    cudaFreeHost(host_);
    device_ = host_ = nullptr;
    size_ = 0;
  }

  void* device_ = nullptr;
  void* host_ = nullptr;
  size_t size_ = 0;
};

std::vector<int64_t> shapeOf(const nvinfer1::Dims& dims) {
  return {dims.d, dims.d + std::max<int32_t>(dims.nbDims, 0)};
}

struct Slot {
  std::string name;
  Buffer buffer;
};

class TensorRtEngine : public Engine {
 public:
  TensorRtEngine(std::shared_ptr<TrtContext> shared, const std::string& path, const ModelSpec& spec)
      : shared_(std::move(shared)), path_(path), engine_(shared_->engineFor(path, spec)) {
    check(spec);
    context_.reset(engine_->createExecutionContext());
    if (!context_)
      throw Error(Code::modelLoad, "TensorRT cannot run model " + path_ + ": " + shared_->log.take("no context"));
    // Kernels are loaded at first use; a driver that cannot run them says so now, while there is a CPU to fall back to.
    Tensor input;
    std::vector<Tensor> outputs;
    std::vector<int64_t> usual = spec.range.usual;
    if (batch_ > 0) usual[0] = batch_;
    input.reshape(usual);
    run(input, outputs);
  }

  int64_t batch() const override { return batch_; }

  void run(const Tensor& input, std::vector<Tensor>& outputs) override {
    nvinfer1::Dims dims{};
    dims.nbDims = static_cast<int32_t>(input.shape.size());
    for (size_t i = 0; i < input.shape.size(); ++i) {
      if (input.shape[i] < least_[i] || input.shape[i] > most_[i]) {
        throw Error(Code::engine, "a picture makes an input of " + shapeText(input.shape) + " for " + path_ +
                                      ", whose plan takes " + shapeText(least_) + " to " + shapeText(most_) +
                                      "; lower the camera's size or raise recognizer.minFace");
      }
      dims.d[i] = static_cast<std::decay_t<decltype(dims.d[0])>>(input.shape[i]);
    }
    const size_t bytes = input.values.size() * sizeof(float);
    input_.buffer.hold(bytes);
    std::memcpy(input_.buffer.host(), input.values.data(), bytes);
    checkCuda(
        cudaMemcpyAsync(input_.buffer.device(), input_.buffer.host(), bytes, cudaMemcpyHostToDevice, shared_->stream),
        "copy a network's input");
    require(context_->setInputShape(input_.name.c_str(), dims) &&
            context_->setTensorAddress(input_.name.c_str(), input_.buffer.device()));
    outputs.resize(outputs_.size());
    for (size_t i = 0; i < outputs_.size(); ++i) {
      outputs[i].reshape(shapeOf(context_->getTensorShape(outputs_[i]->name.c_str())));
      outputs_[i]->buffer.hold(std::max<size_t>(outputs[i].values.size() * sizeof(float), sizeof(float)));
      require(context_->setTensorAddress(outputs_[i]->name.c_str(), outputs_[i]->buffer.device()));
    }
    require(context_->enqueueV3(shared_->stream));
    for (size_t i = 0; i < outputs_.size(); ++i) {
      Buffer& buffer = outputs_[i]->buffer;
      checkCuda(cudaMemcpyAsync(buffer.host(), buffer.device(), outputs[i].values.size() * sizeof(float),
                                cudaMemcpyDeviceToHost, shared_->stream),
                "copy a network's output");
    }
    checkCuda(cudaStreamSynchronize(shared_->stream), "run a network");
    for (size_t i = 0; i < outputs_.size(); ++i) {
      std::memcpy(outputs[i].values.data(), outputs_[i]->buffer.host(), outputs[i].values.size() * sizeof(float));
    }
  }

 private:
  void check(const ModelSpec& spec) {
    std::vector<std::string> inputs, outputs;
    for (int32_t i = 0; i < engine_->getNbIOTensors(); ++i) {
      const char* name = engine_->getIOTensorName(i);
      const bool in = engine_->getTensorIOMode(name) == nvinfer1::TensorIOMode::kINPUT;
      (in ? inputs : outputs).emplace_back(name);
    }
    if (inputs.size() != 1) refuse("it has " + std::to_string(inputs.size()) + " inputs, not one");
    input_.name = match(spec.input, "input", inputs);
    const int64_t first = engine_->getTensorShape(input_.name.c_str()).d[0];
    batch_ = first > 0 ? first : -1;
    using Select = nvinfer1::OptProfileSelector;
    least_ = shapeOf(engine_->getProfileShape(input_.name.c_str(), 0, Select::kMIN));
    most_ = shapeOf(engine_->getProfileShape(input_.name.c_str(), 0, Select::kMAX));
    if (least_ != spec.range.least || most_ != spec.range.most) {
      const bool frozen = batch_ > 0 && spec.input.shape[0] == 0;
      if (!frozen) refuse("its input " + input_.name + " cannot change its shape");
    }
    for (const TensorSpec& output : spec.outputs) {
      outputs_.push_back(std::make_unique<Slot>());
      outputs_.back()->name = match(output, "output", outputs);
    }
    // Every output needs an address, also one that nobody reads.
    for (const std::string& name : outputs) {
      const bool known =
          std::any_of(outputs_.begin(), outputs_.end(), [&](const auto& slot) { return slot->name == name; });
      if (!known) refuse("it has an output named " + name + " that nothing reads");
    }
  }

  std::string match(const TensorSpec& spec, const std::string& kind, const std::vector<std::string>& names) const {
    if (spec.name.empty() && names.size() != 1) refuse("it has more than one " + kind);
    const auto found = spec.name.empty() ? names.begin() : std::find(names.begin(), names.end(), spec.name);
    if (found == names.end()) refuse("it has no " + kind + " named " + spec.name);
    if (engine_->getTensorDataType(found->c_str()) != nvinfer1::DataType::kFLOAT) {
      refuse(kind + " " + *found + " is not of 32-bit floats");
    }
    const std::vector<int64_t> shape = shapeOf(engine_->getTensorShape(found->c_str()));
    bool fits = shape.size() == spec.shape.size();
    for (size_t i = 0; fits && i < shape.size(); ++i) {
      // Free in the file and in one size only in the profile is fixed here.
      fits = spec.shape[i] <= 0 || shape[i] < 0 || shape[i] == spec.shape[i];
    }
    if (!fits) refuse(kind + " " + *found + " is of shape " + shapeText(shape) + ", not " + shapeText(spec.shape));
    return *found;
  }

  void require(bool went) {
    if (!went) {
      throw Error(Code::engine, "inference with " + path_ + " failed: " + shared_->log.take("TensorRT said nothing") +
                                    "; check the model with: facelatch models verify");
    }
  }

  [[noreturn]] void refuse(const std::string& why) const {
    throw Error(Code::modelLoad, "cannot use model " + path_ + ": " + why + "; run: facelatch models verify");
  }

  std::shared_ptr<TrtContext> shared_;
  std::string path_;
  std::unique_ptr<nvinfer1::ICudaEngine> engine_;
  std::unique_ptr<nvinfer1::IExecutionContext> context_;
  int64_t batch_ = -1;
  std::vector<int64_t> least_, most_;
  Slot input_;
  std::vector<std::unique_ptr<Slot>> outputs_;
};

class TensorRtFactory : public EngineFactory {
 public:
  explicit TensorRtFactory(const TensorRtOptions& options) : shared_(std::make_shared<TrtContext>(options)) {}

  std::unique_ptr<Engine> load(const std::string& path, const ModelSpec& spec) override {
    return std::make_unique<TensorRtEngine>(shared_, path, spec);
  }
  std::string description() const override {
    return "TensorRT " + shared_->key.runtime + ", " + shared_->key.device + ", " +
           (shared_->half ? "FP16 (detector FP32)" : "FP32");
  }
  std::vector<std::string> notes() const override { return shared_->notes; }

 private:
  std::shared_ptr<TrtContext> shared_;
};

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

void TrtContext::note(const std::string& text) { notes.push_back(text); }

}  // namespace facelatch

extern "C" __attribute__((visibility("default"))) void FACELATCH_TENSORRT_ENTRY(
    const facelatch::TensorRtOptions& options, std::shared_ptr<facelatch::EngineFactory>& factory) {
  factory = std::make_shared<facelatch::TensorRtFactory>(options);
}
