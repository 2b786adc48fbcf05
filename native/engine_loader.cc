#include <dlfcn.h>
#include <sys/stat.h>

#include "engine_module.h"
#include "error.h"

#define FACELATCH_TEXT_OF(name) #name
#define FACELATCH_TEXT(name) FACELATCH_TEXT_OF(name)

namespace facelatch {
namespace {

bool exists(const std::string& path) {
  struct stat info {};
  return stat(path.c_str(), &info) == 0;
}

std::string moduleOf(const TensorRtOptions& options) {
  if (!options.module.empty()) return options.module;
  Dl_info self{};
  std::string here;
  if (dladdr(reinterpret_cast<const void*>(&tensorRt), &self) != 0 && self.dli_fname != nullptr) here = self.dli_fname;
  const size_t slash = here.rfind('/');
  return (slash == std::string::npos ? "." : here.substr(0, slash)) + "/facelatch-tensorrt.so";
}

/// The driver's nodes of a graphics card, and of a Jetson's GPU under JetPack 5 and 6.
bool driverPresent() {
  return exists("/dev/nvidiactl") || exists("/dev/nvhost-ctrl-gpu") || exists("/dev/nvgpu/igpu0");
}

}  // namespace

bool tensorRtExpected(const TensorRtOptions& options) { return exists(moduleOf(options)) || driverPresent(); }

std::shared_ptr<EngineFactory> tensorRt(const TensorRtOptions& options) {
  const std::string module = moduleOf(options);
  if (!exists(module)) {
    throw Error(Code::modelLoad,
                "this build has no TensorRT: " + module +
                    " is missing; install TensorRT and CUDA with their headers, then run npm run setup again");
  }
  // Never unloaded: CUDA leaves threads and exit handlers behind.
  void* library = dlopen(module.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (library == nullptr) {
    throw Error(Code::modelLoad, "cannot load TensorRT: " + oneLine(dlerror()) +
                                     "; install the TensorRT this was built with, or build again");
  }
  const auto entry = reinterpret_cast<FacelatchTensorRtEntry>(dlsym(library, FACELATCH_TEXT(FACELATCH_TENSORRT_ENTRY)));
  if (entry == nullptr) {
    throw Error(Code::modelLoad, module + " is of another version of facelatch; run npm run setup again");
  }
  std::shared_ptr<EngineFactory> factory;
  entry(options, factory);
  return factory;
}

}  // namespace facelatch
