#define ORT_API_MANUAL_INIT
#include <onnxruntime_cxx_api.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <mutex>
#include <thread>

#include "engine.h"
#include "error.h"
#include "memory_file.h"
#include "prelu.h"

#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace facelatch {
namespace {

/// From 1.30 on the runtime's library for Linux tells Microsoft of every session, through a database below ~/.cache,
/// unless this is set before its environment is made. Now, since other threads may read variables by then. A door tells
/// nobody.
[[maybe_unused]] const int telemetryOff = setenv("ORT_DISABLE_TELEMETRY", "1", 1);

/// Denormal weights made a network five times slower. The runtime's own switch covers its pool but not the thread that
/// calls Run, which computes too; that one belongs to libuv and gets its state back.
class DenormalsOff {
 public:
#if defined(__SSE2__)
  DenormalsOff() : saved_(_mm_getcsr()) { _mm_setcsr(saved_ | 0x8040); }
  ~DenormalsOff() { _mm_setcsr(saved_); }

 private:
  unsigned saved_;
#elif defined(__aarch64__)
  DenormalsOff() {
    asm volatile("mrs %0, fpcr" : "=r"(saved_));
    set(saved_ | (1ull << 24));
  }
  ~DenormalsOff() { set(saved_); }

 private:
  static void set(uint64_t value) { asm volatile("msr fpcr, %0" : : "r"(value)); }
  uint64_t saved_;
#endif
};

void initialiseApi() {
  static std::once_flag once;
  std::call_once(once, [] {
    const OrtApi* api = OrtGetApiBase()->GetApi(ORT_API_VERSION);
    if (api == nullptr) {
      throw Error(Code::modelLoad,
                  "ONNX Runtime " + onnxRuntimeVersion() +
                      " is older than the headers this was built with; run npm install and build again");
    }
    Ort::InitApi(api);
  });
}

/// The runtime allows one environment a process. It lives while a factory or an engine holds it.
struct Environment {
  explicit Environment(int threads) : threads(threads) {
    Ort::ThreadingOptions options;
    options.SetGlobalIntraOpNumThreads(threads);
    options.SetGlobalInterOpNumThreads(1);
    // Idle threads of a pool that spin take the cores the camera and the other networks need.
    options.SetGlobalSpinControl(0);
    options.SetGlobalDenormalAsZero();
    env = Ort::Env(options, ORT_LOGGING_LEVEL_FATAL, "facelatch");
    env.DisableTelemetryEvents();
    // One arena for all nets, since one runs at a time; it grows by what is asked for, not to the next power of two.
    constexpr int byDefault = -1, asRequested = 1;
    const Ort::ArenaCfg arena(0, asRequested, byDefault, byDefault);
    env.CreateAndRegisterAllocator(Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault), arena);
  }

  int threads;
  Ort::Env env{nullptr};
};

std::shared_ptr<Environment> sharedEnvironment(int threads) {
  static std::mutex mutex;
  static auto& current =
      *new std::weak_ptr<Environment>;  // never destroyed: threads may outlive static objects at exit
  const std::lock_guard<std::mutex> lock(mutex);
  std::shared_ptr<Environment> environment = current.lock();
  if (!environment) {
    environment = std::make_shared<Environment>(threads);
    current = environment;
  }
  return environment;
}

class OnnxRuntimeEngine : public TensorEngine {
 public:
  OnnxRuntimeEngine(std::shared_ptr<Environment> environment, const std::string& path, const ModelSpec& spec)
      : environment_(std::move(environment)), path_(path) {
    start(path);
    check(spec);
  }

  int64_t batch() const override { return batch_; }

  void run(const Tensor& input, std::vector<Tensor>& outputs) override {
    const DenormalsOff guard;
    const char* inputName = inputName_.c_str();
    std::vector<const char*> outputNames;
    for (const std::string& name : outputNames_) outputNames.push_back(name.c_str());
    try {
      const Ort::Value value =
          Ort::Value::CreateTensor<float>(memory_, const_cast<float*>(input.values.data()), input.values.size(),
                                          input.shape.data(), input.shape.size());
      const std::vector<Ort::Value> results =
          session_.Run(Ort::RunOptions{nullptr}, &inputName, &value, 1, outputNames.data(), outputNames.size());
      outputs.resize(results.size());
      for (size_t i = 0; i < results.size(); ++i) {
        outputs[i].reshape(results[i].GetTensorTypeAndShapeInfo().GetShape());
        const float* data = results[i].GetTensorData<float>();
        std::copy(data, data + outputs[i].values.size(), outputs[i].values.begin());
      }
    } catch (const Ort::Exception& error) {
      throw Error(Code::engine, "inference with " + path_ + " failed: " + oneLine(error.what()) +
                                    "; check the model with: facelatch models verify");
    }
  }

 private:
  static Ort::SessionOptions sessionOptions(GraphOptimizationLevel level) {
    Ort::SessionOptions options;
    options.DisablePerSessionThreads();
    options.SetGraphOptimizationLevel(level);
    options.SetExecutionMode(ORT_SEQUENTIAL);
    // Plans are kept per input shape and never dropped; batches and pyramids have many shapes.
    options.DisableMemPattern();
    options.AddConfigEntry("session.set_denormal_as_zero", "1");
    options.AddConfigEntry("session.use_env_allocators", "1");
    return options;
  }

  void start(const std::string& path) {
    Ort::SessionOptions options = sessionOptions(ORT_ENABLE_ALL);
    const MemoryFile optimised;
    const bool exchanging = optimised.usable() && hasPRelu(MappedFile(path).bytes());
    if (exchanging) options.SetOptimizedModelFilePath(optimised.path().c_str());
    session_ = Ort::Session(environment_->env, path.c_str(), options);
    if (!exchanging) return;
    const MappedFile written(optimised.path());
    const std::optional<std::string> exchanged = withOwnPRelu(written.bytes());
    if (!exchanged) return;
    Ort::SessionOptions own = sessionOptions(ORT_DISABLE_ALL);
    own.Add(preluDomain());
    try {
      session_ = Ort::Session(environment_->env, exchanged->data(), exchanged->size(), own);
    } catch (const Ort::Exception&) {
      // A graph of a kind that was not foreseen: slower, as it came.
    }
  }

  void check(const ModelSpec& spec) {
    Ort::AllocatorWithDefaultOptions allocator;
    std::vector<std::string> inputs, outputs;
    for (size_t i = 0; i < session_.GetInputCount(); ++i) {
      inputs.emplace_back(session_.GetInputNameAllocated(i, allocator).get());
    }
    for (size_t i = 0; i < session_.GetOutputCount(); ++i) {
      outputs.emplace_back(session_.GetOutputNameAllocated(i, allocator).get());
    }
    if (inputs.size() != 1) refuse("it has " + std::to_string(inputs.size()) + " inputs, not one");
    inputName_ = match(spec.input, "input", inputs, [this](size_t i) { return session_.GetInputTypeInfo(i); });
    batch_ = session_.GetInputTypeInfo(0).GetTensorTypeAndShapeInfo().GetShape().at(0);
    for (const TensorSpec& output : spec.outputs) {
      outputNames_.push_back(
          match(output, "output", outputs, [this](size_t i) { return session_.GetOutputTypeInfo(i); }));
    }
  }

  std::string match(const TensorSpec& spec, const std::string& kind, const std::vector<std::string>& names,
                    const std::function<Ort::TypeInfo(size_t)>& typeOf) {
    size_t index = 0;
    while (index < names.size() && !spec.name.empty() && names[index] != spec.name) ++index;
    if (index == names.size()) refuse("it has no " + kind + " named " + (spec.name.empty() ? "anything" : spec.name));
    if (spec.name.empty() && names.size() != 1) refuse("it has more than one " + kind);
    const Ort::TypeInfo type = typeOf(index);
    const std::string subject = kind + " " + names[index];
    if (type.GetONNXType() != ONNX_TYPE_TENSOR) refuse(subject + " is no tensor");
    const auto info = type.GetTensorTypeAndShapeInfo();
    if (info.GetElementType() != ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT) refuse(subject + " is not of 32-bit floats");
    const std::vector<int64_t> shape = info.GetShape();
    bool fits = shape.size() == spec.shape.size();
    for (size_t i = 0; fits && i < shape.size(); ++i) {
      fits = spec.shape[i] == 0 || shape[i] < 0 || shape[i] == spec.shape[i];
    }
    if (!fits) refuse(subject + " is of shape " + shapeText(shape) + ", not " + shapeText(spec.shape));
    return names[index];
  }

  [[noreturn]] void refuse(const std::string& why) const {
    throw Error(Code::modelLoad, "cannot use model " + path_ + ": " + why + "; run: facelatch models verify");
  }

  std::shared_ptr<Environment> environment_;
  std::string path_;
  Ort::Session session_{nullptr};
  Ort::MemoryInfo memory_ = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
  int64_t batch_ = -1;
  std::string inputName_;
  std::vector<std::string> outputNames_;
};

class OnnxRuntimeFactory : public EngineFactory {
 public:
  explicit OnnxRuntimeFactory(int threads) : environment_(sharedEnvironment(threads)) {}

  std::unique_ptr<Engine> load(const std::string& path, const ModelSpec& spec) override {
    struct stat info {};
    const std::string what = "cannot load model " + path + ": ";
    if (stat(path.c_str(), &info) != 0) {
      throw Error(Code::modelLoad, what + std::strerror(errno) + "; run: facelatch models install");
    }
    if (!S_ISREG(info.st_mode))
      throw Error(Code::modelLoad, what + "not a file; check recognizer in the configuration");
    if (info.st_size == 0) throw Error(Code::modelLoad, what + "the file is empty; run: facelatch models verify");
    try {
      return std::make_unique<OnnxRuntimeEngine>(environment_, path, spec);
    } catch (const Ort::Exception& error) {
      throw Error(Code::modelLoad, what + oneLine(error.what()) + "; run: facelatch models verify");
    }
  }

  std::string description() const override {
    return "ONNX Runtime " + onnxRuntimeVersion() + ", CPU, " + std::to_string(environment_->threads) +
           (environment_->threads == 1 ? " thread" : " threads");
  }

 private:
  std::shared_ptr<Environment> environment_;
};

}  // namespace

std::shared_ptr<EngineFactory> onnxRuntime(int threads) {
  initialiseApi();
  try {
    return std::make_shared<OnnxRuntimeFactory>(
        threads > 0 ? threads : std::max(1, static_cast<int>(std::thread::hardware_concurrency())));
  } catch (const Ort::Exception& error) {
    throw Error(Code::modelLoad, "cannot start ONNX Runtime: " + oneLine(error.what()) +
                                     "; load no other ONNX Runtime into this process");
  }
}

std::string onnxRuntimeVersion() { return OrtGetApiBase()->GetVersionString(); }

}  // namespace facelatch
